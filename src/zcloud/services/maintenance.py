"""How the server is kept: its scheduled backups."""

from __future__ import annotations

from zcloud.backup.schedule import State
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Services, authorize


class Maintenance:
    """The service behind what ``zcloud doctor`` says of backups."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def backups(self, actor: Actor) -> State:
        """Say how scheduled backups went."""
        authorize(actor, None, Role.VIEWER, "The state of backups")
        with self._store.read() as tx:
            return State.read(tx)
