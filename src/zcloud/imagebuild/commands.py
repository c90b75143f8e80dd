"""Runs the programs that build an image, and turns their failures into the error tree."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zcloud.domain.errors import BuildFailed, DiskFull, MirrorUnreachable, NeedsRoot, ToolMissing

_LOG_TAIL = 12
_GRACE_SECONDS = 20

# What the programs write when the file system is full, and what apt writes about a mirror.
_FULL = (os.strerror(errno.ENOSPC), "Could not allocate block", "Disk full")
_MIRROR = (
    "Could not resolve",
    "Temporary failure resolving",
    "Could not connect",
    "Connection failed",
    "Cannot initiate the connection",
    "Unable to connect",
    "does not have a Release file",
    "Failed to fetch",
    "Some index files failed to download",
)

Run = Callable[["Command"], str]


@dataclass(frozen=True, slots=True)
class Command:
    """One program with its arguments; ``stdin`` is text given to it, ``env`` is added to ours."""

    argv: tuple[str, ...]
    stdin: str = ""
    env: Mapping[str, str] | None = None


def run(command: Command) -> str:
    """Run ``command`` to its end and give its output (what it wrote to stdout and stderr).

    The program gets a process group of its own: a Ctrl-C reaches only us, and we stop the whole group
    and let it undo its mounts. Raises ToolMissing, DiskFull, MirrorUnreachable or BuildFailed, the
    last ones with the end of the program's output.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(command.env or {})}
    try:
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError:
        raise missing_tools([command.argv[0]]) from None
    try:
        output, _ = process.communicate(command.stdin)
    except BaseException:
        _stop(process)
        raise
    if process.returncode != 0:
        raise failure(command.argv[0], process.returncode, output)
    return output


def _stop(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            process.wait()
        return


def failure(program: str, status: int, output: str) -> BuildFailed | DiskFull:
    """Give the error that a failed program's output speaks of (pure)."""
    lines = [line for line in output.splitlines() if line.strip()]
    tail = "\n".join(lines[-_LOG_TAIL:])
    name = Path(program).name
    if any(word in output for word in _FULL):
        return DiskFull(f"{name}: no space left on the device", output=tail)
    told = [line.strip() for line in lines if any(word in line for word in _MIRROR)]
    if told:
        return MirrorUnreachable(f"{name} could not get the packages: {told[0]}", output=tail)
    return BuildFailed(f"{name} ended with status {status}: {lines[-1] if lines else 'no output'}", output=tail)


def require_root() -> None:
    """Raise NeedsRoot unless we are root (files of many owners and device nodes are made)."""
    if os.geteuid() != 0:
        raise NeedsRoot("Building an image needs root: it makes files of many owners.")


def require_tools(tools: Mapping[str, str]) -> None:
    """Raise ToolMissing, naming the packages, unless every program in ``tools`` is installed."""
    absent = [name for name in tools if shutil.which(name) is None]
    if absent:
        raise missing_tools(absent, [tools[name] for name in absent])


def missing_tools(names: Sequence[str], packages: Iterable[str] = ()) -> ToolMissing:
    """Give the error for programs that are not there."""
    wanted = " ".join(sorted(set(packages)))
    hint = f"Install them: apt-get install {wanted}" if wanted else "Install the package that has it."
    return ToolMissing(f"Not installed: {', '.join(names)}.", hint=hint, programs=list(names))
