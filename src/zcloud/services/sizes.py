"""Resize: another size for an instance, at once where its guest can follow, else from its next start on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from zcloud.domain.errors import InvalidInput
from zcloud.domain.hardware import check_hardware, settle
from zcloud.domain.instance import RUNS, Instance
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Usage
from zcloud.domain.size import Size, ask_size, check_live, check_size, live_size, wanted_size
from zcloud.services import admission
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx


@dataclass(frozen=True, slots=True)
class SizeChange:
    """What is asked for; 0 and None leave it as it is. ``next_start`` leaves a running guest alone until then."""

    flavor: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    max_vcpus: int | None = None
    max_memory_mib: int | None = None
    next_start: bool = False


class Sizes:
    """The service behind ``zcloud instance resize``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def resize(
        self, actor: Actor, project: str, ref: str, change: SizeChange, revision: int | None = None
    ) -> Operation:
        """Admit and record a new size; room for growth is claimed now, what shrinks is given back when it has.

        Raises InvalidInput, NotFound, WrongState, Busy, NotLive, NoRoom, QuotaExceeded, RevisionMismatch.
        """

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "resize")
            return _record(tx, actor, instance, change)

        return self._store.transact(work)


def _record(tx: Tx, actor: Actor, instance: Instance, change: SizeChange) -> Operation:
    now = live_size(instance) if instance.status in RUNS and not change.next_start else None
    new = _resolve(tx, instance, change, now)
    size = wanted_size(new)
    check_size(size, tx.images.get(instance.image_id).min_memory_mib if instance.image_id else 0)
    check_hardware(settle(new.options), size, new.firmware)
    if now is not None:
        check_live(instance.name, now, size)
    if _fields(new) == _fields(instance) and now in (None, size):
        raise InvalidInput(f"The instance {instance.name} has that size already.", field="vcpus")
    more = Usage(0, max(size.vcpus - instance.vcpus, 0), max(size.memory_mib - instance.memory_mib, 0), 0)
    admission.check_quota(tx, tx.projects.get(instance.project_id), more)
    operation = begin_verb(
        tx,
        actor,
        instance,
        "resize",
        old=_fields(instance),
        new=_fields(new) | size.to_record(),
        live=now is not None,
        asked=asdict(change),
    )
    if now is not None:
        admission.grow(tx, instance, size)
    tx.instances.update(instance.id, bump=True, **_fields(new))
    return operation


def _resolve(tx: Tx, instance: Instance, change: SizeChange, now: Size | None) -> Instance:
    """Give the record as it is to be; a running guest's room to grow stays what it is."""
    flavor = tx.flavors.get(change.flavor) if change.flavor else None
    vcpus = change.vcpus or (flavor.vcpus if flavor else instance.vcpus)
    memory_mib = change.memory_mib or (flavor.memory_mib if flavor else instance.memory_mib)
    most = instance.max_vcpus if change.max_vcpus is None else change.max_vcpus
    most_mib = instance.max_memory_mib if change.max_memory_mib is None else change.max_memory_mib
    ask_size(vcpus, memory_mib, change.max_vcpus or 0, change.max_memory_mib or 0)
    size = Size(vcpus, memory_mib, most, most_mib)
    if now is not None and change.max_vcpus is None and size.max_vcpus < now.max_vcpus:
        most = now.max_vcpus
    if now is not None and change.max_memory_mib is None and size.max_memory_mib < now.max_memory_mib:
        most_mib = now.max_memory_mib
    same = (vcpus, memory_mib) == (instance.vcpus, instance.memory_mib)
    name = change.flavor or (instance.flavor if same else "")
    return replace(instance, vcpus=vcpus, memory_mib=memory_mib, max_vcpus=most, max_memory_mib=most_mib, flavor=name)


def _fields(instance: Instance) -> dict[str, Any]:
    names = ("vcpus", "memory_mib", "max_vcpus", "max_memory_mib", "flavor")
    return {name: getattr(instance, name) for name in names}
