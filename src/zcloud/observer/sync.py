"""Power states of one host: one bulk listing, compared with the records, written down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from zcloud.domain.claims import MEMORY_MIB, VCPUS, Claim, ProviderKind, ProviderRef
from zcloud.domain.errors import NoRoom
from zcloud.domain.instance import Instance, InstanceStatus, Ready
from zcloud.drivers.compute.patch import definition_digest
from zcloud.observer.power import Verdict, judge
from zcloud.ports import DomainFacts, Hypervisor
from zcloud.store import GenerationMoved, Store, Tx


class PowerSync:
    """Keeps the records' power states true, host by host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._io_reasons: dict[str, str] = {}

    def note_io_error(self, uuid: str, reason: str) -> None:
        """Remember what the last I/O error of a domain was about."""
        self._io_reasons[uuid] = reason

    def run(self, host_id: str, hypervisor: Hypervisor) -> list[DomainFacts]:
        """List the host's domains once and record every change; gives the listing."""
        with self._store.read() as tx:
            seen_at = tx.now
        listing = hypervisor.list_domains()
        by_uuid = {each.uuid: each for each in listing}
        with self._store.read() as tx:
            instances = tx.instances.on_host(host_id)
        for instance in instances:
            verdict = judge(instance, by_uuid.get(instance.id), self._io_reasons.get(instance.id, ""))
            if verdict is not None:
                self._store.transact(partial(record, instance_id=instance.id, verdict=verdict, seen_at=seen_at))
        return listing

    def check_definition(self, uuid: str, hypervisor: Hypervisor) -> None:
        """Record that a definition was changed outside zcloud, if it was."""
        with self._store.read() as tx:
            instance = tx.instances.many([uuid]).get(uuid)
        known = instance.hardware.get("definition") if instance else None
        if instance is None or known is None or instance.operation_id is not None:
            return
        xml = hypervisor.domain_xml(uuid)
        if xml is not None and definition_digest(xml) != known:
            self._store.transact(lambda tx: _record_definition(tx, uuid, definition_digest(xml)))


def record(tx: Tx, instance_id: str, verdict: Verdict, seen_at: datetime) -> None:
    """Write a verdict down, unless the record has changed since the listing was asked for."""
    instance = tx.instances.many([instance_id]).get(instance_id)
    if instance is None or instance.operation_id is not None or instance.updated_at > seen_at:
        return
    changes: dict[str, Any] = {"status": verdict.status, "observed": _observed(instance, verdict)}
    if verdict.status in (InstanceStatus.STOPPED, InstanceStatus.MISSING):
        changes |= {"ready": Ready.NONE, "ready_detail": ""}
        tx.claims.release(instance.id, ProviderKind.HOST)
    elif verdict.status is InstanceStatus.RUNNING:
        changes["observed"] = _claim_again(tx, instance, changes["observed"])
    tx.instances.update(instance.id, **changes)
    tx.operations.wake_resource("instance", instance.id)
    tx.events.add(
        verdict.event,
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        message=verdict.message,
        data={"status": verdict.status.value, "surprising": verdict.surprising},
    )


def _observed(instance: Instance, verdict: Verdict) -> dict[str, Any]:
    return {**instance.observed, "power_detail": verdict.message, "paused_for": verdict.paused_for}


def _claim_again(tx: Tx, instance: Instance, observed: Mapping[str, Any]) -> dict[str, Any]:
    """Count what a guest that was started outside zcloud takes; where there is no room, say so."""
    ref = ProviderRef(ProviderKind.HOST, instance.host_id)
    if any(claim.provider == ref for claim in tx.claims.held_by(instance.id)):
        return dict(observed)
    generation = next((view.generation for view in tx.claims.views(ProviderKind.HOST) if view.ref == ref), 0)
    wanted = [
        Claim(ref, instance.id, VCPUS, instance.vcpus),
        Claim(ref, instance.id, MEMORY_MIB, instance.memory_mib),
    ]
    try:
        with tx.attempt():
            tx.claims.claim({ref: generation}, wanted)
    except (NoRoom, GenerationMoved):
        return {**observed, "unclaimed": True}
    return {key: value for key, value in observed.items() if key != "unclaimed"}


def _record_definition(tx: Tx, instance_id: str, digest: str) -> None:
    instance = tx.instances.get(instance_id)
    if instance.operation_id is not None or instance.hardware.get("definition") == digest:
        return
    tx.instances.update(
        instance.id,
        hardware={**instance.hardware, "definition": digest},
        observed={**instance.observed, "definition_changed_at": tx.now.isoformat()},
    )
    tx.events.add(
        "drift.definition",
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        message=f"The definition of {instance.name} was changed outside zcloud; it is kept as it is.",
        data={},
    )
