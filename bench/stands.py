"""Pools of each kind, beside the commands that people use on them by hand, each over a copy of one image."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.lab import RawHost
from bench.measure import Cost, command
from zcloud.lab.ceph import Ceph
from zcloud.lab.nested import NestedHost

SIZE_MIB = 1024
GROUP = "vg0"
_TOP = "/var/lib/libvirt/images/stand"
_EXPORT = "/srv/nfs/bench"
_SOURCE = "source"
_THIN = "byhand"
_SLOW_S = 900.0
Words = Sequence[str]
Typed = Callable[[str], Words]


@dataclass(frozen=True, slots=True)
class Deed:
    """What people type for one thing, given a new name, and what takes it away again."""

    title: str
    do: Typed
    undo: Typed


@dataclass(frozen=True, slots=True)
class Stand:
    """A kind of pool: what zcloud is told to make it, and the deeds by hand that there are for it."""

    kind: str
    pool: Mapping[str, object]
    run: Callable[[Words], Cost]
    deeds: Mapping[str, Deed]


def directory(raw: RawHost, image: Path) -> Stand:
    """Give a directory of the namespace host."""
    raw.host.path(_TOP).mkdir(mode=0o711)
    raw.host.path(f"{_TOP}/{_SOURCE}.qcow2").write_bytes(image.read_bytes())
    return Stand("directory", {"host": "alpha"}, lambda words: command([*raw.host.daemons.enter, *words]), _files(_TOP))


def rbd(ceph: Ceph, image: Path) -> Stand:
    """Give a pool of a Ceph cluster; clones by hand are of a protected snapshot."""
    options = {"monitors": ceph.monitors, "pool": "vms", "key": ceph.make_pool("vms", "zcloud")}
    source = f"vms/{_SOURCE}"

    def run(words: Words) -> Cost:
        return command(["rbd", "--conf", str(ceph.config), *words])

    run(["create", "--size", str(SIZE_MIB), source])
    command(["qemu-img", "convert", "-n", "-O", "raw", str(image), f"rbd:{source}:conf={ceph.config}"])
    run(["snap", "create", f"{source}@base"])
    run(["snap", "protect", f"{source}@base"])
    deeds = {
        "snapshot": _deed("rbd snap create", f"snap create {source}@{{}}", f"snap rm {source}@{{}}"),
        "linked": _deed("rbd clone", f"clone {source}@base vms/{{}}", "rm --no-progress vms/{}"),
        "full": _deed("rbd cp", f"cp --no-progress {source} vms/{{}}", "rm --no-progress vms/{}"),
    }
    return Stand("rbd", {"driver": "rbd", "options": options}, run, deeds)


def nfs(machine: NestedHost, image: Path) -> Stand:
    """Give a directory that the nested host's kernel exports to itself; by hand at zcloud's own kind of mount."""
    mounted = "/mnt/bench"
    machine.run(["mkdir", "-p", f"{_EXPORT}/zcloud", f"{_EXPORT}/hand", mounted])
    machine.run(["tee", "/etc/exports"], stdin="/srv/nfs 127.0.0.1(rw,no_root_squash,no_subtree_check)\n")
    machine.run(["systemctl", "start", "nfs-server"])
    machine.run(["mount", "-t", "nfs", "-o", "vers=4.2", f"127.0.0.1:{_EXPORT}/hand", mounted])
    machine.put(image, f"{mounted}/{_SOURCE}.qcow2")
    options = {"server": "127.0.0.1", "export": f"{_EXPORT}/zcloud"}
    pool = {"driver": "nfs", "hosts": ["nested"], "options": options}
    return Stand("nfs", pool, _within(machine), _files(mounted))


def lvm(machine: NestedHost, image: Path) -> Stand:
    """Give plain volumes of a group, which exists; its snapshots by hand slow every later write of the source down."""
    _fill_volume(machine, image, ["lvcreate", "-qq", "-y", "-L", f"{SIZE_MIB}m", "-n", _SOURCE, GROUP])
    make = f"lvcreate -qq -y -L {SIZE_MIB}m -n {{}} {GROUP}"
    snapshot = f"lvcreate -qq -y -s -L 128m -n {{}} {GROUP}/{_SOURCE}"
    deeds = {
        "snapshot": _deed("lvcreate -s", snapshot, f"lvremove -qq -y {GROUP}/{{}}"),
        "full": _copied("lvcreate + qemu-img convert", make, _SOURCE),
    }
    return Stand("lvm", _of_group("lvm"), _within(machine), deeds)


def lvmthin(machine: NestedHost, image: Path) -> Stand:
    """Give thin volumes of the same group, by hand in a thin pool of their own."""
    machine.run(["lvcreate", "-qq", "-y", "-L", "1800m", "-T", f"{GROUP}/{_THIN}"])
    make = f"lvcreate -qq -y -V {SIZE_MIB}m -T {GROUP}/{_THIN} -n"
    _fill_volume(machine, image, [*make.split(), f"{_SOURCE}-thin"])
    snapshot = _deed(
        "lvcreate -s", f"lvcreate -qq -y -kn -s -n {{}} {GROUP}/{_SOURCE}-thin", f"lvremove -qq -y {GROUP}/{{}}"
    )
    deeds = {
        "snapshot": snapshot,
        "linked": snapshot,
        "full": _copied("lvcreate + qemu-img convert", f"{make} {{}}", f"{_SOURCE}-thin"),
    }
    return Stand("lvmthin", _of_group("lvmthin"), _within(machine), deeds)


def _of_group(driver: str) -> dict[str, object]:
    size = {"size": 3 << 30} if driver == "lvmthin" else {}
    return {"driver": driver, "host": "nested", "options": {"volume_group": GROUP, **size}}


def _fill_volume(machine: NestedHost, image: Path, make: Words) -> None:
    """Make a volume and write the image to it."""
    machine.run(make)
    machine.put(image, "/root/image.qcow2")
    convert = [
        "qemu-img",
        "convert",
        "-n",
        "-O",
        "raw",
        "/root/image.qcow2",
        f"/dev/{GROUP}/{make[make.index('-n') + 1]}",
    ]
    machine.run(convert, timeout=_SLOW_S)


def _files(top: str) -> dict[str, Deed]:
    """Give the deeds on qcow2 files in a directory."""
    source, new = f"{top}/{_SOURCE}.qcow2", f"{top}/{{}}.qcow2"
    return {
        "snapshot": _deed(
            "qemu-img snapshot -c", f"qemu-img snapshot -c {{}} {source}", f"qemu-img snapshot -d {{}} {source}"
        ),
        "linked": _deed("qemu-img create -b", f"qemu-img create -q -f qcow2 -F qcow2 -b {source} {new}", f"rm {new}"),
        "full": _deed("qemu-img convert", f"qemu-img convert -O qcow2 {source} {new}", f"rm {new}"),
    }


def _copied(title: str, make: str, source: str) -> Deed:
    """Give the deed that makes a volume and copies another one's bytes into it."""
    copy = f"qemu-img convert -n -f raw -O raw /dev/{GROUP}/{source} /dev/{GROUP}/{{}}"
    return Deed(
        title,
        lambda name: ["sh", "-c", f"{make.format(name)} && {copy.format(name)}"],
        lambda name: ["lvremove", "-qq", "-y", f"{GROUP}/{name}"],
    )


def _deed(title: str, do: str, undo: str) -> Deed:
    return Deed(title, lambda name: do.format(name).split(), lambda name: undo.format(name).split())


def _within(machine: NestedHost) -> Callable[[Words], Cost]:
    """Run a command in the nested host over the shared connection: 20 ms of its time are SSH's."""
    return lambda words: command([*machine.ssh, shlex.join(words)])
