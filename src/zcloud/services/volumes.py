"""Volumes: made and grown, listed, removed. Plugging them in is ``disks``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.errors import AlreadyExists, InUse, InvalidInput, NotFound, WrongState
from zcloud.domain.instance import InstanceStatus
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Project, Role, Usage
from zcloud.domain.storage import MIB, TIB, Pool, PoolState, Volume, VolumeRole, VolumeState
from zcloud.drivers import registry
from zcloud.drivers.storage.base import Feature
from zcloud.services import admission
from zcloud.services.context import (
    Services,
    Subject,
    Window,
    authorize,
    begin,
    expect,
    resolve_project,
    visible_projects,
)
from zcloud.services.owned import check_state
from zcloud.store import Page, Tx, VolumeFilter

MIN_SIZE, MAX_SIZE = MIB, 64 * TIB


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A volume that is to be made: bytes; an empty pool is the default one, where there is only one."""

    name: str
    size: int
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Growth:
    """How large a volume is to be, in bytes, and whether a guest that runs with it grows its file systems, too."""

    size: int
    filesystems: bool = True


class Volumes:
    """The service behind ``zcloud volume``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def page(self, actor: Actor, project: str, pool: str, window: Window, *, free: bool = False) -> Page[Volume]:
        """List volumes that the actor may see, perhaps of one pool only, or only those that no instance has."""
        with self._store.read() as tx:
            visible = {resolve_project(tx, actor, project, Role.VIEWER).id} if project else visible_projects(actor)
            pool_id = tx.pools.resolve(pool).id if pool else None
            return tx.volumes.page(VolumeFilter(project_ids=visible, pool_id=pool_id, free=free), **window.arguments())

    def readers(self, volumes: Iterable[Volume]) -> dict[str, list[str]]:
        """Give the ids of the instances that share volumes, by volume id; one that none shares is left out."""
        with self._store.read() as tx:
            return tx.readers.of_volumes([each.id for each in volumes])

    def show(self, actor: Actor, project: str, ref: str) -> Volume:
        """Give one volume by name or id; raises NotFound."""
        with self._store.read() as tx:
            return find_volume(tx, actor, project, ref, Role.VIEWER)

    def create(self, actor: Actor, project: str, spec: VolumeSpec) -> tuple[Volume, Operation]:
        """Record a volume that no instance has, and make it; raises InvalidInput, PoolFull, QuotaExceeded."""

        def work(tx: Tx) -> tuple[Volume, Operation]:
            owner = resolve_project(tx, actor, project, Role.MEMBER)
            volume = add_volume(tx, owner, find_pool(tx, spec.pool), spec)
            asked = {"size": spec.size, "pool": volume.pool_id}
            return tx.volumes.get(volume.id), _begin(tx, actor, volume, "create", **asked)

        return self._store.transact(work)

    def rename(self, actor: Actor, project: str, ref: str, name: str, revision: int | None) -> Volume:
        """Give a volume another name; the guest knows it by its serial, which stays. Raises AlreadyExists."""
        check_name(name)

        def work(tx: Tx) -> Volume:
            volume = find_volume(tx, actor, project, ref)
            return tx.volumes.update(volume.id, expect_revision=revision, name=name, bump=True)

        return self._store.transact(work)

    def clone(self, actor: Actor, project: str, ref: str, spec: VolumeSpec) -> tuple[Volume, Operation]:
        """Make a free volume with the bytes of another one, perhaps in another pool; the operation has both.

        A size of 0 and an empty pool are the original's.

        Raises WrongState (a guest may write to it), InvalidInput (smaller), AlreadyExists, PoolFull, QuotaExceeded.
        """

        def work(tx: Tx) -> tuple[Volume, Operation]:
            source = find_volume(tx, actor, project, ref)
            here, owner = tx.pools.get(source.pool_id), tx.projects.get(source.project_id)
            pool = find_pool(tx, spec.pool) if spec.pool else here
            host_id = common_host(tx, here, pool)
            if pool.id == here.id:
                registry.check_feature(pool, Feature.COPY, f"copies of volumes, such as {source.name}")
            if spec.size and spec.size < source.size:
                raise InvalidInput(f"A copy of {source.name} has {source.size} bytes at least.", field="size")
            copy = add_volume(tx, owner, pool, VolumeSpec(spec.name, spec.size or source.size))
            asked = {"source": source.id, "size": copy.size, "pool": pool.id, "host": host_id}
            operation = _begin(tx, actor, copy, "clone", **asked)
            hold_still(tx, source, operation)
            return tx.volumes.get(copy.id), operation

        return self._store.transact(work)

    def resize(self, actor: Actor, project: str, ref: str, growth: Growth, revision: int | None = None) -> Operation:
        """Make a volume larger, while its guest runs too; raises InvalidInput (smaller), PoolFull, QuotaExceeded."""

        def work(tx: Tx) -> Operation:
            volume = find_volume(tx, actor, project, ref)
            expect(volume, revision)
            _check_size(growth.size)
            pool = tx.pools.get(volume.pool_id)
            size = registry.whole_size(pool, growth.size)
            if size <= volume.size:
                raise InvalidInput(
                    f"The volume {volume.name} has {volume.size} bytes already; it can only grow.",
                    hint="Make a smaller volume and copy the data in the guest.",
                    field="size",
                )
            if volume.state is not VolumeState.READY:
                raise WrongState(f"The volume {volume.name} is {volume.state}.")
            check_unshared(tx, volume)
            registry.check_feature(tx.pools.get(volume.pool_id), Feature.GROW_LIVE, "volumes that grow")
            owner = tx.projects.get(volume.project_id)
            admission.check_quota(tx, owner, Usage(0, 0, 0, size - volume.size))
            operation = _begin(tx, actor, volume, "resize", size=size, filesystems=growth.filesystems)
            if volume.instance_id:
                instance = tx.instances.get(volume.instance_id)
                check_state(instance, "grow_disk")
                tx.instances.lock(instance.id, operation.id)
            admission.claim_volume(tx, pool, volume.id, size)
            return operation

        return self._store.transact(work)

    def again(self, actor: Actor, old: Operation) -> Operation:
        """Ask once more for a volume that was not made, or not grown; raises as these do."""
        if old.verb == "resize":
            growth = Growth(int(old.args["size"]), bool(old.args.get("filesystems")))
            return self.resize(actor, "", old.resource_id, growth)
        if old.verb == "clone":
            wanted = VolumeSpec(old.resource_name, int(old.args["size"]), str(old.args.get("pool", "")))
            return self.clone(actor, old.project_id or "", str(old.args["source"]), wanted)[1]
        spec = VolumeSpec(old.resource_name, int(old.args["size"]), str(old.args["pool"]))
        return self.create(actor, old.project_id or "", spec)[1]

    def delete(self, actor: Actor, project: str, ref: str, revision: int | None = None) -> Operation:
        """Delete a volume that no instance has; raises InUse, Busy."""

        def work(tx: Tx) -> Operation:
            volume = find_volume(tx, actor, project, ref)
            expect(volume, revision)
            if volume.instance_id:
                owner = tx.instances.get(volume.instance_id)
                raise InUse(
                    f"The volume {volume.name} belongs to the instance {owner.name}.",
                    hint=f"Detach it first: `zcloud volume detach {volume.name}`.",
                )
            check_unshared(tx, volume)
            if volume.state is VolumeState.DELETING:
                raise WrongState(f"The volume {volume.name} is being deleted already.")
            operation = _begin(tx, actor, volume, "delete")
            tx.volumes.update(volume.id, state=VolumeState.DELETING)
            return operation

        return self._store.transact(work)


def find_volume(tx: Tx, actor: Actor, project: str, ref: str, needed: Role = Role.MEMBER) -> Volume:
    """Give the volume of that name in the project, or of that id; raises NotFound, Forbidden."""
    by_id = tx.volumes.many([ref]).get(ref)
    if by_id is not None:
        authorize(actor, by_id.project_id, needed, f"The volume {ref!r}")
        return by_id
    owner = resolve_project(tx, actor, project, needed)
    found = tx.volumes.find(ref, owner.id)
    if found is None:
        raise NotFound(
            f"There is no volume {ref[:80]!r} in the project {owner.name}.", hint="See `zcloud volume list`."
        )
    return found


def check_unshared(tx: Tx, volume: Volume) -> None:
    """Go on only where no instances share the volume; raises InUse naming some."""
    readers = tx.instances.many(tx.readers.of_volume(volume.id)).values()
    if readers:
        names = sorted(each.name for each in readers)
        raise InUse(
            f"Instances share the volume {volume.name} to read it: {', '.join(names[:5])}.",
            hint=f"Take it from them first: `zcloud instance disk remove {names[0]} {volume.name}`.",
        )


def find_pool(tx: Tx, ref: str, host_id: str | None = None) -> Pool:
    """Give a pool by name or id, or the default one (of a host, where one is given); raises NotFound, InvalidInput."""
    here = [each for each in tx.pools.all() if host_id is None or each.belongs_to(host_id)]
    found = [each for each in here if (ref in (each.id, each.name) if ref else each.is_default)]
    if not found:
        where = "on the instance's host" if host_id else "here"
        raise NotFound(f"There is no {'pool ' + repr(ref[:80]) if ref else 'default pool'} {where}.")
    if len(found) > 1:
        names = ", ".join(sorted(each.name for each in found)[:10])
        raise InvalidInput(f"There is more than one default pool: {names}.", hint="Name one.", field="pool")
    pool = found[0]
    if pool.state is not PoolState.READY:
        raise WrongState(f"The pool {pool.name} is {pool.state}, not ready.")
    if pool.draining:
        raise WrongState(f"The pool {pool.name} {admission.CLOSED}", hint="Choose another pool.")
    if host_id is not None:
        check_usable(tx, pool, host_id)
    return pool


def check_usable(tx: Tx, pool: Pool, host_id: str) -> None:
    """Go on only where what is in a pool can be used on a host; raises WrongState with the reason."""
    reason = admission.why_unusable(pool, tx.pool_hosts.of_pool(pool.id).get(host_id))
    if reason or not pool.belongs_to(host_id):
        raise WrongState(
            f"The pool {pool.name} cannot be used on {tx.hosts.get(host_id).name}: {reason or 'it is not for it.'}",
            hint=f"See `zcloud pool show {pool.name}`.",
        )


def common_host(tx: Tx, one: Pool, other: Pool) -> str:
    """Give the host by which something goes from one pool to another; raises WrongState where none reaches both."""
    host_id = one.host_id or other.host_id or tx.pool_hosts.way_to(one)
    for pool in (one, other):
        check_usable(tx, pool, host_id)
    return host_id


def add_volume(tx: Tx, owner: Project, pool: Pool, spec: VolumeSpec) -> Volume:
    """Record and claim a new volume; raises InvalidInput, AlreadyExists, PoolFull, QuotaExceeded."""
    check_name(spec.name, "volume name")
    _check_size(spec.size)
    size = registry.whole_size(pool, spec.size)
    if tx.volumes.find(spec.name, owner.id) is not None:
        raise AlreadyExists(f"The project {owner.name} has a volume {spec.name} already.")
    admission.check_quota(tx, owner, Usage(0, 0, 0, size))
    volume = tx.volumes.add(
        Volume(
            id=new_id(),
            name=spec.name,
            project_id=owner.id,
            pool_id=pool.id,
            role=VolumeRole.DATA,
            size=size,
            allocated=0,
            image_id=None,
            instance_id=None,
            slot=None,
            state=VolumeState.CREATING,
            operation_id=None,
            created_at=tx.now,
            revision=1,
        )
    )
    admission.claim_volume(tx, pool, volume.id, size)
    return volume


def hold_still(tx: Tx, volume: Volume, operation: Operation) -> None:
    """Have an operation read a volume that nobody writes to until it ends; raises WrongState, Busy."""
    if volume.state is not VolumeState.READY:
        raise WrongState(f"The volume {volume.name} is {volume.state}.")
    if volume.instance_id:
        instance = tx.instances.get(volume.instance_id)
        if instance.adopted or (instance.operation_id is None and instance.status is not InstanceStatus.STOPPED):
            raise WrongState(
                f"{volume.name} is a disk of {instance.name}, which may write to it: it is {instance.status}.",
                hint=f"Stop it first: `zcloud stop {instance.name}`.",
            )
        tx.instances.lock(instance.id, operation.id)
    tx.volumes.lock(volume.id, operation.id)


def _check_size(size: int) -> None:
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise InvalidInput(f"A volume of {size} bytes is out of bounds.", hint="Ask for 1 MiB to 64 TiB.", field="size")


def _begin(tx: Tx, actor: Actor, volume: Volume, verb: str, **args: Any) -> Operation:
    subject = Subject("volume", volume.id, volume.name, volume.project_id)
    operation = begin(tx, actor, verb, f"volume_{verb}_v1", subject, **args)
    tx.volumes.lock(volume.id, operation.id)
    return operation
