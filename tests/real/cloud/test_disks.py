"""Disks of a real guest: plugged in, grown, limited and taken away while it runs, as the guest itself sees it."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, OWN_DISK, Cloud, wait_for
from tests.real.cloud.insides import Inside

from zcloud.domain.attachment import Attachment, DiskBus, IoLimits
from zcloud.domain.errors import WrongState
from zcloud.domain.instance import Instance
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import Volume
from zcloud.libvirtxml.domain import Domain
from zcloud.services.direct import Direct
from zcloud.services.disks import Disks, DiskSpec, Parting
from zcloud.services.freezing import Freezing
from zcloud.services.insides import Insides
from zcloud.services.volumes import Growth, Volumes, VolumeSpec

MIB = 1 << 20
NOW, FORCED = Parting(deadline_s=30), Parting(force=True, deadline_s=30)


def _failed(cloud: Cloud, operation: Operation) -> dict[str, object]:
    ended = cloud.ended(operation)
    assert ended.status is OperationStatus.FAILED
    assert ended.error
    return dict(ended.error)


def test_the_life_of_a_disk(cloud: Cloud, owned: Instance) -> None:
    inside, disks, volumes = (
        Inside(cloud.host, owned.id),
        Disks(cloud.runtime.services),
        Volumes(cloud.runtime.services),
    )
    volume, made = volumes.create(ADMIN, "", VolumeSpec(f"{owned.name}-archive", 64 * MIB, "default"))
    cloud.done(made)
    cloud.done(disks.attach(ADMIN, "", owned.id, DiskSpec(volume.id, attachment=Attachment(serial="archive")))[1])
    device = wait_for(lambda: inside.disk("archive"), 60, "the disk in the guest")
    assert _size(inside, device) == 64 * MIB

    cloud.done(volumes.resize(ADMIN, "", volume.id, Growth(96 * MIB)))
    wait_for(lambda: _size(inside, device) == 96 * MIB, 60, "the new size in the guest")

    unlimited = inside.seconds(_write(device))
    cloud.done(disks.limit(ADMIN, "", owned.id, volume.name, IoLimits(write_bytes=4 * MIB)))
    assert "write_bytes_sec: 4194304" in " ".join(
        cloud.host.virsh("blkdeviotune", owned.id, _target(cloud, owned)).split()
    )
    limited = inside.seconds(_write(device))
    cloud.done(disks.limit(ADMIN, "", owned.id, volume.name, IoLimits()))
    free_again = inside.seconds(_write(device))
    print(f"\n16 MiB in {unlimited:.2f} s, at 4 MiB/s in {limited:.2f} s, unlimited again in {free_again:.2f} s")
    assert limited > 2.5
    assert max(unlimited, free_again) < limited

    inside.sh(f"dd if=/dev/{inside.disk('seed')} of=/dev/{device} bs=64k && mount -t iso9660 -o ro /dev/{device} /mnt")
    error = _failed(cloud, disks.detach(ADMIN, "", owned.id, volume.id, NOW))
    assert (error["code"], error["details"]) == ("disk_mounted", {"mounts": ["/mnt"]})
    assert inside.disk("archive") == device
    inside.sh("umount /mnt")
    cloud.done(disks.detach(ADMIN, "", owned.id, volume.id, NOW))
    assert inside.disk("archive") == ""
    assert volumes.show(ADMIN, "", volume.id).instance_id is None

    _grow_what_lies_on_it(cloud, inside, volume, owned)
    _plug_by_scsi(cloud, inside, volume, owned)
    _freeze_and_thaw(cloud, inside, owned)
    assert "definition_changed_at" not in cloud.instance(owned.name).observed  # all of it was ours


def _grow_what_lies_on_it(cloud: Cloud, inside: Inside, volume: Volume, owned: Instance) -> None:
    """By the guest's own programs, which this one gets on a disk: a partition, and the file system in it."""
    disks, volumes = Disks(cloud.runtime.services), Volumes(cloud.runtime.services)
    tools = _bring_tools(cloud, owned)
    for each, serial in ((tools, "tools"), (volume, "archive")):
        cloud.done(disks.attach(ADMIN, "", owned.id, DiskSpec(each.id, attachment=Attachment(serial=serial)))[1])
        wait_for(partial(inside.disk, serial), 30, serial)
    _load_ext4(inside)
    inside.sh(f"mkdir -p /usr/local && mount -t ext4 -o ro /dev/{inside.disk('tools')} /usr/local")
    device = inside.disk("archive")
    inside.sh(f"dd if=/dev/zero of=/dev/{device} bs=1M count=1; echo , | /usr/local/sbin/sfdisk -X gpt /dev/{device}")
    inside.sh(f"mke2fs /dev/{device}1 && mount -t ext4 /dev/{device}1 /mnt")
    before = _total(inside)
    grown = cloud.done(volumes.resize(ADMIN, "", volume.id, Growth(128 * MIB)))
    print(f"\n{grown.steps[0].detail} It had {before >> 20} MiB, and has {_total(inside) >> 20}.")
    assert re.fullmatch(r"In the guest: /mnt was grown to 1[12]\d MiB\.", grown.steps[0].detail)
    assert before < 96 * MIB < 110 * MIB < _total(inside)
    inside.sh(f"umount /mnt && umount /usr/local; dd if=/dev/{inside.disk('seed')} of=/dev/{device} bs=64k conv=fsync")
    for each in (tools, volume):
        cloud.done(disks.detach(ADMIN, "", owned.id, each.id, NOW))


