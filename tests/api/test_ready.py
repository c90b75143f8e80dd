"""``/healthz`` and ``/readyz``: each thing that may be wrong is named, with status 503."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.api.conftest import Cloud

from zcloud.api.app import create_app
from zcloud.base.clock import SystemClock
from zcloud.services.context import Services
from zcloud.services.health import Check, Health, Patience
from zcloud.store import OBSERVER_LEASE, Tx


def ask(cloud: Cloud) -> tuple[int, dict[str, str]]:
    """Ask a server that has just started; gives the status, and the reasons by check."""
    health = Health(Services(cloud.store, SystemClock(), "zone"), Patience(5.0, 5.0))
    with TestClient(create_app(replace(cloud.parts, health=health))) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.get("/readyz")
    told = answer.json()
    assert told["status"] == ("ok" if answer.status_code == 200 else "unready")
    assert [each["ok"] for each in told["checks"]] == [not each["reason"] for each in told["checks"]]
    return answer.status_code, {each["name"]: each["reason"] for each in told["checks"]}


def test_all_is_well(cloud: Cloud) -> None:
    assert ask(cloud) == (200, {"schema": "", "store": "", "workers": "", "observer": ""})


def no_worker(tx: Tx) -> None:
    tx.workers.remove("w")


def no_observer(tx: Tx) -> None:
    tx.settings.delete(OBSERVER_LEASE)


def silent_observer(tx: Tx) -> None:
    tx.settings.put(OBSERVER_LEASE, {"beaten_at": (tx.now - timedelta(seconds=77)).isoformat()})


@pytest.mark.parametrize(
    ("change", "check", "reason"),
    [
        (no_worker, "workers", "No worker runs."),
        (no_observer, "observer", "No observer runs."),
        (silent_observer, "observer", "The observer has been silent for "),
    ],
)
def test_what_is_wrong_is_named(cloud: Cloud, change: Callable[[Tx], Any], check: str, reason: str) -> None:
    cloud.store.transact(change)
    status, reasons = ask(cloud)
    assert status == 503
    assert [name for name, why in reasons.items() if why] == [check]
    assert reasons[check].startswith(reason)


def test_a_store_that_cannot_be_written(cloud: Cloud) -> None:
    with cloud.store.read() as tx:
        path = str(tx.users._db.engine.url.database)
    other = sqlite3.connect(path)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON settings BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    other.commit()
    other.close()
    status, reasons = ask(cloud)
    assert (status, bool(reasons["store"])) == (503, True)
    assert cloud.get("/v1/me").status_code == 200, "what needs no writing is still served"


def test_a_look_that_hangs_does_not_hold_the_others(cloud: Cloud) -> None:
    health = Health(Services(cloud.store, SystemClock(), "zone"), Patience())
    asked = list[tuple[Check, ...]]()
    with cloud.store.write():  # whoever wants to write waits
        threads = [threading.Thread(target=lambda: asked.append(health.check())) for _ in range(3)]
        for thread in threads:
            thread.start()
        threads[1].join(10)
        threads[2].join(10)
        assert Check("store", "It has not answered for 2 s.") in {check for checks in asked for check in checks}
    for thread in threads:
        thread.join(20)
    assert len(asked) == 3
    assert health.check()


def test_asking_often_does_not_write_often(cloud: Cloud) -> None:
    health = Health(Services(cloud.store, SystemClock(), "zone"), Patience())
    first = health.check()
    assert health.check() is first
