"""Looks at images that came from outside: what they are, and that opening them harms no host.

All hostile bytes are read in a child that has confined itself (``zcloud.confined``): first by our own parser,
then, as a second opinion on what passed, by ``qemu-img`` in the same confinement.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zcloud.confined import REFUSED, UNCONFINED
from zcloud.confined.sandbox import NOBODY
from zcloud.domain.errors import DeadlineExceeded, ImageRefused, ToolMissing
from zcloud.domain.imageformat import COMPRESSED, Format, probe

_SOURCE_ROOT = str(Path(__file__).parents[2])
_ANSWER_LIMIT = 1 << 20
_LEAKED = 3  # qemu-img check: clusters without a use, which do no harm


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How much an image may claim or take; bytes and seconds."""

    max_virtual_size: int = 2 << 40
    max_file_size: int = 512 << 30
    max_written: int = 64 << 30  # by unpacking, holes not counted
    max_ratio: int = 100  # unpacked (holes not counted) to packed
    memory: int = 2 << 30
    deadline_s: int = 900


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a file is that passed. ``format`` is qcow2, raw or iso, ``partitions`` (raw only) none, mbr or gpt."""

    format: str
    virtual_size: int
    file_size: int
    sha256: str
    partitions: str = ""
    warnings: tuple[str, ...] = ()


def inspect_image(
    path: Path, limits: ImageLimits = ImageLimits(), *, claimed: str = "", sha256: str = ""
) -> ImageFacts:
    """Give what the file is, or raise.

    ``claimed`` is the format that its owner named ("" takes either), ``sha256`` the file's digest where it is known
    from when it was written: then only what the format needs is read. As root the file's group is nogroup while
    it is looked at. Raises ImageRefused, DeadlineExceeded, ToolMissing (no qemu-img; a kernel without Landlock).
    """
    with _opened(path) as fd:
        before = os.fstat(fd)
        if not 0 < before.st_size <= limits.max_file_size:
            raise ImageRefused(f"A file of {before.st_size} bytes is empty or larger than {limits.max_file_size}.")
        question = {"size": before.st_size, "claimed": claimed, "max_virtual_size": limits.max_virtual_size}
        question["sum"] = not sha256
        answer = _ask(fd, question, limits)
        facts = ImageFacts(
            format=str(Format(answer["format"])),
            virtual_size=int(answer["virtual_size"]),
            file_size=before.st_size,
            sha256=sha256 or str(answer["sha256"]),
            partitions=str(answer["partitions"]),
            warnings=tuple(str(each)[:200] for each in answer["warnings"]),
        )
        if facts.format == Format.QCOW2:
            with _readable_by_nobody(fd):
                leaks = _second_opinion(fd, facts, limits)
            facts = dataclasses.replace(facts, warnings=facts.warnings + leaks)
        after = os.fstat(fd)
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise ImageRefused("The file was changed while it was looked at.")
    return facts


def packed_format(path: Path) -> Format | None:
    """Give the compression of a file by its first bytes, None where it is not compressed."""
    with _opened(path) as fd:
        found = probe(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size)
    return found if found in COMPRESSED else None


def unpack_image(path: Path, target: Path, limits: ImageLimits = ImageLimits()) -> str:
    """Decompress a gzip or xz file into the new file ``target`` and give its SHA-256; zeros become holes.

    On an error ``target`` is removed. Raises ImageRefused (another compression, a bomb, broken), FileExistsError,
    DeadlineExceeded, ToolMissing.
    """
    kind = packed_format(path)
    if kind not in {Format.GZIP, Format.XZ}:
        raise ImageRefused(
            f"A file packed with {kind or 'nothing known'} is not unpacked here.",
            hint="Unpack it first (`zstd -d`, `unzip`, ...) or pack it with gzip or xz.",
        )
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with _opened(path) as fd:
            written = min(limits.max_written, os.fstat(fd).st_size * limits.max_ratio)
            question = {"out": out, "format": kind, "max_written": written, "max_virtual_size": limits.max_virtual_size}
            return str(_ask(fd, question, limits, out)["sha256"])
    except BaseException:
        target.unlink()
        raise
    finally:
        os.close(out)


def extract_file(path: Path, name: str, limits: ImageLimits = ImageLimits(max_written=1 << 29)) -> bytes | None:
    """Give a file of a CD, None where it has none of that path; raises ImageRefused, DeadlineExceeded, ToolMissing."""
    with _opened(path) as fd, os.fdopen(os.memfd_create("file"), "w+b") as file:
        question = {"out": file.fileno(), "path": name, "max_written": limits.max_written}
        size = int(_ask(fd, question, limits, file.fileno())["size"])
        if size < 0:
            return None
        file.seek(0)
        return file.read(limits.max_written)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ImageRefused(f"The file {path.name!r} cannot be opened: {error.strerror}.") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ImageRefused(f"{path.name!r} is not a regular file.")
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _readable_by_nobody(fd: int) -> Iterator[None]:
    """Let the confined qemu-img open the file again: it has to, and by then it is nobody where we are root."""
    facts = os.fstat(fd)
    if os.geteuid() != 0 or facts.st_mode & stat.S_IROTH:
        yield
        return
    os.fchown(fd, -1, NOBODY)
    os.fchmod(fd, stat.S_IMODE(facts.st_mode) | stat.S_IRGRP)
    try:
        yield
    finally:
        os.fchmod(fd, stat.S_IMODE(facts.st_mode))
        os.fchown(fd, -1, facts.st_gid)


def _second_opinion(fd: int, facts: ImageFacts, limits: ImageLimits) -> tuple[str, ...]:
    """Let qemu-img look at a qcow2 file that passed; gives its warnings."""
    program = shutil.which("qemu-img", path="/usr/bin:/usr/local/bin")
    if program is None:
        raise ToolMissing("qemu-img is not installed.", hint="Install the package qemu-utils.")
    where = ["--output=json", "-U", "-f", facts.format, f"/proc/self/fd/{fd}"]
    code, info = _qemu_img(fd, [program, "info", *where], limits)
    alone = not {"backing-filename", "full-backing-filename", "encrypted"} & info.keys()
    inside = info.get("format-specific", {}).get("data", {})
    if code or info.get("virtual-size") != facts.virtual_size or not alone or "data-file" in inside:
        raise ImageRefused("qemu-img does not see in the file what its header says.")
    code, found = _qemu_img(fd, [program, "check", *where], limits)
    if code not in {0, _LEAKED}:
        raise ImageRefused(
            f"qemu-img check finds the image damaged ({found.get('corruptions', 'unreadable')}).",
            hint="Download it again, or repair it where you trust it: `qemu-img check -r all FILE`.",
        )
    return (f"It has {found.get('leaks')} leaked clusters.",) if code == _LEAKED else ()


def _qemu_img(fd: int, argv: Sequence[str], limits: ImageLimits) -> tuple[int, dict[str, Any]]:
    code, answer = run_confined(argv, [fd], limits, paths=True)
    return code, _parse(answer)


def run_confined(
    argv: Sequence[str], fds: Sequence[int], limits: ImageLimits, *, paths: bool = False
) -> tuple[int, bytes]:
    """Run a program that reads hostile bytes from open descriptors; gives its exit code and what it printed.

    Raises DeadlineExceeded, ToolMissing (a kernel without Landlock).
    """
    code, answer = _run_child({"fds": list(fds) if paths else [], "argv": list(argv)}, fds, limits, _ANSWER_LIMIT)
    if code == UNCONFINED:
        raise _unconfined(_parse(answer))
    return code, answer


def _ask(fd: int, question: Mapping[str, Any], limits: ImageLimits, out: int | None = None) -> dict[str, Any]:
    """Put a question to our own parser in the child; raises ImageRefused with its words."""
    fds = [fd] if out is None else [fd, out]
    file_size = _ANSWER_LIMIT if out is None else limits.max_virtual_size
    code, told = _run_child({"fd": fd, **question}, fds, limits, file_size)
    answer = _parse(told)
    if code == UNCONFINED:
        raise _unconfined(answer)
    if code == REFUSED:
        raise ImageRefused(str(answer.get("message", ""))[:500], hint=str(answer.get("hint", ""))[:300])
    if code or not answer:
        raise ImageRefused(f"Reading the file did not end well (code {code}).")
    return answer


def _unconfined(answer: Mapping[str, Any]) -> ToolMissing:
    return ToolMissing(
        f"Images cannot be inspected safely on this machine: {str(answer.get('message'))[:200]}.",
        hint="It takes a kernel of 5.13 or newer with Landlock switched on (`lsm=` on its command line).",
    )


def _run_child(
    request: Mapping[str, Any], fds: Sequence[int], limits: ImageLimits, file_size: int
) -> tuple[int, bytes]:
    """Run the confined child to its end; gives its exit code and its answer."""
    budget = {"memory": limits.memory, "cpu_s": limits.deadline_s, "file_size": file_size}
    whole = json.dumps({**request, "budget": budget})
    # In memory, and bounded by the child's own RLIMIT_FSIZE: it cannot flood us.
    with os.fdopen(os.memfd_create("answer"), "w+b") as answer:
        process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "zcloud.confined", whole],
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            pass_fds=fds,
            cwd="/",
            env={"PYTHONPATH": _SOURCE_ROOT, "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        code = _finish(process, limits.deadline_s)
        answer.seek(0)
        return code, answer.read(_ANSWER_LIMIT)


def _finish(process: subprocess.Popen[bytes], deadline_s: float) -> int:
    """Wait for the child and end its whole group while its process id is still its own."""
    pidfd = os.pidfd_open(process.pid)
    try:
        ended, _, _ = select.select([pidfd], [], [], deadline_s)
    finally:
        os.close(pidfd)
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    if not ended:
        raise DeadlineExceeded(f"Looking at the image took longer than {deadline_s} s.")
    return code


def _parse(text: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
