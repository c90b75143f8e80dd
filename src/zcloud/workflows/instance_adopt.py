"""Adopt a domain: look at it, and record what it is. Nothing is changed on its host, so there is nothing to undo."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from zcloud.domain.claims import ProviderKind, running_claims
from zcloud.domain.errors import NotFound, WrongState, ZcloudError
from zcloud.domain.foreign import Adoption
from zcloud.domain.instance import Instance, InstanceStatus, Power, Ready
from zcloud.domain.pending import as_started
from zcloud.drivers import registry
from zcloud.drivers.compute.adopt import read_domain
from zcloud.drivers.compute.devices import definition_facts
from zcloud.operations.model import Step, Workflow
from zcloud.ports import DomainFacts, DomainState, Hypervisor
from zcloud.store import Tx
from zcloud.workflows import parts
from zcloud.workflows.context import Run

_READY_WITHIN = timedelta(seconds=120)
_STATUS = {DomainState.SHUTOFF: InstanceStatus.STOPPED, DomainState.CRASHED: InstanceStatus.STOPPED}
_STATUS |= {DomainState.PAUSED: InstanceStatus.PAUSED, DomainState.SUSPENDED: InstanceStatus.PAUSED}


def _look(run: Run) -> None:
    """Read the definition, and write down what it says, with the claims of a domain that runs."""
    instance = parts.load_instance(run)
    hypervisor = run.link(instance.host_id).hypervisor
    facts = next((each for each in hypervisor.list_domains() if each.uuid == instance.id), None)
    xml = hypervisor.domain_xml(instance.id)
    if facts is None or xml is None:
        raise NotFound(f"The domain {instance.domain_name} is not on its host any more.")
    if not facts.persistent:
        raise WrongState(f"The domain {instance.domain_name} is transient by now.", hint="Define it: `virsh define`.")
    joins = run.read(lambda tx: registry.joins(tx.networks.all(), instance.host_id))
    adoption = with_sizes(read_domain(xml, joins), hypervisor)
    with run.store.write() as tx:
        _record(tx, instance, facts, adoption, xml)


def with_sizes(adoption: Adoption, hypervisor: Hypervisor) -> Adoption:
    """Add the sizes of its disks, as far as libvirt can tell them."""
    sizes = hypervisor.disk_sizes(adoption.uuid)
    return replace(adoption, disks=tuple(replace(each, size=sizes.get(each.target, 0)) for each in adoption.disks))


def _record(tx: Tx, instance: Instance, facts: DomainFacts, adoption: Adoption, xml: str) -> None:
    macs = [each.mac for each in adoption.nics if each.mac]
    adoption = adoption.beside(tx.ports.mac_holders(macs, instance.id))
    for mac in macs:
        tx.ports.reserve_mac(mac, "")
    status = _STATUS.get(facts.state, InstanceStatus.RUNNING)
    runs = status is not InstanceStatus.STOPPED
    changes = adoption.to_changes({**instance.hardware, **definition_facts(xml)})
    changes["hardware"]["adopted"]["was"] = status.value
    changes["desired"] = Power.RUNNING if runs else Power.STOPPED
    known = tx.instances.update(instance.id, domain_name=facts.name, **changes)
    if runs:
        tx.claims.note(running_claims(known.host_id, known.id, known.vcpus, known.memory_mib))
        if not known.incarnation:
            tx.instances.begin_incarnation(known.id, 1, known.host_id)  # the run that we found
    else:
        tx.claims.release(known.id, ProviderKind.HOST)


def _adopted(run: Run, tx: Tx) -> None:
    instance = tx.instances.get(run.resource_id)
    kept = dict(instance.adopted)
    status = InstanceStatus(kept.pop("was"))
    changes: dict[str, Any] = {"status": status, "hardware": {**instance.hardware, "adopted": kept}}
    if status is not InstanceStatus.STOPPED:
        changes |= {"live": as_started(instance), "started_at": tx.now}
    if status is InstanceStatus.RUNNING and kept["agent"]:
        changes |= {"ready": Ready.WAITING, "ready_deadline": tx.now + _READY_WITHIN}
    tx.instances.update(instance.id, **changes)
    left = len(kept["unmapped"])
    told = f" {left} things about it have no place in zcloud's records and stay as they are." if left else ""
    tx.events.add(
        "instance.adopted",
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        actor=run.operation.actor,
        message=f"The domain {instance.domain_name} is the instance {instance.name} now.{told}",
        data={"domain": instance.domain_name, "unmapped": list(kept["unmapped"])},
    )


def _as_before(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The record goes; the observer finds the domain again."""
    del error
    tx.claims.release(run.resource_id)
    tx.instances.delete(run.resource_id)


INSTANCE_ADOPT = Workflow(
    name="instance_adopt_v1",
    title="Adopt a domain",
    steps=(Step("look", "Look at the domain", _look),),
    succeed=_adopted,
    fail=_as_before,
)
