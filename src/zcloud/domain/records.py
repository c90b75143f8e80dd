"""The names of ports as text that other name servers read; pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from enum import StrEnum

from zcloud.domain.errors import InvalidInput
from zcloud.domain.network import Port

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class RecordFormat(StrEnum):
    """What the export is for: hosts(5), or a zone file that a server includes (RFC 1035, section 5)."""

    HOSTS = "hosts"
    ZONE = "zone"


def export_records(ports: Iterable[Port], format: RecordFormat = RecordFormat.HOSTS) -> str:
    """Give one line for each port with a name and an address, ordered by address.

    The zone format has A records with absolute names, so it can be included in any zone. Raises InvalidInput for a
    name that is not a host name: nothing else may get into a name server's file.
    """
    named = [port for port in ports if port.hostname and port.address]
    lines = [_line(port, format) for port in sorted(named, key=lambda port: ipaddress.IPv4Address(port.address))]
    return "".join(f"{line}\n" for line in lines)


def _line(port: Port, format: RecordFormat) -> str:
    if not _NAME.fullmatch(port.hostname) or len(port.hostname) > 253:
        raise InvalidInput(f"{port.hostname[:80]!r} is not a host name.", field="hostname")
    if format is RecordFormat.HOSTS:
        return f"{port.address}\t{port.hostname}"
    return f"{port.hostname}.\tIN\tA\t{port.address}"
