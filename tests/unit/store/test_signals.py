"""PostgreSQL's signals reach other processes, and survive a lost connection."""

from __future__ import annotations

import threading

from sqlalchemy import create_engine, text
from tests import builders
from tests.conftest import NewUrl, open_store


def test_another_store_hears_and_reconnects(new_postgresql: NewUrl) -> None:
    url = new_postgresql()
    writer, reader = open_store(url), open_store(url)
    told = threading.Event()
    reader.signals.subscribe("operations", told.set)
    for cut in (False, True):
        if cut:
            told.clear()
            _cut_listeners(url)
            assert told.wait(10), "a reconnect tells everybody: signals may have been missed"
        while told.wait(0.1):
            told.clear()
        with writer.write() as tx:
            tx.operations.add(builders.operation())
        assert told.wait(5)
    reader.close()
    writer.close()
    assert not [each for each in threading.enumerate() if each.name == "store-signals"]


def _cut_listeners(url: str) -> None:
    engine = create_engine(url)
    listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    with engine.begin() as connection:
        assert connection.execute(text(listening + " AND pid <> pg_backend_pid()")).scalars().all() == [True]
    engine.dispose()
