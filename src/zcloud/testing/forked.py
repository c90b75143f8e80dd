"""Processes for tests that kill and stop them, forked from one that has everything imported.

That is multiprocessing's fork server, so that a start costs a few hundredths of a second instead of one or two.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_START_S = 30.0

_context = multiprocessing.get_context("forkserver")
_preloaded = ["psycopg"]  # SQLAlchemy imports it with the first connection, a tenth of a second in each process


def preload(module: str) -> None:
    """Have a module imported in the process that others are forked from; call it before the first of them."""
    _preloaded.append(module)
    _context.set_forkserver_preload(_preloaded)


class ForkedProcess:
    """A process that runs ``work(*arguments, us)``; it calls ``serve(us)`` when it is ready to be used.

    ``work`` is a module's function, and the arguments can be pickled.
    """

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._ours, theirs = _context.Pipe()
        self._process = _context.Process(target=_run, args=(work, *arguments, theirs), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Give its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def until_ready(self) -> None:
        """Wait until it says that it is ready; raises EOFError where it died before that."""
        if not self._ours.poll(_START_S):
            raise TimeoutError("the process did not start")
        self._ours.recv()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end and give its exit code (minus the signal's number), None where it still lives."""
        self._process.join(timeout_s)
        return self._process.exitcode

    def stop(self, timeout_s: float) -> int | None:
        """Let it end by itself; gives as ``wait``."""
        self._ours.close()
        return self.wait(timeout_s)

    def kill(self) -> None:
        """Kill it, whatever it is doing; dead already is fine."""
        self._process.kill()
        self._process.join(_START_S)
        self._ours.close()


def serve(us: Connection[Any, Any]) -> None:
    """Say in the process that it is ready, and wait until it shall stop or its parent is gone."""
    us.send("ready")
    us.poll(None)


def _run(work: Callable[..., None], *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the test, which then kills this
    work(*arguments)