def _bring_tools(cloud: Cloud, owned: Instance) -> Volume:
    """Give a volume with this machine's programs, each started by a linker and libraries of its own."""
    root = Path(cloud.host.path("/run/tools"))
    for name in ("sfdisk", "partx", "resize2fs"):
        program, own = str(shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")), root / "lib" / name
        own.mkdir(parents=True)
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for file in [program, *re.findall(r"(/\S+) \(0x", listed)]:
            shutil.copy(file, own)
        (linker,) = own.glob("ld-linux*")
        script, at = root / "sbin" / name, f"/usr/local/lib/{name}"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {at}/{linker.name} --library-path {at} {at}/{name} "$@"\n')
        script.chmod(0o755)
    volumes = Volumes(cloud.runtime.services)
    volume, made = volumes.create(ADMIN, "", VolumeSpec(f"{owned.name}-tools", 16 * MIB, "default"))
    cloud.done(made)
    raw, disk = "/run/tools.raw", f"/var/lib/libvirt/images/zcloud/volumes/{volume.id}.qcow2"
    cloud.host.run(["mke2fs", "-q", "-t", "ext4", "-d", "/run/tools", raw, "16M"])
    cloud.host.run(["qemu-img", "convert", "-n", "-O", "qcow2", raw, disk])
    cloud.host.run(["rm", "-r", raw, "/run/tools"])
    return volume


def _load_ext4(inside: Inside) -> None:
    modules = "crc16 mbcache jbd2 ext4"
    inside.sh(f"for each in {modules}; do [ ! -e /lib/modules/$each.ko ] || insmod /lib/modules/$each.ko || true; done")


def _total(inside: Inside) -> int:
    return 1024 * int(inside.sh("df -k /mnt | tail -n 1 | awk '{ print $2 }'"))


def _plug_by_scsi(cloud: Cloud, inside: Inside, volume: Volume, owned: Instance) -> None:
    """Mounted, and taken away by force."""
    disks = Disks(cloud.runtime.services)
    by_scsi = Attachment(DiskBus.SCSI, serial="second", read_only=True)
    cloud.done(disks.attach(ADMIN, "", owned.id, DiskSpec(volume.id, attachment=by_scsi))[1])
    device = wait_for(lambda: inside.disk("second"), 60, "the SCSI disk in the guest")
    assert inside.sh(f"cat /sys/block/{device}/ro") == "1"
    inside.sh(f"mount -t iso9660 -o ro /dev/{device} /mnt")
    assert _failed(cloud, disks.detach(ADMIN, "", owned.id, volume.id, NOW))["code"] == "disk_mounted"
    cloud.done(disks.detach(ADMIN, "", owned.id, volume.id, FORCED))
    assert inside.disk("second") == ""
    inside.sh("umount -l /mnt")


def _freeze_and_thaw(cloud: Cloud, inside: Inside, owned: Instance) -> None:
    """By hand, and by itself when its time is over."""
    services, device = cloud.runtime.services, _own_disk(inside)
    freezing, insides = Freezing(services), Insides(services, Direct(cloud.runtime.pool.link))
    assert _failed(cloud, freezing.freeze(ADMIN, "", owned.id, 60))["code"] == "guest_refused"  # nothing is mounted
    assert cloud.instance(owned.name).frozen_until is None
    inside.sh(f"mke2fs /dev/{device} && mount -t ext2 /dev/{device} /mnt")
    (place,) = insides.filesystems(ADMIN, "", owned.id)
    assert (place.filesystem.mountpoint, place.filesystem.kind) == ("/mnt", "ext2")

    def is_frozen() -> bool:
        return "frozen" in cloud.host.virsh("qemu-agent-command", owned.id, '{"execute":"guest-fsfreeze-status"}')

    cloud.done(freezing.freeze(ADMIN, "", owned.id, 60))
    assert is_frozen()
    with pytest.raises(WrongState, match="frozen until"):
        cloud.instances.stop(ADMIN, "", owned.id)
    cloud.done(freezing.thaw(ADMIN, "", owned.id))
    assert not is_frozen()
    cloud.done(freezing.freeze(ADMIN, "", owned.id, 3))
    wait_for(lambda: cloud.instance(owned.name).frozen_until is None, 60, "the thaw by itself")
    assert not is_frozen()
    inside.sh("umount /mnt")


def _target(cloud: Cloud, owned: Instance) -> str:
    """Give libvirt's name of the disk with the serial ``archive``."""
    domain = Domain.parse(cloud.host.virsh("dumpxml", owned.id))
    (disk,) = [each for each in domain.disks if each.serial == "archive"]
    assert disk.target
    return disk.target


def _own_disk(inside: Inside) -> str:
    """Give the guest's name of the disk that it has from its birth."""
    return inside.sh(f"grep -lx {OWN_DISK // 512} /sys/block/vd*/size").split("/")[3]


def _size(inside: Inside, device: str) -> int:
    return 512 * int(inside.sh(f"cat /sys/block/{device}/size"))


def _write(device: str) -> str:
    return f"dd if=/dev/zero of=/dev/{device} bs=1M count=16 oflag=direct seek=32"
