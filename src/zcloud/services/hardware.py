"""Other hardware for an instance: recorded and defined now, had by its guest from the next start on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zcloud.domain.errors import InvalidInput
from zcloud.domain.hardware import HARDWARE, check_hardware, normal, settle
from zcloud.domain.host import Host
from zcloud.domain.instance import Instance
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor
from zcloud.domain.size import wanted_size
from zcloud.scheduler import Demand
from zcloud.services import admission
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx

_OF_BIRTH = ("os", "disk_bus")


@dataclass(frozen=True, slots=True)
class HardwareChange:
    """Options to set, and names of options to be as the guest's system has them by default."""

    set: Mapping[str, Any] = field(default_factory=dict)
    reset: Iterable[str] = ()
    upgrade_machine: bool = False


class HardwareService:
    """The service behind ``zcloud instance hardware``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def change(
        self, actor: Actor, project: str, ref: str, change: HardwareChange, revision: int | None = None
    ) -> Operation:
        """Admit and record other hardware; the host must have what it takes.

        Raises InvalidInput, NotFound, WrongState, Busy, NoRoom (with the reason), RevisionMismatch.
        """

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "hardware")
            return _record(tx, actor, instance, change)

        return self._store.transact(work)


def _record(tx: Tx, actor: Actor, instance: Instance, change: HardwareChange) -> Operation:
    host = tx.hosts.get(instance.host_id)
    new = replace(
        instance, options=_choose(instance, change), machine=_machine(instance, host, upgrade=change.upgrade_machine)
    )
    if (new.options, new.machine) == (instance.options, instance.machine):
        raise InvalidInput(f"The instance {instance.name} has that hardware already.", field="set")
    _check(tx, instance, new)
    asked = {"set": dict(change.set), "reset": list(change.reset), "upgrade_machine": change.upgrade_machine}
    operation = begin_verb(tx, actor, instance, "hardware", old=_fields(instance), new=_fields(new), asked=asked)
    tx.instances.update(instance.id, bump=True, **_fields(new))
    return operation


def _choose(instance: Instance, change: HardwareChange) -> dict[str, Any]:
    known = {each.name for each in HARDWARE}
    for name in change.reset:
        if name not in known or name in change.set:
            raise InvalidInput(f"The option {name[:60]!r} cannot be reset.", field="reset")
    for name in _OF_BIRTH:
        if name in change.set or name in change.reset:
            raise InvalidInput(f"The option {name!r} is settled at birth.", field=name)
    kept = {name: value for name, value in instance.options.items() if name not in set(change.reset)}
    born = instance.guest.get("defaults", {})
    kept |= {name: born[name]["value"] for name in change.reset if name in born}
    return normal({**kept, **change.set})


def _check(tx: Tx, instance: Instance, new: Instance) -> None:
    hardware = settle(new.options)
    check_hardware(hardware, wanted_size(new), new.firmware)
    if hardware.secure_boot and not settle(instance.options).secure_boot and not instance.hardware.get("uefi_keys"):
        raise InvalidInput(
            "The instance was born without Secure Boot: its UEFI variables hold no keys, and are never made anew.",
            hint="Make another instance with --set secure_boot=true.",
            field="secure_boot",
        )
    demand = Demand(
        vcpus=0,
        memory_mib=0,
        firmware=new.firmware.value,
        disks={},
        networks=(),
        host=instance.host_id,
        hardware=hardware,
    )
    admission.choose(admission.snapshot(tx).only(instance.host_id), instance.project_id, demand)


def _machine(instance: Instance, host: Host, *, upgrade: bool) -> str:
    """Give the host's newest machine type of the same family where an upgrade is asked for."""
    if not upgrade:
        return instance.machine
    newest = str(host.inventory.get("machine", ""))
    if not newest or newest.rpartition("-")[0] != instance.machine.rpartition("-")[0]:
        raise InvalidInput(
            f"The host {host.name} has no newer machine type of the family of {instance.machine}.",
            field="upgrade_machine",
        )
    return newest


def _fields(instance: Instance) -> dict[str, Any]:
    return {"options": dict(instance.options), "machine": instance.machine}
