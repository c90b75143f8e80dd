"""The child that looks at hostile bytes: ``python -m zcloud.confined REQUEST``; see ``hosts/inspect.py``.

It gets open descriptors, never paths, confines itself before it reads the first byte, and answers with one line of
JSON and an exit code. Whatever it says is checked again by its parent.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from typing import Any

from zcloud.confined import REFUSED, UNCONFINED
from zcloud.confined.sandbox import Budget, CannotConfine, lock_down
from zcloud.domain.errors import ImageRefused
from zcloud.domain.imageformat import Format, check_qcow2, partition_table, probe
from zcloud.domain.iso9660 import find_file

_CHUNK = 1 << 20
_XZ_MEMORY = 256 << 20
_PROGRAMS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")


def main() -> int:
    """Do what the request asks; gives the exit code."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    budget = Budget(**request["budget"])
    argv = request.get("argv")
    try:
        if argv:
            lock_down(budget, [path for path in _PROGRAMS if os.path.exists(path)], request["fds"])
            os.execve(argv[0], argv, {"LC_ALL": "C", "PATH": "/usr/bin"})  # noqa: S606, TID251 - it is confined by now
        lock_down(budget)
    except CannotConfine as error:
        return _say(UNCONFINED, {"message": str(error)})
    try:
        act = _extract if "path" in request else _unpack if "out" in request else _facts
        return _say(0, act(request))
    except ImageRefused as error:
        return _say(REFUSED, {"message": error.message, "hint": error.hint})


def _say(code: int, answer: dict[str, Any]) -> int:
    sys.stdout.write(json.dumps(answer))
    return code


def _facts(request: dict[str, Any]) -> dict[str, Any]:
    fd, size, claimed = request["fd"], request["size"], request["claimed"]
    maximum = request["max_virtual_size"]

    def read_at(offset: int, length: int) -> bytes:
        return os.pread(fd, length, offset)

    found = probe(read_at, size)
    _check_format(found, claimed)
    facts: dict[str, Any] = {"format": found.value, "virtual_size": size, "warnings": [], "partitions": ""}
    if found is Format.QCOW2:
        checked = check_qcow2(read_at, size, maximum)
        facts |= {"virtual_size": checked.virtual_size, "warnings": list(checked.warnings)}
    elif size % 512 or size > maximum:
        raise ImageRefused(
            f"A raw image of {size} bytes is refused: it is not made of whole sectors, or is larger than {maximum}."
        )
    else:
        facts["partitions"] = partition_table(read_at).value
    if request.get("sum"):
        digest = hashlib.sha256()
        for chunk in _chunks(fd):
            digest.update(chunk)
        facts["sha256"] = digest.hexdigest()
    return facts


def _check_format(found: Format, claimed: str) -> None:
    if found not in {Format.QCOW2, Format.RAW, Format.ISO}:
        raise ImageRefused(
            f"The file is {found.value}: not a qcow2 or raw disk image, nor a CD.",
            hint="Unpack or convert it first, e.g. `qemu-img convert -O qcow2 OLD NEW`.",
        )
    if claimed and claimed != found.value:
        raise ImageRefused(
            f"The file is called {claimed} but is {found.value}.",
            hint="Leave the format out, or name the right one.",
        )


def _chunks(fd: int) -> Iterator[bytes]:
    offset = 0
    while chunk := os.pread(fd, _CHUNK, offset):
        yield chunk
        offset += len(chunk)


def _unpack(request: dict[str, Any]) -> dict[str, Any]:
    """Decompress ``fd`` into ``out``; zeros become holes, so a bomb of zeros costs no room."""
    out, total, written, digest = request["out"], 0, 0, hashlib.sha256()
    for chunk in _decompress(request["fd"], Format(request["format"])):
        if chunk.count(0) == len(chunk):
            os.lseek(out, len(chunk), os.SEEK_CUR)
        else:
            _write(out, chunk)
            written += len(chunk)
        digest.update(chunk)
        total += len(chunk)
        if total > request["max_virtual_size"] or written > request["max_written"]:
            raise ImageRefused(
                f"The file is refused: unpacked it is larger than {request['max_virtual_size']} bytes, or has more "
                f"than {request['max_written']} bytes that are not zero."
            )
    os.ftruncate(out, total)
    return {"size": total, "sha256": digest.hexdigest()}


def _extract(request: dict[str, Any]) -> dict[str, Any]:
    """Copy a file of a CD from ``fd`` into ``out``; ``size`` -1: there is none."""

    def read_at(offset: int, length: int) -> bytes:
        return os.pread(request["fd"], length, offset)

    found = find_file(read_at, request["path"])
    if found is None:
        return {"size": -1}
    if found.size > request["max_written"]:
        raise ImageRefused(f"The file {request['path']} of the CD has {found.size} bytes, more than are taken.")
    done = 0
    while done < found.size:
        chunk = read_at(found.offset + done, min(_CHUNK, found.size - done))
        if not chunk:
            raise ImageRefused(f"The file {request['path']} of the CD is cut off.")
        _write(request["out"], chunk)
        done += len(chunk)
    return {"size": done}


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class _Source:
    """The compressed bytes in order; what a stream left over is put into ``held`` and comes next."""

    def __init__(self, fd: int) -> None:
        self._fd, self._offset = fd, 0
        self.held = b""

    def take(self) -> bytes:
        """Give the next bytes, nothing at the end."""
        data, self.held = self.held, b""
        if not data:
            data = os.pread(self._fd, _CHUNK, self._offset)
            self._offset += len(data)
        return data


def _decompress(fd: int, kind: Format) -> Iterator[bytes]:
    """Give the content in pieces of at most 1 MiB; a stream may be followed by another, as both formats allow."""
    try:
        yield from (_gunzip if kind is Format.GZIP else _unxz)(_Source(fd))
    except (zlib.error, lzma.LZMAError, EOFError, MemoryError) as error:
        raise ImageRefused(f"The {kind.value} file cannot be unpacked: {error}.") from error


def _gunzip(source: _Source) -> Iterator[bytes]:
    while data := source.take():
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not stream.eof:
            piece = stream.decompress(data, _CHUNK)
            if not data and not piece:
                raise EOFError("it is cut off")
            yield piece
            data = stream.unconsumed_tail or (b"" if stream.eof else source.take())
        source.held = stream.unused_data.lstrip(b"\0")


def _unxz(source: _Source) -> Iterator[bytes]:
    while data := source.take():
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        while not stream.eof:
            yield stream.decompress(data, _CHUNK)
            data = source.take() if stream.needs_input and not stream.eof else b""
            if stream.needs_input and not stream.eof and not data:
                raise EOFError("it is cut off")
        source.held = stream.unused_data.lstrip(b"\0")


if __name__ == "__main__":
    sys.exit(main())
