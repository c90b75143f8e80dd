"""The durable engine's one door, and the only place that knows DBOS.

Our ``operations`` row is the truth that people and services see; DBOS is the step journal. One *run* of an
operation is one DBOS workflow ``OPERATION.EPOCH``, and each attempt at a step is one recorded DBOS step. Whoever
takes an operation (for the first time, after a wait, or from a dead worker) raises its epoch, cancels the run
before (which takes the journal away from a worker that may still live: it can record nothing any more), reads what
that run had settled, and starts a new run directly with it.

So nothing is ever enqueued in DBOS: a resumed workflow has to wait for a queue to be polled, a started one begins
at once; a parked operation is simply a run that ended, and holds no thread; and no code is replayed, so that steps
may be renumbered freely. DBOS's own recovery finds nothing to do, as every process has a fresh executor id.
A run that was killed between its last effect and the journal's entry makes that attempt again: steps may run twice.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from dbos import DBOS, Serializer, SetWorkflowID, WorkflowStatus

from zcloud.base.clock import Clock
from zcloud.base.ids import new_id
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.operations.control import RunControl
from zcloud.operations.dispatch import Dispatcher, Terms
from zcloud.operations.heart import Heart, Watch, this_node
from zcloud.operations.journal import Entry, Journal, compact, decode
from zcloud.operations.ledger import Ledger
from zcloud.operations.model import Control, Workflow
from zcloud.operations.run import Run
from zcloud.store import Store, Worker
from zcloud.store.operations import Due

_log = logging.getLogger(__name__)

C = TypeVar("C")

RUN_WORKFLOW = "zcloud_run_v1"
UNKNOWN_WORKFLOW_S = 15.0
FORGET_EVERY = 64  # runs
_PENDING = "PENDING"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How operations are run. ``url`` is the step journal's database; times are in seconds."""

    url: str
    worker_id: str = field(default_factory=new_id)  # a fresh one for every process
    roles: str = "worker"
    threads: int = 8
    heartbeat_s: float = 1.0
    heartbeat_timeout_s: float = 5.0
    sweep_s: float = 2.0


