"""The machine under a ``SystemdHost``, which starts it: ``python -m zcloud.lab.boots NAME STATE KVM``.

It makes the host's root once, and boots it in namespaces of each boot's own whenever it went down: rebooted, or killed.
It prints the process id of each boot's PID 1, and ends with its standard input; the kernel ends the host with it.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import stat
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.commands import Command, run
from zcloud.lab import cgroups, hostroot
from zcloud.lab.holder import ALL_NAMESPACES

_INIT = Path("/lib/systemd/systemd")
_BOOT_ID, _BOOT_ID_COPY = "/proc/sys/kernel/random/boot_id", "/run/boot-id"
# Confined units get a /proc of their own, which has the kernel's boot again.
_CONFINED = ("zcloud.service", "zcloud-helper.service")
_PR_SET_PDEATHSIG = 1  # prctl(2)
_NODES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun", "fuse")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_ENABLED = ("libvirtd.service", "libvirt-guests.service")
# What would look for hardware, or change settings of the kernel that all machines share.
_MASKED = (
    *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udevd-control.socket"),
    *("systemd-udevd-kernel.socket", "systemd-logind.service", "systemd-modules-load.service"),
    *("systemd-sysctl.service", "systemd-remount-fs.service", "dev-hugepages.mount", "dev-mqueue.mount"),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "proc-sys-fs-binfmt_misc.automount"),
    "console-getty.service",
)


@dataclass(frozen=True)
class _Plan:
    root: Path
    state: Path
    kvm: bool


def main(name: str, state: str, kvm: str) -> int:
    """Boot the host again and again until standard input ends; ``kvm`` is ``yes`` where it has KVM."""
    run(Command(("mount", "--make-rprivate", "/")))
    root = hostroot.overlay(Path(state))
    plan = _Plan(root, Path(state), kvm == "yes")
    _write_files(root)
    number = 0
    while True:
        number += 1
        group = f"{name}-{number}"
        went_on = _boot(group, plan)
        cgroups.remove(group)
        if not went_on:
            return 0


def _write_files(root: Path) -> None:
    """Make the root a machine of its own: libvirt and nothing else starts by itself."""
    hostroot.write_libvirt(root)
    uuid = uuid4()  # without DMI libvirtd takes a new one at every start
    with (root / "etc/libvirt/libvirtd.conf").open("a") as conf:
        conf.write(f'host_uuid = "{uuid}"\n')
    texts = {
        "etc/hostname": "booted\n",
        "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 booted\n",
        "etc/machine-id": f"{uuid.hex}\n",
    }
    for name, text in texts.items():
        (root / name).unlink(missing_ok=True)
        (root / name).write_text(text)
    shutil.rmtree(root / "etc/systemd/system")
    shutil.rmtree(root / "var/log/journal", ignore_errors=True)
    for unit in _CONFINED:
        drop_in = root / f"etc/systemd/system/{unit}.d/boot-id.conf"
        drop_in.parent.mkdir(parents=True)
        drop_in.write_text(f"[Service]\nBindReadOnlyPaths={_BOOT_ID_COPY}:{_BOOT_ID}\n")
    systemctl = ("systemctl", f"--root={root}", "--quiet")
    run(Command((*systemctl, "enable", *_ENABLED)))
    run(Command((*systemctl, "mask", *_MASKED)))


def _boot(group: str, plan: _Plan) -> bool:
    """Run the host once; gives whether it went down by itself, and not with our standard input."""
    told, tell = os.pipe()
    parent = os.fork()
    if parent == 0:
        os.close(told)
        _be_parent(group, plan, tell)
    os.close(tell)
    first = int(os.read(told, 32) or b"0")
    os.close(told)
    if not first:
        raise BuildFailed("the host's namespaces could not be made")
    print(first, flush=True)
    ended = os.pidfd_open(parent)
    readable, _, _ = select.select([0, ended], [], [])
    if ended not in readable:
        os.kill(first, signal.SIGKILL)
    os.waitpid(parent, 0)
    os.close(ended)
    return ended in readable


def _be_parent(group: str, plan: _Plan, tell: int) -> None:
    """Make the boot's namespaces and its PID 1, and end when that does."""
    try:
        _end_with_parent()
        cgroups.enter(group)
        if ctypes.CDLL(None, use_errno=True).unshare(ALL_NAMESPACES):
            raise OSError(ctypes.get_errno(), "unshare")
        child = os.fork()
        if child == 0:
            _be_pid_one(plan)
        cgroups.settle(group)  # systemd wants the group for itself
        os.write(tell, str(child).encode())
        os.close(tell)
        os.waitpid(child, 0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        raise
    finally:
        os._exit(0)


def _be_pid_one(plan: _Plan) -> None:
    _end_with_parent()
    groups = cgroups.hierarchies()
    _mount(plan.root, groups)
    _fill_dev(plan.root / "dev", plan.state / "console.log", kvm=plan.kvm)
    hostroot.pivot(plan.root)
    run(Command(("ip", "link", "set", "lo", "up")))
    os.dup2(2, 1)
    os.execve(  # noqa: S606 - it becomes that program
        _INIT, ["systemd", "--system"], {"container": "zcloud-lab", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )


def _mount(root: Path, groups: list[cgroups.Hierarchy]) -> None:
    """Mount what a booted kernel has: processes, control groups, and a name for this boot."""
    for kind, place, options in (
        ("proc", "proc", "rw"),
        ("sysfs", "sys", "rw"),
        *(("tmpfs", place, "mode=755") for place in ("dev", "run", "sys/fs/cgroup")),
        *(("tmpfs", place, "mode=1777") for place in ("tmp", "var/tmp")),
    ):
        run(Command(("mount", "-t", kind, "-o", options, kind, str(root / place))))
    cgroups.mount_again(groups, root)
    boot_id = root / _BOOT_ID_COPY[1:]
    boot_id.write_text(f"{uuid4()}\n")
    _bind(boot_id, root / _BOOT_ID[1:])
    # The network's settings are the host's own; all others are the whole machine's.
    _bind(root / "proc/sys", root / "proc/sys", recursive=True)
    _bind(root / "proc/sys/net", root / "proc/sys/net")
    run(Command(("mount", "-o", "remount,bind,ro", str(root / "proc/sys"))))


def _fill_dev(dev: Path, console: Path, *, kvm: bool) -> None:
    for name in ("net", "pts", "shm"):
        (dev / name).mkdir()
    for name in _NODES:
        if (machines := Path("/dev") / name).exists():
            facts = machines.stat()
            os.mknod(dev / name, stat.S_IFCHR, facts.st_rdev)
            (dev / name).chmod(stat.S_IMODE(facts.st_mode))
    if Path("/dev/kvm").exists():
        hostroot.make_kvm_node(dev / "kvm", works=kvm)
    for name, target in _LINKS.items():
        (dev / name).symlink_to(target)
    run(Command(("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "pts", str(dev / "pts"))))
    run(Command(("mount", "-t", "tmpfs", "-o", "mode=1777", "shm", str(dev / "shm"))))
    console.touch()
    (dev / "console").touch()
    _bind(console, dev / "console")


def _bind(source: Path, target: Path, *, recursive: bool = False) -> None:
    run(Command(("mount", "--rbind" if recursive else "--bind", str(source), str(target))))


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
