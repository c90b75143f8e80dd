"""The disk, kernel and initramfs of a nested host: a whole Debian or Ubuntu with systemd that boots in QEMU.

Its packages are those that the caller names (as an operator would install them) and those that make it a machine.
It has no bootloader: QEMU starts the kernel, and an initramfs of ours finds the disk.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from zcloud.imagebuild import plan
from zcloud.imagebuild.build import find_recipe, install_packages
from zcloud.imagebuild.cache import DEFAULT_CACHE, cached
from zcloud.imagebuild.commands import Command, require_root, run
from zcloud.imagebuild.initramfs import Archive
from zcloud.imagebuild.kernel import Kernel
from zcloud.imagebuild.recipes import GIB, Recipe

DISK_BYTES = 16 * GIB  # sparse
ROOT_UUID = UUID("6c61622d-6e65-4374-8564-726f6f740001")

MACHINE = (
    "apparmor",  # confines guests, as both distributions have it
    "dbus",
    "libpam-systemd",  # user sessions, as on a real server
    "openssh-server",
    "openssh-sftp-server",
    "procps",
    "sudo",
    "systemd-sysv",
    "udev",
)
OWN = {  # what a distribution needs besides: a kernel, and what is required in the other one
    "debian": ("linux-image-amd64",),
    "ubuntu": ("linux-image-virtual", "apt"),
}

_MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")  # ext4 asks for crc32c by a name that no file has
_INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/lib/modules/$module.ko"; done </lib/modules/order
until [ -b /dev/vda ]; do $b usleep 20000; done
$b mount -t ext4 /dev/vda /root
$b mount -o move /dev /root/dev
exec $b switch_root /root /sbin/init
"""
_KEYS_UNIT = """[Unit]
Description=SSH host key of this machine
Before=ssh.service ssh.socket
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
"""
_FILES = {
    "etc/hostname": "nested\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 nested\n::1 localhost ip6-localhost\n",
    "etc/fstab": "/dev/vda / ext4 rw,discard 0 0\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
    "etc/systemd/network/10-uplink.network": "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n",
    "etc/systemd/system/lab-keys.service": _KEYS_UNIT,
}
_WANTED = ("lab-keys.service", "systemd-networkd.service", "ssh.service")
# Services that wait until a test starts them, and timers that would only disturb one.
_LEFT_OFF = (
    *(
        "iscsid.service",
        "nfs-server.service",
        "open-iscsi.service",
        "openvswitch-switch.service",
        "ovsdb-server.service",
    ),
    *("ovs-vswitchd.service", "rpcbind.service", "rpcbind.socket", "rtslib-fb-targetctl.service", "nfs-client.target"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("e2scrub_reap.service", "motd-news.timer", "systemd-networkd-wait-online.service"),
)
_MASKED = ("netplan-ovs-cleanup.service",)  # it starts Open vSwitch at every boot
_UNWANTED = ("etc/ssh/ssh_host_*", "etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap")


@dataclass(frozen=True, slots=True)
class NestedImage:
    """What QEMU boots: a raw disk (never write to it: make an overlay), a kernel and an initramfs."""

    disk: Path
    kernel: Path
    initrd: Path


def nested_image(packages: Iterable[str], system: str = "debian-12", cache: Path = DEFAULT_CACHE) -> NestedImage:
    """Give the image of ``system`` with ``packages``, built when it is not cached (some minutes, as root).

    Raises InvalidInput (no such system), NeedsRoot, ToolMissing, MirrorUnreachable, DiskFull, BuildFailed.
    """
    recipe = nested_recipe(packages, system)
    text = repr((recipe, sorted(_FILES.items()), _WANTED, _LEFT_OFF, _MASKED, _UNWANTED, _MODULES, _INIT, DISK_BYTES))
    entry = cache / f"nested-{system}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if not entry.exists():
        require_root()
    cached(entry, lambda directory: _build(recipe, directory))
    return NestedImage(entry / "disk.raw", entry / "vmlinuz", entry / "initrd")


def nested_recipe(packages: Iterable[str], system: str) -> Recipe:
    """Give the recipe of a nested host: the system's own sources and keys, but our packages."""
    base = find_recipe(system)
    wanted = {*packages, *MACHINE, *OWN[base.family]}
    return replace(base, name=f"nested-{system}", packages=tuple(sorted(wanted)), disk_bytes=DISK_BYTES)


def initramfs(kernel: Kernel, busybox: bytes) -> Archive:
    """Give the initramfs that mounts the disk and goes on with its init."""
    archive = Archive()
    archive.add_file("/bin/busybox", busybox, 0o755)
    archive.add_file("/init", _INIT.encode(), 0o755)
    for directory in ("/dev", "/root"):
        archive.add_directory(directory)
    modules = kernel.modules(_MODULES)
    for module in modules:
        archive.add_file(f"/lib/modules/{module.name}.ko", module.content)
    archive.add_file("/lib/modules/order", "".join(f"{module.name}\n" for module in modules).encode())
    return archive


def _build(recipe: Recipe, directory: Path) -> None:
    work = directory / "work"
    tree = work / "tree"
    (work).mkdir()
    directory.chmod(0o755)  # apt's own user reads below it
    install_packages(recipe, tree, work)
    _finish(tree, _FILES)
    kernel = _kernel_of(tree)
    (directory / "initrd").write_bytes(initramfs(kernel, _busybox_of(tree)).build_gzip())
    shutil.copyfile(kernel.vmlinuz, directory / "vmlinuz")
    run(Command(plan.mke2fs_argv(str(tree), str(directory / "disk.raw"), str(ROOT_UUID), DISK_BYTES)))
    shutil.rmtree(work)


def _finish(tree: Path, files: Mapping[str, str]) -> None:
    for pattern in _UNWANTED:
        for path in tree.glob(pattern):
            path.unlink()
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a link there must not lead the write out of the tree
        path.write_text(text)
        path.chmod(0o644)
    units = tree / "etc/systemd/system"
    for link in units.glob("*.wants/*"):
        if link.name in _LEFT_OFF:
            link.unlink()
    for unit in _MASKED:
        _link(units / unit, "/dev/null")
    for unit in _WANTED:
        place = "/etc" if f"etc/systemd/system/{unit}" in files else "/lib"
        _link(units / "multi-user.target.wants" / unit, f"{place}/systemd/system/{unit}")


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _kernel_of(tree: Path) -> Kernel:
    (modules,) = (
        (tree / "usr/lib/modules").iterdir() if (tree / "lib").is_symlink() else (tree / "lib/modules").iterdir()
    )
    return Kernel(modules.name, tree / f"boot/vmlinuz-{modules.name}", modules)


def _busybox_of(tree: Path) -> bytes:
    names = ("usr/bin/busybox", "bin/busybox")
    return next(path for name in names if (path := tree / name).is_file()).read_bytes()
