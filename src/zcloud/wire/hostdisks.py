"""Hosts' own disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zcloud.wire.base import Flag, Line, Request

FileSystemName = Literal["ext4", "xfs"]


class DiskPrepare(Request):
    """A disk that is to be mounted at ``mount`` (``/srv/NAME``); ``digest`` is the plan's.

    ``erase``: what is on it now may be lost.
    """

    mount: Line
    digest: Line
    filesystem: FileSystemName = "ext4"
    erase: Flag = False


class DiskRelease(Request):
    """Where the disk is mounted that is to be let go."""

    mount: Line


@dataclass(frozen=True, slots=True)
class HostDisk:
    """A whole disk of a host; ``size`` in bytes.

    ``content`` says what is on it, ``uses`` who uses it (both empty: it is free), ``pools`` which pools are on it.
    ``system``: the host's own system is. ``prepared``: where zcloud mounts it.
    """

    name: str
    path: str
    size: int
    model: str
    serial: str
    wwn: str
    transport: str
    rotational: bool
    read_only: bool
    content: tuple[str, ...]
    uses: tuple[str, ...]
    pools: tuple[str, ...]
    system: bool
    prepared: str


@dataclass(frozen=True, slots=True)
class Preparation:
    """What preparing a disk would do; nothing was changed.

    ``lost`` is on it now. ``commands`` run in turn, with ids in place of ``...-UUID``. The request takes ``digest``.
    """

    host: str
    disk: str
    size: int
    model: str
    serial: str
    mount: str
    filesystem: str
    lost: tuple[str, ...]
    commands: tuple[str, ...]
    digest: str
