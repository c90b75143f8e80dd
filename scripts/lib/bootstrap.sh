# shellcheck shell=bash
# Makes a fresh Debian or Ubuntu able to run zcloud: missing packages, then a locked venv.
# Source it and call `bootstrap run` or `bootstrap test`. Every part is skipped when it is done
# already, so that a second call costs well under a second.

BOOTSTRAP_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
BOOTSTRAP_VENV="$BOOTSTRAP_ROOT/.venv"
BOOTSTRAP_PYTHON=/usr/bin/python3 # the one that the distribution's libvirt module fits
export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# quietly COMMAND...: run COMMAND and show the end of its output only if it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || status=$?
  [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
  rm -f "$log"
  return "$status"
}

# part TEXT COMMAND...: run COMMAND between a line that says what begins and one with its seconds.
part() {
  local text=$1 begun=${EPOCHREALTIME//[!0-9]/} spent
  shift
  say "$text ..."
  quietly "$@" || die "$text did not work (see above)."
  spent=$((${EPOCHREALTIME//[!0-9]/} - begun))
  say "$text: $((spent / 1000000)).$((spent / 100000 % 10)) s"
}

# bootstrap run|test: everything below, in order.
bootstrap() {
  local purpose=$1 family lists=() lock
  family=$(system_family) || exit 1
  local packages="$BOOTSTRAP_ROOT/scripts/lib/packages/$family"
  case $purpose in
    run) lists=("$packages.run") lock=server ;;
    test) lists=("$packages.run" "$packages.test") lock=dev ;;
    *) die "bootstrap takes run or test, not '$purpose'" ;;
  esac
  install_packages "${lists[@]}"
  make_venv
  install_lock "$lock"
  link_project
  link_libvirt
}

# system_family: print debian or ubuntu.
system_family() {
  # shellcheck source=/dev/null
  local family
  for family in $(. /etc/os-release && printf '%s %s' "${ID:-}" "${ID_LIKE:-}"); do
    case $family in
      debian | ubuntu) printf '%s' "$family" && return ;;
    esac
  done
  die "this needs Debian 12 or Ubuntu 24.04 (or a later one)"
}

# missing_packages LIST...: print the packages of the lists that are not installed.
missing_packages() {
  local wanted installed package
  wanted=$(sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$@")
  # shellcheck disable=SC2016,SC2086 # dpkg's own placeholders; one word per package
  installed=$(dpkg-query -W -f='=${db:Status-Status}:${Package}:\n' $wanted 2>/dev/null || true)
  for package in $wanted; do
    case $installed in
      *"=installed:$package:"*) ;;
      *) printf '%s\n' "$package" ;;
    esac
  done
}

install_packages() {
  local missing
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  say "Missing packages: $(printf '%s' "$missing" | tr '\n' ' ')"
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || die "installing them needs root or sudo"
  part "Reading the package lists" refresh_package_lists
  # shellcheck disable=SC2086 # one word per package
  part "Installing the packages" apt_get -o Dpkg::Use-Pty=0 install --yes --no-install-recommends $missing
  missing=$(missing_packages "$@")
  [ -z "$missing" ] || die "still missing: $(printf '%s' "$missing" | tr '\n' ' ')"
}

# One broken third-party source must not stop the rest: what is really missing shows in the next part.
refresh_package_lists() { apt_get update || true; }

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# The venv belongs to the distribution's Python; another one, or another version, means a new venv.
make_venv() {
  "$BOOTSTRAP_PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "Python 3.11 or later is needed; $BOOTSTRAP_PYTHON is $("$BOOTSTRAP_PYTHON" -V)"
  venv_is_right && return 0
  part "Making the venv with $BOOTSTRAP_PYTHON" "$BOOTSTRAP_PYTHON" -m venv --clear "$BOOTSTRAP_VENV"
  venv_is_right || die "$BOOTSTRAP_VENV is not a venv of $BOOTSTRAP_PYTHON"
}

venv_is_right() {
  [ -f "$BOOTSTRAP_VENV/pyvenv.cfg" ] || return 1
  grep -qx 'home = /usr/bin' "$BOOTSTRAP_VENV/pyvenv.cfg" || return 1
  [ -x "$BOOTSTRAP_VENV/bin/pip" ] && [ -d "$(site_packages)" ]
}

# site_packages: print the venv's own directory of packages, for the Python that is there now.
site_packages() {
  "$BOOTSTRAP_PYTHON" -c 'import sys; print("%s/lib/python%d.%d/site-packages" % (sys.argv[1], *sys.version_info[:2]))' \
    "$BOOTSTRAP_VENV"
}

# install_lock NAME: install requirements/NAME.lock unless that very file was installed already.
# dev.lock holds all of server.lock in the same versions.
install_lock() {
  local stamps="$BOOTSTRAP_VENV/locks" name
  mkdir -p "$stamps"
  for name in "$1" dev; do
    cmp -s "$BOOTSTRAP_ROOT/requirements/$name.lock" "$stamps/$name" && return 0
  done
  part "Installing the Python packages of $1.lock" \
    "$BOOTSTRAP_VENV/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --requirement "$BOOTSTRAP_ROOT/requirements/$1.lock"
  rm -f "$stamps"/*
  cp "$BOOTSTRAP_ROOT/requirements/$1.lock" "$stamps/$1"
}

# The checkout itself: a path entry and the command. Nothing is built.
link_project() {
  write_if_changed "$(site_packages)/zcloud.pth" "$BOOTSTRAP_ROOT/src"
  # sh starts Python, because a kernel's #! line allows neither blanks nor long paths.
  write_if_changed "$BOOTSTRAP_VENV/bin/zcloud" "#!/bin/sh
'''exec' \"$BOOTSTRAP_VENV/bin/python\" \"\$0\" \"\$@\"
' '''
import sys

from zcloud.cli import main

sys.exit(main())"
  [ -x "$BOOTSTRAP_VENV/bin/zcloud" ] || chmod 0755 "$BOOTSTRAP_VENV/bin/zcloud"
}

write_if_changed() {
  if [ ! -f "$1" ] || [ "$(cat "$1")" != "$2" ]; then
    printf '%s\n' "$2" >"$1"
  fi
}

# link_libvirt: link the distribution's module into the venv, as nothing else fits its libvirt.
link_libvirt() {
  local file target
  target=$(site_packages)
  dpkg-query -L python3-libvirt | grep -E '/dist-packages/libvirt[^/]*\.(py|so)$' | while read -r file; do
    [ "$(readlink "$target/${file##*/}")" = "$file" ] || ln -sfn "$file" "$target/"
  done
  "$BOOTSTRAP_VENV/bin/python" -c 'import libvirt' || die "the venv cannot import libvirt"
}
