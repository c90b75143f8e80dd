"""The engine under SIGKILL and SIGSTOP, on the store that ZCLOUD_TEST_STORE names (both where it is not set)."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import NewUrl, open_store
from tests.crash.server import FileServer, Order
from tests.effects import (
    FILES,
    NAMES,
    check_whole_or_nothing,
    effects_of,
    files_of,
    look,
    queue,
    times,
    until,
    until_ended,
    until_status,
)

from zcloud.domain.operation import Operation, OperationStatus
from zcloud.operations.points import fault_points
from zcloud.store import Store

RANDOM_KILLS = int(os.environ.get("ZCLOUD_RANDOM_KILLS", "20"))


@dataclass(frozen=True)
class Cell:
    """A store, and the directory where effects are made."""

    url: str
    store: Store
    root: Path

    @contextmanager
    def server(self, faults: str = "", **settings: float) -> Iterator[FileServer]:
        """Give a server process; it is killed at the end if it still lives."""
        process = FileServer(Order(self.url, self.root, faults, settings))
        try:
            yield process
        finally:
            process.kill()

    def killed(self, faults: str) -> None:
        """Run a server until its fault kills it."""
        with self.server(faults) as process:
            assert process.wait(30) == -signal.SIGKILL, self.output()

    def output(self) -> str:
        """Give the end of what the servers logged."""
        return (self.root / "server.out").read_text()[-4000:]

    def finish(self, operations: Sequence[Operation]) -> None:
        """Let a healthy server bring all operations to their end, and check what they left."""
        with self.server():
            for operation in operations:
                until_ended(self.store, operation)
        check_whole_or_nothing(self.store, self.root, operations)
        for operation in operations:
            ended = look(self.store, operation)
            assert {step.status for step in ended.steps} <= {"done", "undone", "pending"}


@pytest.fixture
def cell(new_url: NewUrl, tmp_path: Path) -> Iterator[Cell]:
    url = new_url()
    store = open_store(url)
    yield Cell(url, store, tmp_path)
    store.close()


def test_killed_at_every_fault_point(cell: Cell) -> None:
    """Each server takes up what the one before left, and is killed at its own point."""
    operations = []
    for point in fault_points(FILES):
        back = ".undo." in point or ".fail." in point
        operations.append(queue(cell.store, **({"fail_at": NAMES[-1]} if back else {})))
        cell.killed(f"{point}:kill")
    cell.finish(operations)
    for operation in operations:
        ended = look(cell.store, operation)
        repeated = sum(count - 1 for count in times(cell.root, operation, "do").values())
        assert repeated <= ended.epoch - 1, "a step ran again although no kill came between"
        assert (ended.status is OperationStatus.FAILED) == ("fail_at" in operation.args)


def test_random_kills(cell: Cell) -> None:
    seed = int(os.environ.get("ZCLOUD_SEED", "0")) or random.randrange(1 << 30)
    print("ZCLOUD_SEED", seed)
    chance = random.Random(seed)
    operations = []
    for _ in range(RANDOM_KILLS):
        troubles = [{"fail_at": chance.choice(NAMES)} if chance.random() < 0.5 else {} for _ in range(2)]
        operations += [queue(cell.store, **trouble) for trouble in [{}, *troubles]]
        cell.killed(f"*@{chance.randrange(1, 28)}:kill")  # 28: what the shortest three pass in all
    cell.finish(operations)


def test_after_kill_it_goes_on_without_waiting_for_the_heartbeat(cell: Cell) -> None:
    operation = queue(cell.store)
    cell.killed("files_v1.four.after:kill")
    assert look(cell.store, operation).status is OperationStatus.RUNNING
    with cell.server(heartbeat_s=1, heartbeat_timeout_s=60) as process:
        process.until_ready()
        began = time.monotonic()
        until_ended(cell.store, operation)
        assert time.monotonic() - began < 30
    assert times(cell.root, operation, "do")["four"] == 2
    assert times(cell.root, operation, "do").total() == len(NAMES) + 1


def test_parked_operations_survive_kills(cell: Cell) -> None:
    operations = [queue(cell.store, wait_at="four"), queue(cell.store, block_at="five")]
    for _ in range(2):
        with cell.server() as process:
            process.until_ready()
            until_status(cell.store, operations[0], OperationStatus.WAITING)
            until_status(cell.store, operations[1], OperationStatus.BLOCKED)
    for operation in operations:
        (cell.root / f"{operation.id}.go").touch()
        with cell.store.write() as tx:
            tx.operations.wake_now(operation.id)
    cell.finish(operations)
    for operation in operations:
        assert times(cell.root, operation, "do") == dict.fromkeys(NAMES, 1)


def test_two_hundred_at_once_on_eight_threads(cell: Cell) -> None:
    operations = [queue(cell.store) for _ in range(200)]
    with cell.server() as process:
        process.until_ready()
        until(lambda: _ended(cell.store) == len(operations), 80)
        threads = int(_status_of(process.pid, "Threads"))
    assert threads < 40
    check_whole_or_nothing(cell.store, cell.root, operations)
    for operation in operations:
        assert times(cell.root, operation, "do") == dict.fromkeys(NAMES, 1)


@pytest.mark.parametrize("point", ["four.before", "four.after", "four.undo.before", "succeed.before", "fail.before"])
def test_a_stopped_worker_lands_nothing_after_the_takeover(cell: Cell, point: str) -> None:
    """SIGSTOP past the heartbeat; another worker takes over and ends it; then the first one goes on.

    Workers in several processes are a matter of PostgreSQL: one stopped within an SQLite transaction stops all.
    """
    if cell.url.startswith("sqlite"):
        pytest.skip("several workers need PostgreSQL")
    back = "undo" in point or "fail" in point
    operation = queue(cell.store, **({"fail_at": "five"} if back else {}))
    with cell.server(f"files_v1.{point}:stop") as stopped:
        until(lambda: _status_of(stopped.pid, "State").startswith("T"))
        with cell.server() as other:
            other.until_ready()
            ended = until_ended(cell.store, operation)
            before = effects_of(cell.root, operation)
            stopped.signal(signal.SIGCONT)
            _lives_again(cell.store, stopped.pid)
            witness = queue(cell.store)
            until_ended(cell.store, witness)
            assert effects_of(cell.root, operation) == before
            assert look(cell.store, operation) == ended
    assert ended.epoch == 2
    check_whole_or_nothing(cell.store, cell.root, [operation, witness])


def test_two_workers_share_the_work(cell: Cell) -> None:
    with cell.server() as one, cell.server() as two:
        one.until_ready()
        two.until_ready()
        operations = [queue(cell.store, sleep=0.05) for _ in range(40)]
        for operation in operations:
            until_ended(cell.store, operation)
    check_whole_or_nothing(cell.store, cell.root, operations)
    pids = {pid for operation in operations for *_, pid in effects_of(cell.root, operation)}
    assert pids == {one.pid, two.pid}
    for operation in operations:
        assert times(cell.root, operation, "do") == dict.fromkeys(NAMES, 1)


def test_a_clean_stop_leaves_no_worker_and_no_half_operation(cell: Cell) -> None:
    operation = queue(cell.store, sleep=0.1)
    with cell.server() as process:
        process.until_ready()
        until(lambda: "one" in files_of(cell.root, operation))
        assert process.stop(20) == 0, cell.output()
    with cell.store.read() as tx:
        assert tx.workers.all() == []
    assert look(cell.store, operation).status is OperationStatus.WAITING
    cell.finish([operation])
    assert times(cell.root, operation, "do") == dict.fromkeys(NAMES, 1)


def _ended(store: Store) -> int:
    with store.read() as tx:
        return 200 - len(tx.operations.unfinished())


def _status_of(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


def _lives_again(store: Store, pid: int) -> None:
    """Wait until the worker's heart beats again: it was taken off the register, so it has to come back."""

    def back() -> bool:
        with store.read() as tx:
            return any(worker.pid == pid for worker in tx.workers.all())

    until(back)
