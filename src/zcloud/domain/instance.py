"""Instances: what is asked for, what is recorded, and which state may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from zcloud.domain.attachment import NO_LIMITS, IoLimits
from zcloud.domain.install import InstallRequest

TRASH_MARK = "~"
"""Parts the name of a thing in the trash from what makes it unlike all others; no name that people give has it."""


class InstanceStatus(StrEnum):
    """What an instance is doing, as people read it."""

    BUILDING = "building"
    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    SAVED = "saved"  # off, with its memory in a file
    SAVING = "saving"
    TRASHED = "trashed"  # deleted, but not for good yet
    STARTING = "starting"
    STOPPING = "stopping"
    RESTARTING = "restarting"
    DELETING = "deleting"
    ERROR = "error"
    UNKNOWN = "unknown"  # its host does not answer
    MISSING = "missing"  # its domain was deleted behind our back


class Power(StrEnum):
    """What the owner wants the instance to be."""

    RUNNING = "running"
    STOPPED = "stopped"


class OnBoot(StrEnum):
    """What becomes of an instance when its host has booted."""

    LAST = "last"  # as it was: it runs again where it ran
    START = "start"
    STAY_OFF = "stay-off"


class Firmware(StrEnum):
    """How the guest boots."""

    BIOS = "bios"
    UEFI = "uefi"


class Ready(StrEnum):
    """Whether the guest says that it is ready; set by the observer."""

    NONE = "none"  # not running
    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NicRequest:
    """A network interface that is asked for: a network's name or id, and perhaps a chosen address."""

    network: str
    address: str = ""
    mac: str = ""


