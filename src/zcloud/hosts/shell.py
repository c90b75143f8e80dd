"""``ports.Shell`` over anything that can run a command: the file verbs are commands of the closed list too.

So a local file, one behind the root helper and one at the far end of SSH are handled by the same few lines, and
nothing but the closed list ever runs on a host.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

from zcloud.base.ids import new_secret
from zcloud.domain.errors import CommandFailed, NotFound, ZcloudError
from zcloud.hosts import commands
from zcloud.ports import Completed, FileFacts, Space

_PIECE = 1 << 20
_ABSENT = b"No such file or directory"
_UPLOAD_TIMEOUT_S = 6 * 3600.0
_LOOK_S = 10.0  # a file system that does not say in time how full it is has stalled
_STDERR_SHOWN = 2000
_FILL = ("dd", "status=none", "bs=1M", "conv=fsync,nocreat")


class Runner(Protocol):
    """Runs checked commands on one host."""

    def execute(self, argv: Sequence[str], feed: Iterable[bytes], *, timeout_s: float) -> Completed:
        """Run a command to its end; raises DeadlineExceeded, HostUnreachable, CommandFailed (not startable)."""
        ...

    def execute_all(self, batch: Sequence[Sequence[str]], data: bytes, *, timeout_s: float) -> Completed:
        """Run commands in turn up to the first that fails, and give how the last one ended.

        ``data`` is for the one that reads its input; none after it runs unless all of the data has arrived.
        """
        ...


class CommandShell:
    """A host's commands and files by way of a runner. ``roots`` are the directories that it may work below."""

    def __init__(self, runner: Runner, roots: Sequence[str] = commands.DEFAULT_ROOTS) -> None:
        self._runner = runner
        self._roots = tuple(roots)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0, check: bool = True) -> Completed:
        """Run a command of the closed list (see ``ports.Shell.run``)."""
        commands.check(argv, stdin=stdin, roots=self._roots)
        done = self._runner.execute(argv, [stdin] if stdin else (), timeout_s=timeout_s)
        return _checked(argv, done) if check else done

    def run_all(self, batch: Sequence[Sequence[str]], *, timeout_s: float = 30.0) -> None:
        """Run commands of the closed list in turn (see ``ports.Shell.run_all``)."""
        self._run_all(batch, b"", timeout_s=timeout_s)

    def read_file(self, path: str, *, limit: int = 1 << 20, tail: bool = False) -> bytes:
        """Give at most ``limit`` bytes of a file (its end with ``tail``); raises NotFound."""
        done = self.run(["tail" if tail else "head", "-c", str(limit), "--", path], check=False)
        return _found(["read", path], done).stdout

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, owner: str = "") -> None:
        """Write a file whole or not at all (temporary name, fsync, rename), making its directory."""
        partial, begin, *end = _placing(path, mode, owner)
        fill = [*_FILL, "iflag=fullblock,count_bytes", f"count={len(data)}", f"of={partial}"]
        with self._no_partial(partial):
            self._run_all([begin, fill, *end], data, timeout_s=60.0)

    def upload(
        self, source: BinaryIO, path: str, *, mode: int = 0o600, progress: Callable[[int], None] | None = None
    ) -> None:
        """Copy a stream to a file whole or not at all; ``progress`` is told the bytes so far."""
        partial, begin, *end = _placing(path, mode)
        fill = [*_FILL, f"of={partial}"]
        with self._no_partial(partial):
            self.run(begin)
            commands.check(fill, roots=self._roots)
            _checked(fill, self._runner.execute(fill, _pieces(source, progress), timeout_s=_UPLOAD_TIMEOUT_S))
            self.run_all(end)

    def remove(self, *paths: str) -> None:
        """Remove files if they are there."""
        self.run_all([["rm", "-f", "--", path] for path in paths])

    def list_files(self, directory: str) -> list[FileFacts]:
        """Give the regular files directly in a directory; an absent directory has none."""
        argv = ["find", directory, "-mindepth", "1", "-maxdepth", "1", "-type", "f", "-printf", r"%p\0%s\0%b\0"]
        done = self.run(argv, check=False)
        if done.code and _ABSENT in done.stderr and not done.stdout:
            return []
        words = _checked(argv, done).stdout.decode(errors="surrogateescape").split("\0")
        return [
            FileFacts(path, int(size), int(blocks) * 512)
            for path, size, blocks in zip(words[0:-1:3], words[1::3], words[2::3], strict=True)
        ]

    def space(self, path: str) -> Space:
        """Give the size and the free bytes of the file system that holds ``path``; raises NotFound."""
        done = self.run(["stat", "-f", "-c", "%S %b %a", "--", path], check=False, timeout_s=_LOOK_S)
        unit, total, available = (int(word) for word in _found(["space", path], done).stdout.split())
        return Space(total * unit, available * unit)

    @contextlib.contextmanager
    def _no_partial(self, path: str) -> Iterator[None]:
        """Remove what was half-made when an error leaves the block."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(ZcloudError):
                self.remove(path)
            raise

    def _run_all(self, batch: Sequence[Sequence[str]], data: bytes, *, timeout_s: float) -> None:
        for argv in batch:
            commands.check(argv, roots=self._roots)
        _checked([", ".join(each[0] for each in batch)], self._runner.execute_all(batch, data, timeout_s=timeout_s))


def in_turn(
    execute: Callable[..., Completed], batch: Sequence[Sequence[str]], data: bytes, *, timeout_s: float
) -> Completed:
    """``Runner.execute_all`` where a command costs no round trip."""
    done = Completed(0, b"", b"")
    for argv in batch:
        done = execute(argv, [data] if data and commands.reads_input(argv) else (), timeout_s=timeout_s)
        if done.code:
            break
    return done


def _placing(path: str, mode: int, owner: str = "") -> tuple[str, list[str], list[str], list[str]]:
    """Give the temporary name of a file, the command that makes it empty, and those that end it once it is filled."""
    directory, name = posixpath.split(path)
    partial = f"{directory}/.{name}.{new_secret(9)}.partial"
    user, _, group = owner.partition(":")
    owners = [*(["-o", user] if user else []), *(["-g", group] if group else [])]
    return (
        partial,
        ["install", "-D", "-m", f"{mode:04o}", *owners, "--", "/dev/null", partial],
        ["mv", "-f", "-T", "--", partial, path],
        ["sync", "--", directory],
    )


def _pieces(source: BinaryIO, progress: Callable[[int], None] | None) -> Iterator[bytes]:
    """Read a stream piece by piece, telling how far it is."""
    total = 0
    while piece := source.read(_PIECE):
        yield piece
        total += len(piece)
        if progress is not None:
            progress(total)


def _found(what: Sequence[str], done: Completed) -> Completed:
    if done.code and _ABSENT in done.stderr:
        raise NotFound(f"There is no {what[-1]!r} on the host.", path=what[-1])
    return _checked(what, done)


def _checked(argv: Sequence[str], done: Completed) -> Completed:
    """Give the result, or raise CommandFailed with the command's own words."""
    if done.code == 0:
        return done
    words = done.stderr.decode(errors="replace").strip()[-_STDERR_SHOWN:]
    name = " ".join(argv[:2])
    raise CommandFailed(f"{name} ended with code {done.code}: {words or 'no message'}", exit_code=done.code)
