"""Runs the test stages and ends with a table of them and one line of counts.

A pytest stage counts its tests; every other command counts as one. A stage without anything to run
fails, unless it is marked as not yet there. Needs only the standard library.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
CONTRACTS = ".importlinter.toml"


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
class Stage:
    """One named stage: a pytest directory, or commands that need the files in ``needs``.

    ``limit_minutes`` ends a stage that hangs; ``root`` runs it by sudo when we are not root.
    """

    name: str
    tests: str = ""
    commands: tuple[tuple[str, ...], ...] = ()
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    root: bool = False
    not_yet: bool = False
    limit_minutes: int = 10


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


def stages() -> tuple[Stage, ...]:
    """Give all stages in the order in which they run: what fails fast comes first."""
    sources = tuple(name for name in ("src", "tests", "tools", "bench") if (ROOT / name).is_dir())
    shell = (str(ROOT / ".ci/run"), *_shell_scripts())
    python = str(BIN / "python")
    return (
        Stage(
            "lint",
            commands=(
                (str(BIN / "ruff"), "check", *sources),
                (str(BIN / "ruff"), "format", "--check", *sources),
                ("shellcheck", "-x", *shell),
            ),
        ),
        Stage("types", commands=((str(BIN / "mypy"), *sources),)),
        Stage(
            "contracts",
            needs=(CONTRACTS,),
            commands=((str(BIN / "lint-imports"), "--config", CONTRACTS), (python, "tools/budgets.py", "src")),
        ),
        Stage("docs", needs=("tools/reference.py",), commands=((python, "tools/reference.py", "--check"),)),
        Stage("unit", tests="tests/unit", options=("-n", "2"), limit_minutes=15),
        Stage("api", tests="tests/api", options=("-n", "2"), limit_minutes=15),
        Stage("conformance", tests="tests/conformance", root=True),
        Stage("crash-sqlite", tests="tests/crash", env={"ZCLOUD_TEST_STORE": "sqlite"}, limit_minutes=20),
        Stage("crash-postgresql", tests="tests/crash", env={"ZCLOUD_TEST_STORE": "postgresql"}, limit_minutes=20),
        Stage("real", tests="tests/real", root=True, limit_minutes=45),
    )


def _shell_scripts() -> list[str]:
    """Give the scripts that a shell runs, by their first line."""
    files = [path for path in sorted((ROOT / "scripts").rglob("*")) if path.is_file()]
    return [str(path) for path in files if b"bash" in path.read_bytes().split(b"\n", 1)[0]]


def run_stage(stage: Stage) -> Result:
    """Run one stage, its output going to ours."""
    begun = time.monotonic()
    missing = _missing(stage)
    if missing:
        counts = Counts() if stage.not_yet else Counts(failed=1)
        return Result(stage.name, counts, 0, f"not yet there: {missing}" if stage.not_yet else f"missing: {missing}")
    if stage.tests:
        counts, note = _run_pytest(stage)
    else:
        ended = [_run(stage, command) for command in stage.commands]
        note = "; ".join(reason for reason in ended if reason)
        counts = Counts(passed=sum(not reason for reason in ended), failed=sum(bool(reason) for reason in ended))
    return Result(stage.name, counts, time.monotonic() - begun, note)


def _missing(stage: Stage) -> str:
    if stage.tests and not any((ROOT / stage.tests).rglob("test_*.py")):
        return stage.tests
    return ", ".join(name for name in stage.needs if not (ROOT / name).exists())


def _run_pytest(stage: Stage) -> tuple[Counts, str]:
    """Run pytest and read its counts from the report it writes; a broken run counts as a failure."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        options = ("-q", f"--junit-xml={report}", *stage.options)
        reason = _run(stage, (str(BIN / "python"), "-m", "pytest", stage.tests, *options))
        counts = read_report(report.read_text()) if report.exists() else Counts()
    if reason and not counts.failed:
        return counts + Counts(failed=1), reason
    return counts, ""


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


def _run(stage: Stage, argv: Sequence[str]) -> str:
    """Run one command; gives why it failed, or nothing."""
    print(f"== {stage.name}: {' '.join(_short(word) for word in argv)}", flush=True)
    environment = {**os.environ, **stage.env}
    if stage.root and os.geteuid() != 0:
        argv = ("sudo", "env", *(f"{name}={value}" for name, value in stage.env.items()), *argv)
    try:
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return f"{argv[0]} is not installed"
    try:
        status = process.wait(timeout=stage.limit_minutes * 60)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"did not end within {stage.limit_minutes} minutes"
    except KeyboardInterrupt:
        _end(process)
        raise
    return f"{_short(argv[0])} ended with {status}" if status else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the process clean up after itself, then insist."""
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _short(word: str) -> str:
    return word.removeprefix(f"{ROOT}/")


def unclaimed_directories(known: Sequence[Stage]) -> list[str]:
    """Give the directories with tests that no stage runs, so that none is forgotten."""
    claimed = {stage.tests for stage in known}
    directories = sorted(path for path in (ROOT / "tests").glob("*/") if any(path.rglob("test_*.py")))
    return [f"tests/{path.name}" for path in directories if f"tests/{path.name}" not in claimed]


def main() -> int:
    """Run the stages named in the arguments, or all."""
    known = stages()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", nargs="*", help="stages to run (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names of the stages and end")
    arguments = parser.parse_args()
    names = [stage.name for stage in known]
    if arguments.list:
        print("\n".join(names))
        return 0
    unknown = [name for name in arguments.stage if name not in names]
    if unknown:
        parser.error(f"no such stage: {', '.join(unknown)} (there are: {', '.join(names)})")
    results = [run_stage(stage) for stage in known if not arguments.stage or stage.name in arguments.stage]
    if not arguments.stage:
        results += [Result(name, Counts(failed=1), 0, "no stage runs it") for name in unclaimed_directories(known)]
    return report_results(results)


def report_results(results: Sequence[Result]) -> int:
    """Print the table and the last line; gives the exit status."""
    print("\nResults")
    for result in results:
        note = f"  ({result.note})" if result.note else ""
        print(f"{result.name:<18} {result.verdict:<8} {result.seconds:7.1f} s  {result.counts}{note}")
    total = sum((result.counts for result in results), Counts())
    print(total, flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
