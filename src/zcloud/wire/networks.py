"""Networks and their ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from zcloud.wire.base import Address, Flag, Line, Name, OptionalRef, Options, Ref, Request

Servers = Annotated[tuple[Address, ...], Field(max_length=8)]


class RangeRequest(Request):
    """Addresses that may be given out or, ``reserved``, may not."""

    first: Address
    last: Address
    reserved: Flag = False
    comment: Line = ""


Ranges = Annotated[tuple[RangeRequest, ...], Field(max_length=256)]


class NetworkCreate(Request):
    """A network on a host; ``options`` are the driver's own, ``project`` empty means for everybody."""

    name: Name
    host: Ref
    kind: Literal["nat", "bridge"] = "nat"
    project: OptionalRef = ""
    cidr: Annotated[str, Field(max_length=18, pattern=r"^[0-9./]+$")]
    gateway: Address = ""
    dns: Servers = ()
    search: Line = ""
    ranges: Ranges = ()
    options: Options = Field(default_factory=dict)
    is_default: Flag = False


class NetworkChange(Request):
    """What is to be changed of a network; what is not given stays."""

    dns: Servers = ()
    search: Line = ""
    ranges: Ranges = ()


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses from ``first`` to ``last``."""

    first: str
    last: str
    reserved: bool
    comment: str


@dataclass(frozen=True, slots=True)
class Network:
    """A network."""

    id: str
    name: str
    kind: str
    scope: str
    host_id: str | None
    project_id: str | None
    cidr: str
    gateway: str
    dns: tuple[str, ...]
    search: str
    ranges: tuple[Range, ...]
    options: Mapping[str, Any]
    state: str
    is_default: bool
    operation_id: str | None
    created_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Port:
    """An instance's connection to a network, with the addresses that belong to it."""

    id: str
    instance_id: str
    network_id: str
    slot: int
    mac: str
    address: str
    hostname: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NetworkDetail:
    """A network with those of its ports that the caller may see."""

    network: Network
    ports: tuple[Port, ...]
