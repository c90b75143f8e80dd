"""The reconcile mode of a restored server: what differs, and its end."""

from __future__ import annotations

from dataclasses import dataclass

from zcloud.domain.errors import HostsUnseen, InvalidInput
from zcloud.domain.host import Host, HostState
from zcloud.domain.people import Actor, Role
from zcloud.domain.reconcile import KEY, PENDING, Difference, Mode, report_key
from zcloud.services.context import Page, Services, authorize, refuse_while_reconciling
from zcloud.store import Tx

MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class ReconcileView:
    """The mode (None: it is over), how many differences there are, and the hosts that were not looked at yet."""

    mode: Mode | None
    differences: int = 0
    unseen: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()  # after the end: hosts that are still to be compared


class Reconcile:
    """The service behind ``zcloud reconcile``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def check_changes(self) -> None:
        """Return if changes may be asked for; raises Reconciling."""
        with self._store.read() as tx:
            refuse_while_reconciling(tx)

    def show(self, actor: Actor) -> ReconcileView:
        """Say whether the mode lasts, since when, and how far the comparison is."""
        authorize(actor, None, Role.VIEWER, "The reconcile mode")
        with self._store.read() as tx:
            return _view(tx)

    def differences(self, actor: Actor, cursor: str | None, limit: int) -> Page[Difference]:
        """List how hosts differ from the records, and what becomes of it; raises InvalidInput."""
        authorize(actor, None, Role.VIEWER, "The reconcile mode")
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"A page has 1 to {MAX_LIMIT} entries, not {limit}.", field="limit")
        if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
            raise InvalidInput("This is not a cursor that zcloud gave.", field="cursor")
        begin = int(cursor or 0)
        with self._store.read() as tx:
            found = _differences(tx)
        end = begin + limit
        return Page(tuple(found[begin:end]), str(end) if end < len(found) else None, len(found))

    def finish(self, actor: Actor, *, anyway: bool = False) -> ReconcileView:
        """End the mode: what hosts run is taken as it is, and changes are allowed again. Over already is fine.

        Raises HostsUnseen where a host was not looked at since the restore, unless ``anyway``: such a host is
        compared when it answers, before anything else is done there.
        """
        authorize(actor, None, Role.ADMIN, "Ending the reconcile mode")
        return self._store.transact(lambda tx: _finish(tx, actor, anyway=anyway))


def _finish(tx: Tx, actor: Actor, *, anyway: bool) -> ReconcileView:
    view = _view(tx)
    if view.mode is None:
        return view
    unseen = _unseen(tx)
    if unseen and not anyway:
        names = ", ".join(host.name for host in unseen[:5])
        raise HostsUnseen(f"These hosts were not looked at since the restore: {names}.", hosts=[h.name for h in unseen])
    for host in tx.hosts.all():
        tx.settings.delete(report_key(host.id))
    tx.settings.delete(KEY)
    if unseen:
        tx.settings.put(PENDING, [host.id for host in unseen])
    tx.events.add(
        "server.reconciled",
        resource_kind="server",
        resource_id=view.mode.id,
        resource_name="zcloud",
        actor=actor.user_name,
        message=f"{actor.user_name} ended the reconcile mode with {view.differences} differences.",
        data={"differences": view.differences, "unseen": [host.name for host in unseen]},
    )
    return _view(tx)


def _view(tx: Tx) -> ReconcileView:
    mode = tx.settings.get(KEY)
    pending = tuple(each.name for each in tx.hosts.many(tx.settings.get(PENDING, ())).values())
    if mode is None:
        return ReconcileView(None, pending=pending)
    names = tuple(host.name for host in _unseen(tx))
    return ReconcileView(Mode.from_json(mode), len(_differences(tx)), names, pending)


def _unseen(tx: Tx) -> list[Host]:
    gone = (HostState.ADDING, HostState.REMOVING)
    return [host for host in tx.hosts.all() if host.state not in gone and tx.settings.get(report_key(host.id)) is None]


def _differences(tx: Tx) -> list[Difference]:
    found = []
    for host in tx.hosts.all():
        found += [Difference.from_json(each) for each in tx.settings.get(report_key(host.id), {"items": []})["items"]]
    return found
