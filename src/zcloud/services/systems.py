"""Operating systems: what they need and drive, known once somebody asks."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from zcloud.domain.errors import NotFound
from zcloud.drivers.guest.osinfo import DIRECTORY, OsInfo, load_systems


class Systems:
    """The service behind ``zcloud os``. ``cache`` is where what osinfo-db says is kept."""

    def __init__(self, cache: Path | None = None, directory: Path = DIRECTORY) -> None:
        self._cache, self._directory = cache, directory
        self._systems: Mapping[str, OsInfo] | None = None
        self._lock = threading.Lock()

    def all(self) -> tuple[OsInfo, ...]:
        """List the systems by id."""
        return tuple(self._known()[name] for name in sorted(self._known()))

    def show(self, id: str) -> OsInfo:
        """Give the system of a short id; raises NotFound with ids that are like it."""
        found = self._known().get(id.lower())
        if found is None:
            family = id.lower().rstrip("0123456789.")
            near = [each for each in sorted(self._known()) if family and each.startswith(family)][-8:]
            raise NotFound(f"No system {id[:60]!r} is known.", hint=f"There is: {', '.join(near)}." if near else "")
        return found

    def find(self, os_id: str) -> OsInfo | None:
        """Give the system of an image, None where nothing certain is known of it."""
        return None if os_id.endswith("-unknown") else self._known().get(os_id)

    def shortages(self, os_id: str, vcpus: int, memory_mib: int, disk: int) -> list[str]:
        """Give a sentence for each size that is below what a system needs; none where it is not known."""
        system = self._known().get(os_id)
        if system is None:
            return []
        asked = (
            ("vCPUs", vcpus, system.min_vcpus, 1),
            ("MiB of memory", memory_mib, system.min_memory_mib, 1),
            ("MiB of root disk", disk, system.min_disk, 1 << 20),
        )
        return [
            f"{system.name} needs {least // unit} {what}; it gets {given // unit}."
            for what, given, least, unit in asked
            if given < least
        ]

    def load(self) -> None:
        """Know them from now on; the first time ever it takes seconds."""
        self._known()

    def _known(self) -> Mapping[str, OsInfo]:
        with self._lock:
            if self._systems is None:
                self._systems = load_systems(self._cache, self._directory)
            return self._systems
