"""What an operation does, as data: a workflow is a named tuple of steps.

A step is recorded before the next begins and may run twice, so ``do`` and ``undo`` are idempotent and read all
they need from the store. On an error the steps are undone in reverse, the failed one included. The engine knows
nothing of instances or hosts: ``C`` is the context that ``workflows`` hands to every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from zcloud.domain.errors import ZcloudError
from zcloud.domain.operation import Operation
from zcloud.store import Tx

C = TypeVar("C")


class Waiting(Exception):
    """Raised by a step that has to wait: it is run again on a wake-up or at ``wake_at``, and holds no worker."""

    def __init__(self, reason: str, wake_at: datetime) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wake_at = wake_at


@dataclass(frozen=True, slots=True)
class Step(Generic[C]):
    """One step: what it does, how it is undone, and the sentence that people read while it runs.

    One that ``tidies`` removes what was kept for the way back, so there is none from there: what it cannot do is left,
    with its sentence, and the operation goes on to its good end.
    """

    name: str
    title: str
    do: Callable[[C], None]
    undo: Callable[[C], None] | None = None
    tidies: bool = False


@dataclass(frozen=True, slots=True)
class Workflow(Generic[C]):
    """Everything that an operation of this name does.

    ``name`` carries a version; a changed list of steps gets a new one, and the old stays until it has drained.
    ``succeed`` runs in the transaction that marks the operation succeeded, ``fail`` in the one that marks it failed
    or cancelled: state, claims, events and the operation's end are one commit. ``cancellable`` steps are the ones
    before which a cancel is heeded.
    """

    name: str
    title: str
    steps: tuple[Step[C], ...]
    succeed: Callable[[C, Tx], None]
    fail: Callable[[C, Tx, ZcloudError], None]
    cancellable: bool = True


class Control(Protocol):
    """What the engine offers a context: its operation, the fence, progress and fault points."""

    @property
    def operation(self) -> Operation: ...

    @property
    def step(self) -> str:
        """Give the name of the running step, ``NAME.undo`` while it is undone."""
        ...

    def fence(self) -> None:
        """Raise Superseded unless this worker still owns the operation: called before each effect on a host."""
        ...

    def progress(self, done: int, total: int, detail: str = "") -> None:
        """Tell how far the running step is; written at most twice a second."""
        ...

    def fault(self, name: str) -> None:
        """Pass a named fault point (a crash test may stop the process here)."""
        ...

    def cancelled(self) -> bool:
        """Say whether a cancel was requested (long steps ask, and raise OperationCancelled)."""
        ...
