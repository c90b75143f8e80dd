"""Devices of an instance that is there: plugged into its definition and, while it runs, into the guest.

The definition comes first: what libvirt then refuses in the running guest is taken out of it again at once, while a
guest may take its time to let go of a device. Every verb looks before it acts, so that it may run twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from zcloud.domain.errors import DeadlineExceeded, HypervisorFailed, NoPlace, NotFound
from zcloud.domain.instance import Instance
from zcloud.drivers.compute.devices import Device, definition_facts, fit_place, free_places
from zcloud.operations.model import Waiting
from zcloud.ports import Layer
from zcloud.workflows import parts
from zcloud.workflows.context import Run

SOON, LATER = timedelta(seconds=0.5), timedelta(seconds=2)
_EAGER_S = 5.0
UNPLUG_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """A device: what people call it, how it is found in a domain's XML, and its own XML.

    ``takes_place`` tells from a domain's XML whether it needs a PCI Express root port there.
    """

    what: str
    find: Callable[[str], Device | None]
    xml: str = ""
    takes_place: Callable[[str], bool] = lambda _xml: True


def plug(run: Run, instance: Instance, wanted: Wanted) -> None:
    """Have the device in the definition and, if it runs, in the guest; raises NoPlace before anything is changed."""
    hypervisor = run.link(instance.host_id).hypervisor
    kept, live = definition(run, instance), running(run, instance)
    if live and wanted.find(live) is None and wanted.takes_place(live) and not free_places(live):
        raise NoPlace(f"The running guest of {instance.name} has no place left for {wanted.what}.")
    if wanted.find(kept) is None:
        hypervisor.attach_device(instance.id, wanted.xml, Layer.DEFINITION)
    device = wanted.find(note_definition(run, instance))
    if device is None or not live or wanted.find(live) is not None:
        return
    try:
        hypervisor.attach_device(instance.id, fit_place(device, live), Layer.LIVE)
    except HypervisorFailed:
        if not parts.is_off(hypervisor, instance.id):  # else the next start has it
            raise


def pull(run: Run, instance: Instance, wanted: Wanted) -> None:
    """Have the device gone from guest and definition; raises as ``unplug`` does."""
    unplug(run, instance, wanted)
    drop(run, instance, wanted)


def unplug(run: Run, instance: Instance, wanted: Wanted) -> None:
    """Ask the running guest to let go of the device, until it has: raises Waiting, and DeadlineExceeded in the end."""
    hypervisor = run.link(instance.host_id).hypervisor
    device = _plugged(run, instance, wanted)
    if device is None:
        return
    now, started = run.now(), run.operation.started_at or run.operation.created_at
    waited, allowed = (now - started).total_seconds(), float(run.args.get("deadline_s", UNPLUG_WITHIN_S))
    if waited > allowed:
        raise DeadlineExceeded(
            f"The guest of {instance.name} did not let go of {wanted.what} within {allowed:.0f} seconds.",
            left="It is attached as before, in the guest and in every record.",
            hint="A guest that is still booting, or hangs, hears nothing: look at its console and ask again.",
        )
    # Asked again each time: a guest whose kernel was not up yet has never heard it.
    hypervisor.unplug_device(instance.id, device.alias or "")
    if _plugged(run, instance, wanted) is not None:
        wait = SOON if waited < _EAGER_S else LATER
        raise Waiting(f"The guest is letting go of {wanted.what}.", now + wait)


def drop(run: Run, instance: Instance, wanted: Wanted) -> None:
    """Have the device gone from the definition."""
    device = wanted.find(definition(run, instance))
    if device is not None:
        run.link(instance.host_id).hypervisor.detach_device(instance.id, device.to_xml())
    note_definition(run, instance)


def definition(run: Run, instance: Instance) -> str:
    """Give the definition of the instance's domain; raises NotFound where it was removed outside zcloud."""
    xml = run.link(instance.host_id).hypervisor.domain_xml(instance.id)
    if xml is None:
        raise NotFound(
            f"The domain of {instance.name} is not on its host any more.",
            hint="It was removed outside zcloud. Its disks are still there.",
        )
    return xml


def running(run: Run, instance: Instance) -> str:
    """Give the running domain's XML; empty where it does not run."""
    hypervisor = run.link(instance.host_id).hypervisor
    if parts.is_off(hypervisor, instance.id):
        return ""
    return hypervisor.domain_xml(instance.id, inactive=False) or ""


def note_definition(run: Run, instance: Instance) -> str:
    """Record the definition as it is now, so that the change counts as ours; gives it."""
    xml = definition(run, instance)
    facts = definition_facts(xml)
    with run.store.write() as tx:
        known = tx.instances.get(instance.id).hardware
        if {key: known.get(key) for key in facts} != facts:
            tx.instances.update(instance.id, hardware={**known, **facts})
    return xml


def _plugged(run: Run, instance: Instance, wanted: Wanted) -> Device | None:
    live = running(run, instance)
    return wanted.find(live) if live else None
