"""Which fault points a workflow passes, found by a run that nothing disturbs, and one that fails at each step.

Kept in ``points.txt``, one case a line: where the process is killed (``POINT@N``: at the N-th pass), and where an
error was planned before, so that it is killed while it undoes. ``test_points`` compares them with what is passed now.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from zcloud.domain.errors import CommandFailed
from zcloud.operations.model import Workflow

FILE = Path(__file__).with_name("points.txt")
_AFTER = " after an error at "


class Case(NamedTuple):
    """Where to kill (``POINT@N``), and where an error comes before; empty: none does."""

    kill_at: str
    error_at: str = ""

    @property
    def workflow(self) -> str:
        """Give the workflow's name."""
        return self.kill_at.partition(".")[0]

    @property
    def point(self) -> str:
        """Give the name of the point."""
        return self.kill_at.rpartition("@")[0]

    @property
    def nth(self) -> int:
        """Say at which pass."""
        return int(self.kill_at.rpartition("@")[2])

    def __str__(self) -> str:
        return f"{self.kill_at}{_AFTER}{self.error_at}" if self.error_at else self.kill_at


def parse_case(line: str) -> Case:
    """Read a line of the file."""
    kill_at, _, error_at = line.partition(_AFTER)
    return Case(kill_at, error_at)


class Which(StrEnum):
    """Which cases of a point: all, its first (the earliest pass and error), or its last (the longest way there)."""

    ALL = "all"
    FIRST = "first"
    LAST = "last"


def read_cases(which: Which = Which.ALL) -> list[Case]:
    """Read the file: all cases, or one of each point."""
    cases = [parse_case(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []
    if which is Which.ALL:
        return cases
    ordered = cases if which is Which.LAST else reversed(cases)
    return list({case.point: case for case in ordered}.values())


class Recorder:
    """Passed the names of all fault points; keeps those of one workflow, and fails at one of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.expect("")

    def expect(self, workflow: str, error_at: str = "") -> None:
        """Forget what was passed and listen to this workflow."""
        self.passed: list[str] = []
        self._workflow, self._error_at = workflow, error_at

    def __call__(self, name: str) -> None:
        with self._lock:
            if name.startswith(f"{self._workflow}."):
                self.passed.append(name)
        if name == self._error_at:
            raise CommandFailed("An error was planned here.")

    def is_over(self) -> bool:
        """Say whether the operation has passed its last point."""
        return self.passed[-1:] in ([f"{self._workflow}.succeed.after"], [f"{self._workflow}.fail.after"])

    def cases(self) -> Iterator[Case]:
        """Give a case for every pass since the error, or for every pass."""
        times: Counter[str] = Counter()
        failed = not self._error_at
        for name in self.passed:
            times[name] += 1
            if failed:
                yield Case(f"{name}@{times[name]}", self._error_at)
            failed = failed or name == self._error_at


def errors_of(workflow: Workflow[Any]) -> list[str]:
    """Give the places where an error is planned: every step that can be undone, when it has done all that it does."""
    return [f"{workflow.name}.{step.name}.after" for step in workflow.steps if not step.tidies]
