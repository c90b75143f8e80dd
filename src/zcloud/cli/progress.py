"""Waiting for operations: their steps live, and never a cancellation that nobody asked for."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from zcloud.cli.base import EXIT_FAILED
from zcloud.cli.output import say, show_data
from zcloud.cli.problems import show_operation_error
from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.cli.units import size, span, timestamp
from zcloud.client import Record

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_S = 0.1
_STEP_S = 1  # how often steps are asked for
_READY_S = 1.0
_MARKS = {"done": "✓", "failed": "✗", "undone": "↩", "left": "!"}
_CLEAR_LINE = "\r\x1b[K"


class Steps:
    """Prints each step of an operation once it has ended, and what is being done now on a terminal."""

    def __init__(self, app: App) -> None:
        self._quiet = app.quiet
        self._live = sys.stderr.isatty()
        self._told: set[tuple[object, object]] = set()
        self._now = ""
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._painter: threading.Thread | None = None

    def __enter__(self) -> Steps:
        if self._live and not self._quiet:
            self._painter = threading.Thread(target=self._paint, daemon=True)
            self._painter.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stopped.set()
        if self._painter is not None:
            self._painter.join()
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()

    def update(self, operation: Mapping[str, Any]) -> None:
        """Take an operation as it is now."""
        for step in operation["steps"]:
            key = (step["seq"], step["status"])
            if step["status"] in _MARKS and key not in self._told:
                self._told.add(key)
                self.line(f"{_MARKS[step['status']]} {describe_step(step)}")
        doing = _doing(operation)
        if not self._live and operation["status"] == "blocked" and doing != self._now:
            self.line(doing)
        self.now(doing)

    def now(self, text: str) -> None:
        """Say what is being done."""
        with self._lock:
            self._now = text

    def line(self, text: str) -> None:
        """Print a line that stays."""
        if self._quiet:
            return
        with self._lock:
            clear = _CLEAR_LINE if self._painter else ""
            sys.stderr.write(f"{clear}{text}\n")
            sys.stderr.flush()

    def _paint(self) -> None:
        frame = 0
        while not self._stopped.wait(_FRAME_S):
            with self._lock:
                if self._now:
                    room = max(shutil.get_terminal_size().columns - 3, 20)
                    sys.stderr.write(f"{_CLEAR_LINE}{_FRAMES[frame % len(_FRAMES)]} {self._now[:room]}")
                    sys.stderr.flush()
            frame += 1


_TELLING = frozenset({"grow", "copy"})
"""Steps whose last words people want to hear when all went well."""


def finish(app: App, answer: Record, told: str, *, wait: bool = True) -> None:
    """Follow the operation of a 202 to its end and say ``told``; exits with 1 where it failed."""
    finish_all(app, [(answer, told)], wait=wait)


def finish_all(app: App, answers: Sequence[tuple[Record, str]], *, wait: bool = True) -> None:
    """Follow several operations, one after the other; exits with 1 where any failed."""
    failed = False
    ended = []
    for answer, told in answers:
        operation = answer["operation"]
        if not wait:
            say(app, _("Operation {id} began. Follow it: zcloud operation wait {id}").format(id=plain(operation["id"])))
            ended.append(operation)
            continue
        operation = follow(app, operation)
        ended.append(operation)
        if operation["status"] == "succeeded":
            say(app, told)
            for step in operation["steps"]:
                if step["name"] in _TELLING and step["detail"]:
                    say(app, plain(step["detail"]))
        else:
            failed = True
            show_operation_error(operation)
    if not app.for_people:
        show_data(app, ended[0] if len(ended) == 1 else ended)
    if failed:
        raise click.exceptions.Exit(EXIT_FAILED)


def follow(app: App, operation: Record) -> Record:
    """Wait for an operation's end, showing its steps; Ctrl-C only ends the waiting."""
    with Steps(app) as steps:
        try:
            return app.client.wait(operation["id"], steps.update, step_s=_STEP_S)
        except KeyboardInterrupt:
            _say_how_to_go_on(steps, operation)
            raise


def wait_ready(app: App, name: str, instance: Record) -> Record:
    """Wait until a guest says that it is ready; gives the instance, whose ``ready`` is then ``ready`` or ``failed``."""
    path = f"/v1/instances/{instance['id']}"
    with Steps(app) as steps:
        begun = time.monotonic()
        try:
            while instance["ready"] == "waiting":
                waited = int(time.monotonic() - begun)
                detail = plain(instance["ready_detail"])
                steps.now(_("Waiting for {name} to say that it is ready ({s} s) {detail}").format(
                    name=name, s=waited, detail=detail
                ))  # fmt: skip
                time.sleep(_READY_S)
                instance = app.client.get(path)
        except KeyboardInterrupt:
            steps.line(_("Stopped waiting; {name} goes on. See: zcloud instance show {name}").format(name=name))
            raise
    return instance


def transfer(app: App, title: str, total: int) -> tuple[Steps, Callable[[int], None]]:
    """Give a display and what to call with the bytes that were moved so far."""
    steps = Steps(app)
    begun, first = time.monotonic(), -1

    def moved(done: int) -> None:
        nonlocal first
        first = done if first < 0 else first  # an upload may go on in the middle
        rate = (done - first) / max(time.monotonic() - begun, 0.001)
        share = 100 * done // max(total, 1)
        left = f", {span((total - done) / rate)}" if rate > 0 else ""
        steps.now(f"{title} {size(done)} / {size(total)} ({share} %, {size(int(rate))}/s{left})")

    return steps, moved


def describe_step(step: Mapping[str, Any]) -> str:
    """Give a step as a line: its title, what it says, how long it took."""
    text = plain(step["title"] or step["name"])
    if step["detail"]:
        text += f": {plain(step['detail'])}"
    if step["started_at"] and step["ended_at"]:
        text += f" ({timestamp(step['ended_at']) - timestamp(step['started_at']):.1f} s)"
    return text


def _doing(operation: Mapping[str, Any]) -> str:
    if operation["status"] in ("waiting", "blocked", "queued") and operation["wait_reason"]:
        return f"{operation['status']}: {plain(operation['wait_reason'])}"
    for step in operation["steps"]:
        if step["status"] == "running":
            done = f" {100 * step['done'] // step['total']} %" if step["total"] else ""
            return f"{describe_step(step)}{done}"
    return f"{plain(operation['verb'])} {plain(operation['resource']['name'])}: {operation['status']}"


def _say_how_to_go_on(steps: Steps, operation: Mapping[str, Any]) -> None:
    note_text = _("Stopped waiting; the operation goes on.\n  Follow it:  zcloud operation wait {id}\n"
                  "  Cancel it:  zcloud operation cancel {id}")  # fmt: skip
    steps.line(note_text.format(id=plain(operation["id"])))
