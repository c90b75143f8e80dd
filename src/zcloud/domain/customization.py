"""What is to be changed in the system on a machine's disks while nobody runs it."""

from __future__ import annotations

from dataclasses import dataclass, field

from zcloud.domain.guest import GuestNic, GuestUser


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A line of /etc/hosts: an address and its names."""

    address: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """A file of the guest: where, what is in it, and its permission bits."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644


SECRET = "operation.script"  # noqa: S105 - its kind, no value
"""The secret of an operation that is its script."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A user's password, hashed within the guest."""

    user: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Customization:
    """What is changed, in this order; an empty field leaves what there is.

    ``fresh`` gives the machine an identity of its own (machine id, SSH host keys). ``nics`` None leaves its network
    alone. ``users`` are made where they are not there; root is one of them. ``serial_console`` has GRUB and the kernel
    talk on the first serial port. ``commands`` are lines for the guest's shell, without a network. ``ready_word`` is
    what the system writes there when it is up.
    """

    fresh: bool = False
    hostname: str = ""
    fqdn: str = ""
    hosts: tuple[HostEntry, ...] = ()
    nics: tuple[GuestNic, ...] | None = None
    timezone: str = ""
    users: tuple[GuestUser, ...] = ()
    passwords: tuple[NewPassword, ...] = ()
    serial_console: bool = False
    files: tuple[PlacedFile, ...] = ()
    commands: tuple[str, ...] = field(default=(), repr=False)
    ready_word: str = ""
