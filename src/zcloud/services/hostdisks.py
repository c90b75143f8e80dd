"""Hosts' own disks: shown, and one made a place for pools after its plan was seen.

A host is asked while the request waits, so that a plan is of this moment; what is recorded has the plan's digest, and
the worker goes on only where that still holds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.errors import DiskChanged, InUse, NotFound
from zcloud.domain.host import Host
from zcloud.domain.hostdisk import (
    Block,
    DiskPicture,
    Marks,
    Wish,
    check_wish,
    pools_below,
)
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.drivers.hostdisks import DiskTool, check_free, preparation
from zcloud.ports import HostLink
from zcloud.services.context import Services, Subject, authorize, begin
from zcloud.services.direct import Direct
from zcloud.store import Tx

_SOME = Marks("TABLE-UUID", "PARTITION-UUID", "FILESYSTEM-UUID")  # the real ones are chosen when it begins


@dataclass(frozen=True, slots=True)
class DiskView:
    """A disk, the pools on it, and where zcloud itself mounts it (empty: it does not)."""

    disk: Block
    pools: tuple[str, ...]
    prepared: str


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """What preparing a disk would do: ``lost`` is on it now, ``commands`` are run in turn."""

    host: Host
    disk: Block
    wish: Wish
    lost: tuple[str, ...]
    commands: tuple[str, ...]


class HostDisks:
    """The service behind ``zcloud host disk``."""

    def __init__(self, services: Services, direct: Direct) -> None:
        self._store, self._direct = services.store, direct

    def all(self, actor: Actor, ref: str) -> list[DiskView]:
        """List a host's disks as they are now. Raises NotFound, HostUnreachable, DeadlineExceeded, Throttled."""
        host = self._host(actor, ref)
        picture = self._picture(host)
        with self._store.read() as tx:
            pools = tx.pools.all()
        ours = {line.place for line in picture.fstab or () if line.is_ours}
        return [
            DiskView(
                each,
                tuple(pools_below(pools, host.id, [place for place in each.homes if place != "/"])),
                next((place for place in each.homes if place in ours), ""),
            )
            for each in picture.disks
        ]

    def plan(self, actor: Actor, ref: str, name: str, wish: Wish) -> DiskPlan:
        """Say what preparing a disk would do; nothing is changed.

        Raises InvalidInput, NotFound, NotWholeDisk, SystemDisk, DiskInUse, WrongState, DiskNotEmpty, MountPointTaken,
        and as ``all``.
        """
        host = self._host(actor, ref)
        check_wish(wish)
        disk = self._direct.look(host.id, lambda link: _free_disk(link, name, wish))
        return DiskPlan(host, disk, wish, disk.content, tuple(preparation(disk, wish, _SOME)))

    def prepare(self, actor: Actor, ref: str, name: str, wish: Wish, digest: str) -> Operation:
        """Begin to prepare a disk as the plan with this digest said; raises DiskChanged, Busy, and as ``plan``."""
        plan = self.plan(actor, ref, name, wish)
        if plan.disk.digest != digest:
            raise DiskChanged(f"{plan.disk.name} is not as it was when its plan was made.")
        args = {
            "disk": plan.disk.name,
            "identity": plan.disk.identity,
            "digest": digest,
            "mount": wish.mount,
            "filesystem": wish.filesystem.value,
            "erase": wish.erase,
            "marks": asdict(Marks(new_id(), new_id(), new_id())),
        }
        return self._store.transact(lambda tx: _begin(tx, actor, plan.host.id, "prepare", args))

    def release(self, actor: Actor, ref: str, place: str) -> Operation:
        """Begin to unmount a disk that zcloud has prepared, for good; its data stays. Raises NotFound, InUse, Busy."""
        host = self._host(actor, ref)
        line = self._picture(host).ours(place)
        if line is None:
            raise NotFound(
                f"zcloud mounts no disk of {host.name} at {place[:80]!r}.", hint="See `zcloud host disk list HOST`."
            )

        def work(tx: Tx) -> Operation:
            pools = pools_below(tx.pools.all(), host.id, [place])
            if pools:
                raise InUse(f"The pool {', '.join(pools)} is on it.", hint="Delete the pool first.")
            return _begin(tx, actor, host.id, "release", {"mount": place, "uuid": line.uuid})

        return self._store.transact(work)

    def _host(self, actor: Actor, ref: str) -> Host:
        authorize(actor, None, Role.ADMIN, "The disks of hosts")
        with self._store.read() as tx:
            return tx.hosts.resolve(ref)

    def _picture(self, host: Host) -> DiskPicture:
        return self._direct.look(host.id, lambda link: DiskTool(link.shell).picture())


def _free_disk(link: HostLink, name: str, wish: Wish) -> Block:
    """Give the disk where it can be prepared so; raises what stands in the way."""
    picture = DiskTool(link.shell).picture()
    disk = picture.find(name)
    check_free(link, picture, disk, wish)
    return disk


def _begin(tx: Tx, actor: Actor, host_id: str, verb: str, args: dict[str, Any]) -> Operation:
    host = tx.hosts.get(host_id)
    subject = Subject("host", host.id, host.name)
    operation = begin(tx, actor, f"{verb}_disk", f"host_disk_{verb}_v1", subject, **args)
    tx.hosts.lock(host.id, operation.id)
    return operation
