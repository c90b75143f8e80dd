"""Whether this process can serve."""

from __future__ import annotations

from zcloud.services.context import Services


class Health:
    """The service behind ``/readyz``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def check(self) -> None:
        """Return if the store answers and has the right schema; raises StoreUnreachable, SchemaMismatch."""
        self._store.check_version()
