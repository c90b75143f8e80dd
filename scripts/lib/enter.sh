#!/bin/sh
# enter.sh ROOT COMMAND...: run a command in another system's root. For a mount namespace of one's own (tools/elsewhere.py).
set -eu
root=$1
shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
hostname elsewhere
exec chroot "$root" "$@"
