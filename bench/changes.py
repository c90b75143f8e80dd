"""Instances that change their state in a server's own process, as fast as is asked: what its observer would record."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.store import Store, Tx

RATE, BATCH = 500, 25  # changes a second, changes a transaction
FILE = "changes.json"


def offer(store: Store, place: Path) -> None:
    """Begin at SIGUSR1, for as many seconds as ``place/changes.json`` says, which then says how many were made."""

    def begin(_number: int, _frame: object) -> None:
        threading.Thread(target=_run, args=(store, place / FILE), daemon=True).start()

    signal.signal(signal.SIGUSR1, begin)


def _run(store: Store, file: Path) -> None:
    seconds = float(json.loads(file.read_text())["seconds"])
    with store.read() as tx:
        instances = tx.instances.all()
    begun, made = time.monotonic(), 0
    while time.monotonic() < begun + seconds:
        status = (InstanceStatus.STOPPED, InstanceStatus.RUNNING)[made // len(instances) % 2]
        some = [instances[(made + each) % len(instances)] for each in range(BATCH)]
        store.transact(lambda tx, some=some, status=status: _set(tx, some, status))  # type: ignore[misc]
        made += BATCH
        time.sleep(max(0.0, begun + made / RATE - time.monotonic()))
    file.write_text(json.dumps({"made": made, "took": time.monotonic() - begun}))


def _set(tx: Tx, instances: list[Instance], status: InstanceStatus) -> None:
    for it in instances:
        tx.instances.update(it.id, status=status)
        tx.events.add("instance.running", project_id=it.project_id, resource_kind="instance", resource_id=it.id,
                      resource_name=it.name, message="It changed.")  # fmt: skip
