"""A server that only runs operations on files; crash tests start, kill and stop it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.conftest import open_store
from tests.effects import running_engine

from zcloud.testing.faults import Faults, parse_faults
from zcloud.testing.forked import ForkedProcess, preload, serve

preload(__name__)


@dataclass(frozen=True)
class Order:
    """What a server is to run: on which store, where it makes its effects, with which faults and engine settings."""

    url: str
    root: Path
    faults: str
    settings: dict[str, float]


class FileServer(ForkedProcess):
    """The process of such a server."""

    def __init__(self, order: Order) -> None:
        super().__init__(_run, order)


def _run(order: Order, us: Connection[Any, Any]) -> None:
    logging.basicConfig(
        filename=order.root / "server.out", level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s"
    )
    store = open_store(order.url)
    fault = Faults(parse_faults(order.faults))
    with running_engine(store, order.root, fault=fault, **order.settings):
        serve(us)
    store.close()
