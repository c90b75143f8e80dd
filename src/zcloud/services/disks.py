"""The disks of an instance that is there: attached, detached, limited; all of it while it runs, where that can be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from zcloud.domain.attachment import PLAIN, Attachment, DiskBus, IoLimits, check_place, free_slot
from zcloud.domain.errors import AlreadyExists, InUse, InvalidInput, NoPlace, NotFound, WrongState
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.domain.storage import Reader, Volume, VolumeState
from zcloud.drivers import registry
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.services.snapshots import check_no_snapshot
from zcloud.services.volumes import VolumeSpec, add_volume, check_unshared, check_usable, find_pool, find_volume
from zcloud.store import Tx

MAX_DEADLINE_S = 3600


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """A disk that is to be attached: a volume that is there, by name or id, or a new one of ``size`` bytes."""

    volume: str = ""
    size: int = 0
    pool: str = ""
    name: str = ""
    attachment: Attachment = PLAIN


@dataclass(frozen=True, slots=True)
class Parting:
    """How a disk is taken away: a running guest is asked whether it is mounted, unless ``force``.

    It has ``deadline_s`` to let go of it. ``delete``: the volume goes too.
    """

    force: bool = False
    delete: bool = False
    deadline_s: int = 60


class Disks:
    """The service behind ``zcloud instance disk``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def all(self, actor: Actor, project: str, ref: str) -> list[Volume]:
        """List the disks of an instance in the order of their slots, those that it shares last."""
        with self._store.read() as tx:
            return _all(tx, find(tx, actor, project, ref, Role.VIEWER))

    def attach(
        self, actor: Actor, project: str, ref: str, spec: DiskSpec, revision: int | None = None
    ) -> tuple[Volume, Operation]:
        """Attach a volume, or a new one; one that is shared stays free, and instances that read it are recorded.

        Raises WrongState, Busy, InUse, NoPlace, InvalidInput, NotFound; for a new one AlreadyExists, PoolFull and
        QuotaExceeded too.
        """
        if bool(spec.volume) == bool(spec.size):
            raise InvalidInput("Name a volume, or give the size of a new one.", field="volume")
        if spec.attachment.shared and not spec.volume:
            raise InvalidInput("A new volume is empty; nobody could write what is to be read of it.", field="shared")
        spec.attachment.check()

        def work(tx: Tx) -> tuple[Volume, Operation]:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "attach_disk")
            others = _all(tx, instance)
            slot = free_slot({each.slot for each in others})
            check_place(slot, spec.attachment.bus)
            _check_live(instance, spec.attachment.bus, others)
            volume = _existing(tx, actor, instance, spec) if spec.volume else _new(tx, instance, spec, slot)
            spec.attachment.check_direct(direct_io=registry.has_direct_io(tx.pools.get(volume.pool_id)))
            _check_serial(spec.attachment, volume, others)
            operation = begin_verb(tx, actor, instance, "attach_disk", volume=volume.id, new=not spec.volume)
            tx.volumes.lock(volume.id, operation.id)
            tx.instances.update(instance.id, bump=True)
            return _give(tx, tx.volumes.get(volume.id), instance, slot, spec.attachment), operation

        return self._store.transact(work)

    def detach(
        self, actor: Actor, project: str, ref: str, disk: str, how: Parting, revision: int | None = None
    ) -> Operation:
        """Take a disk from an instance; it stays as a volume, or is deleted.

        Raises NotFound, WrongState (the root disk), Busy, InvalidInput.
        """
        if not 1 <= how.deadline_s <= MAX_DEADLINE_S:
            raise InvalidInput(f"The deadline must be 1 to {MAX_DEADLINE_S} seconds.", field="deadline_s")

        def work(tx: Tx) -> Operation:
            instance, volume = _mine(tx, actor, project, ref, disk)
            expect(instance, revision)
            check_state(instance, "detach_disk")
            if not volume.slot:
                raise WrongState(f"{volume.name} is the root disk of {instance.name}; it stays with it.")
            if instance.status is not InstanceStatus.STOPPED and volume.attachment.bus is DiskBus.SATA:
                raise WrongState(_SATA.format(verb="taken from"), hint=f"Stop it first: `zcloud stop {instance.name}`.")
            if volume.attachment.shared and how.delete:
                raise WrongState(f"{volume.name} is shared; it is not deleted with its place in one instance.")
            check_no_snapshot(tx, volume)
            operation = begin_verb(tx, actor, instance, "detach_disk", volume=volume.id, **asdict(how))
            tx.volumes.lock(volume.id, operation.id)
            tx.instances.update(instance.id, bump=True)
            return operation

        return self._store.transact(work)

    def limit(
        self, actor: Actor, project: str, ref: str, disk: str, limits: IoLimits, revision: int | None = None
    ) -> Operation:
        """Set all limits of a disk anew, at once and for later starts; raises InvalidInput, NotFound, Busy."""
        limits.check()

        def work(tx: Tx) -> Operation:
            instance, volume = _mine(tx, actor, project, ref, disk)
            expect(instance, revision)
            check_state(instance, "limit_disk")
            if volume.attachment.shared:
                raise WrongState(
                    f"{volume.name} is shared; its limits are those that it was attached with.",
                    hint="Take it away and attach it again, with other ones.",
                )
            operation = begin_verb(tx, actor, instance, "limit_disk", volume=volume.id, limits=asdict(limits))
            tx.volumes.lock(volume.id, operation.id)
            tx.instances.update(instance.id, bump=True)
            return operation

        return self._store.transact(work)

    def again(self, actor: Actor, old: Operation) -> Operation:
        """Ask once more for a detachment or limits that failed; raises WrongState for what has to be asked anew."""
        args = dict(old.args)
        volume = str(args.pop("volume"))
        if old.verb == "detach_disk":
            return self.detach(actor, "", old.resource_id, volume, Parting(**args))
        if old.verb == "limit_disk":
            return self.limit(actor, "", old.resource_id, volume, IoLimits(**args["limits"]))
        raise WrongState("The disk is free again.", hint="Attach it anew: `zcloud volume attach`.")


