"""The trash: deleted instances that can still be brought back, until their time is over."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from zcloud.domain.errors import AlreadyExists, InvalidInput, NotFound, Protected, ZcloudError
from zcloud.domain.instance import Instance, InstanceStatus, Power
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Page, Services, Window, authorize, expect, resolve_project, visible_projects
from zcloud.services.instances import InstanceView, admit_delete, views
from zcloud.services.naming import plan_names, plan_no_names
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import InstanceFilter, Tx

_log = logging.getLogger(__name__)

_SWEEPER = Actor(user_id="", user_name="zcloud", role=Role.ADMIN)
_MANY = 200  # instances that one request, or one sweep, removes


class Trash:
    """The service behind ``zcloud delete`` and ``zcloud trash``."""

    def __init__(self, services: Services) -> None:
        self._store, self._zone, self._days = services.store, services.zone, services.trash_days

    def delete(
        self,
        actor: Actor,
        project: str,
        ref: str,
        *,
        purge: bool = False,
        keep: Iterable[str] = (),
        revision: int | None = None,
    ) -> Operation:
        """Put an instance into the trash; remove it for good with ``purge`` or disks to ``keep``, or without a trash.

        Raises Protected, Busy, WrongState, RevisionMismatch, InvalidInput (no such disk).
        """
        wanted = tuple(keep)

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            return self.admit(tx, actor, instance, purge=purge, keep=wanted)

        return self._store.transact(work)

    def admit(
        self, tx: Tx, actor: Actor, instance: Instance, *, purge: bool = False, keep: tuple[str, ...] = ()
    ) -> Operation:
        """Record what ``delete`` does with an instance."""
        was_made = bool(instance.machine)
        if purge or keep or instance.trash or not (self._days and was_made):
            return admit_delete(tx, actor, instance, keep)
        if instance.protected:
            raise Protected(f"The instance {instance.name} is protected against deletion.")
        check_state(instance, "trash")
        until = (tx.now + timedelta(days=self._days)).isoformat()
        names = plan_no_names(tx, instance)
        operation = begin_verb(
            tx, actor, instance, "trash", was=instance.status.value, until=until, shown=instance.name, **names
        )
        tx.instances.update(instance.id, status=InstanceStatus.DELETING, desired=Power.STOPPED, bump=True)
        return operation

    def page(self, actor: Actor, project: str, window: Window) -> Page[InstanceView]:
        """List what is in the trash of a project, or of all that the actor may see."""
        with self._store.read() as tx:
            visible = visible_projects(actor)
            if project:
                visible = {resolve_project(tx, actor, project, Role.VIEWER).id}
            which = InstanceFilter(project_ids=visible, trashed=True)
            page = tx.instances.page(which, **window.arguments())
            return Page(tuple(views(tx, page.items)), page.next_cursor, page.total)

    def until(self, instance: Instance) -> datetime:
        """Say how long a trashed instance is kept."""
        return datetime.fromisoformat(instance.trash["at"]) + timedelta(days=self._days)

    def restore(self, actor: Actor, project: str, ref: str, name: str = "") -> Operation:
        """Bring an instance back, stopped, under its own name or another. Raises NotFound, AlreadyExists, Busy."""
        if name:
            check_name(name)

        def work(tx: Tx) -> Operation:
            instance = _find(tx, actor, project, ref)
            check_state(instance, "untrash")
            wanted = name or str(instance.trash["name"])
            try:
                names = plan_names(tx, instance, wanted, self._zone)
            except AlreadyExists as error:
                error.hint = f"Bring it back under another name: `zcloud trash restore {ref} --name NAME`."
                raise
            return begin_verb(tx, actor, instance, "untrash", shown=wanted, **names)

        return self._store.transact(work)

    def purge(self, actor: Actor, project: str, ref: str) -> Operation:
        """Remove an instance in the trash for good. Raises NotFound, Busy, Protected."""
        return self._store.transact(lambda tx: admit_delete(tx, actor, _find(tx, actor, project, ref), ()))

    def empty(self, actor: Actor, project: str) -> list[Operation]:
        """Remove what is in a project's trash for good; what is protected or busy stays."""
        with self._store.read() as tx:
            owner = resolve_project(tx, actor, project, Role.MEMBER)
            which = InstanceFilter(project_ids={owner.id}, trashed=True)
            found = tx.instances.page(which, limit=_MANY).items
        return self._purge_each(actor, found)

    def sweep(self) -> list[Operation]:
        """Remove what has been in the trash long enough."""
        with self._store.read() as tx:
            found = tx.instances.page(InstanceFilter(trashed=True), sort="updated_at", limit=1000).items
            over = [each for each in found if each.trash and self.until(each) <= tx.now]
        return self._purge_each(_SWEEPER, over[:_MANY])

    def _purge_each(self, actor: Actor, instances: Iterable[Instance]) -> list[Operation]:
        begun = []
        for instance in instances:
            if instance.protected or instance.operation_id:
                continue
            try:
                begun.append(self.purge(actor, instance.project_id, instance.id))
            except ZcloudError as error:
                _log.info("%s stays in the trash: %s", instance.name, error.message)
        return begun


def _find(tx: Tx, actor: Actor, project: str, ref: str) -> Instance:
    """Give what is in the trash under an id, or the name that it had; raises NotFound, InvalidInput (several)."""
    by_id = tx.instances.many([ref]).get(ref)
    if by_id is not None and by_id.trash:
        authorize(actor, by_id.project_id, Role.MEMBER, f"The instance {ref!r}")
        return by_id
    owner = resolve_project(tx, actor, project, Role.MEMBER)
    which = InstanceFilter(project_ids={owner.id}, trashed=True)
    found = [each for each in tx.instances.page(which, limit=1000).items if each.trash.get("name") == ref]
    if not found:
        raise NotFound(
            f"There is no instance {ref[:80]!r} in the trash of {owner.name}.", hint="See `zcloud trash list`."
        )
    if len(found) > 1:
        told = ", ".join(f"{each.id} ({each.trash['at'][:16]})" for each in found[:5])
        raise InvalidInput(f"There are {len(found)} instances {ref} in the trash.", hint=f"Name one by id: {told}.")
    return found[0]
