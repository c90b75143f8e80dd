"""Runs the test stages in three lanes, and ends with a table of them and one line of counts.

Beside two stages with real guests, which mostly wait, runs one that keeps a processor busy; a lane without stages of
its own helps the others out. What a stage prints is kept and printed whole when it ends; one stage alone prints as it
runs.
Needs only the standard library.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from tools.stage_run import GRACE_S, Counts, Result, StageRun  # noqa: E402 - needs the path
from tools.stages import Lane, Stage, stages, unclaimed_directories  # noqa: E402

LANES = (Lane.WORK, Lane.GUESTS, Lane.GUESTS)  # a fourth makes each of them slower
PROGRESS_S = 30.0
_LOOK_S = 0.1


def choose(waiting: Sequence[Stage], lane: Lane | None) -> Stage:
    """Give a lane's next stage: its own first one, or the other lane's last one where it has none left."""
    own = [stage for stage in waiting if lane in (None, stage.lane)]
    return own[0] if own else waiting[-1]


class Shown:
    """A stage that runs; what it prints is kept in a file until it ends, or goes to where ours goes."""

    def __init__(self, stage: Stage, *, keep: bool) -> None:
        self._output: BinaryIO | None = tempfile.TemporaryFile() if keep else None  # noqa: SIM115 - closed by ``tell``
        self.run = StageRun(stage, self._output)

    def progress(self) -> str:
        """Say how far it is, as pytest's last line says."""
        done = re.findall(r"\[ *(\d+%)\]", self._read(4096))
        return " ".join([self.run.stage.name, *done[-1:], f"{self.run.seconds:.0f} s"])

    def tell(self, result: Result) -> None:
        """Print all that was kept."""
        if self._output is not None:
            print(f"\n{'=' * 100}\n{result.name}: {result.verdict} in {result.seconds:.1f} s, {result.counts}")
            print(self._read().rstrip(), flush=True)
            self._output.close()

    def _read(self, last: int | None = None) -> str:
        if self._output is None:
            return ""
        end = self._output.seek(0, 2)
        self._output.seek(0 if last is None else max(0, end - last))
        return self._output.read().decode(errors="replace")


class Lanes:
    """Runs stages beside each other, one in each of ``lanes``; in a single lane (``None``) they print as they run."""

    def __init__(self, waiting: Sequence[Stage], lanes: Sequence[Lane | None]) -> None:
        self._waiting, self._lanes = list(waiting), lanes
        self._keep = len(lanes) > 1
        self._running: dict[int, Shown] = {}
        self._begun = self._told_at = time.monotonic()
        self.results: dict[str, Result] = {}

    def run(self) -> bool:
        """Run all; gives False when that was interrupted, once everything that ran has ended."""
        try:
            self._to_the_end()
        except KeyboardInterrupt:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            print(f"-- interrupted: what runs may clean up, {GRACE_S:.0f} s at most", flush=True)
            self._waiting = []
            for shown in self._running.values():
                shown.run.interrupt("interrupted")
            self._to_the_end()
            return False
        return True

    def _to_the_end(self) -> None:
        while self._waiting or self._running:
            self._begin()
            self._look()
            time.sleep(_LOOK_S)

    def _begin(self) -> None:
        for number, lane in enumerate(self._lanes):
            if number not in self._running and self._waiting:
                stage = choose(self._waiting, lane)
                self._waiting.remove(stage)
                self._running[number] = Shown(stage, keep=self._keep)
                if self._keep:
                    print(f"-- {stage.name} begins", flush=True)

    def _look(self) -> None:
        for number, shown in list(self._running.items()):
            if (result := shown.run.advance()) is not None:
                self.results[result.name] = result
                del self._running[number]
                shown.tell(result)
        now = time.monotonic()
        if self._keep and now - self._told_at >= PROGRESS_S:
            self._told_at = now
            running = ", ".join(shown.progress() for shown in self._running.values())
            print(f"-- {now - self._begun:.0f} s: {running}; {len(self._waiting)} to come", flush=True)


def main() -> int:
    """Run the stages named in the arguments, or all."""
    known = stages()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", nargs="*", help="stages to run (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names of the stages and end")
    parser.add_argument("--in-turn", action="store_true", help="one stage after another, printing as they run")
    arguments = parser.parse_args()
    names = [stage.name for stage in known]
    if arguments.list:
        print("\n".join(names))
        return 0
    unknown = [name for name in arguments.stage if name not in names]
    if unknown:
        parser.error(f"no such stage: {', '.join(unknown)} (there are: {', '.join(names)})")
    chosen = [stage for stage in known if not arguments.stage or stage.name in arguments.stage]
    lanes = Lanes(chosen, (None,) if arguments.in_turn or len(chosen) == 1 else LANES)
    whole = lanes.run()
    results = [lanes.results[stage.name] for stage in chosen if stage.name in lanes.results]
    if whole and not arguments.stage:
        results += [Result(name, Counts(failed=1), 0, "no stage runs it") for name in unclaimed_directories(known)]
    status = report_results(results)
    return status if whole else 130


def report_results(results: Sequence[Result]) -> int:
    """Print the table and the last line; gives the exit status."""
    print("\nResults")
    for result in results:
        note = f"  ({result.note})" if result.note else ""
        print(f"{result.name:<18} {result.verdict:<8} {result.seconds:7.1f} s  {result.counts}{note}")
    total = sum((result.counts for result in results), Counts())
    print(total, flush=True)
    return 1 if total.failed or not total.passed else 0


def listen() -> None:
    """Take SIGINT and SIGTERM as Ctrl-C; in a background job SIGINT would be ignored, by the tests too."""

    def interrupted(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)


if __name__ == "__main__":
    listen()
    sys.exit(main())
