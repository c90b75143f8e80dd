"""Runs one program on this machine: no shell, a clean environment, a deadline, bounded output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from zcloud.domain.errors import CommandFailed, DeadlineExceeded, HostUnreachable
from zcloud.ports import Completed

ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
OUTPUT_LIMIT = 64 << 20
"""Bytes that a command may print to standard output; of standard error the first 64 KiB are kept."""

_STDERR_KEPT = 64 << 10
_PIECE = 1 << 16
_BURIAL_S = 2.0


def run(argv: Sequence[str], feed: Iterable[bytes] = (), *, timeout_s: float, caller: int | None = None) -> Completed:
    """Run a program to its end with ``feed`` as its standard input, and give its code and output.

    It has a process group of its own, which is killed as a whole at the deadline, and dies with the thread that
    started it. ``caller`` is the socket of whoever waits for it: when that is closed after the feed's end, the
    group is killed. Raises DeadlineExceeded, CommandFailed (cannot be started, prints too much), HostUnreachable
    (the caller is gone).
    """
    try:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(f"{argv[0]} cannot be started: {error.strerror}.", program=argv[0]) from error
    try:
        return _Pump(process, argv[0], iter(feed), caller).finish(time.monotonic() + timeout_s)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        _bury(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            _close(pipe)


def _bury(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that has ended or was killed; one that hangs in the kernel (NFS) is left to a thread."""
    try:
        process.wait(_BURIAL_S)
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, name="waits for a hung process", daemon=True).start()


def _close(pipe: IO[bytes] | None) -> None:
    with contextlib.suppress(OSError):
        if pipe is not None:
            pipe.close()


class _Pump:
    """Moves bytes between us and one process without ever blocking on one of its three pipes."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, feed: Iterator[bytes], caller: int | None) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process, self._name, self._feed, self._caller = process, name, feed, caller
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._stdin_fd, self._stdout_fd = process.stdin.fileno(), process.stdout.fileno()
        self._out, self._err = bytearray(), bytearray()
        self._pending = memoryview(b"")
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)

    def finish(self, deadline: float) -> Completed:
        """Move bytes until the process has closed its output and ended, or the deadline is there."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE)
            selector.register(self._stdout, selectors.EVENT_READ)
            selector.register(self._stderr, selectors.EVENT_READ)
            while selector.get_map().keys() - {self._caller}:
                for key, _ in selector.select(self._left(deadline)):
                    self._serve(selector, key.fd)
        try:
            code = self._process.wait(self._left(deadline))
        except subprocess.TimeoutExpired:
            raise self._late() from None
        return Completed(code, bytes(self._out), bytes(self._err))

    def _serve(self, selector: selectors.BaseSelector, fd: int) -> None:
        """Move bytes of one pipe that is ready; a pipe that is done leaves the selector."""
        if fd == self._caller:
            raise HostUnreachable(f"Nobody waits for {self._name} any more; it was killed.")
        if fd != self._stdin_fd:
            if not self._read(fd):
                selector.unregister(fd)
        elif not self._write():
            selector.unregister(fd)
            _close(self._stdin)
            if self._caller is not None:
                selector.register(self._caller, selectors.EVENT_READ)

    def _left(self, deadline: float) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"{self._name} did not end in time and was killed.", program=self._name)

    def _write(self) -> bool:
        """Write what fits; gives False when all is written or nobody reads any more."""
        if not self._pending:
            piece = next((piece for piece in self._feed if piece), None)
            if piece is None:
                return False
            self._pending = memoryview(piece)
        try:
            written = os.write(self._stdin_fd, self._pending[: 1 << 20])
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        self._pending = self._pending[written:]
        return True

    def _read(self, fd: int) -> bool:
        """Read what is there; gives False at the end."""
        piece = os.read(fd, _PIECE)
        if fd != self._stdout_fd:
            self._err += piece[: _STDERR_KEPT - len(self._err)]
        elif len(self._out) + len(piece) > OUTPUT_LIMIT:
            raise CommandFailed(f"{self._name} printed more than {OUTPUT_LIMIT} bytes.", program=self._name)
        else:
            self._out += piece
        return bool(piece)
