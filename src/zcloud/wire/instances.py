"""Instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from zcloud.wire.base import (
    TEXT_PATTERN,
    Address,
    Bytes,
    Count,
    Flag,
    Line,
    Name,
    OptionalRef,
    OptionName,
    Options,
    Ref,
    Request,
    Seconds,
    Tag,
    Text,
)
from zcloud.wire.media import InstallRequest
from zcloud.wire.operations import OperationError
from zcloud.wire.volumes import Disk, Limits

Mac = Annotated[str, StringConstraints(max_length=17, pattern=r"^([0-9a-f]{2}(:[0-9a-f]{2}){5})?$")]
Password = Annotated[str, StringConstraints(max_length=127, pattern=r"^[ -~]*$")]
PasswordHash = Annotated[str, StringConstraints(max_length=512, pattern=r"^[!-~]*$")]
OnBoot = Literal["last", "start", "stay-off"]
Tags = Annotated[tuple[Tag, ...], Field(max_length=32)]


class NicRequest(Request):
    """A NIC: the network's name or id (empty: the default), and perhaps a chosen address or MAC."""

    network: OptionalRef = ""
    address: Address = ""
    mac: Mac = ""


class DiskRequest(Request):
    """A data disk. The guest makes a ``filesystem`` on the whole of it and mounts it at ``mount`` (ext4 by default)."""

    size: Bytes
    pool: OptionalRef = ""
    name: Annotated[str, StringConstraints(max_length=63, pattern=r"^[a-z0-9-]*$")] = ""
    limits: Limits = Limits()
    filesystem: Literal["", "ext4", "xfs", "btrfs"] = ""
    mount: Line = ""


class GuestOptions(Request):
    """Settings inside the guest; an empty one leaves the image's own.

    ``packages`` are installed at its first boot, after the lists of packages were updated, and after an upgrade of all
    that is installed if ``package_upgrade`` is set. ``offline``: the image has no cloud-init, so name, network, keys
    and commands are written to its disk before it boots, by libguestfs on its host.
    """

    locale: Line = ""
    timezone: Line = ""
    ntp: Annotated[tuple[Line, ...], Field(max_length=8)] = ()
    apt_proxy: Line = ""
    dnf_proxy: Line = ""
    packages: Annotated[tuple[Line, ...], Field(max_length=100)] = ()
    package_update: Flag = False
    package_upgrade: Flag = False
    offline: Flag = False


class InstanceCreate(Request):
    """An instance. References are names or ids; 0 and empty take the flavor's, the image's or the default.

    Without ``nics`` it gets one on the default network. ``ssh_keys`` are public keys or names of stored ones;
    ``password_hash`` is a crypt(3) hash for the image's default user; Windows takes a ``password``.
    ``commands`` are lines for the guest's shell, run once at the end of its first boot, before those of ``user_data``.
    ``headless``: without a screen. ``driver_iso``: an image of format iso for its CD drive; empty: for Windows the
    newest one whose ``os_id`` is virtio-win; ``none``: no CD. ``cd``: an image of format iso for the owner's own drive.
    In place of an ``image`` there is ``install``, with a preseed, kickstart, autoinstall or unattend file as
    ``answers``.
    ``hardware`` has options by name (see the reference of hardware); what is not given follows the image's system.
    """

    name: Name
    image: OptionalRef = ""
    install: InstallRequest | None = None
    answers: Text = ""
    project: OptionalRef = ""
    flavor: OptionalRef = ""
    vcpus: Count = 0
    memory_mib: Count = 0
    max_vcpus: Count = 0
    max_memory_mib: Count = 0
    root_size: Bytes = 0
    pool: OptionalRef = ""
    firmware: Literal["", "bios", "uefi"] = ""
    nics: Annotated[tuple[NicRequest, ...], Field(max_length=8)] = (NicRequest(),)
    disks: Annotated[tuple[DiskRequest, ...], Field(max_length=16)] = ()
    ssh_keys: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=8192, pattern=r"^[^\x00-\x1f\x7f]+$")], ...],
        Field(max_length=64),
    ] = ()
    user_data: Text = ""
    commands: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=TEXT_PATTERN)], ...],
        Field(max_length=32),
    ] = ()
    password_hash: PasswordHash = ""
    password: Password = ""
    tags: Tags = ()
    host: OptionalRef = ""
    protected: Flag = False
    on_boot: OnBoot = "last"
    start: Flag = True
    ready_within_s: Seconds = 600
    guest: GuestOptions = GuestOptions()
    headless: Flag = False
    driver_iso: OptionalRef = ""
    cd: OptionalRef = ""
    hardware: Options = Field(default_factory=dict)


class InstanceChange(Request):
    """What is to be changed of an instance; what is not given stays."""

    protected: Flag = False
    on_boot: OnBoot = "last"
    tags: Tags = ()


class InstanceClone(Request):
    """Clones of an instance, one per name; 0, empty and null are as the original has it.

    ``linked`` null: over the disks of a template, else full copies. ``nics`` are in place of the original's networks;
    of several clones the first gets a chosen address, the others those after it. Disks ``without`` stay behind. Full
    copies can lie in another ``pool`` of the host, of whatever kind. In Ceph clones of any instance can be linked.
    """

    names: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]
    linked: Flag | None = None
    flavor: OptionalRef = ""
    vcpus: Count = 0
    memory_mib: Count = 0
    root_size: Bytes = 0
    nics: Annotated[tuple[NicRequest, ...], Field(max_length=8)] | None = None
    without: Annotated[tuple[Ref, ...], Field(max_length=16)] = ()
    start: Flag = True
    pool: OptionalRef = ""


