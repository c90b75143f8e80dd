"""What the guest's agent is asked for, and what its answers mean. Pure; every answer is hostile.

The commands are those of QEMU's guest agent protocol
(https://qemu-project.gitlab.io/qemu/interop/qemu-ga-ref.html). An answer that is not as described raises GuestRefused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zcloud.domain.errors import GuestRefused
from zcloud.drivers.guest.filesystems import MAX_DISKS, MAX_FILESYSTEMS, clean

MAX_OUTPUT = 256 << 10  # of each stream of a command
MAX_PEOPLE = 100
_MAX_NUMBER = 1 << 62
_MAX_SECONDS = 1 << 33


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A mounted file system as the guest tells it; bytes, None where it does not say. ``serials`` of its disks."""

    mountpoint: str
    kind: str
    device: str
    used: int | None
    total: int | None
    serials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """How a command in the guest is, or ended: by itself with a code, or by a signal. Output is cut at 256 KiB."""

    exited: bool
    code: int | None = None
    signal: int | None = None
    out: bytes = b""
    err: bytes = b""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in to a guest; ``since`` in seconds since 1970, None where it does not say."""

    name: str
    since: float | None


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """What a guest says of itself; empty and None: it does not say. Times in seconds since 1970."""

    os: str = ""
    os_id: str = ""
    os_version: str = ""
    kernel: str = ""
    machine: str = ""
    hostname: str = ""
    timezone: str = ""
    utc_offset_s: int | None = None
    time: float | None = None
    users: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A file system whose unused blocks were given back: bytes, or why they were not."""

    path: str
    bytes: int | None
    error: str


FACTS = ("guest-get-osinfo", "guest-get-host-name", "guest-get-timezone", "guest-get-time", "guest-get-users")
"""The commands whose answers ``parse_facts`` reads."""


def ask_time(now: datetime) -> dict[str, Any]:
    """Give the arguments of guest-set-time: nanoseconds since 1970."""
    return {"time": int(now.timestamp() * 1000) * 1_000_000}


def parse_facts(answers: Mapping[str, Any]) -> GuestFacts:
    """Read the answers to ``FACTS``, of which any may be absent or nonsense: that is left out."""
    system, host, zone = (_mapping(answers.get(command)) for command in FACTS[:3])
    clock, people = answers.get("guest-get-time"), answers.get("guest-get-users")
    told = [each for each in people[:MAX_PEOPLE] if isinstance(each, Mapping)] if isinstance(people, list) else []
    offset = zone.get("offset")
    return GuestFacts(
        os=clean(system.get("pretty-name")),
        os_id=clean(system.get("id")),
        os_version=clean(system.get("version-id")),
        kernel=clean(system.get("kernel-release")),
        machine=clean(system.get("machine")),
        hostname=clean(host.get("host-name")),
        timezone=clean(zone.get("zone")),
        utc_offset_s=offset if _is_number(offset, 86400) else None,
        time=clock / 1e9 if isinstance(clock, int) and _is_number(clock, _MAX_NUMBER) else None,
        users=tuple(Person(clean(each.get("user")), _seconds(each.get("login-time"))) for each in told),
    )


def parse_trimmed(answer: Any) -> tuple[Trimmed, ...]:
    """Read guest-fstrim's answer; raises GuestRefused."""
    paths = answer.get("paths") if isinstance(answer, Mapping) else None
    if not isinstance(paths, list) or len(paths) > MAX_FILESYSTEMS:
        raise _nonsense("guest-fstrim")
    told = [_mapping(each) for each in paths]
    return tuple(Trimmed(clean(each.get("path")), _number(each, "trimmed"), clean(each.get("error"))) for each in told)


def ask_password(user: str, password: str) -> dict[str, Any]:
    """Give the arguments of guest-set-user-password."""
    return {"username": user, "password": base64.b64encode(password.encode()).decode(), "crypted": False}


def ask_command(argv: Sequence[str], given: str) -> dict[str, Any]:
    """Give the arguments of guest-exec: no shell, no environment of ours, both outputs kept."""
    arguments: dict[str, Any] = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
    if given:
        arguments["input-data"] = base64.b64encode(given.encode()).decode()
    return arguments


def parse_pid(answer: Any) -> int:
    """Read guest-exec's answer; raises GuestRefused."""
    pid = _number(answer, "pid")
    if not pid:
        raise _nonsense("guest-exec")
    return pid


def parse_result(answer: Any) -> Result:
    """Read guest-exec-status's answer; raises GuestRefused."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("exited"), bool):
        raise _nonsense("guest-exec-status")
    if not answer["exited"]:
        return Result(exited=False)
    out, err = _bytes(answer.get("out-data"), "guest-exec-status"), _bytes(answer.get("err-data"), "guest-exec-status")
    cut = bool(answer.get("out-truncated") or answer.get("err-truncated"))
    return Result(
        exited=True,
        code=_number(answer, "exitcode"),
        signal=_number(answer, "signal"),
        out=out[:MAX_OUTPUT],
        err=err[:MAX_OUTPUT],
        truncated=cut or max(len(out), len(err)) > MAX_OUTPUT,
    )


def parse_handle(answer: Any) -> int:
    """Read guest-file-open's answer; raises GuestRefused."""
    if not isinstance(answer, int) or isinstance(answer, bool) or abs(answer) > _MAX_NUMBER:
        raise _nonsense("guest-file-open")
    return answer


def parse_piece(answer: Any, limit: int) -> bytes:
    """Read guest-file-read's answer, ``limit`` bytes at most; raises GuestRefused."""
    if not isinstance(answer, Mapping):
        raise _nonsense("guest-file-read")
    return _bytes(answer.get("buf-b64"), "guest-file-read")[:limit]


def parse_filesystems(answer: Any) -> tuple[Filesystem, ...]:
    """Read guest-get-fsinfo's answer, sorted by mount point; raises GuestRefused."""
    if not isinstance(answer, list) or len(answer) > MAX_FILESYSTEMS:
        raise _nonsense("guest-get-fsinfo")
    return tuple(sorted(map(_filesystem, answer), key=lambda each: each.mountpoint))


def _filesystem(entry: Any) -> Filesystem:
    if not isinstance(entry, Mapping):
        raise _nonsense("guest-get-fsinfo")
    disks = entry.get("disk")
    told = [each for each in disks[:MAX_DISKS] if isinstance(each, Mapping)] if isinstance(disks, list) else []
    return Filesystem(
        mountpoint=clean(entry.get("mountpoint")),
        kind=clean(entry.get("type")),
        device=clean(entry.get("name")),
        used=_number(entry, "used-bytes"),
        total=_number(entry, "total-bytes"),
        serials=tuple(serial for each in told if (serial := clean(each.get("serial")))),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: Any, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= limit


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < _MAX_SECONDS else None


def _number(values: Any, name: str) -> int | None:
    value = values.get(name) if isinstance(values, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_NUMBER else None


def _bytes(value: Any, command: str) -> bytes:
    if value in (None, ""):
        return b""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise _nonsense(command) from error


def _nonsense(command: str) -> GuestRefused:
    return GuestRefused(f"The guest's agent gave no sensible answer to {command}.")
