"""Change an instance's size: its definition always, and a running guest as far as it was asked to follow."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from zcloud.domain.claims import running_claims
from zcloud.domain.errors import GuestRefused, GuestSilent, HypervisorFailed, ZcloudError
from zcloud.domain.hardware import settle
from zcloud.domain.size import Size, live_size, modules, read_size
from zcloud.drivers.compute.design import design_memory
from zcloud.drivers.compute.patch import patch_size
from zcloud.drivers.guest.plugged import offline_blocks, offline_vcpus
from zcloud.operations.model import Step, Waiting, Workflow
from zcloud.ports import DomainSize, Hypervisor
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run

POLL = timedelta(seconds=1)
GUEST_S = 30  # for a guest to give memory back
_BLOCKS_AT_ONCE = 64


def _define(run: Run) -> None:
    """Write the new size into the definition."""
    _redefine(run, _wanted(run))


def _define_back(run: Run) -> None:
    """Write the old size into the definition."""
    _redefine(run, read_size(run.args["old"]))


def _redefine(run: Run, size: Size) -> None:
    hardware = settle(parts.load_instance(run).options)
    parts.redefine(run, lambda xml: patch_size(xml, size, hardware))


def _shrink(run: Run) -> None:
    """Take vCPUs and memory away: a guest must let them go, and only what it let go is given back."""
    hypervisor, now = _look(run)
    wanted = _wanted(run)
    if now is None:
        return
    try:
        if wanted.vcpus < now.vcpus:
            hypervisor.set_vcpus(run.resource_id, wanted.vcpus)
    except GuestRefused as error:
        raise GuestRefused(error.message, hint=_HINT) from error
    if wanted.memory_mib < now.memory_mib:
        _settle(run, hypervisor, now, wanted)


def _grow(run: Run) -> None:
    """Plug in what the guest has not yet: memory modules and vCPUs."""
    hypervisor, now = _look(run)
    wanted = _wanted(run)
    if now is None:
        return
    module = modules(now.plugged_mib, wanted.memory_mib)
    if module:
        hypervisor.plug_memory(run.resource_id, design_memory(module), now.plugged_mib + module)
    if wanted.vcpus > now.vcpus:
        hypervisor.set_vcpus(run.resource_id, wanted.vcpus)


def _use(run: Run) -> None:
    """Have the guest use what was plugged in: its agent switches on what the guest itself has not."""
    hypervisor, now = _look(run)
    if now is None:
        return
    try:
        _switch_on(hypervisor, run.resource_id)
    except (GuestSilent, HypervisorFailed):
        run.control.progress(0, 0, "The guest's agent did not answer; it may have to switch them on by itself.")
    if _wanted(run).memory_mib != now.memory_mib:
        _settle(run, hypervisor, now, _wanted(run))


def _switch_on(hypervisor: Hypervisor, uuid: str) -> None:
    vcpus = offline_vcpus(hypervisor.agent(uuid, "guest-get-vcpus", {}))
    if vcpus:
        hypervisor.agent(uuid, "guest-set-vcpus", {"vcpus": vcpus})
    blocks = offline_blocks(hypervisor.agent(uuid, "guest-get-memory-blocks", {}))
    for start in range(0, len(blocks), _BLOCKS_AT_ONCE):
        part = blocks[start : start + _BLOCKS_AT_ONCE]
        hypervisor.agent(uuid, "guest-set-memory-blocks", {"mem-blks": part})


def _settle(run: Run, hypervisor: Hypervisor, now: DomainSize, wanted: Size) -> None:
    """Set the balloon and wait until the guest has followed; raises GuestRefused when it takes too long."""
    hypervisor.set_balloon(run.resource_id, min(wanted.memory_mib, now.plugged_mib))
    after = hypervisor.domain_size(run.resource_id)
    if after is None or after.memory_mib == wanted.memory_mib:
        return
    began = run.operation.started_at or run.operation.created_at
    if run.now() > began + timedelta(seconds=GUEST_S):
        raise GuestRefused(
            f"The guest has {after.memory_mib} MiB of memory and does not follow to {wanted.memory_mib} MiB.",
            hint=_HINT,
        )
    raise Waiting(f"The guest has {after.memory_mib} MiB of memory.", run.now() + POLL)


def _go_back(run: Run) -> None:
    """Ask the guest for what it had before; what it does not give back stays its own, and stays claimed."""
    hypervisor, now = _look(run)
    if now is None:
        return
    before = live_size(parts.load_instance(run))
    if now.vcpus != before.vcpus:
        with suppress(GuestRefused):
            hypervisor.set_vcpus(run.resource_id, before.vcpus)
    with suppress(GuestSilent, HypervisorFailed):  # it may have switched off what it then did not let go
        _switch_on(hypervisor, run.resource_id)
    if now.memory_mib != before.memory_mib:
        hypervisor.set_balloon(run.resource_id, min(before.memory_mib, now.plugged_mib))
    after = hypervisor.domain_size(run.resource_id) or now
    has = {"vcpus": max(after.vcpus, before.vcpus), "memory_mib": max(after.memory_mib, before.memory_mib)}
    with run.store.write() as tx:
        live = tx.instances.get(run.resource_id).live
        tx.instances.update(run.resource_id, live={**live, **before.to_record(), **has})


def _succeed(run: Run, tx: Tx) -> None:
    if run.args["live"]:
        live = tx.instances.get(run.resource_id).live
        tx.instances.update(run.resource_id, live={**live, **_wanted(run).to_record()})
    _give_back(run, tx)


def _fail(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The record is what it was; what failed is told by the operation."""
    del error
    old: dict[str, Any] = run.args["old"]
    tx.instances.update(run.resource_id, **old)
    _give_back(run, tx)


def _give_back(run: Run, tx: Tx) -> None:
    """Keep claimed what the guest really has, and no more."""
    instance = tx.instances.get(run.resource_id)
    has = live_size(instance)
    tx.claims.lower(running_claims(instance.host_id, instance.id, has.vcpus, has.memory_mib))


def _look(run: Run) -> tuple[Hypervisor, DomainSize | None]:
    """Give the host's hypervisor, and what the guest has: None where it is off, or is not to follow."""
    hypervisor = run.link(parts.load_instance(run).host_id).hypervisor
    return hypervisor, hypervisor.domain_size(run.resource_id) if run.args["live"] else None


def _wanted(run: Run) -> Size:
    return read_size(run.args["new"])


_HINT = "Ask for it with --next-start, then restart the instance."

INSTANCE_RESIZE = Workflow(
    name="instance_resize_v1",
    title="Change an instance's size",
    steps=(
        Step("define", "Change the definition", _define, _define_back),
        Step("shrink", "Take vCPUs and memory from the guest", _shrink, _go_back),
        Step("grow", "Plug vCPUs and memory in", _grow, _go_back),
        Step("use", "Have the guest use them", _use, _go_back),
    ),
    succeed=_succeed,
    fail=_fail,
)
