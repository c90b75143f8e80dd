"""Systems without cloud-init are customized on their disks: each way to set up a network in a small system's root, and
one whole disk by libguestfs, as the user that runs guests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud

from zcloud.domain.customization import Customization, HostEntry, NewPassword, PlacedFile
from zcloud.domain.guest import GuestNic, GuestUser
from zcloud.domain.instance import Instance, InstanceSpec, NicRequest
from zcloud.domain.operation import OperationStatus
from zcloud.drivers.guest import guestfs
from zcloud.drivers.guest.offline import build_script
from zcloud.imagebuild.cache import DEFAULT_CACHE
from zcloud.imagebuild.kernel import fetch_kernel
from zcloud.imagebuild.packages import unpacked
from zcloud.services.customizing import Customizing

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone"
NIC = GuestNic("52:54:00:00:00:01", ("192.0.2.7/24",), "192.0.2.1", dns=("192.0.2.53",), search=("cloud.test",))
WAYS = {  # what a system has that sets up its network so, and the file that tells of its address then
    "netplan": (("etc/netplan/", "usr/sbin/netplan"), "etc/netplan/50-zcloud.yaml"),
    "ifcfg": (("etc/sysconfig/network-scripts/ifcfg-eth0",), "etc/sysconfig/network-scripts/ifcfg-zcloud0"),
    "NetworkManager": (
        ("etc/NetworkManager/", "usr/sbin/NetworkManager"),
        "etc/NetworkManager/system-connections/zcloud-0.nmconnection",
    ),
    "ifupdown": (("etc/network/interfaces", "usr/sbin/ifup"), "etc/network/interfaces"),
    "systemd-networkd": (("lib/systemd/system/systemd-networkd.service",), "etc/systemd/network/10-zcloud-0.network"),
}
WHAT = Customization(
    fresh=True,
    hostname="anew",
    hosts=(HostEntry("192.0.2.9", ("db",)),),
    nics=(NIC,),
    users=(GuestUser("ada", (KEY,), shell="/bin/sh"),),
    passwords=(NewPassword("root", "it's $ecret"),),
    files=(PlacedFile("/srv/it's here", b"\0\xff", 0o600),),
    commands=("echo ran >>/root/told",),
)


TOOLS = {  # of a system, that busybox here has not
    "usr/sbin/useradd": 'for name; do :; done; echo "$name:x:1000:1000::/home/$name:/bin/sh" >>/etc/passwd\n'
    'echo "$name:x:1000:" >>/etc/group; mkdir -p "/home/$name"\n',
    "usr/sbin/chpasswd": "cat >/root/passwords\n",
}


def make_root(tree: Path, marks: tuple[str, ...]) -> None:
    """Make the root of a system that is little more than a shell, with files by which it is known."""
    for name in ("bin", "etc", "root", "tmp", "usr/sbin", "dev", "proc", "sys", "home"):
        (tree / name).mkdir(parents=True)
    busybox = next(unpacked("busybox-static", DEFAULT_CACHE).rglob("bin/busybox"))
    shutil.copyfile(busybox, tree / "bin/busybox")
    (tree / "bin/busybox").chmod(0o755)
    told = subprocess.run([str(busybox), "--list"], capture_output=True, text=True, check=True).stdout
    for applet in set(told.split()) - {"busybox", "ifup", "ifdown"}:
        (tree / "bin" / applet).symlink_to("busybox")
    for mark in marks:
        (tree / mark).parent.mkdir(parents=True, exist_ok=True)
        if mark.endswith("/"):
            (tree / mark).mkdir(exist_ok=True)
            continue
        (tree / mark).write_text("#!/bin/sh\n")
        (tree / mark).chmod(0o755)
    texts = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": "root:x:0:\n",
        "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 old\n",
        "etc/fstab": "/dev/vda / ext4 rw 0 0\n",
        "etc/os-release": 'ID=small\nNAME="Small"\nVERSION_ID=1\n',
        "etc/machine-id": "0" * 32 + "\n",
    }
    for name, text in (texts | {name: f"#!/bin/sh\n{text}" for name, text in TOOLS.items()}).items():
        (tree / name).write_text(text)
        (tree / name).chmod(0o755 if name in TOOLS else 0o644)


@pytest.mark.parametrize("way", WAYS)
def test_script_within_a_system(tmp_path: Path, way: str) -> None:
    if os.geteuid():
        pytest.skip("another root needs root")
    marks, file = WAYS[way]
    make_root(tmp_path, marks)
    for _ in range(2):
        done = subprocess.run(
            ["chroot", str(tmp_path), "/bin/sh"], input=build_script(WHAT), capture_output=True, check=False
        )
        assert (done.returncode, done.stdout.decode()) == (0, f"network: {way}\n"), done.stderr
    text = (tmp_path / file).read_text()
    assert "192.0.2.7" in text
    assert "192.0.2.1" in text
    assert (tmp_path / "etc/hostname").read_text() == "anew\n"
    assert (tmp_path / "etc/hosts").read_text().splitlines() == [
        "127.0.0.1 localhost",
        "192.0.2.9 db",
        "127.0.1.1 anew",
    ]
    assert (tmp_path / "etc/machine-id").read_text() == ""
    assert (tmp_path / "home/ada/.ssh/authorized_keys").read_text() == KEY + "\n"
    assert (tmp_path / "root/passwords").read_text() == "root:it's $ecret\n"
    placed = tmp_path / "srv/it's here"
    assert (placed.read_bytes(), placed.stat().st_mode & 0o777) == (b"\0\xff", 0o600)
    assert (tmp_path / "root/told").read_text() == "ran\n" * 2


@pytest.fixture(scope="module")
def small(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """Give an instance that is off, with such a system on its disk."""
    work = tmp_path_factory.mktemp("small")
    make_root(work / "tree", WAYS["netplan"][0])
    disk = work / "small.raw"
    for argv in (
        ["truncate", "-s", "64M", str(disk)],
        ["mke2fs", "-q", "-t", "ext4", "-d", str(work / "tree"), str(disk)],
    ):
        subprocess.run(argv, check=True)
    cloud.import_image("small", disk)
    spec = InstanceSpec(name="small", image="small", vcpus=1, memory_mib=96, nics=(NicRequest(""),), start=False)
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    return instance


def make_appliance(cloud: Cloud, work: Path) -> None:
    """Make libguestfs' appliance on the host, with a kernel that is not this machine's: it may have none."""
    kernel = fetch_kernel()
    place = guestfs.appliance(cloud.host.run(["guestfish", "--version"]).stdout.encode())
    modules = work / "lib/modules" / kernel.release
    shutil.copytree(kernel.modules_dir, modules)
    subprocess.run(["depmod", "-b", str(work), kernel.release], check=True)
    Path("/lib/modules").mkdir(exist_ok=True)
    environment = [
        *("LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg"),
        *(f"SUPERMIN_KERNEL={kernel.vmlinuz}", f"SUPERMIN_MODULES={modules}"),
    ]
    cloud.host.run(["env", *environment, "libguestfs-make-fixed-appliance", place])


def test_a_disk_is_customized_or_as_it_was(cloud: Cloud, small: Instance, tmp_path: Path) -> None:
    make_appliance(cloud, tmp_path)
    customizing = Customizing(cloud.runtime.services)
    wrong = Customization(hostname="anew", commands=("echo no such thing >&2; exit 7",))
    failed = cloud.ended(customizing.customize(ADMIN, "", small.id, wrong))
    assert failed.status is OperationStatus.FAILED
    assert failed.error is not None
    assert "no such thing" in failed.error["message"]

    what = Customization(hosts=(HostEntry("192.0.2.9", ("db",)),), files=(PlacedFile("/srv/x", b"secret"),))
    done = cloud.done(customizing.customize(ADMIN, "", small.id, what, network=True))
    assert "network: netplan" in str(done.steps)

    seen = _cat(cloud, small, "/etc/hosts", "/srv/x", "/etc/netplan/50-zcloud.yaml", "/etc/hostname")
    with cloud.runtime.store.read() as tx:
        (port,) = tx.ports.of_instance(small.id)
        assert tx.secrets.get("operation.script", done.id) is None
    assert seen[0].splitlines()[1:] == ["127.0.1.1 old", "192.0.2.9 db"]
    assert (seen[1], seen[3]) == ("secret", "")  # what failed has left nothing
    assert str(port.address) in seen[2]
    assert cloud.host.run(["find", "/var/lib/libvirt/images", "-name", "*.offline.sh"]).stdout == ""
    cloud.done(cloud.instances.delete(ADMIN, "", small.id))


def _cat(cloud: Cloud, instance: Instance, *paths: str) -> list[str]:
    """Read files of its disk by the journal-free way: a copy, and debugfs."""
    with cloud.runtime.store.read() as tx:
        (volume,) = tx.volumes.of_instance(instance.id)
    (disk,) = cloud.host.run(["find", "/var/lib/libvirt/images", "-name", f"{volume.id}.qcow2"]).stdout.split()
    cloud.host.run(["qemu-img", "convert", "-O", "raw", disk, "/tmp/seen.raw"])
    return [cloud.host.run(["debugfs", "-R", f"cat {path}", "/tmp/seen.raw"]).stdout for path in paths]
