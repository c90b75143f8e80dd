"""The inside of a namespace host: its root file system, its files, its network and its daemons.

The root is an overlay over the machine's own, so that a host has the machine's programs and may write
anywhere; ``/var/lib/libvirt`` and ``/var/lib/zcloud`` are on disk, ``/tmp``, ``/var/tmp`` and ``/dev``
are the machine's. Everything is gone when the mount namespace is.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.commands import Command, run
from zcloud.lab import cgroups

UPLINK, BRIDGE = "up0", "br0"
LIBVIRTD = ("libvirtd", "-d", "-l", "-p", "/run/libvirtd.pid")
SSHD = ("/usr/sbin/sshd", "-f", "/etc/ssh/sshd_config")
SSHD_PID = "/run/sshd.pid"
_SSHD_SECONDS = 20.0
_VIRTLOGD = ("virtlogd", "-d", "-p", "/run/virtlogd.pid")

_ON_DISK = ("var/lib/libvirt", "var/lib/zcloud")
_FROM_MACHINE = ("dev", "tmp", "var/tmp")
# What libvirtd of the machine itself left behind must not show up here.
_STALE = ("etc/libvirt", "etc/zcloud", "var/log/libvirt", "var/cache/libvirt", "root/.ssh", "etc/pki")
_LIBVIRT_DIRS = {  # as Debian's package makes them
    "boot": (0o711, "root"),
    "images": (0o711, "root"),
    "qemu": (0o750, "libvirt-qemu"),
    "sanlock": (0o700, "root"),
}


@dataclass(frozen=True)
class Plan:
    """What a host is to be.

    ``state`` is a directory of its own on a real disk; ``host_key`` a private key and ``authorized_key``
    a public line, both as OpenSSH writes them; ``hosts_file`` the text of /etc/hosts. ``kvm``: whether it has KVM.
    """

    name: str
    address: str
    gateway: str
    host_uuid: str
    state: str
    host_key: str
    authorized_key: str
    hosts_file: str
    kvm: bool


def build(plan: Plan) -> None:
    """Make the host's root and network inside fresh namespaces and move into it."""
    run(Command(("mount", "--make-rprivate", "/")))
    groups = cgroups.hierarchies()
    root = overlay(Path(plan.state))
    for name in _FROM_MACHINE:
        run(Command(("mount", "--bind", f"/{name}", str(root / name))))
    for name in ("pts", "shm"):
        run(Command(("mount", "--bind", f"/dev/{name}", str(root / "dev" / name))))
    if (root / "dev/kvm").exists():
        node = Path(plan.state) / "top/kvm"
        make_kvm_node(node, works=plan.kvm)
        run(Command(("mount", "--bind", str(node), str(root / "dev/kvm"))))
    run(Command(("mount", "-t", "proc", "proc", str(root / "proc"))))
    run(Command(("mount", "-t", "sysfs", "sysfs", str(root / "sys"))))
    run(Command(("mount", "-t", "tmpfs", "-o", "mode=755", "run", str(root / "run"))))
    _mount_huge_pages(root / "run/hugepages")
    run(Command(("mount", "-t", "tmpfs", "-o", "mode=755", "cgroup", str(root / "sys/fs/cgroup"))))
    cgroups.mount_again(groups, root)
    _write_files(root, plan)
    pivot(root)
    socket.sethostname(plan.name)
    _set_up_network(plan)


def start_daemons() -> None:
    """Start virtlogd, libvirtd and sshd; each listens when this returns."""
    for argv in (_VIRTLOGD, LIBVIRTD, SSHD):
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=2, check=True)
    await_sshd(Path(SSHD_PID))


def await_sshd(pid_file: Path) -> None:
    """Wait until sshd has written its PID: its parent ends before it listens, and the file comes after that."""
    deadline = time.monotonic() + _SSHD_SECONDS
    while not pid_file.exists():
        if time.monotonic() > deadline:
            raise BuildFailed(f"sshd does not listen within {_SSHD_SECONDS:.0f} s")
        time.sleep(0.01)


def overlay(state: Path) -> Path:
    """Mount a host's root below ``state``, without what the machine's own libvirt and zcloud left, and give it."""
    top, root, disk = state / "top", state / "root", state / "disk"
    for directory in (top, root, disk):
        directory.mkdir()
    # The writable layer may not lie below the lower one, unless on another file system.
    run(Command(("mount", "-t", "tmpfs", "-o", "mode=755", "top", str(top))))
    for name in ("upper", "work"):
        (top / name).mkdir()
    layers = f"lowerdir=/,upperdir={top}/upper,workdir={top}/work"
    run(Command(("mount", "-t", "overlay", "-o", layers, "root", str(root))))
    for name in _STALE:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in _ON_DISK:
        (root / name).mkdir(parents=True, exist_ok=True)
        (disk / name).mkdir(parents=True)
        run(Command(("mount", "--bind", str(disk / name), str(root / name))))
    return root