@dataclass(frozen=True, slots=True)
class DiskRequest:
    """A data disk that is asked for: bytes, and the pool by name or id (empty: the default).

    The guest makes a ``filesystem`` on it and mounts it at ``mount``; empty: it leaves the disk alone.
    """

    size: int
    pool: str = ""
    name: str = ""
    limits: IoLimits = NO_LIMITS
    filesystem: str = ""
    mount: str = ""


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """What ``launch`` asks for; references are names or ids, resolved by the service."""

    name: str
    image: str
    flavor: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    max_vcpus: int = 0  # how far it can grow while it runs; 0: not at all
    max_memory_mib: int = 0
    root_size: int = 0  # bytes; 0 takes the flavor's or the image's
    pool: str = ""
    firmware: Firmware | None = None  # None: as its system needs it
    nics: tuple[NicRequest, ...] = ()
    disks: tuple[DiskRequest, ...] = ()
    ssh_keys: tuple[str, ...] = ()  # public keys, or names of stored ones
    user_data: str = ""  # sealed at rest
    password_hash: str = ""  # sealed at rest
    password: str = field(default="", repr=False)  # of a Windows guest, sealed at rest
    commands: tuple[str, ...] = field(default=(), repr=False)  # run once by its shell, sealed at rest
    tags: tuple[str, ...] = ()
    host: str = ""  # pin to a host
    protected: bool = False
    on_boot: OnBoot = OnBoot.LAST
    start: bool = True
    ready_within_s: int = 600
    guest: Mapping[str, Any] = field(default_factory=dict)  # timezone, packages, proxies (see domain/guest.py)
    headless: bool = False  # without a screen
    driver_iso: str = ""  # a CD with drivers; empty: the library's for Windows, "none": none
    cd: str = ""  # an image of format iso for its CD drive
    install: InstallRequest | None = None  # in place of an image
    answers: str = field(default="", repr=False)  # of its installer, sealed at rest
    hardware: Mapping[str, Any] = field(default_factory=dict)  # see domain/hardware.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """The record of an instance; the defaults are those of one that has just been recorded."""

    id: str  # also the domain's uuid
    name: str
    domain_name: str  # libvirt's name, fixed at birth
    project_id: str
    host_id: str
    image_id: str | None  # None: it was adopted, or installed
    driver_image_id: str | None = None  # the image in its drive for drivers
    cd_image_id: str | None = None  # the image in its CD drive
    status: InstanceStatus
    desired: Power
    vcpus: int
    memory_mib: int
    max_vcpus: int = 0  # how far it can grow while it runs; 0: not at all
    max_memory_mib: int = 0
    flavor: str = ""
    firmware: Firmware = Firmware.BIOS
    machine: str = ""  # pinned machine type; empty: there is no domain yet
    tags: tuple[str, ...] = ()
    protected: bool = False
    on_boot: OnBoot = OnBoot.LAST
    incarnation: int = 0  # counts starts
    revision: int = 1  # counts changes of what is desired; the ETag
    ready: Ready = Ready.NONE
    ready_detail: str = ""
    ready_deadline: datetime | None = None
    observed: Mapping[str, Any] = field(default_factory=dict)  # power, reason, guest addresses, OS, drift
    error: Mapping[str, Any] | None = None
    operation_id: str | None = None  # the operation that works on it: the lock
    created_by: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    hardware: Mapping[str, Any] = field(default_factory=dict)  # console log, digest of the definition, UEFI keys
    guest: Mapping[str, Any] = field(default_factory=dict)  # keys, timezone, packages, proxies: nothing secret
    live: Mapping[str, Any] = field(default_factory=dict)  # what the present run has; see domain/pending.py
    options: Mapping[str, Any] = field(default_factory=dict)  # hardware that was chosen; see domain/hardware.py
    frozen_until: datetime | None = None  # its file systems take no writes; thawed then at the latest
    down_with: str = ""  # the boot of its host that it went down with, to run again in the next one; else empty

    @property
    def screen(self) -> str:
        """Give how its screen is reached (``vnc``), now if it runs; empty: it is headless."""
        chosen = self.live.get("hardware", {}) if self.status in RUNS else self.options
        screen = str(chosen.get("screen", "vnc"))
        return "" if screen == "none" else screen

    @property
    def is_frozen(self) -> bool:
        """Say whether its guest's file systems are frozen, or are just becoming so or ceasing to be."""
        return self.frozen_until is not None and self.status in RUNS

    @property
    def drive_since(self) -> int:
        """Give the first of its runs that has a CD drive; 0: it has none."""
        return int(self.hardware.get("drive_since", 0))

    @property
    def saved(self) -> Mapping[str, Any]:
        """Give what is known of its saved memory; empty: there is none."""
        saved: Mapping[str, Any] = self.hardware.get("saved") or {}
        return saved

    @property
    def adopted(self) -> Mapping[str, Any]:
        """Give what is known of a domain that ran before zcloud knew it (see domain/foreign.py); empty: it is ours."""
        adopted: Mapping[str, Any] = self.hardware.get("adopted") or {}
        return adopted

    @property
    def installed(self) -> Mapping[str, Any]:
        """Give from which ``media`` its system was installed, and when (``at``); empty: it was not."""
        installed: Mapping[str, Any] = self.hardware.get("installed") or {}
        return installed

    @property
    def template(self) -> bool:
        """Say whether it is a template: clones are made of it, and it never runs or changes."""
        return bool(self.hardware.get("template"))

    @property
    def shown(self) -> str:
        """Give its status as people are told it: a template is never merely stopped."""
        return shown_status(self.status, self.hardware)

    @property
    def offline(self) -> bool:
        """Say whether it has no cloud-init: what it is told is written to its disk before its first run."""
        return bool(self.guest.get("options", {}).get("offline"))

    @property
    def trash(self) -> Mapping[str, Any]:
        """Give since when it is in the trash (``at``) and what it was called (``name``); empty: it is not."""
        trash: Mapping[str, Any] = self.hardware.get("trash") or {}
        return trash


TEMPLATE = "template"


def shown_status(status: InstanceStatus, hardware: Mapping[str, Any]) -> str:
    """Give an instance's status, or TEMPLATE for a template that nothing happens to."""
    return TEMPLATE if status is InstanceStatus.STOPPED and hardware.get("template") else status.value


@dataclass(frozen=True, slots=True)
class InstanceBrief:
    """As much of an instance as a table shows: lists of thousands cost little. The fields are those of ``Instance``."""

    id: str
    name: str
    project_id: str
    host_id: str
    image_id: str | None
    status: InstanceStatus
    vcpus: int
    memory_mib: int
    ready: Ready
    created_at: datetime
    max_vcpus: int
    max_memory_mib: int
    live: Mapping[str, Any]
    machine: str
    options: Mapping[str, Any]
    hardware: Mapping[str, Any]
    address: str  # the first that belongs to it, or else that its guest reports

    @property
    def shown(self) -> str:
        """Give its status as people are told it."""
        return shown_status(self.status, self.hardware)


