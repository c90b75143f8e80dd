"""For every workflow, a scene in which its operation can be asked for: what has to be there before, and the asking."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests import builders
from tests.crash.books import THEIRS

from zcloud.base.ids import new_id
from zcloud.domain.attachment import Attachment, DiskBus, IoLimits
from zcloud.domain.customization import Customization, PlacedFile
from zcloud.domain.errors import NotFound
from zcloud.domain.host import HostKind, HostState
from zcloud.domain.hostdisk import Wish
from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import DiskRequest, Firmware, Instance, InstanceSpec, NicRequest
from zcloud.domain.network import NetworkKind
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.storage import Volume
from zcloud.drivers import registry
from zcloud.drivers.guest.seed import build_volume
from zcloud.observer.foreign import ForeignWatch
from zcloud.services.adoption import Adopting
from zcloud.services.arrivals import ArrivalLimits, Arrivals
from zcloud.services.cloning import CloneSpec, Cloning
from zcloud.services.customizing import Customizing
from zcloud.services.definitions import Definitions
from zcloud.services.direct import Direct
from zcloud.services.disks import Disks, DiskSpec, Parting
from zcloud.services.forgetting import Forgetting
from zcloud.services.freezing import Freezing
from zcloud.services.groups import Groups, Place
from zcloud.services.hardware import HardwareChange, HardwareService
from zcloud.services.hostdisks import HostDisks
from zcloud.services.hosts import Hosts, HostSpec
from zcloud.services.images import Images, ImageSpec
from zcloud.services.lifecycle import Lifecycle
from zcloud.services.media import Media
from zcloud.services.moving import Moving
from zcloud.services.naming import Naming
from zcloud.services.networks import Networks, NetworkSpec
from zcloud.services.nics import Nics
from zcloud.services.pools import Pools, PoolSpec
from zcloud.services.sizes import SizeChange, Sizes
from zcloud.services.snapshots import Snapshots
from zcloud.services.trash import Trash
from zcloud.services.uploads import Uploads
from zcloud.services.volumes import Growth, Volumes, VolumeSpec
from zcloud.store import Tx
from zcloud.testing.cloud import ADMIN, FakeCloud

_KIT = {"vmlinuz": b"a kernel", "initrd": b"an initramfs"}
_CD = bytes(range(256)) * 8
_MASTER_BOOT_RECORD = bytes(510) + b"\x55\xaa"


@dataclass
class Stage:
    """What scenes are made of. ``done`` runs an operation to its good end; the addresses are of loopback servers."""

    cloud: FakeCloud
    done: Callable[[Operation], Operation]
    files: dict[str, bytes] = field(default_factory=dict)  # what the web server has
    web: str = ""
    ssh_port: int = 0

    def __post_init__(self) -> None:
        services = self.cloud.services
        self.hosts, self.pools = Hosts(services), Pools(services)
        direct = Direct(self.cloud.links.link)
        self.adopting, self.definitions = Adopting(services, direct), Definitions(services, direct)
        self.forgetting, self.host_disks = Forgetting(services), HostDisks(services, direct)
        self.groups, self.freezing = Groups(services), Freezing(services)
        self.networks, self.images = Networks(services), Images(services)
        self.sizes, self.hardware = Sizes(services), HardwareService(services)
        self.lifecycle, self.naming, self.trash = Lifecycle(services), Naming(services), Trash(services)
        self.volumes, self.disks, self.nics = Volumes(services), Disks(services), Nics(services)
        self.media = Media(services)
        self.cloning, self.snapshots, self.moving = Cloning(services), Snapshots(services), Moving(services)
        self.customizing = Customizing(services)
        self.numbers = itertools.count()
        self._place_kit(self.cloud.config.probe_dir)

    def name(self, kind: str) -> str:
        """Give a name that was not given before."""
        return f"{kind}-{next(self.numbers)}"

    def loopback(self) -> str:
        """Give a loopback address that was not given before."""
        number = next(self.numbers)
        return f"127.1.{number // 250}.{number % 250 + 1}"

    def spec(self, host_id: str, *, start: bool = True) -> InstanceSpec:
        """Give an instance that has one of everything."""
        return InstanceSpec(
            name=self.name("vm"),
            image="tiny",
            host=host_id,
            vcpus=1,
            memory_mib=256,
            nics=(NicRequest(""),),
            disks=(DiskRequest(1 << 30, filesystem="ext4", mount="/srv"),),
            commands=("true",),
            user_data="#cloud-config\npackage_update: false\n",
            password_hash="$6$salt$" + "x" * 86,
            start=start,
        )

    def instance(self, host_id: str, *, start: bool = True) -> Instance:
        """Make an instance."""
        instance, operation = self.cloud.launch.launch(ADMIN, "", self.spec(host_id, start=start))
        self.done(operation)
        return instance

    def drivers(self) -> str:
        """Give the id of an image that is a CD, the same one each time."""

        def work(tx: Tx) -> str:
            known = tx.images.find("drivers") or tx.images.add(builders.image(name="drivers", format="iso", **facts))
            return known.id

        facts = {"digest": hashlib.sha256(_CD).hexdigest(), "size": len(_CD), "virtual_size": len(_CD)}
        (self.cloud.config.image_dir / f"{facts['digest']}.iso").write_bytes(_CD)
        return self.cloud.store.transact(work)

    def drop_bases(self, host_id: str, kept: str = "") -> None:
        """Have no image in the host's pools, but for one."""
        link = self.cloud.links.link(host_id)
        for pool in self.cloud.read(lambda tx: [each for each in tx.pools.all() if each.host_id == host_id]):
            driver = registry.storage(pool, link)
            for digest in driver.list_bases():
                if digest != kept:
                    driver.delete_base(digest)

    def uploads(self) -> Uploads:
        """Give what takes uploads, as a process has it that has just begun."""
        return Uploads(self.cloud.services, Arrivals(self.cloud.config.upload_dir, ArrivalLimits(1 << 30)))

    def image(self) -> tuple[str, Operation]:
        """Begin the import of a packed image with bytes of its own; gives its id."""
        data = gzip.compress(_MASTER_BOOT_RECORD + os.urandom(512 << 10))
        path = f"/{self.name('image')}.gz"
        self.files[path] = data
        source = {"kind": "url", "url": f"{self.web}{path}", "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}"}
        image, operation = self.images.create(ADMIN, ImageSpec(self.name("image"), source, public=True))
        assert operation is not None
        return image.id, operation

    def _place_kit(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        lines = []
        for name, data in _KIT.items():
            (directory / name).write_bytes(data)
            lines.append(f"{hashlib.sha256(data).hexdigest()} {name}\n")
        (directory / "sha256").write_text("".join(lines))


Ask = Callable[[], Operation]


def _create(stage: Stage, host_id: str) -> Ask:
    """The image is not in the pool yet."""
    stage.drop_bases(host_id)
    spec = stage.spec(host_id)
    return lambda: stage.cloud.launch.launch(ADMIN, "", spec)[1]


def _adopt(stage: Stage, host_id: str) -> Ask:
    """A domain that runs, with a NIC on our network."""
    link, name = stage.cloud.links.link(host_id), stage.name("theirs")
    uuid = f"{THEIRS}{new_id()[8:]}"
    link.hypervisor.define(
        f"<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>256</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices/></domain>"
    )
    link.hypervisor.start(uuid)
    ForeignWatch(stage.cloud.store).run(host_id, link)
    return lambda: stage.adopting.adopt(ADMIN, host_id, uuid)[1]


def _delete(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.cloud.instances.delete(ADMIN, "", instance.id)


def _start(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id, start=False)
    return lambda: stage.cloud.instances.start(ADMIN, "", instance.id)


def _group(stage: Stage, host_id: str, *, start: bool) -> str:
    """Make a group of two, one after the other; gives its id."""
    group = stage.groups.create(ADMIN, "", stage.name("group")).group.id
    for order in range(2):
        instance = stage.instance(host_id, start=start)
        stage.groups.put(ADMIN, "", group, instance.id, Place(order))
    return group


def _start_group(stage: Stage, host_id: str) -> Ask:
    group = _group(stage, host_id, start=False)
    return lambda: stage.groups.start(ADMIN, "", group)


def _stop_group(stage: Stage, host_id: str) -> Ask:
    group = _group(stage, host_id, start=True)
    return lambda: stage.groups.stop(ADMIN, "", group)


def _change_hardware(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    change = HardwareChange({"tpm": "2.0", "watchdog": "i6300esb"})
    return lambda: stage.hardware.change(ADMIN, "", instance.id, change)


def _resize(stage: Stage, host_id: str) -> Ask:
    """It gives a vCPU back, takes a memory module, and a part of that by its balloon."""
    spec = dataclasses.replace(stage.spec(host_id), vcpus=2, max_memory_mib=512)
    instance, launched = stage.cloud.launch.launch(ADMIN, "", spec)
    stage.done(launched)
    change = SizeChange(vcpus=1, memory_mib=300)
    return lambda: stage.sizes.resize(ADMIN, "", instance.id, change)


def _stop(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.cloud.instances.stop(ADMIN, "", instance.id)


def _restart(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.cloud.instances.restart(ADMIN, "", instance.id)


def _pause(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.lifecycle.act(ADMIN, "", instance.id, "pause")


def _resume(stage: Stage, host_id: str) -> Ask:
    held = _pause(stage, host_id)()
    stage.done(held)
    return lambda: stage.lifecycle.act(ADMIN, "", held.resource_id, "resume")


def _reset(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.lifecycle.act(ADMIN, "", instance.id, "reset")


def _freeze(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.freezing.freeze(ADMIN, "", instance.id, 600)


def _thaw(stage: Stage, host_id: str) -> Ask:
    frozen = _freeze(stage, host_id)()
    stage.done(frozen)
    return lambda: stage.freezing.thaw(ADMIN, "", frozen.resource_id)


def _save(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.lifecycle.act(ADMIN, "", instance.id, "save")


def _restore(stage: Stage, host_id: str) -> Ask:
    saved = _save(stage, host_id)()
    stage.done(saved)
    return lambda: stage.lifecycle.act(ADMIN, "", saved.resource_id, "restore")


def _discard(stage: Stage, host_id: str) -> Ask:
    saved = _save(stage, host_id)()
    stage.done(saved)
    return lambda: stage.lifecycle.act(ADMIN, "", saved.resource_id, "discard")


def _clone(stage: Stage, host_id: str) -> Ask:
    """Two at once, of a guest that runs."""
    source = stage.instance(host_id)
    spec = CloneSpec((stage.name("twin"), stage.name("twin")))
    return lambda: stage.cloning.clone(ADMIN, "", source.id, spec).operation


def _snapshot(stage: Stage, host_id: str) -> Ask:
    instance_id = _marked_by_two(stage, host_id)
    return lambda: stage.snapshots.create(ADMIN, "", instance_id, "one")[1]


def _snapshot_memory(stage: Stage, host_id: str) -> Ask:
    instance_id = _marked_by_two(stage, host_id)
    return lambda: stage.snapshots.create(ADMIN, "", instance_id, "one", memory=True)[1]


def _marked_by_two(stage: Stage, host_id: str) -> str:
    """Give a guest that runs, by UEFI, with a disk that its pool marks beside those that QEMU marks."""
    group = {"volume_group": stage.name("vg"), "disks": "/dev/vdb"}
    pool, made = stage.pools.create(ADMIN, PoolSpec(stage.name("thin"), "lvmthin", host=host_id, options=group))
    stage.done(made)
    spec = stage.spec(host_id)
    disks = (*spec.disks, DiskRequest(64 << 20, pool=pool.name))
    spec = dataclasses.replace(spec, firmware=Firmware.UEFI, disks=disks)
    instance, launched = stage.cloud.launch.launch(ADMIN, "", spec)
    stage.done(launched)
    return instance.id


def _customize(stage: Stage, host_id: str) -> Ask:
    """Of a guest that is off."""
    instance, launched = stage.cloud.launch.launch(ADMIN, "", stage.spec(host_id, start=False))
    stage.done(launched)
    for path in ("zcloud-appliance-1.48.6", "zcloud-appliance-1.48.6.part"):  # its first time on the host
        stage.cloud.links.link(host_id).shell.remove(f"/var/lib/libvirt/{path}")
    what = Customization(hostname="anew", files=(PlacedFile("/etc/motd", b"hello"),))
    return lambda: stage.customizing.customize(ADMIN, "", instance.id, what, network=True)


def _revert(stage: Stage, host_id: str) -> Ask:
    """Of a guest that runs."""
    taken = _snapshot(stage, host_id)()
    stage.done(taken)
    return lambda: stage.snapshots.revert(ADMIN, "", taken.resource_id, "one")


def _revert_memory(stage: Stage, host_id: str) -> Ask:
    """Of a guest that runs."""
    taken = _snapshot_memory(stage, host_id)()
    stage.done(taken)
    return lambda: stage.snapshots.revert(ADMIN, "", taken.resource_id, "one")


def _delete_snapshot(stage: Stage, host_id: str) -> Ask:
    """Of one with memory."""
    taken = _snapshot_memory(stage, host_id)()
    stage.done(taken)
    return lambda: stage.snapshots.delete(ADMIN, "", taken.resource_id, "one")


def _move(stage: Stage, host_id: str) -> Ask:
    """Of a guest that runs, by UEFI, to a pool of raw files."""
    spec = dataclasses.replace(stage.spec(host_id), firmware=Firmware.UEFI)
    instance, launched = stage.cloud.launch.launch(ADMIN, "", spec)
    stage.done(launched)
    pool = _raw_pool(stage, host_id)
    return lambda: stage.moving.move_instance(ADMIN, "", instance.id, pool)


def _move_volume(stage: Stage, host_id: str) -> Ask:
    volume, pool = _volume(stage, host_id), _raw_pool(stage, host_id)
    return lambda: stage.moving.move_volume(ADMIN, "", volume.id, pool)


def _raw_pool(stage: Stage, host_id: str) -> str:
    name = stage.name("pool")
    options = {"path": f"/var/lib/libvirt/images/{name}", "format": "raw"}
    pool, operation = stage.pools.create(ADMIN, PoolSpec(name, host=host_id, options=options))
    stage.done(operation)
    return pool.id


def _template(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id, start=False)
    return lambda: stage.cloning.template(ADMIN, "", instance.id, on=True)


def _edit(stage: Stage, host_id: str) -> Ask:
    instance, definitions = stage.instance(host_id), stage.definitions

    def ask() -> Operation:
        xml = definitions.show(ADMIN, "", instance.id).xml
        changed = xml.replace("</title>", " (edited)</title>")
        operation = definitions.edit(ADMIN, "", instance.id, changed).operation
        assert operation is not None
        return operation

    return ask


def _rename(stage: Stage, host_id: str) -> Ask:
    instance, name = stage.instance(host_id), stage.name("new")
    return lambda: stage.naming.rename(ADMIN, "", instance.id, name, hostname=True)


def _trash(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.trash.delete(ADMIN, "", instance.id)


def _untrash(stage: Stage, host_id: str) -> Ask:
    trashed = _trash(stage, host_id)()
    stage.done(trashed)
    return lambda: stage.trash.restore(ADMIN, "", trashed.resource_id)


def _import_image(stage: Stage, _host_id: str) -> Ask:
    return lambda: stage.image()[1]


def import_upload(stage: Stage, _host_id: str) -> Ask:
    """Packed bytes that came in two pieces, the second one by a process that does not know the first one's digest."""
    data = gzip.compress(_MASTER_BOOT_RECORD + os.urandom(512 << 10))
    source = {"kind": "upload", "size": len(data), "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    image, _ = stage.images.create(ADMIN, ImageSpec(stage.name("image"), source, public=True))
    for offset, piece in ((0, data[:1000]), (1000, data[1000:])):
        uploads = stage.uploads()
        with uploads.open(ADMIN, image.id, offset) as (_, arriving):
            arriving.append([piece])
    return lambda: stage.uploads().finish(ADMIN, image.id)


def _delete_image(stage: Stage, host_id: str) -> Ask:
    """The image is in a pool: an instance of it was made there, and deleted."""
    image_id, operation = stage.image()
    stage.done(operation)
    spec = dataclasses.replace(stage.spec(host_id, start=False), image=image_id)
    instance, launched = stage.cloud.launch.launch(ADMIN, "", spec)
    stage.done(launched)
    stage.done(stage.cloud.instances.delete(ADMIN, "", instance.id))
    return lambda: stage.images.delete(ADMIN, image_id)


def _pool_spec(stage: Stage) -> PoolSpec:
    """Give a pool that all hosts share: it is made as one of a host is, and joined as well."""
    name = stage.name("pool")
    return PoolSpec(name, driver="nfs", options={"server": "files.test", "export": f"/{new_id()}"})


def _create_pool(stage: Stage, _host_id: str) -> Ask:
    return lambda: stage.pools.create(ADMIN, _pool_spec(stage))[1]


def _shared_pool(stage: Stage, *hosts: str) -> str:
    """Give the id of a pool that hosts share, or only some."""
    pool, operation = stage.pools.create(ADMIN, dataclasses.replace(_pool_spec(stage), hosts=hosts))
    stage.done(operation)
    return pool.id


def _delete_pool(stage: Stage, _host_id: str) -> Ask:
    pool_id = _shared_pool(stage)
    return lambda: stage.pools.delete(ADMIN, pool_id)


def _refresh_pool(stage: Stage, host_id: str) -> Ask:
    """It is not mounted any more on a host."""
    pool_id = _shared_pool(stage)
    with stage.cloud.store.read() as tx:
        registry.storage(tx.pools.get(pool_id), stage.cloud.links.link(host_id)).leave()
    return lambda: stage.pools.refresh(ADMIN, pool_id)


def _grow_pool(stage: Stage, host_id: str) -> Ask:
    """A thin pool that does not have all of its group."""
    options = {"volume_group": stage.name("vg"), "disks": "/dev/vdb", "size": 256 << 20}
    pool, made = stage.pools.create(ADMIN, PoolSpec(stage.name("thin"), "lvmthin", host=host_id, options=options))
    stage.done(made)
    return lambda: stage.pools.grow(ADMIN, pool.id, 512 << 20)


def _delete_volume(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id, start=False)
    disk = next(each for each in stage.cloud.read(lambda tx: tx.volumes.of_instance(instance.id)) if each.slot)
    stage.done(stage.cloud.instances.delete(ADMIN, "", instance.id, [disk.id]))
    return lambda: stage.volumes.delete(ADMIN, "", disk.id)


def _volume(stage: Stage, host_id: str) -> Volume:
    """Make a volume that no instance has."""
    pool = stage.cloud.read(lambda tx: next(each.id for each in tx.pools.all() if each.host_id == host_id))
    volume, operation = stage.volumes.create(ADMIN, "", VolumeSpec(stage.name("volume"), 1 << 30, pool))
    stage.done(operation)
    return volume


def _create_volume(stage: Stage, host_id: str) -> Ask:
    pool = stage.cloud.read(lambda tx: next(each.id for each in tx.pools.all() if each.host_id == host_id))
    spec = VolumeSpec(stage.name("volume"), 1 << 30, pool)
    return lambda: stage.volumes.create(ADMIN, "", spec)[1]


def _clone_volume(stage: Stage, host_id: str) -> Ask:
    """Of the root disk of an instance that is off: what comes out of it stands by itself."""
    instance = stage.instance(host_id, start=False)
    root = next(each for each in stage.cloud.read(lambda tx: tx.volumes.of_instance(instance.id)) if not each.slot)
    name = stage.name("copy")
    return lambda: stage.volumes.clone(ADMIN, "", root.id, VolumeSpec(name, 2 << 30))[1]


def _resize_volume(stage: Stage, host_id: str) -> Ask:
    """An instance runs with it."""
    instance = stage.instance(host_id)
    disk = _data_disk(stage, instance)
    return lambda: stage.volumes.resize(ADMIN, "", disk.id, Growth(2 << 30))


def _data_disk(stage: Stage, instance: Instance) -> Volume:
    return next(each for each in stage.cloud.read(lambda tx: tx.volumes.of_instance(instance.id)) if each.slot)


def _attach_disk(stage: Stage, host_id: str) -> Ask:
    """A new one by SCSI, which brings its controller."""
    instance = stage.instance(host_id)
    spec = DiskSpec(size=1 << 30, attachment=Attachment(DiskBus.SCSI, limits=IoLimits(total_iops=100)))
    return lambda: stage.disks.attach(ADMIN, "", instance.id, spec)[1]


def _detach_disk(stage: Stage, host_id: str) -> Ask:
    """The guest runs, is asked, and the volume goes too."""
    instance = stage.instance(host_id)
    disk = _data_disk(stage, instance)
    how = Parting(delete=True)
    return lambda: stage.disks.detach(ADMIN, "", instance.id, disk.id, how)


def _limit_disk(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    disk = _data_disk(stage, instance)
    return lambda: stage.disks.limit(ADMIN, "", instance.id, disk.id, IoLimits(read_bytes=1 << 20))


def _eject(stage: Stage, host_id: str) -> Ask:
    """A guest that runs with the CD that all scenes share."""
    cd = stage.drivers()
    instance, launched = stage.cloud.launch.launch(ADMIN, "", dataclasses.replace(stage.spec(host_id), driver_iso=cd))
    stage.done(launched)
    return lambda: stage.media.eject(ADMIN, "", instance.id)


def _install(stage: Stage, host_id: str) -> Ask:
    """From a CD with a kernel that its pool does not have yet, with answers that go into its initrd."""
    stage.drop_bases(host_id)
    disc = build_volume("INSTALLER", {"linux": b"a kernel", "initrd.gz": b"an initrd"})
    digest = hashlib.sha256(disc).hexdigest()
    (stage.cloud.config.image_dir / f"{digest}.iso").write_bytes(disc)

    def work(tx: Tx) -> str:
        facts = {"digest": digest, "size": len(disc), "virtual_size": len(disc)}
        return (
            tx.images.find("installer") or tx.images.add(builders.image(name="installer", format="iso", **facts))
        ).id

    install = InstallRequest(stage.cloud.store.transact(work))
    spec = InstanceSpec(
        name=stage.name("installed"), image="", host=host_id, vcpus=1, memory_mib=256, root_size=1 << 30,
        nics=(NicRequest(""),), install=install, answers="d-i debian-installer/locale string en_US\n",
    )  # fmt: skip
    return lambda: stage.cloud.launch.launch(ADMIN, "", spec)[1]


def _insert(stage: Stage, host_id: str) -> Ask:
    """A guest that runs and has no drive yet, nor its pool the CD that all scenes share."""
    cd, instance = stage.drivers(), stage.instance(host_id)
    stage.drop_bases(host_id)
    return lambda: stage.media.insert(ADMIN, "", instance.id, cd)[0]


def _attach_nic(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.nics.attach(ADMIN, "", instance.id, NicRequest(""))[1]


def _detach_nic(stage: Stage, host_id: str) -> Ask:
    """One of two."""
    spec = dataclasses.replace(stage.spec(host_id), nics=(NicRequest(""), NicRequest("")))
    instance, launched = stage.cloud.launch.launch(ADMIN, "", spec)
    stage.done(launched)
    return lambda: stage.nics.detach(ADMIN, "", instance.id, "1")


def _link_nic(stage: Stage, host_id: str) -> Ask:
    instance = stage.instance(host_id)
    return lambda: stage.nics.link(ADMIN, "", instance.id, "0", up=False)


def _network_spec(stage: Stage, host_id: str) -> NetworkSpec:
    return NetworkSpec(stage.name("net"), NetworkKind.NAT, host=host_id, cidr="192.168.99.0/24")


def _create_network(stage: Stage, host_id: str) -> Ask:
    return lambda: stage.networks.create(ADMIN, _network_spec(stage, host_id))[1]


def _delete_network(stage: Stage, host_id: str) -> Ask:
    network, operation = stage.networks.create(ADMIN, _network_spec(stage, host_id))
    stage.done(operation)
    return lambda: stage.networks.delete(ADMIN, network.id)


def _host_spec(stage: Stage) -> HostSpec:
    name = stage.name("host")
    return HostSpec(name, HostKind.LOCAL, libvirt_socket=f"/run/{name}")


def _enlist_host(stage: Stage, _host_id: str) -> Ask:
    return lambda: stage.hosts.add(ADMIN, _host_spec(stage))[1]


def _remove_host(stage: Stage, _host_id: str) -> Ask:
    """It shares a pool."""
    host, operation = stage.hosts.add(ADMIN, _host_spec(stage))
    stage.done(operation)
    _shared_pool(stage, host.id)
    return lambda: stage.hosts.remove(ADMIN, host.id)


def _forget_host(stage: Stage, _host_id: str) -> Ask:
    """It is lost with an instance that runs, a volume that nobody has, and an operation that is blocked on it."""
    host_id = stage.cloud.add_host(stage.name("lost"), address=f"10.1.{next(stage.numbers)}")
    instance = stage.instance(host_id)
    _volume(stage, host_id)

    def lose() -> Operation:
        stop = stage.cloud.instances.stop(ADMIN, "", instance.id)

        def work(tx: Tx) -> None:
            tx.hosts.update(host_id, state=HostState.LOST)
            tx.operations.update(stop.id, status=OperationStatus.BLOCKED, wake_at=tx.now + timedelta(days=1))

        stage.cloud.store.transact(work)
        return stage.forgetting.forget(ADMIN, host_id)

    return lose


def _scan_host(stage: Stage, _host_id: str) -> Ask:
    spec = HostSpec(stage.name("host"), address=stage.loopback(), port=stage.ssh_port)
    return lambda: stage.hosts.add(ADMIN, spec)[1]


def _prepare_disk(stage: Stage, _host_id: str) -> Ask:
    """One that has something on it, of a host that is asked for this alone."""
    host, operation = stage.hosts.add(ADMIN, _host_spec(stage))
    stage.done(operation)
    wish = Wish(f"/srv/{stage.name('disk')}", erase=True)

    def ask() -> Operation:
        digest = stage.host_disks.plan(ADMIN, host.id, "vdc", wish).disk.digest
        return stage.host_disks.prepare(ADMIN, host.id, "vdc", wish, digest)

    return ask


def _release_disk(stage: Stage, host_id: str) -> Ask:
    prepared = _prepare_disk(stage, host_id)()
    stage.done(prepared)
    return lambda: stage.host_disks.release(ADMIN, prepared.resource_id, prepared.args["mount"])


SCENES: Mapping[str, Callable[[Stage, str], Ask]] = {
    "group_start_v1": _start_group,
    "group_stop_v1": _stop_group,
    "host_disk_prepare_v1": _prepare_disk,
    "host_disk_release_v1": _release_disk,
    "host_enlist_v1": _enlist_host,
    "host_forget_v1": _forget_host,
    "host_remove_v1": _remove_host,
    "host_scan_v1": _scan_host,
    "image_delete_v1": _delete_image,
    "image_import_v1": _import_image,
    "instance_attach_disk_v1": _attach_disk,
    "instance_attach_nic_v1": _attach_nic,
    "instance_adopt_v1": _adopt,
    "instance_snapshot_v1": _snapshot,
    "instance_customize_v1": _customize,
    "instance_snapshot_memory_v1": _snapshot_memory,
    "instance_revert_v1": _revert,
    "instance_revert_memory_v1": _revert_memory,
    "instance_delete_snapshot_v1": _delete_snapshot,
    "instance_clone_v1": _clone,
    "instance_template_v1": _template,
    "instance_create_v1": _create,
    "instance_delete_v1": _delete,
    "instance_hardware_v1": _change_hardware,
    "instance_resize_v1": _resize,
    "instance_freeze_v1": _freeze,
    "instance_thaw_v1": _thaw,
    "instance_discard_v1": _discard,
    "instance_eject_v1": _eject,
    "instance_insert_v1": _insert,
    "instance_install_v1": _install,
    "instance_edit_v1": _edit,
    "instance_move_v1": _move,
    "instance_pause_v1": _pause,
    "instance_rename_v1": _rename,
    "instance_reset_v1": _reset,
    "instance_detach_disk_v1": _detach_disk,
    "instance_detach_nic_v1": _detach_nic,
    "instance_limit_disk_v1": _limit_disk,
    "instance_link_nic_v1": _link_nic,
    "instance_restart_v1": _restart,
    "instance_restore_v1": _restore,
    "instance_resume_v1": _resume,
    "instance_save_v1": _save,
    "instance_start_v1": _start,
    "instance_stop_v1": _stop,
    "instance_trash_v1": _trash,
    "instance_untrash_v1": _untrash,
    "network_create_v1": _create_network,
    "network_delete_v1": _delete_network,
    "pool_create_v1": _create_pool,
    "pool_delete_v1": _delete_pool,
    "pool_grow_v1": _grow_pool,
    "pool_refresh_v1": _refresh_pool,
    "volume_clone_v1": _clone_volume,
    "volume_create_v1": _create_volume,
    "volume_delete_v1": _delete_volume,
    "volume_move_v1": _move_volume,
    "volume_resize_v1": _resize_volume,
}


def _remove_volume(stage: Stage, ref: str) -> Operation:
    """Remove a volume, or the instance that has it."""
    owner = stage.volumes.show(ADMIN, "", ref).instance_id
    return stage.cloud.instances.delete(ADMIN, "", owner) if owner else stage.volumes.delete(ADMIN, "", ref)


def _remove_group(stage: Stage, ref: str) -> Operation:
    """Remove a group and its instances, once what it began for them has ended."""
    *others, last = [each.instance.id for each in stage.groups.show(ADMIN, "", ref).members]
    stage.groups.delete(ADMIN, "", ref, None)
    for each in others:
        stage.done(stage.cloud.instances.delete(ADMIN, "", each))
    return stage.cloud.instances.delete(ADMIN, "", last)


def _remove_instance(stage: Stage, ref: str) -> Operation | None:
    """Remove an instance, or let an adopted one go."""
    if not stage.cloud.instances.show(ADMIN, "", ref).instance.adopted:
        return stage.cloud.instances.delete(ADMIN, "", ref)
    stage.adopting.forget(ADMIN, "", ref)
    return None


def _remove_host_again(stage: Stage, ref: str) -> Operation:
    lost = stage.hosts.show(ADMIN, ref).state is HostState.LOST
    return stage.forgetting.forget(ADMIN, ref) if lost else stage.hosts.remove(ADMIN, ref)


_REMOVE: Mapping[str, Callable[[Stage, str], Operation | None]] = {
    "group": _remove_group,
    "host": _remove_host_again,
    "image": lambda stage, ref: stage.images.delete(ADMIN, ref),
    "instance": _remove_instance,
    "network": lambda stage, ref: stage.networks.delete(ADMIN, ref),
    "pool": lambda stage, ref: stage.pools.delete(ADMIN, ref),
    "volume": _remove_volume,
}


def tidy(stage: Stage, ended: Operation) -> None:
    """Remove what an operation was about, if it is there: whatever became of it, that has to be possible."""
    for clone in ended.args.get("clones", ()):
        if clone in stage.cloud.read(lambda tx, id=clone: tx.instances.many([id])):  # type: ignore[misc]
            stage.done(stage.cloud.instances.delete(ADMIN, "", clone))
    try:
        removal = _REMOVE[ended.resource_kind](stage, ended.resource_id)
    except NotFound:
        return
    if removal is not None:
        stage.done(removal)
