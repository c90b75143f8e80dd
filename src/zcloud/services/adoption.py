"""Adoption: domains that ran before zcloud knew them become instances, and stay what they are.

Nothing is written on their host, neither when they are adopted nor when they are forgotten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zcloud.domain.claims import running_claims
from zcloud.domain.errors import AlreadyExists, Busy, InUse, Protected, WrongState
from zcloud.domain.foreign import Adoption, ForeignDomain, foreign_id
from zcloud.domain.host import Host
from zcloud.domain.instance import RUNS, Instance, InstanceStatus, OnBoot, Power
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Project, Role, Usage
from zcloud.domain.size import MAX_MEMORY_MIB, MAX_VCPUS
from zcloud.drivers import registry
from zcloud.drivers.compute.adopt import read_domain
from zcloud.services import admission
from zcloud.services.context import Page, Services, Window, authorize, refuse_while_reconciling, resolve_project
from zcloud.services.direct import Direct
from zcloud.services.owned import begin_verb, find
from zcloud.store import ForeignFilter, Tx

_STRANGE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """What adopting a domain would record; nothing was changed. ``room`` says in words how the host bears it."""

    host: str
    name: str
    project: str
    adoption: Adoption
    runs: bool
    room: str


class Adopting:
    """The service behind ``zcloud adopt``, ``zcloud forget`` and ``zcloud host domains``."""

    def __init__(self, services: Services, direct: Direct) -> None:
        self._store, self._direct = services.store, direct

    def page(self, actor: Actor, ref: str, window: Window) -> Page[ForeignDomain]:
        """List the domains of a host that are nobody's instance, as the observer saw them; raises NotFound."""
        authorize(actor, None, Role.OPERATOR, "The domains of hosts")
        with self._store.read() as tx:
            host = tx.hosts.resolve(ref)
            return tx.foreign.page(ForeignFilter(host.id), **window.arguments())

    def plan(self, actor: Actor, ref: str, domain: str, *, name: str = "", project: str = "") -> AdoptionPlan:
        """Look at a domain on its host, and say what adopting it would record.

        Raises what ``adopt`` does, InvalidXml, HostUnreachable, DeadlineExceeded.
        """
        authorize(actor, None, Role.OPERATOR, "Adopting domains")
        with self._store.read() as tx:
            host = tx.hosts.resolve(ref)
            wanted = tx.foreign.find(host.id, domain)
            owner = resolve_project(tx, actor, project, Role.OPERATOR)
            called = _admit(tx, wanted, owner, name)
            joins = registry.joins(tx.networks.all(), host.id)
            room = _room(tx, host, wanted)
        xml = self._direct.ask(host.id, lambda hypervisor: hypervisor.domain_xml(wanted.uuid))
        if xml is None:
            raise WrongState(f"The domain {wanted.name} is not on {host.name} any more.")
        adoption = read_domain(xml, joins)
        with self._store.read() as tx:
            adoption = adoption.beside(tx.ports.mac_holders([each.mac for each in adoption.nics], adoption.uuid))
        return AdoptionPlan(host.name, called, owner.name, adoption, wanted.runs, room)

    def adopt(
        self, actor: Actor, ref: str, domain: str, *, name: str = "", project: str = ""
    ) -> tuple[Instance, Operation]:
        """Record an instance for a domain, with what it takes of its host, and have it looked at.

        Raises NotFound, InvalidInput (the name), AlreadyExists, WrongState (a transient domain), QuotaExceeded.
        """
        authorize(actor, None, Role.OPERATOR, "Adopting domains")

        def work(tx: Tx) -> tuple[Instance, Operation]:
            host = tx.hosts.resolve(ref)
            wanted = tx.foreign.find(host.id, domain)
            owner = resolve_project(tx, actor, project, Role.OPERATOR)
            called = _admit(tx, wanted, owner, name)
            instance = tx.instances.add(_record(wanted, owner, called, actor, tx.now))
            tx.foreign.delete(wanted.id)
            if wanted.runs:
                tx.claims.note(running_claims(host.id, instance.id, instance.vcpus, instance.memory_mib))
            return instance, begin_verb(tx, actor, instance, "adopt")

        return self._store.transact(work)

    def forget(self, actor: Actor, project: str, ref: str, revision: int | None = None) -> None:
        """Let an adopted instance go: its record and claims end, its host is not asked and not changed.

        Raises WrongState (not adopted), Protected, Busy, InUse (a file system is frozen), RevisionMismatch.
        """
        authorize(actor, None, Role.OPERATOR, "Forgetting instances")

        def work(tx: Tx) -> None:
            refuse_while_reconciling(tx)
            instance = find(tx, actor, project, ref, Role.OPERATOR)
            _check_leaving(instance)
            tx.instances.update(instance.id, expect_revision=revision)
            tx.foreign.add(_as_foreign(instance, tx.now))
            release(tx, instance)
            tx.events.add(
                "instance.forgotten",
                project_id=instance.project_id,
                resource_kind="instance",
                resource_id=instance.id,
                resource_name=instance.name,
                actor=actor.user_name,
                message=f"{instance.name} is not zcloud's any more; its domain {instance.domain_name} was left alone.",
                data={"domain": instance.domain_name},
            )

        self._store.transact(work)


