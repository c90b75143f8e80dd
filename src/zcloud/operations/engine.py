"""The engine: runs the operations that services record, durably.

All that has to outlive a process is in the operation's own rows. Whoever takes an operation (for the first time, after
a wait, or from a dead worker) raises its epoch, which takes the rows away from a worker that may still live: it can
write nothing any more. Then it starts a run with what the rows say was done. A parked operation is a run that ended,
and holds no thread. A run that was killed between a step's last effect and the commit that ends the step makes that
step again: steps may run twice.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from zcloud.base.clock import Clock
from zcloud.base.ids import new_id
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.operations.control import RunControl
from zcloud.operations.dispatch import Dispatcher, Terms
from zcloud.operations.heart import Heart, Watch, this_node
from zcloud.operations.ledger import Ledger
from zcloud.operations.model import Control, Workflow
from zcloud.operations.run import Patience, Run
from zcloud.store import Store, Worker
from zcloud.store.operations import Due

_log = logging.getLogger(__name__)

C = TypeVar("C")

UNKNOWN_WORKFLOW_S = 15.0


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How operations are run; times are in seconds."""

    worker_id: str = field(default_factory=new_id)  # a fresh one for every process
    roles: str = "worker"
    threads: int = 8
    heartbeat_s: float = 1.0
    heartbeat_timeout_s: float = 5.0
    sweep_s: float = 2.0


class Engine(Generic[C]):
    """Runs the operations that services record.

    ``workflows`` are the known ones by name; ``make_context`` builds what each step is given; ``fault`` is called
    with the name of every fault point.
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
        self._patience = Patience()
        watch = Watch(self._worker.node, clock, timeout)
        terms = Terms(settings.worker_id, settings.threads, min(settings.sweep_s, timeout / 2))
        self._dispatcher = Dispatcher(store, self._heart, watch, clock, terms, self._begin)

    def start(self) -> None:
        """Begin to beat and to take operations."""
        self._heart.start()
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
        self._store.transact(lambda tx: tx.workers.remove(self._worker.id))

    def wake_host(self, host_id: str) -> None:
        """Let the operations go on that were blocked because this host did not answer."""
        self._store.transact(lambda tx: tx.operations.wake_host(host_id))

    def _begin(self, operation: Operation) -> None:
        """Run a taken operation in a thread of its own; the dispatcher bounds how many there are."""
        name = f"operation-{operation.id[:8]}"
        threading.Thread(target=self._run, args=(operation,), name=name, daemon=True).start()

    def _run(self, operation: Operation) -> None:
        broken = True
        try:
            self._go(operation)
            broken = False
        except Exception:  # noqa: BLE001 - the operation stays ours and idle; a later sweep takes it again
            _log.exception("operation %s stopped and will be taken up again", operation.id)
        finally:
            self._dispatcher.finished(Due(operation.id, operation.epoch), broken=broken)

    def _go(self, operation: Operation) -> None:
        workflow = self._workflows.get(operation.workflow)
        if workflow is None:
            reason = f"This server does not know the workflow {operation.workflow!r}; a newer one may."
            wake_at = self._clock.now() + timedelta(seconds=UNKNOWN_WORKFLOW_S)
            due = Due(operation.id, operation.epoch)
            self._store.transact(lambda tx: tx.operations.park(due, OperationStatus.BLOCKED, reason, wake_at))
            return
        ledger = Ledger(self._store, operation, workflow)
        control = RunControl(ledger, self._heart, self._clock, self._fault)
        run = Run(workflow, self._make_context(control), ledger, control, self._patience, self._clock)
        run.go(lambda: self._stopping)
