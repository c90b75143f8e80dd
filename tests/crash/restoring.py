"""A process that backs a store up or restores a backup; crash tests kill it at a named place.

Arguments: ``create`` or ``restore``, the data directory, the store's URL (empty: SQLite there) and the backup's file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from zcloud.backup.create import Site, create
from zcloud.backup.files import written_whole
from zcloud.backup.restore import Target, restore
from zcloud.base.clock import SystemClock
from zcloud.base.config import Config
from zcloud.store import Store
from zcloud.testing.faults import Faults, from_environment


class Slow:
    """A sink that passes a fault point at every write."""

    def __init__(self, sink: object, fault: Faults) -> None:
        self._sink, self._fault = sink, fault

    def write(self, data: bytes) -> int:
        self._fault("create.write")
        return int(self._sink.write(data))  # type: ignore[attr-defined]


def main() -> None:
    verb, data, url, file = sys.argv[1:]
    config, clock, fault = Config(data_dir=Path(data), store_url=url), SystemClock(), from_environment()
    if verb == "restore":
        with Path(file).open("rb") as source:
            restore(Target(config, clock, fault), source, passphrase=None, replace=True)
        return
    with written_whole(Path(file)) as sink:
        create(Site(config), Store(config.url, clock=clock, seal=None), Slow(sink, fault), clock)  # type: ignore[arg-type]
        fault("create.written")


if __name__ == "__main__":
    main()