def make_kvm_node(node: Path, *, works: bool) -> None:
    """Make a ``/dev/kvm`` with the owner and mode that udev gives it, or one that is not KVM's.

    Where no udev runs it stays root's alone. libvirt's probe of QEMU then uses it and QEMU's user may not,
    so libvirt throws the probed capabilities away at every look: a start takes 17 s instead of 0.4 s.
    """
    # libvirt moves the node into each guest's own /dev, and can do so with devices only: this one is /dev/null's.
    mode, device = (0o660, Path("/dev/kvm").stat().st_rdev) if works else (0, Path("/dev/null").stat().st_rdev)
    os.mknod(node, stat.S_IFCHR | mode, device)
    node.chmod(mode)
    shutil.chown(node, "root", "kvm")


def _mount_huge_pages(target: Path) -> None:
    """Mount the kernel's huge pages, where it has them: libvirtd looks for them when it starts."""
    if "hugetlbfs" in Path("/proc/filesystems").read_text():
        target.mkdir()
        run(Command(("mount", "-t", "hugetlbfs", "hugetlbfs", str(target))))


def write_libvirt(root: Path) -> None:
    """Give the host libvirt's directories and configuration as its package makes them."""
    for name, (mode, owner) in _LIBVIRT_DIRS.items():
        _directory(root / "var/lib/libvirt" / name, mode)
        shutil.chown(root / "var/lib/libvirt" / name, owner, owner)
    for name in ("var/log/libvirt/qemu", "var/cache/libvirt"):
        _directory(root / name, 0o755)
    shutil.copytree("/etc/libvirt", root / "etc/libvirt", ignore=_definitions)


def _write_files(root: Path, plan: Plan) -> None:
    write_libvirt(root)
    for name in ("run/sshd", "run/lock", "run/libvirt", "etc/pki"):
        _directory(root / name, 0o755)
    _directory(root / "root/.ssh", 0o700)
    texts = {
        "etc/libvirt/libvirtd.conf": _libvirtd_conf(plan),
        "etc/ssh/sshd_config": _sshd_config(plan),
        "etc/ssh/lab_host_key": plan.host_key,
        "root/.ssh/authorized_keys": f"{plan.authorized_key}\n",
        "root/.bashrc": "",
        "etc/hostname": f"{plan.name}\n",
        "etc/hosts": plan.hosts_file,
        "etc/machine-id": f"{plan.host_uuid.replace('-', '')}\n",
    }
    for name, text in texts.items():
        (root / name).unlink(missing_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o600 if "key" in name else 0o644)


def _definitions(directory: str, names: list[str]) -> set[str]:
    """Tell which files of /etc/libvirt are the machine's own domains, networks and pools."""
    keep = {"qemu": {"networks"}, "qemu/networks": {"default.xml"}}
    below = str(Path(directory).relative_to("/etc/libvirt"))
    return set(names) - keep[below] if below in keep else set(names) & {"storage", "secrets"}


def _directory(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)


def _libvirtd_conf(plan: Plan) -> str:
    return (
        f'host_uuid = "{plan.host_uuid}"\n'
        'auth_unix_ro = "none"\nauth_unix_rw = "none"\nunix_sock_rw_perms = "0770"\n'
        'unix_sock_group = "libvirt"\n'
        'listen_tls = 0\nlisten_tcp = 1\nauth_tcp = "none"\n'
        'log_outputs = "3:file:/var/log/libvirt/libvirtd.log"\n'
    )


def _sshd_config(plan: Plan) -> str:
    return (
        f"ListenAddress {plan.address}\nHostKey /etc/ssh/lab_host_key\nPidFile {SSHD_PID}\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUsePAM no\nUseDNS no\n"
        "AllowStreamLocalForwarding yes\nAllowTcpForwarding yes\nMaxSessions 50\nMaxStartups 50\n"
        "Subsystem sftp internal-sftp\n"
    )


def pivot(root: Path) -> None:
    """Make ``root`` the root of this mount namespace."""
    os.chdir(root)
    run(Command(("pivot_root", ".", "mnt")))
    os.chdir("/")
    run(Command(("umount", "--lazy", "/mnt")))


def _set_up_network(plan: Plan) -> None:
    for words in (
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"link set {UPLINK} master {BRIDGE} up",
        f"address add {plan.address}/24 dev {BRIDGE}",
        f"link set {BRIDGE} up",
        f"route add default via {plan.gateway}",
    ):
        run(Command(("ip", *words.split())))
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
