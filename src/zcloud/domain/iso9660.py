"""Finds files in an ISO 9660 image. Pure: all bytes come through ``read_at``, and every loop is bounded.

Sources: ECMA-119; the Rock Ridge Interchange Protocol (RRIP 1.12), whose ``NM`` entries have the names as people know
them. Compared without regard to case: plain ISO 9660 names are upper case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zcloud.domain.errors import ImageRefused
from zcloud.domain.imageformat import ReadAt

_SECTOR = 2048
_PRIMARY_AT = 16 * _SECTOR
_MOST_BYTES = 4 << 20  # of one directory
_DIRECTORY = 2


class Extent(NamedTuple):
    """Where a file's bytes are in the image."""

    offset: int
    size: int
    directory: bool


def find_file(read_at: ReadAt, path: str) -> Extent | None:
    """Give where a file is, None where there is none of that path; raises ImageRefused (broken)."""
    descriptor = read_at(_PRIMARY_AT, _SECTOR)
    if len(descriptor) < _SECTOR or descriptor[:6] != b"\x01CD001":
        raise ImageRefused("The CD has no ISO 9660 file system.")
    found = _walk(read_at, _extent(descriptor[156:190]), [each for each in path.split("/") if each])
    return None if found is None or found.directory else found


def _walk(read_at: ReadAt, at: Extent, parts: Sequence[str]) -> Extent | None:
    for part in parts:
        known = dict(_entries(read_at, at)) if at.directory else {}
        if part.lower() not in known:
            return None
        at = known[part.lower()]
    return at


def _entries(read_at: ReadAt, directory: Extent) -> Iterator[tuple[str, Extent]]:
    if directory.size > _MOST_BYTES:
        raise ImageRefused("A directory of the CD is too large.")
    data, at = read_at(directory.offset, directory.size), 0
    while at < len(data):
        length = data[at]
        if length < 34:  # records do not cross sectors: the rest of this one is empty
            at = (at // _SECTOR + 1) * _SECTOR
            continue
        record = data[at : at + length]
        at += length
        if len(record) < length or 33 + record[32] > length:
            raise ImageRefused("A directory of the CD is broken.")
        for name in _names(record):
            yield name, _extent(record)


def _names(record: bytes) -> set[str]:
    size = record[32]
    plain = record[33 : 33 + size].decode("latin-1").partition(";")[0].rstrip(".").lower()
    return {plain, _rock_ridge(record[33 + size + (size + 1) % 2 :])} - {""}


def _rock_ridge(area: bytes) -> str:
    name = b""
    while len(area) >= 5 and 4 <= area[2] <= len(area):
        if area[:2] == b"NM":
            name += area[5 : area[2]]
        area = area[area[2] :]
    return name.decode("utf-8", "replace").lower()


def _extent(record: bytes) -> Extent:
    start, size = int.from_bytes(record[2:6], "little"), int.from_bytes(record[10:14], "little")
    return Extent(start * _SECTOR, size, bool(record[25] & _DIRECTORY))
