# What the tiny guest's init and its hotplug handler share.

FLAT=/run/seed          # the seed's files as lines of "path<TAB>value"
PARTS=/run/user-data
DATASOURCE=DataSourceNone

# say WORDS: a line on the console with the seconds since the kernel started.
say() {
    read -r up idle </proc/uptime
    echo "$* up=$up" >/dev/console
}

load_modules() {
    while read -r module; do insmod "/lib/modules/$module.ko" 2>/dev/null; done </lib/modules/order
    for alias in /sys/bus/virtio/devices/*/modalias; do
        [ -e "$alias" ] && load_for "$(cat "$alias")"
    done
}

# load_for MODALIAS: the driver of one virtio device (virtio specification, section 5: device ids).
load_for() {
    case $1 in
        virtio:d00000001v*) set -- failover net_failover virtio_net ;;
        virtio:d00000002v*) set -- virtio_blk ;;
        virtio:d00000003v*) set -- virtio_console ;;
        virtio:d00000004v*) set -- virtio_rng ;;
        virtio:d00000005v*) set -- virtio_balloon ;;
        virtio:d00000008v*) set -- scsi_common scsi_mod virtio_scsi sd_mod cdrom sr_mod ;;
        *) return ;;
    esac
    for module; do
        [ -e "/lib/modules/$module.ko" ] && insmod "/lib/modules/$module.ko" 2>/dev/null
    done
}

# find_seed: mount the NoCloud seed, a disk whose ISO 9660 volume is called cidata, and flatten it.
find_seed() {
    mkdir -p $FLAT
    for block in /sys/block/vd* /sys/block/sr* /sys/block/sd*; do
        device=/dev/${block##*/}
        [ -b "$device" ] || continue
        # The volume's name is at byte 40 of sector 16 (ECMA-119, 8.4).
        label=$(dd if="$device" bs=8 skip=4101 count=4 2>/dev/null | tr -d ' \0' | tr A-Z a-z)
        [ "$label" = cidata ] || continue
        load_iso
        mount -t iso9660 -o ro "$device" /mnt || continue
        for file in meta-data network-config; do
            [ -e /mnt/$file ] && awk -f /lib/flatten.awk /mnt/$file >$FLAT/$file
        done
        split_user_data /mnt/user-data
        umount /mnt
        DATASOURCE="DataSourceNoCloud [seed=$device]"
        return
    done
}

# split_user_data FILE: the parts of a MIME message (in base64) or the file itself, as $PARTS/0, 1, ...
# The first part that sets something wins.
split_user_data() {
    mkdir -p $PARTS
    if [ "$(head -c 13 "$1")" = 'Content-Type:' ]; then
        awk -v parts=$PARTS '
            /^--==/ { number++; body = 0; next }
            body { print >(parts "/" number ".base64") }
            /^\r?$/ { body = 1 }' "$1"
        for part in $PARTS/*.base64; do base64 -d "$part" >"${part%.base64}" && rm "$part"; done
    else
        cp "$1" $PARTS/0
    fi
    for part in $PARTS/*; do
        case $(head -c 2 "$part") in '#!') ;; *) awk -f /lib/flatten.awk "$part" ;; esac
    done >$FLAT/user-data
}

load_iso() {
    for module in cdrom isofs; do
        [ -e "/lib/modules/$module.ko" ] && insmod "/lib/modules/$module.ko" 2>/dev/null
    done
}

# seed FILE PATTERN: the values of a flattened file whose path matches the awk pattern.
seed() {
    [ -e $FLAT/$1 ] && PATTERN=$2 awk -F '\t' '$1 ~ ENVIRON["PATTERN"] { print $2 }' $FLAT/$1
}

apply_names_and_users() {
    name=$(seed user-data '^hostname$' | head -n 1)
    [ -n "$name" ] || name=$(seed meta-data '^local-hostname$' | head -n 1)
    hostname "${name:-tiny}"
    echo "127.0.0.1 localhost $(hostname)" >/etc/hosts
    { seed user-data 'ssh_authorized_keys\[\]$'; seed meta-data '^public-keys\[\]$'; } >/root/.ssh/authorized_keys
    chmod 600 /root/.ssh/authorized_keys
    # Every user of the seed is root by another name: the guest is a stand-in, not a system.
    seed user-data '^users\[\]\.name$' | while read -r user; do
        [ "$user" = root ] || echo "$user:x:0:0::/root:/bin/sh" >>/etc/passwd
    done
}

apply_commands() {
    seed user-data '^runcmd\[\]$' >/run/runcmd
    [ -s /run/runcmd ] && sh /run/runcmd >/run/runcmd.log 2>&1
    for part in $PARTS/*; do
        case $(head -c 2 "$part" 2>/dev/null) in '#!') sh "$part" >"$part.log" 2>&1 ;; esac
    done
}

configure_all_nics() {
    for nic in /sys/class/net/eth*; do
        [ -e "$nic" ] && configure_nic "${nic##*/}"
    done
}