_SATA = "A SATA disk cannot be {verb} a guest that runs."


def _all(tx: Tx, instance: Instance) -> list[Volume]:
    return [*tx.volumes.of_instance(instance.id), *tx.readers.of_instance(instance.id)]


def _give(tx: Tx, volume: Volume, instance: Instance, slot: int, how: Attachment) -> Volume:
    """Record that an instance has a volume that the operation holds, so that nobody else gets it; raises InUse."""
    _check_free(tx, volume, instance, how)
    if not how.shared:
        return tx.volumes.update(volume.id, instance_id=instance.id, slot=slot, attachment=how)
    tx.readers.add(Reader(volume.id, instance.id, slot, how))
    return replace(volume, instance_id=instance.id, slot=slot, attachment=how)


def _check_free(tx: Tx, volume: Volume, instance: Instance, how: Attachment) -> None:
    """Go on only where nobody has the volume, or all of them only read it, this instance not yet; raises InUse."""
    if volume.instance_id:
        owner = tx.instances.get(volume.instance_id)
        raise InUse(f"The volume {volume.name} belongs to the instance {owner.name}.")
    if not how.shared:
        check_unshared(tx, volume)
    elif instance.id in tx.readers.of_volume(volume.id):
        raise InUse(f"{instance.name} has the volume {volume.name} already.")


def _mine(tx: Tx, actor: Actor, project: str, ref: str, disk: str) -> tuple[Instance, Volume]:
    instance = find(tx, actor, project, ref)
    for volume in _all(tx, instance):
        if disk in (volume.id, volume.name):
            return instance, volume
    raise NotFound(
        f"The instance {instance.name} has no disk {disk[:80]!r}.",
        hint=f"See `zcloud instance disk list {instance.name}`.",
    )


def _check_live(instance: Instance, bus: DiskBus, others: list[Volume]) -> None:
    """Refuse what a running guest cannot take; how many places it has left was noted with its definition."""
    if instance.status is InstanceStatus.STOPPED:
        return
    if bus is DiskBus.SATA:
        raise WrongState(
            _SATA.format(verb="plugged into"),
            hint=f"Choose virtio or scsi, or stop it first: `zcloud stop {instance.name}`.",
        )
    shares = bus is DiskBus.SCSI and any(each.attachment.bus is DiskBus.SCSI for each in others)
    if instance.hardware.get("places") == 0 and not shares:
        raise NoPlace(f"The running guest of {instance.name} has no place left for another disk.")


def _check_serial(attachment: Attachment, volume: Volume, others: list[Volume]) -> None:
    serial = attachment.serial or volume.serial
    if serial in {each.serial for each in others}:
        raise AlreadyExists(f"Another disk of the instance has the serial {serial}.", hint="Give another: `--serial`.")


def _existing(tx: Tx, actor: Actor, instance: Instance, spec: DiskSpec) -> Volume:
    if spec.pool or spec.name:
        raise InvalidInput("Pool and name are for a new volume.", field="pool")
    volume = find_volume(tx, actor, instance.project_id, spec.volume)
    if volume.project_id != instance.project_id:
        raise NotFound(f"There is no volume {spec.volume[:80]!r} in the instance's project.")
    _check_free(tx, volume, instance, spec.attachment)
    if volume.state is not VolumeState.READY:
        raise WrongState(f"The volume {volume.name} is {volume.state}.")
    pool = tx.pools.get(volume.pool_id)
    if pool.host_id not in (None, instance.host_id):
        place, wanted = (tx.hosts.get(id).name for id in (str(pool.host_id), instance.host_id))
        raise WrongState(f"The volume {volume.name} is on the host {place}; {instance.name} is on {wanted}.")
    check_usable(tx, pool, instance.host_id)
    return volume


def _new(tx: Tx, instance: Instance, spec: DiskSpec, slot: int) -> Volume:
    owner = tx.projects.get(instance.project_id)
    beside = [each.pool_id for each in tx.volumes.of_instance(instance.id)]
    pool = find_pool(tx, spec.pool or next(iter(beside), ""), instance.host_id)
    return add_volume(tx, owner, pool, VolumeSpec(spec.name or _free_name(tx, instance, slot), spec.size))


def _free_name(tx: Tx, instance: Instance, slot: int) -> str:
    """Give the name that a disk in this slot has, unless an older disk of the instance kept it."""
    for number in range(slot, slot + 1000):
        name = f"{instance.name[:50]}-data-{number}"
        if tx.volumes.find(name, instance.project_id) is None:
            return name
    raise AlreadyExists(f"There are too many volumes named after {instance.name}.", hint="Give the disk a name.")
