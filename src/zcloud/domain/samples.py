"""Counters of guests as they are kept, and the rates that two of them give. Pure.

One tick of one host is one blob: a line of JSON per guest, compressed. A guest's line is found without reading the
others, so that an hour of one guest costs little on a host with a thousand.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

Row = Mapping[str, Any]

_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Rates:
    """What a guest did from one tick to the next; bytes and requests are per second.

    ``cpu`` is in percent of all its vCPUs; ``memory`` is what it was given, ``resident`` what it really takes on the
    host, in bytes.
    """

    time: datetime
    seconds: float
    cpu: float
    memory: int
    resident: int
    disk_read: float
    disk_written: float
    disk_requests: float
    net_received: float
    net_sent: float


def pack(rows: Iterable[Row]) -> bytes:
    """Give a tick's rows as a blob; each has its guest's ``id``."""
    lines = [json.dumps({"id": row["id"], **row}, separators=(",", ":")) for row in rows]
    return zlib.compress("\n".join(lines).encode(), _LEVEL)


def unpack(blob: bytes) -> list[Row]:
    """Give the rows of a tick's blob."""
    return [json.loads(line) for line in zlib.decompress(blob).splitlines()]


def find_row(blob: bytes, id: str) -> Row | None:
    """Give one guest's row of a blob, or None where it did not run."""
    return _find(zlib.decompress(blob), id)


def find_rows(blob: bytes, ids: Iterable[str]) -> dict[str, Row]:
    """Give the rows of some guests of a blob by their ids; those that did not run are left out."""
    text = zlib.decompress(blob)
    return {id: row for id in ids if (row := _find(text, id)) is not None}


def _find(text: bytes, id: str) -> Row | None:
    start = text.find(json.dumps({"id": id}, separators=(",", ":")).encode()[:-1])
    if start < 0:
        return None
    end = text.find(b"\n", start)
    row: Row = json.loads(text[start:] if end < 0 else text[start:end])
    return row


def series(rows: Sequence[tuple[datetime, Row | None]]) -> list[Rates]:
    """Give the rates between neighbours, oldest first; none across a gap or a new run, where counters begin anew."""
    found = []
    for (began, before), (ended, after) in pairwise(rows):
        if before is not None and after is not None and (ended - began).total_seconds() > 0:
            rates = _rates(ended, (ended - began).total_seconds(), before, after)
            if min(rates.cpu, rates.disk_read, rates.disk_written, rates.net_received, rates.net_sent) >= 0:
                found.append(rates)
    return found


def _rates(time: datetime, seconds: float, before: Row, after: Row) -> Rates:
    def per_second(group: str, *names: str) -> float:
        return sum(_total(after, group, name) - _total(before, group, name) for name in names) / seconds

    vcpus = max(int(after["vcpus"]), 1)
    return Rates(
        time=time,
        seconds=seconds,
        cpu=100 * (after["cpu_ns"] - before["cpu_ns"]) / 1e9 / seconds / vcpus,
        memory=after["memory_kib"] << 10,
        resident=after["rss_kib"] << 10,
        disk_read=per_second("disks", "rd_bytes"),
        disk_written=per_second("disks", "wr_bytes"),
        disk_requests=per_second("disks", "rd_reqs", "wr_reqs"),
        net_received=per_second("nics", "rx_bytes"),  # libvirt counts as the guest does, not as the tap
        net_sent=per_second("nics", "tx_bytes"),
    )


def _total(row: Row, group: str, name: str) -> int:
    return sum(int(counters.get(name, 0)) for counters in row[group].values())
