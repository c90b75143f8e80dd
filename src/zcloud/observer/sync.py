"""Power states of one host: one bulk listing, compared with the records, written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from zcloud.domain.claims import ProviderKind, ProviderRef, running_claims
from zcloud.domain.errors import NoRoom
from zcloud.domain.instance import Instance, InstanceStatus, Ready
from zcloud.domain.pending import as_started
from zcloud.drivers import registry
from zcloud.drivers.compute.adopt import read_domain
from zcloud.drivers.compute.devices import definition_facts
from zcloud.drivers.compute.patch import definition_digest
from zcloud.observer.power import Verdict, agrees, judge
from zcloud.ports import DomainFacts, Hypervisor
from zcloud.store import GenerationMoved, PowerRow, Store, Tx

_BATCH = 50  # records in one transaction
_READY_WITHIN_S = 600


class PowerSync:
    """Keeps the records' power states true, host by host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._io_reasons: dict[str, str] = {}

    def note_io_error(self, uuid: str, reason: str) -> None:
        """Remember what the last I/O error of a domain was about."""
        self._io_reasons[uuid] = reason

    def run(self, host_id: str, hypervisor: Hypervisor, is_valid: Callable[[], bool] = lambda: True) -> bool:
        """List the host's domains once and record every change, unless the listing is not ``is_valid``.

        Gives whether to look again soon: it was not, or an operation is at work where listing and record differ, or
        has just been.
        """
        with self._store.read() as tx:  # before the listing: a record that is still the same then is what was listed
            rows = tx.instances.powers(host_id)
        listing = {each.uuid: each for each in hypervisor.list_domains()}
        if not is_valid():
            return True
        suspects = [row for row in rows if not agrees(row.status, listing.get(row.id))]
        free = [row for row in suspects if row.operation_id is None]
        again = len(free) < len(suspects)
        for start in range(0, len(free), _BATCH):
            again |= self._settle(free[start : start + _BATCH], listing)
        return again

    def wake(self, uuid: str) -> None:
        """Wake the operation that waits for something of an instance."""
        self._store.transact(lambda tx: tx.operations.wake_resource("instance", uuid))

    def definitions(self, host_id: str) -> set[str]:
        """Give the uuids of all that should be defined on a host."""
        with self._store.read() as tx:
            return {row.id for row in tx.instances.powers(host_id)}

    def check_definition(self, uuid: str, hypervisor: Hypervisor) -> bool:
        """Record that a definition was changed outside zcloud, if it was.

        Gives whether to check again soon: an operation is at work, and may define it itself.
        """
        with self._store.read() as tx:
            instance = tx.instances.many([uuid]).get(uuid)
        known = instance.hardware.get("definition") if instance else None
        if instance is None or known is None:
            return False
        if instance.operation_id is not None:
            return True
        xml = hypervisor.domain_xml(uuid)
        if xml is None or definition_digest(xml) == known:
            return False
        facts: Mapping[str, Any] = definition_facts(xml)
        return self._store.transact(lambda tx: not _record_definition(tx, uuid, known, facts, xml))

    def _settle(self, rows: Sequence[PowerRow], listing: Mapping[str, DomainFacts]) -> bool:
        """Judge the records that differ from the listing; gives whether one has changed since."""
        with self._store.read() as tx:
            judged = self._judge(tx, rows, listing)
        changed = [row for row in rows if judged.get(row.id) is not None]
        if not changed:
            return len(judged) < len(rows)

        def work(tx: Tx) -> int:
            verdicts = self._judge(tx, changed, listing)
            for uuid, verdict in verdicts.items():
                if verdict is not None:
                    _record(tx, tx.instances.get(uuid), verdict)
            return len(verdicts)

        recorded = self._store.transact(work)
        for uuid, verdict in judged.items():
            if verdict is not None and verdict.status is not InstanceStatus.PAUSED:
                self._io_reasons.pop(uuid, None)
        return len(judged) < len(rows) or recorded < len(changed)

    def _judge(self, tx: Tx, rows: Sequence[PowerRow], listing: Mapping[str, DomainFacts]) -> dict[str, Verdict | None]:
        """Judge the records that are still as they were before the listing, by uuid."""
        instances = tx.instances.many([row.id for row in rows])
        return {
            row.id: judge(instance, listing.get(row.id), self._io_reasons.get(row.id, ""))
            for row in rows
            if (instance := instances.get(row.id)) is not None and instance.updated_at == row.updated_at
        }