def release(tx: Tx, instance: Instance) -> None:
    """Remove the record of an adopted instance, with its claims and the addresses that were kept for it."""
    for network_id, address in instance.adopted.get("reserved", ()):
        tx.ports.unfence(network_id, address)
    tx.claims.release(instance.id)
    tx.instances.delete(instance.id)


def _admit(tx: Tx, domain: ForeignDomain, project: Project, name: str) -> str:
    """Let a domain become an instance of the project; gives the instance's name."""
    if not domain.persistent:
        raise WrongState(
            f"The domain {domain.name} is transient: nothing of it is left once it is off.",
            hint="Define it first: `virsh dumpxml --inactive DOMAIN > d.xml; virsh define d.xml`.",
        )
    if domain.uuid in tx.instances.many([domain.uuid]):
        raise AlreadyExists(
            f"An instance has the uuid of {domain.name} already: two domains were made from one definition.",
            hint="Give one of them another uuid, while it is off.",
        )
    called = name or _STRANGE.sub("-", domain.name.lower())[:63].strip("-")
    check_name(called)
    if tx.instances.find(called, project.id) is not None:
        raise AlreadyExists(
            f"There is an instance {called} in the project {project.name} already.", hint="Choose another: --name NAME."
        )
    if not (0 < domain.vcpus <= MAX_VCPUS and 0 < domain.memory_mib <= MAX_MEMORY_MIB):
        raise WrongState(
            f"libvirt did not tell how large {domain.name} is.", hint="It may be busy; try again in a while."
        )
    admission.check_quota(tx, project, Usage(1, domain.vcpus, domain.memory_mib, 0))
    return called


def _room(tx: Tx, host: Host, domain: ForeignDomain) -> str:
    if not domain.runs:
        return "It is off and takes nothing; its start will be admitted as any other's."
    view = next((each for each in tx.claims.views(host.ref.kind) if each.ref == host.ref), None)
    if view is None:
        return ""
    after = {"vCPUs": view.free("vcpus") - domain.vcpus, "MiB of memory": view.free("memory_mib") - domain.memory_mib}
    over = [f"{-left} {what}" for what, left in after.items() if left < 0]
    if not over:
        return "It runs; its CPU and memory are claimed."
    return f"It runs, so it is claimed although {host.name} then has {' and '.join(over)} less than is claimed of it."


def _record(domain: ForeignDomain, project: Project, name: str, actor: Actor, now: datetime) -> Instance:
    """Give the record as far as a listing tells it; the operation reads the definition."""
    adopted: dict[str, Any] = {"at": now.isoformat(), "unmapped": []}
    return Instance(
        id=domain.uuid,
        name=name,
        domain_name=domain.name,
        project_id=project.id,
        host_id=domain.host_id,
        image_id=None,
        status=InstanceStatus.BUILDING,
        desired=Power.RUNNING if domain.runs else Power.STOPPED,
        vcpus=domain.vcpus,
        memory_mib=domain.memory_mib,
        on_boot=OnBoot.STAY_OFF,  # libvirt's autostart goes on to decide
        created_by=actor.user_name,
        created_at=now,
        updated_at=now,
        hardware={"adopted": adopted},
    )


def _check_leaving(instance: Instance) -> None:
    if not instance.adopted:
        raise WrongState(
            f"The instance {instance.name} was made by zcloud; only adopted ones can be forgotten.",
            hint=f"Delete it: `zcloud delete {instance.name}`.",
        )
    if instance.operation_id is not None:
        raise Busy(f"An operation works on the instance {instance.name!r}.", operation=instance.operation_id)
    if instance.protected:
        raise Protected(f"The instance {instance.name} is protected.")
    if instance.is_frozen:
        raise InUse(
            f"The file systems of {instance.name} are frozen.",
            hint=f"Thaw them first: `zcloud instance thaw {instance.name}`.",
        )


def _as_foreign(instance: Instance, now: datetime) -> ForeignDomain:
    """Give what the next look will find, so that what it takes of its host is not overlooked until then."""
    runs = instance.status in RUNS
    return ForeignDomain(
        id=foreign_id(instance.host_id, instance.id),
        host_id=instance.host_id,
        uuid=instance.id,
        name=instance.domain_name,
        state="running" if runs else "shutoff",
        persistent=True,
        vcpus=instance.vcpus,
        memory_mib=instance.memory_mib,
        seen_at=now,
    )
