"""A guest's file systems held still, for a while that ends by itself: whatever becomes of the server."""

from __future__ import annotations

from datetime import timedelta

from zcloud.domain.errors import Busy, InvalidInput
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.domain.reconcile import KEY
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx

MAX_SECONDS = 600
_US = Actor(user_id="", user_name="zcloud", role=Role.OPERATOR)


class Freezing:
    """The service behind ``zcloud instance freeze`` and ``thaw``.

    The end is on record before anything is frozen (``frozen_until``), and whoever observes thaws then.
    """

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def freeze(self, actor: Actor, project: str, ref: str, seconds: int, revision: int | None = None) -> Operation:
        """Freeze for so many seconds at most; raises InvalidInput, WrongState, Busy, RevisionMismatch."""
        if not 1 <= seconds <= MAX_SECONDS:
            raise InvalidInput(f"File systems can be frozen for 1 to {MAX_SECONDS} seconds.", field="seconds")

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "freeze")
            until = tx.now + timedelta(seconds=seconds)
            operation = begin_verb(tx, actor, instance, "freeze", until=until.isoformat())
            tx.instances.update(instance.id, frozen_until=until)
            return operation

        return self._store.transact(work)

    def thaw(self, actor: Actor, project: str, ref: str, revision: int | None = None) -> Operation:
        """Let a guest write again, frozen by us or by anybody; raises WrongState, Busy, RevisionMismatch."""

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "thaw")
            return begin_verb(tx, actor, instance, "thaw")

        return self._store.transact(work)

    def sweep(self) -> list[Operation]:
        """Thaw whatever is due; the observer asks for it all the time. Gives what was begun.

        A restored server thaws nothing as long as it only compares.
        """
        with self._store.read() as tx:
            due = [] if tx.settings.get(KEY) else tx.instances.to_thaw()
        begun = (self._store.transact(lambda tx, id=each.id: _thaw(tx, id)) for each in due)  # type: ignore[misc]
        return [each for each in begun if each is not None]


def _thaw(tx: Tx, instance_id: str) -> Operation | None:
    instance: Instance = tx.instances.get(instance_id)
    if instance.frozen_until is None or instance.frozen_until > tx.now or instance.operation_id is not None:
        return None
    if not instance.is_frozen:  # it was switched off with its file systems frozen
        tx.instances.update(instance_id, frozen_until=None)
        return None
    if instance.status is not InstanceStatus.RUNNING:
        return None  # its agent can be asked once it goes on
    try:
        with tx.attempt():
            return begin_verb(tx, _US, instance, "thaw")
    except Busy:
        return None