# configure_nic NAME: as network-config says for its MAC address or name, else by DHCP.
configure_nic() {
    ip link set "$1" up
    block=$(nic_block "$1" "$(cat "/sys/class/net/$1/address")")
    addresses=$(seed network-config "^$block\\.addresses\\[\\]\$")
    if [ -z "$block" ] || [ -z "$addresses" ]; then
        udhcpc -i "$1" -s /etc/udhcpc.sh -x "hostname:$(hostname)" -t 30 -T 1 -A 1 -b -S >/dev/null 2>&1 &
        return
    fi
    mtu=$(seed network-config "^$block\\.mtu\$")
    [ -n "$mtu" ] && ip link set "$1" mtu "$mtu"
    for address in $addresses; do ip addr add "$address" dev "$1"; done
    for gateway in $(seed network-config "^$block\\.gateway[46]\$"); do add_route default "$gateway" "$1"; done
    seed network-config "^$block\\.routes\\[\\]\\.(to|via)\$" | while read -r to && read -r via; do
        add_route "$to" "$via" "$1"
    done
    seed network-config "^$block\\.nameservers\\.addresses\\[\\]\$" | sed 's/^/nameserver /' >>/etc/resolv.conf
    say "TINY-STATIC $1 $(echo $addresses)"
}

# add_route TO VIA NIC
add_route() {
    case $2 in *:*) family=-6 ;; *) family=-4 ;; esac
    case $1 in 0.0.0.0/0 | ::/0) set -- default "$2" "$3" ;; esac
    ip $family route add "$1" via "$2" dev "$3"
}

# nic_block NAME MAC: the path of the network-config block for this NIC.
nic_block() {
    [ -e $FLAT/network-config ] || return
    awk -F '\t' -v nic="$1" -v mac="$2" '
        $1 ~ /ethernets\.[^.]+\.match\.macaddress$/ { matched = tolower($2); sub(/\.match\.macaddress$/, "", $1)
            has_mac[$1] = 1; if (matched == mac) found = $1 }
        $1 ~ /ethernets\.[^.]+\./ { name = $1; sub(/^.*ethernets\./, "", name); sub(/\..*/, "", name)
            path = $1; sub(/ethernets\..*/, "ethernets." name, path); if (name == nic) named = path }
        END { if (found) print found; else if (named && !has_mac[named]) print named }
    ' $FLAT/network-config
}

start_agent() {
    for port in /sys/class/virtio-ports/*; do
        [ "$(cat "$port/name" 2>/dev/null)" = org.qemu.guest_agent.0 ] || continue
        qemu-ga -d -m virtio-serial -p "/dev/${port##*/}" -f /run/qemu-ga.pid >/dev/null 2>&1
    done
}

watch_power_button() {
    for event in /sys/class/input/event*; do
        [ "$(cat "$event/device/name" 2>/dev/null)" = 'Power Button' ] || continue
        dd if="/dev/input/${event##*/}" of=/dev/null bs=24 count=1 2>/dev/null && /sbin/shutdown
    done
}

# write_results: what cloud-init leaves for those who ask whether it is done.
write_results() {
    echo "{\"v1\": {\"datasource\": \"$DATASOURCE\", \"errors\": []}}" >/run/cloud-init/result.json
    read -r up idle </proc/uptime
    cat >/run/cloud-init/status.json <<END
{"v1": {"datasource": "$DATASOURCE", "stage": null, "init": {"errors": [], "finished": $up}}}
END
}

# say_final_message: what cloud-init prints when it is through.
say_final_message() {
    seed user-data '^final_message$' | sed 's/\\n/\n/g' >/dev/console
}

# shell_on TERMINAL: an interactive root shell there, for ever.
shell_on() {
    while :; do
        setsid -c sh -l <"$1" >"$1" 2>&1
        sleep 1
    done
}
