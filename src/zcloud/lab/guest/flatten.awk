# Flattens the block YAML of a seed into lines of "path<TAB>value": a.b[].c<TAB>value.
# Understands nested maps, lists, quoted and folded plain scalars, block scalars, flow lists and flow
# maps of scalars: what a YAML library writes for cloud-init.

function unquoted(v) {
    if (v ~ /^'.*'$/) {
        v = substr(v, 2, length(v) - 2)
        gsub(/''/, "'", v)
    } else if (v ~ /^".*"$/) {
        v = substr(v, 2, length(v) - 2)
        gsub(/\\"/, "\"", v)
    }
    return v
}

function emit(    v, n, i, parts) {
    if (!pending) return
    pending = 0
    v = value
    if (v ~ /^\[.*\]$/) {
        v = substr(v, 2, length(v) - 2)
        n = split(v, parts, / *, */)
        for (i = 1; i <= n; i++) if (parts[i] != "") print where "[]\t" unquoted(parts[i])
    } else if (v ~ /^\{.*\}$/) {
        v = substr(v, 2, length(v) - 2)
        n = split(v, parts, / *, */)
        for (i = 1; i <= n; i++) if (match(parts[i], /: +/))
            print where "." unquoted(substr(parts[i], 1, RSTART - 1)) "\t" unquoted(substr(parts[i], RSTART + RLENGTH))
    } else print where "\t" unquoted(v)
}

# The path of all open levels.
function path(    i, p) {
    p = ""
    for (i = 1; i <= depth; i++) p = p (part[i] == "[]" || p == "" ? "" : ".") part[i]
    return p
}

function open_level(at, name) {
    depth++
    indent[depth] = at
    part[depth] = name
}

function close_levels(at, is_item) {
    while (depth > 0 && (indent[depth] > at || (indent[depth] == at && !(is_item && part[depth] != "[]")))) depth--
}

function hold(v) {
    where = path()
    value = v
    pending = (v != "" && v !~ /^[|>][-+]?$/)
    block = (v ~ /^[|>][-+]?$/) ? 1 : 0
}

/^[ \t]*$/ || /^[ \t]*#/ || /^---/ { next }

{
    sub(/\r$/, "")
    match($0, /^ */)
    at = RLENGTH
    rest = substr($0, at + 1)

    # The lines of a block scalar become one value each.
    if (block && at > (depth ? indent[depth] : 0)) { print where "\t" rest; next }
    block = 0

    item = rest ~ /^-( |$)/
    key = rest ~ /^("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+):( |$)/
    if (!item && !key) {
        if (pending) value = value " " rest
        next
    }
    emit()
    while (rest ~ /^-( |$)/) {
        close_levels(at, 1)
        open_level(at, "[]")
        match(rest, /^- */)
        at += RLENGTH
        rest = substr(rest, RLENGTH + 1)
        key = rest ~ /^("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+):( |$)/
        item_value = !key
    }
    if (item && item_value) { hold(rest); item_value = 0; next }
    close_levels(at, 0)
    match(rest, /:( |$)/)
    name = unquoted(substr(rest, 1, RSTART - 1))
    rest = substr(rest, RSTART + 1)
    sub(/^ +/, "", rest)
    open_level(at, name)
    hold(rest)
}

END { emit() }