@dataclass(frozen=True, slots=True)
class Verb:
    """What an owner does with an instance: from which statuses, and its past participle for people."""

    done: str
    starts_from: frozenset[InstanceStatus]


_S = InstanceStatus
RUNS = frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPING, _S.RESTARTING, _S.UNKNOWN})
"""The statuses of an instance of which a run goes on."""

_THERE = frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPED})
VERBS: Mapping[str, Verb] = {
    "start": Verb("started", frozenset({_S.STOPPED, _S.ERROR})),
    "stop": Verb("stopped", frozenset({_S.RUNNING, _S.PAUSED, _S.ERROR})),
    "restart": Verb("restarted", frozenset({_S.RUNNING, _S.PAUSED})),
    "resize": Verb("resized", frozenset({_S.RUNNING, _S.STOPPED})),
    "pause": Verb("paused", frozenset({_S.RUNNING})),
    "resume": Verb("resumed", frozenset({_S.PAUSED})),
    "reset": Verb("reset", frozenset({_S.RUNNING})),
    "freeze": Verb("frozen", frozenset({_S.RUNNING})),
    "thaw": Verb("thawed", frozenset({_S.RUNNING})),
    "save": Verb("saved", frozenset({_S.RUNNING, _S.PAUSED})),
    "restore": Verb("restored", frozenset({_S.SAVED})),
    "discard": Verb("rid of its saved memory", frozenset({_S.SAVED, _S.STOPPED, _S.RUNNING, _S.PAUSED, _S.ERROR})),
    "clone": Verb("cloned", _THERE),
    "template": Verb("made a template", frozenset({_S.STOPPED})),
    "snapshot": Verb("given a snapshot", _THERE),
    "snapshot_memory": Verb("given a snapshot with memory", frozenset({_S.RUNNING})),
    "revert": Verb("reverted", _THERE | {_S.ERROR}),
    "revert_memory": Verb("reverted", _THERE | {_S.ERROR}),
    "delete_snapshot": Verb("relieved of a snapshot", _THERE),
    "move": Verb("moved", frozenset({_S.RUNNING, _S.STOPPED})),
    "customize": Verb("customized", frozenset({_S.STOPPED})),
    "edit": Verb("edited", frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPED})),
    "rename": Verb("renamed", frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPED, _S.SAVED})),
    "trash": Verb("deleted", frozenset(_S) - {_S.DELETING, _S.TRASHED, _S.BUILDING}),
    "untrash": Verb("brought back", frozenset({_S.TRASHED})),
    "hardware": Verb("changed", frozenset({_S.RUNNING, _S.PAUSED, _S.STOPPED})),
    "delete": Verb("deleted", frozenset(_S) - {_S.DELETING}),
    "attach_disk": Verb("given a disk", _THERE),
    "detach_disk": Verb("relieved of a disk", _THERE),
    "limit_disk": Verb("given limits for a disk", _THERE),
    "attach_nic": Verb("given a NIC", _THERE),
    "detach_nic": Verb("relieved of a NIC", _THERE),
    "link_nic": Verb("changed at a NIC", _THERE),
    "insert": Verb("given a CD", _THERE),
    "eject": Verb("relieved of its CD", _THERE),
    "grow_disk": Verb("given a larger disk", _THERE),
}
"""The operation ``instance_VERB`` of each is in ``workflows/registry.py``; ``grow_disk`` is the volume's."""

TAKES_OWNING = frozenset(VERBS) - {
    "start", "stop", "restart", "pause", "resume", "reset", "freeze", "thaw", "rename",
}  # fmt: skip
"""The verbs that change or remove what only a domain of ours has; an adopted one stays as it is."""


@dataclass(frozen=True, slots=True)
class Flavor:
    """A named size; ``root_size`` in bytes."""

    name: str
    vcpus: int
    memory_mib: int
    root_size: int
