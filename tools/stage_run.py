"""One test stage while it runs: its commands one after another, its limit, and what came of it.

A pytest stage counts its tests; every other command counts as one. A stage without anything to run fails.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

from tools.stages import BIN, ROOT, Stage

GRACE_S = 45.0  # what an interrupted stage has to clean up after itself


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests or checks ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a stage."""

    name: str
    counts: Counts
    seconds: float
    note: str = ""

    @property
    def verdict(self) -> str:
        """One word for the table."""
        if self.counts.failed:
            return "FAILED"
        return "passed" if self.counts.passed else "nothing"


class StageRun:
    """A stage that runs, looked after by whoever calls ``advance`` again and again.

    ``output`` takes what its commands print; without one it goes to where ours goes.
    """

    def __init__(self, stage: Stage, output: BinaryIO | None = None) -> None:
        self.stage, self._output = stage, output
        self._begun = time.monotonic()
        self._directory = tempfile.TemporaryDirectory(prefix="zcloud-stage-")
        self._report = Path(self._directory.name) / "report.xml"
        self._commands = [self._pytest()] if stage.tests else list(stage.commands)
        self._process: subprocess.Popen[bytes] | None = None
        self._told_to_end_at: float | None = None
        self._counts, self._notes = Counts(), list[str]()
        if missing := _missing(stage):
            self._commands = []
            self._fail(f"missing: {missing}")

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._begun

    def advance(self) -> Result | None:
        """See to the running command and begin the next; gives the result once there is nothing more to do."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                self._see_to_the_time()
                return None
            self._process = None
            self._count(status)
        while self._commands:
            if self._begin(self._commands.pop(0)):
                return None
        self._directory.cleanup()
        return Result(self.stage.name, self._counts, self.seconds, "; ".join(self._notes))

    def interrupt(self, why: str) -> None:
        """Have it end as by Ctrl-C, which lets tests clean up; killed when that takes too long."""
        if self._told_to_end_at is None:
            self._told_to_end_at = time.monotonic()
            self._commands = []
            self._fail(why)
            self._signal(signal.SIGINT)

    def _pytest(self) -> tuple[str, ...]:
        options = ("-q", "--durations=5", "--durations-min=5", f"--junit-xml={self._report}", *self.stage.options)
        return (str(BIN / "python"), "-m", "pytest", *self.stage.tests, *options)

    def _begin(self, argv: Sequence[str]) -> bool:
        """Start a command; gives whether it runs."""
        self._say(f"== {self.stage.name}: {' '.join(_short(word) for word in argv)}\n")
        if self.stage.root and os.geteuid() != 0:
            argv = ("sudo", "env", *(f"{name}={value}" for name, value in self.stage.env.items()), *argv)
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env={**_environment(), **self.stage.env},
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output and subprocess.STDOUT,
                process_group=0,  # the terminal's Ctrl-C is passed on by us, once
            )
        except FileNotFoundError:
            self._fail(f"{argv[0]} is not installed")
            return False
        return True

    def _count(self, status: int) -> None:
        """Count what a command that ended has done."""
        told = self._told_to_end_at is not None
        if not self.stage.tests:
            if not status:
                self._counts += Counts(passed=1)
            elif not told:
                self._fail(f"a command ended with {status}")
            return
        counts = read_report(self._report.read_text()) if self._report.exists() else Counts()
        self._counts += counts
        if status and not counts.failed and not told:
            self._fail(f"pytest ended with {status}")

    def _see_to_the_time(self) -> None:
        if self._told_to_end_at is None:
            if self.seconds > self.stage.limit_minutes * 60:
                self.interrupt(f"did not end within {self.stage.limit_minutes} minutes")
        elif time.monotonic() - self._told_to_end_at > GRACE_S:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the command (and by SIGKILL all that it started), through sudo where it is root's."""
        if self._process is None:
            return
        target = self._process.pid if number is signal.SIGINT else -self._process.pid
        if self.stage.root and os.geteuid() != 0:
            subprocess.run(("sudo", "kill", f"-{number.value}", "--", str(target)), check=False)
        else:
            os.kill(target, number)

    def _fail(self, note: str) -> None:
        self._counts += Counts(failed=1)
        self._notes.append(note)

    def _say(self, text: str) -> None:
        if self._output is None:
            print(text, end="", flush=True)
        else:
            self._output.write(text.encode())
            self._output.flush()


def read_report(text: str) -> Counts:
    """Read the counts from pytest's JUnit report."""
    total = Counts()
    for suite in ElementTree.fromstring(text).iter("testsuite"):  # noqa: S314 - pytest wrote it just now
        tests, failures, errors, skipped = (
            int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")
        )
        failed = failures + errors
        total += Counts(max(tests - failed - skipped, 0), failed, skipped)
    return total


def _environment() -> dict[str, str]:
    """Give ours, but let Python keep what it compiles: it starts a thousand times, a tenth of it compiling."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _missing(stage: Stage) -> str:
    empty = [directory for directory in stage.tests if not any((ROOT / directory).rglob("test_*.py"))]
    return ", ".join([*empty, *(name for name in stage.needs if not (ROOT / name).exists())])


def _short(word: str) -> str:
    return word.removeprefix(f"{ROOT}/")
