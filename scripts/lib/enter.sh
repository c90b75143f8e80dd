#!/bin/sh
# enter.sh ROOT COMMAND...: run a command in another system's root. For a mount namespace of one's own (tools/elsewhere.py).
set -eu
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root" # a root that is a mount: libvirt makes its guests' mounts private from there
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
hostname elsewhere
cd "$root"
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
exec "$@"
