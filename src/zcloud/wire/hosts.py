"""Hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from zcloud.wire.base import Count, Flag, Line, LongLine, Name, OptionalRef, Ratio, Request


class HostCreate(Request):
    """A host. An SSH host without ``host_key`` shows its key first, and waits until that is approved."""

    name: Name
    kind: Literal["local", "ssh"] = "ssh"
    address: Line = ""
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 22
    user: Line = "root"
    host_key: LongLine = ""
    libvirt_socket: Line = ""
    cpu_ratio: Ratio = 4.0
    memory_ratio: Ratio = 1.0
    reserved_memory_mib: Count = 1024


class HostChange(Request):
    """What is to be changed of a host; what is not given stays."""

    cpu_ratio: Ratio = 4.0
    memory_ratio: Ratio = 1.0
    reserved_memory_mib: Count = 1024


class HostApproval(Request):
    """The fingerprint of the key that the host showed, as read on the host itself."""

    fingerprint: Line


class AdoptRequest(Request):
    """How a domain is adopted: the instance's name (empty: the domain's, as far as it can be one), and its project."""

    name: Name | Literal[""] = ""
    project: OptionalRef = ""


class GuestsStop(Request):
    """How long each guest may take to shut down.

    ``in_order``: only those whom no later member of their group on the host still needs; ask again once they are off.
    """

    deadline_s: Annotated[int, Field(strict=True, ge=1, le=3600)] = 90
    in_order: Flag = False


@dataclass(frozen=True, slots=True)
class Host:
    """A host; ``accel`` is kvm or tcg as the probe found, with its reason.

    ``others_``: what running domains take of it that are nobody's instance; instances are not placed there.
    """

    id: str
    name: str
    kind: str
    address: str
    port: int
    user: str
    host_key: str
    libvirt_socket: str
    state: str
    state_reason: str
    state_since: datetime | None
    accel: str
    accel_reason: str
    cpu_ratio: float
    memory_ratio: float
    reserved_memory_mib: int
    capacity_vcpus: int
    capacity_memory_mib: int
    others_domains: int
    others_vcpus: int
    others_memory_mib: int
    inventory: Mapping[str, Any]
    zone: str
    labels: Mapping[str, str]
    seen_at: datetime | None
    operation_id: str | None
    created_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something on a host that looks like zcloud's and that no record knows.

    ``kind`` is domain, volume, artifact or tap; ``place`` the pool or network where it is, empty for the host itself.
    """

    kind: str
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class HostDomain:
    """A domain on a host that is nobody's instance; ``state`` is libvirt's, ``seen_at`` when it was first seen."""

    uuid: str
    name: str
    state: str
    persistent: bool
    vcpus: int
    memory_mib: int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """What adopting a domain would record; nothing was changed.

    ``disks`` and ``nics`` stay as and where they are; ``unmapped`` names what zcloud has no record for.
    """

    uuid: str
    name: str
    domain: str
    host: str
    project: str
    runs: bool
    room: str
    vcpus: int
    max_vcpus: int
    memory_mib: int
    max_memory_mib: int
    firmware: str
    machine: str
    screen: str
    agent: bool
    disks: tuple[Mapping[str, Any], ...]
    nics: tuple[Mapping[str, Any], ...]
    unmapped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LostInstance:
    """An instance that goes with its host."""

    id: str
    name: str
    project: str
    status: str
    protected: bool


@dataclass(frozen=True, slots=True)
class LostVolume:
    """A volume that goes with its host's pool; ``size`` in bytes, ``instance_id`` of the instance that has it."""

    id: str
    name: str
    project: str
    size: int
    instance_id: str | None


@dataclass(frozen=True, slots=True)
class EndedWork:
    """An operation that ends with its host."""

    id: str
    verb: str
    resource_name: str


@dataclass(frozen=True, slots=True)
class HostLoss:
    """What goes when a lost host is forgotten; nothing was changed. ``since``: when it was heard last.

    ``claimed_``: what is given back of its vCPUs, its memory, and its pools (bytes).
    """

    host: str
    since: datetime
    reason: str
    instances: tuple[LostInstance, ...]
    volumes: tuple[LostVolume, ...]
    pools: tuple[str, ...]
    networks: tuple[str, ...]
    operations: tuple[EndedWork, ...]
    claimed_vcpus: int
    claimed_memory_mib: int
    claimed_bytes: int