class TemplateRequest(Request):
    """Whether the instance is to be a template."""

    on: Flag = True


class InstanceRename(Request):
    """The new name; with ``hostname`` cloud-init gives it to the guest at its next boot."""

    name: Name
    hostname: Flag = False


class NicChange(Request):
    """What is to be changed of a NIC."""

    link: Literal["up", "down"]


class PowerRequest(Request):
    """How to stop or restart: ``force`` takes the power, else the guest has ``deadline_s`` to shut down."""

    force: Flag = False
    deadline_s: Annotated[int, Field(strict=True, ge=1, le=3600)] = 90


class ResizeRequest(Request):
    """Another size; what is not given stays.

    ``max_vcpus`` and ``max_memory_mib`` are how far it can grow while it runs (0: not at all). A running guest follows
    at once, or the request is refused; with ``next_start`` it follows when it is started or restarted next.
    """

    flavor: OptionalRef = ""
    vcpus: Count = 0
    memory_mib: Count = 0
    max_vcpus: Count | None = None
    max_memory_mib: Count | None = None
    next_start: Flag = False


class KeysRequest(Request):
    """Strokes such as ``ctrl-alt-del``, or else a text to type."""

    keys: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9-]+$")], ...],
        Field(max_length=100),
    ] = ()
    text: Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")] = ""


class HardwareRequest(Request):
    """Other hardware: options to ``set``, options to ``reset`` to what the guest's system has by default.

    ``upgrade_machine`` takes the newest machine type of the host. A running guest has it all from its next start on.
    """

    set: Options = Field(default_factory=dict)
    reset: Annotated[tuple[OptionName, ...], Field(max_length=32)] = ()
    upgrade_machine: Flag = False


class ConsoleRequest(Request):
    """Which console; ``force`` takes a serial one over from whoever has it open."""

    kind: Literal["serial", "vnc", "spice"] = "serial"
    force: Flag = False


@dataclass(frozen=True, slots=True)
class ConsoleTicket:
    """Lets one websocket connection in, once, until ``expires_at``; ``url`` is relative to the server's."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Nic:
    """A NIC with the addresses that belong to it; ``link`` is up, or down as if its cable were pulled."""

    id: str
    slot: int
    network: str
    network_id: str
    mac: str
    address: str
    hostname: str
    link: str


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """An address that the guest has been seen with; ``nic`` is the NIC's slot (null: an interface inside the guest).

    ``given``: it is what zcloud gave that NIC. ``seen`` has when each source told it last: ``agent``, ``lease`` (DHCP),
    ``traffic`` (its host's neighbour table).
    """

    address: str
    prefix: int
    family: str
    mac: str
    interface: str
    nic: int | None
    given: bool
    seen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pending:
    """A value that the present run has, and the one that the next start brings."""

    now: Any
    next: Any


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance; ``observed`` is what its host said last, ``host_state`` tells how far that can be trusted.

    ``defaults`` says why of the ``hardware`` that nobody chose and the guest's system has otherwise than most.
    ``vcpus``, ``memory_mib`` and the like are what is wanted; ``pending`` has those that the present run has otherwise.
    ``screen`` is how its screen is reached (``vnc``); empty: it is headless. ``saved_at``: since when its memory is in
    a file; empty: it is not. ``template``: clones are made of it, and it never runs. ``driver_iso`` and ``cd``: the
    images in its drive for drivers and in its owner's. ``address``: where people reach it. ``addresses``: those that
    its guest was seen with; ``address_notes``: in words, how they differ from what its NICs were given. ``adopted``: of
    a domain that zcloud took over, its disks and NICs as they are, and what of it is ``unmapped``; empty: it is ours.
    """

    id: str
    name: str
    project: str
    project_id: str
    host: str
    host_id: str
    host_state: str
    accel: str
    image: str
    image_id: str | None
    driver_iso: str
    cd: str
    default_user: str
    status: str
    desired: str
    vcpus: int
    memory_mib: int
    max_vcpus: int
    max_memory_mib: int
    pending: Mapping[str, Pending]
    hardware: Mapping[str, Any]
    defaults: Mapping[str, str]
    flavor: str
    firmware: str
    machine: str
    screen: str
    tags: tuple[str, ...]
    protected: bool
    on_boot: str
    incarnation: int
    ready: str
    ready_detail: str
    ready_deadline: datetime | None
    saved_at: str
    template: bool
    adopted: Mapping[str, Any]
    frozen_until: datetime | None
    nics: tuple[Nic, ...]
    address: str
    addresses: tuple[SeenAddress, ...]
    address_notes: tuple[str, ...]
    disks: tuple[Disk, ...]
    guest: Mapping[str, Any]
    observed: Mapping[str, Any]
    error: OperationError | None
    operation_id: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    revision: int


@dataclass(frozen=True, slots=True)
class InstanceBrief:
    """What a table shows of an instance: the size that it has now (``pending``: another waits for its next start)."""

    id: str
    name: str
    project: str
    host: str
    host_state: str
    accel: str
    image: str
    status: str
    ready: str
    vcpus: int
    memory_mib: int
    pending: bool
    address: str
    created_at: datetime
    template: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host that would take the instance; the higher the score, the better."""

    host: str
    host_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a host would not take it, and the nearest change that would fit."""

    host: str
    filter: str
    reason: str
    nearest: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an instance would run (best first) and why the other hosts would not take it.

    ``hardware`` is what it would have; ``defaults`` says why where nobody chose and its system has it otherwise than
    most. ``warnings``: what its system needs more of, or does not start with.
    """

    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]
    hardware: Mapping[str, Any]
    defaults: Mapping[str, str]
    warnings: tuple[str, ...]
    driver_iso: str
    firmware: str