class Engine(Generic[C]):
    """Runs the operations that services record.

    ``workflows`` are the known ones by name; ``make_context`` builds what each step is given; ``fault`` is called
    with the name of every fault point. DBOS exists once in a process, so one engine at a time may be started.
    """

    def __init__(
        self,
        store: Store,
        workflows: Mapping[str, Workflow[C]],
        make_context: Callable[[Control], C],
        settings: EngineSettings,
        *,
        clock: Clock,
        fault: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._store = store
        self._workflows = workflows
        self._make_context = make_context
        self._clock = clock
        self._fault = fault
        self._stopping = False
        self._worker = Worker(
            settings.worker_id,
            this_node(),
            os.getpid(),
            settings.roles,
            started_at=clock.now(),
            heartbeat_at=clock.now(),
        )
        timeout = settings.heartbeat_timeout_s
        self._heart = Heart(store, self._worker, clock, settings.heartbeat_s, timeout)
        self._runs = _Runs(settings, self._run, self._unfinished)
        watch = Watch(self._worker.node, clock, timeout)
        terms = Terms(settings.worker_id, settings.threads, min(settings.sweep_s, timeout / 2))
        self._dispatcher = Dispatcher(store, self._heart, watch, clock, terms, self._runs.begin)

    def start(self) -> None:
        """Open the journal, begin to beat and to take operations."""
        self._runs.open()
        self._heart.start()
        self._runs.forget()
        self._dispatcher.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Take no more, let running steps come to their end for ``timeout_s``, and go.

        What is between two steps is handed to any worker; what does not end in time is taken over by others.
        """
        self._stopping = True
        self._dispatcher.stop()
        deadline = self._clock.monotonic() + timeout_s
        while not self._dispatcher.idle() and self._clock.monotonic() < deadline:
            self._clock.sleep(0.02)
        self._heart.stop()
        self._runs.close()
        self._store.transact(lambda tx: tx.workers.remove(self._worker.id))

    def wake_host(self, host_id: str) -> None:
        """Let the operations go on that were blocked because this host did not answer."""
        self._store.transact(lambda tx: tx.operations.wake_host(host_id))

    def _unfinished(self) -> set[str]:
        with self._store.read() as tx:
            return tx.operations.unfinished()

    def _run(self, operation: Operation, journal: Journal) -> None:
        """Run a taken operation on a thread of the journal."""
        broken = True  # also where DBOS takes the thread away by an exception of its own
        try:
            self._go(operation, journal)
            broken = False
        except Exception:  # noqa: BLE001 - the operation stays ours and idle; a later sweep takes it again
            _log.exception("operation %s stopped and will be taken up again", operation.id)
        finally:
            self._dispatcher.finished(Due(operation.id, operation.epoch), broken=broken)

    def _go(self, operation: Operation, journal: Journal) -> None:
        workflow = self._workflows.get(operation.workflow)
        if workflow is None:
            reason = f"This server does not know the workflow {operation.workflow!r}; a newer one may."
            wake_at = self._clock.now() + timedelta(seconds=UNKNOWN_WORKFLOW_S)
            due = Due(operation.id, operation.epoch)
            self._store.transact(lambda tx: tx.operations.park(due, OperationStatus.BLOCKED, reason, wake_at))
            return
        ledger = Ledger(self._store, operation, workflow)
        control = RunControl(ledger, self._heart, self._clock, self._fault)
        run = Run(workflow, self._make_context(control), ledger, control, journal, self._clock)
        run.go(lambda: self._stopping)


class _Runs:
    """The DBOS workflows: begins a run, records its attempts, gives what earlier runs had settled."""

    def __init__(
        self,
        settings: EngineSettings,
        body: Callable[[Operation, Journal], None],
        unfinished: Callable[[], set[str]],
    ) -> None:
        self._settings = settings
        self._body = body
        self._unfinished = unfinished
        self._begun = 0
        self._taken: dict[str, Operation] = {}
        self._workflow: Callable[[str, list[dict[str, Any]]], None] = self._perform

    def open(self) -> None:
        """Start DBOS."""
        _use_wal(self._settings.url)
        DBOS(
            config={
                "name": "zcloud",
                "system_database_url": self._settings.url,
                "executor_id": self._settings.worker_id,
                "application_version": "1",  # constant: the names of workflows carry versions
                "serializer": _Json(),
                "max_executor_threads": self._settings.threads + 1,  # one for DBOS's own start
                "sys_db_pool_size": self._settings.threads + 4,
                "sys_db_idle_transaction_timeout_sec": 10.0,  # a stopped process gives its row locks back
                "log_level": "WARNING",
                "scheduler_polling_interval_sec": 3600.0,
            }
        )

        def run(run_id: str, history: list[dict[str, Any]]) -> None:
            self._perform(run_id, history)

        self._workflow = DBOS.workflow(name=RUN_WORKFLOW)(run)
        DBOS.launch()

    def close(self) -> None:
        """Stop DBOS."""
        DBOS.destroy(destroy_registry=True)

    def begin(self, operation: Operation) -> None:
        """Start the run of an operation that was just taken, with what the runs before it had settled."""
        run_id = f"{operation.id}.{operation.epoch}"
        earlier = self._earlier(operation) if operation.epoch > 1 else []
        active = [run.workflow_id for run in earlier if run.status == _PENDING]
        if active:
            DBOS.cancel_workflows(active)  # first, so that what is read next stays true
        history = compact(_history(earlier[-1])) if earlier else []
        self._taken[run_id] = operation
        with SetWorkflowID(run_id):
            DBOS.start_workflow(self._workflow, run_id, [entry.encode() for entry in history])
        if earlier:
            DBOS.delete_workflows([run.workflow_id for run in earlier])
        self._begun += 1
        if self._begun % FORGET_EVERY == 0:
            self.forget(ended_only=True)

    def forget(self, *, ended_only: bool = False) -> None:
        """Remove the runs of operations that have ended (``ended_only``: not those that DBOS thinks are running)."""
        status = ["SUCCESS", "ERROR", "CANCELLED"] if ended_only else None
        runs = [run.workflow_id for run in DBOS.list_workflows(status=status, load_input=False, load_output=False)]
        unfinished = self._unfinished()
        over = [run_id for run_id in runs if run_id.rpartition(".")[0] not in unfinished]
        if over:
            DBOS.delete_workflows(over)

    def _perform(self, run_id: str, history: list[dict[str, Any]]) -> None:
        operation = self._taken.pop(run_id, None)
        if operation is None:
            _log.error("run %s was started by nobody here", run_id)
            return
        self._body(operation, Journal([decode(each) for each in history], _record))

    def _earlier(self, operation: Operation) -> list[WorkflowStatus]:
        runs = DBOS.list_workflows(workflow_id_prefix=f"{operation.id}.", load_output=False)
        return sorted(runs, key=lambda run: int(run.workflow_id.rpartition(".")[2]))


class _Json(Serializer):
    """Everything in the journal is JSON; exceptions (which never get there from our side) become text."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=str)

    def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805 - named so by the base class
        return json.loads(serialized_data)

    def name(self) -> str:
        return "zcloud_json"


def _record(at: str, attempt: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return DBOS.run_step({"name": at}, attempt)


def _history(run: WorkflowStatus) -> Sequence[Entry]:
    """Give what was known when a run began, and what it recorded."""
    before = run.input["args"][1] if run.input else []
    recorded = [step["output"] for step in DBOS.list_workflow_steps(run.workflow_id)]
    return [decode(each) for each in [*before, *recorded] if each]


def _use_wal(url: str) -> None:
    """Turn SQLite's write-ahead log on, which DBOS does not; it stays on in the file."""
    scheme, _, path = url.partition(":///")
    if scheme.startswith("sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