def _record(tx: Tx, instance: Instance, verdict: Verdict) -> None:
    observed = {
        **instance.observed,
        "power_detail": verdict.message,
        "paused_by": "",  # whoever asked zcloud for it, until anything else happens
        "paused_for": verdict.paused_for,
        "undefined": verdict.undefined,
    }
    changes: dict[str, Any] = {"status": verdict.status}
    if verdict.status in (InstanceStatus.STOPPED, InstanceStatus.MISSING):
        changes |= {"ready": Ready.NONE, "ready_detail": ""}
        tx.claims.release(instance.id, ProviderKind.HOST)
    elif verdict.status is InstanceStatus.RUNNING:
        observed = _claim_again(tx, instance, observed)
        changes |= _awaited(instance, tx.now) if verdict.began else {}
    tx.instances.update(instance.id, observed=observed, **changes)
    tx.operations.wake_resource("instance", instance.id)
    _tell(tx, instance, verdict.event, verdict.message, status=verdict.status.value, surprising=verdict.surprising)


def _awaited(instance: Instance, now: datetime) -> dict[str, Any]:
    """Give what to record so that the readiness of a run that others began is looked for."""
    allowed = timedelta(seconds=int(instance.guest.get("ready_within_s", _READY_WITHIN_S)))
    silent = bool(instance.adopted) and not instance.adopted.get("agent")  # nobody would ever say that it is ready
    live = as_started(instance)  # whoever starts a domain starts its definition
    return {
        "ready": Ready.NONE if silent else Ready.WAITING,
        "ready_detail": "",
        "ready_deadline": now + allowed,
        "started_at": now,
        "live": live,
    }


def _claim_again(tx: Tx, instance: Instance, observed: Mapping[str, Any]) -> dict[str, Any]:
    """Count what a guest that was started outside zcloud takes; where there is no room, say so."""
    ref = ProviderRef(ProviderKind.HOST, instance.host_id)
    if any(claim.provider == ref for claim in tx.claims.held_by(instance.id)):
        return dict(observed)
    generation = next((view.generation for view in tx.claims.views(ProviderKind.HOST) if view.ref == ref), 0)
    wanted = running_claims(instance.host_id, instance.id, instance.vcpus, instance.memory_mib)
    if instance.adopted:  # others start it as they always did
        tx.claims.note(wanted)
        return dict(observed)
    try:
        with tx.attempt():
            tx.claims.claim({ref: generation}, wanted)
    except (NoRoom, GenerationMoved):
        return {**observed, "unclaimed": True}
    return {key: value for key, value in observed.items() if key != "unclaimed"}


def _record_definition(tx: Tx, uuid: str, known: str, facts: Mapping[str, Any], xml: str) -> bool:
    """Record a definition's change, unless the record says something else by now; gives whether it did."""
    instance = tx.instances.many([uuid]).get(uuid)
    if instance is None or instance.operation_id is not None or instance.hardware.get("definition") != known:
        return False
    changes: dict[str, Any] = {"hardware": {**instance.hardware, **facts}}
    if instance.adopted:  # its definition is others' to change, and the record follows it
        adoption = read_domain(xml, registry.joins(tx.networks.all(), instance.host_id))
        changes = adoption.to_changes(changes["hardware"])
    tx.instances.update(
        instance.id,
        **changes,
        observed={**instance.observed, "definition_changed_at": tx.now.isoformat(), "undefined": False},
    )
    message = f"The definition of {instance.name} was changed outside zcloud; it is kept as it is."
    _tell(tx, instance, "drift.definition", message)
    return True


def _tell(tx: Tx, instance: Instance, kind: str, message: str, **data: Any) -> None:
    tx.events.add(
        kind,
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        message=message,
        data=data,
    )
