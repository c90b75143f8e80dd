"""A server that only runs operations on files; crash tests start, kill and stop it.

Arguments: the store's URL, the directory, and key=value of engine settings. It prints one line
when it is ready and runs until its standard input ends.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from tests.conftest import open_store
from tests.effects import running_engine

from zcloud.testing.faults import from_environment


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    store_url, root, *changes = sys.argv[1:]
    numbers = {name: float(value) for name, _, value in (change.partition("=") for change in changes)}
    store = open_store(store_url)
    with running_engine(store, Path(root), fault=from_environment(), **numbers):
        print("ready", flush=True)
        sys.stdin.read()
    store.close()


if __name__ == "__main__":
    main()
