"""Operations whose effects are files, so that what really happened can be counted afterwards."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from zcloud.base.clock import SystemClock
from zcloud.base.ids import new_id
from zcloud.domain.errors import CommandFailed, HostUnreachable, ZcloudError
from zcloud.domain.operation import ENDED, Operation, OperationStatus
from zcloud.operations.engine import Engine, EngineSettings
from zcloud.operations.model import Control, Step, Waiting, Workflow
from zcloud.store import Store, Tx

NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight")
DEADLINE_S = 90.0


class Files:
    """The context of a step: makes and removes files below ``root/OPERATION``, and notes each effect in a log.

    The operation's arguments say where it goes wrong: ``fail_at``, ``defect_at``, ``wait_at``, ``block_at``,
    ``stuck_at`` (cannot be undone), ``block_undo_at`` name steps; a waiting or blocked one goes on when the file
    ``root/OPERATION.go`` is there. ``sleep`` is how long each step takes.
    """

    def __init__(self, root: Path, control: Control) -> None:
        self.control = control
        self.operation = control.operation
        self.root = root
        self.directory = root / self.operation.id
        self.directory.mkdir(parents=True, exist_ok=True)

    def is_at(self, trouble: str, name: str) -> bool:
        """Say whether the operation has this trouble at this step, and nobody has cleared it away."""
        return self.operation.args.get(trouble) == name and not (self.root / f"{self.operation.id}.go").exists()

    def effect(self, verb: str, name: str) -> None:
        """Do something that a superseded worker must not do any more."""
        self.control.fence()
        path = self.directory / name
        path.write_text(name) if verb == "do" else path.unlink(missing_ok=True)
        line = f"{verb} {name} {self.operation.epoch} {os.getpid()}\n"
        with (self.root / f"{self.operation.id}.log").open("a") as log:
            log.write(line)


def _do(name: str) -> Callable[[Files], None]:
    def do(files: Files) -> None:
        if files.is_at("wait_at", name):
            raise Waiting(f"{name} waits", SystemClock().now() + timedelta(hours=1))
        if files.is_at("block_at", name):
            raise HostUnreachable("The host h1 does not answer.", host_id="h1")
        if files.is_at("defect_at", name):
            raise KeyError("a defect")
        if files.is_at("progress_at", name):
            for done in range(1001):
                files.control.progress(done, 1000, "counting")
                time.sleep(0.0005)
        time.sleep(files.operation.args.get("sleep", 0))
        files.effect("do", name)
        if files.is_at("fail_at", name):
            raise CommandFailed(f"{name} failed.", hint="Look.")

    return do


def _undo(name: str) -> Callable[[Files], None]:
    def undo(files: Files) -> None:
        if files.is_at("stuck_at", name):
            raise CommandFailed(f"{name} sticks.")
        if files.is_at("block_undo_at", name):
            raise HostUnreachable("The host h1 does not answer.", host_id="h1")
        files.effect("undo", name)

    return undo


def _succeed(files: Files, tx: Tx) -> None:
    if files.operation.args.get("fail_at") == "succeed":
        raise CommandFailed("The last words failed.")
    _count_end(files, tx, "succeeded")


def _fail(files: Files, tx: Tx, error: ZcloudError) -> None:
    _count_end(files, tx, error.code)


def _count_end(files: Files, tx: Tx, how: str) -> None:
    key = f"end.{files.operation.id}"
    tx.settings.put(key, [*tx.settings.get(key, []), how])


FILES = Workflow(
    name="files_v1",
    title="Make eight files",
    steps=tuple(Step(name, f"Make the file {name}", _do(name), _undo(name)) for name in NAMES),
    succeed=_succeed,
    fail=_fail,
)
STUBBORN = replace(FILES, name="stubborn_v1", cancellable=False)
TIDY = replace(FILES, name="tidy_v1", steps=(*FILES.steps[:-1], replace(FILES.steps[-1], undo=None, tidies=True)))
WORKFLOWS = {workflow.name: workflow for workflow in (FILES, STUBBORN, TIDY)}


def queue(store: Store, workflow: str = FILES.name, **args: Any) -> Operation:
    """Record an operation, as a service does."""
    operation = Operation(
        id=new_id(), workflow=workflow, verb="create", resource_kind="files", resource_id=new_id(),
        resource_name="files", project_id=None, actor="test", args=args, status=OperationStatus.QUEUED, steps=(),
        error=None, cancel_requested=False, may_cancel=True, epoch=0, worker_id=None, wake_at=None, wait_reason="",
        retry_of=None, request_id="", created_at=SystemClock().now(), started_at=None, ended_at=None,
    )  # fmt: skip
    with store.write() as tx:
        return tx.operations.add(operation)


def look(store: Store, operation: Operation) -> Operation:
    """Give the operation as it is now."""
    with store.read() as tx:
        return tx.operations.get(operation.id)


def until(what: Callable[[], bool], seconds: float = DEADLINE_S) -> None:
    """Wait for something; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.01)


def until_status(store: Store, operation: Operation, *status: OperationStatus) -> Operation:
    """Wait until an operation is in one of some states, and give it."""
    until(lambda: look(store, operation).status in status)
    return look(store, operation)


def until_ended(store: Store, operation: Operation) -> Operation:
    """Wait until an operation has ended, and give it."""
    return until_status(store, operation, *ENDED)


def files_of(root: Path, operation: Operation) -> set[str]:
    """Give the names of the files that an operation left."""
    return {path.name for path in (root / operation.id).glob("*")}


def effects_of(root: Path, operation: Operation) -> list[tuple[str, str, int, int]]:
    """Give what an operation did, in order: verb, step, epoch, process id."""
    log = root / f"{operation.id}.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [(verb, name, int(epoch), int(pid)) for verb, name, epoch, pid in map(str.split, lines)]


def times(root: Path, operation: Operation, verb: str) -> Counter[str]:
    """Count how often each step did something."""
    return Counter(name for did, name, *_ in effects_of(root, operation) if did == verb)


def check_whole_or_nothing(store: Store, root: Path, operations: Iterable[Operation]) -> None:
    """Assert that each operation ended once, and left either all of its files or none."""
    for operation in operations:
        ended = look(store, operation)
        assert ended.status in ENDED
        expected = set(NAMES) if ended.status is OperationStatus.SUCCEEDED else set()
        assert files_of(root, operation) == expected, f"{operation.id} {ended.status}"
        with store.read() as tx:
            assert len(tx.settings.get(f"end.{operation.id}", [])) == 1


@contextmanager
def running_engine(
    store: Store, root: Path, *, fault: Callable[[str], None] = lambda _name: None, **changes: Any
) -> Iterator[Engine[Files]]:
    """Give a started engine and stop it afterwards."""
    settings = EngineSettings(**{"heartbeat_s": 0.2, "heartbeat_timeout_s": 1.5, **changes})
    context = lambda control: Files(root, control)  # noqa: E731
    engine = Engine(store, WORKFLOWS, context, settings, clock=SystemClock(), fault=fault)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()
