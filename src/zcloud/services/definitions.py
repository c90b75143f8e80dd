"""Definitions of domains, for operators: shown, and changed by hand as far as the records allow."""

from __future__ import annotations

from dataclasses import dataclass

from zcloud.domain.errors import InvalidXml, RevisionMismatch, WrongState
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.drivers.compute.edit import MAX_BYTES, find_objections, show_difference
from zcloud.drivers.compute.patch import definition_digest
from zcloud.services.context import Services, authorize
from zcloud.services.direct import Direct
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx


@dataclass(frozen=True, slots=True)
class Definition:
    """A domain's XML without its secrets, and what the definition is recognised by."""

    xml: str
    digest: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that would be, or is, made: ``at_next_start`` says that the present run goes on without it."""

    difference: str
    at_next_start: bool
    operation: Operation | None = None


class Definitions:
    """The service behind ``zcloud instance xml`` and ``zcloud instance edit``."""

    def __init__(self, services: Services, direct: Direct) -> None:
        self._store, self._direct = services.store, direct

    def show(self, actor: Actor, project: str, ref: str, *, live: bool = False) -> Definition:
        """Give what is defined, or (``live``) what runs. Raises WrongState, HostUnreachable, DeadlineExceeded."""
        with self._store.read() as tx:
            instance = _find(tx, actor, project, ref)
        return self._read(instance, live=live)

    def edit(
        self, actor: Actor, project: str, ref: str, xml: str, *, digest: str | None = None, dry_run: bool = False
    ) -> Edit:
        """Change what is defined; libvirt's schema is checked when it is. ``digest``: only if it is still that one.

        Raises InvalidXml (with each objection), RevisionMismatch, WrongState, Busy, and as ``show``.
        """
        if len(xml.encode(errors="replace")) > MAX_BYTES:
            raise InvalidXml(f"The XML is larger than {MAX_BYTES} bytes.", field="xml")
        with self._store.read() as tx:
            instance = _find(tx, actor, project, ref)
            check_state(instance, "edit")
        now = self._read(instance, live=False)
        if digest is not None and digest != now.digest:
            raise RevisionMismatch(
                f"The definition of {instance.name} was changed since.", hint="Look at it again, and edit that."
            )
        _check(instance, now.xml, xml)
        edit = Edit(show_difference(now.xml, xml), instance.status is not InstanceStatus.STOPPED)
        if dry_run or not edit.difference:
            return edit

        def work(tx: Tx) -> Operation:
            again = _find(tx, actor, project, instance.id)
            check_state(again, "edit")
            operation = begin_verb(tx, actor, again, "edit", old=now.xml, new=xml)
            tx.instances.update(again.id, bump=True)
            return operation

        return Edit(edit.difference, edit.at_next_start, self._store.transact(work))

    def _read(self, instance: Instance, *, live: bool) -> Definition:
        if live and instance.status not in (InstanceStatus.RUNNING, InstanceStatus.PAUSED):
            raise WrongState(f"The instance {instance.name} is {instance.status}; nothing of it runs.")
        xml = self._direct.ask(
            instance.host_id, lambda hypervisor: hypervisor.domain_xml(instance.id, inactive=not live)
        )
        if xml is None:
            raise WrongState(f"The instance {instance.name} has no definition on its host.")
        return Definition(xml, definition_digest(xml))


def _find(tx: Tx, actor: Actor, project: str, ref: str) -> Instance:
    authorize(actor, None, Role.OPERATOR, "A definition")
    return find(tx, actor, project, ref, Role.OPERATOR)


def _check(instance: Instance, old: str, new: str) -> None:
    try:
        objections = find_objections(old, new)
    except InvalidXml as error:
        raise InvalidXml(error.message, hint=error.hint, **{**error.details, "field": "xml"}) from error
    if objections:
        raise InvalidXml(
            f"The definition of {instance.name} cannot be changed so: {' '.join(objections[:5])}",
            hint="Free are CPU, clock, features, tuning, video, sound, watchdog, and the drivers of disks and NICs.",
            objections=objections[:50],
            field="xml",
        )
