"""What is changed in the system on an instance's disk while it is off."""

from __future__ import annotations

from typing import Annotated

from pydantic import Base64Bytes, Field, StringConstraints

from zcloud.wire.base import Flag, Line, LongLine, Request
from zcloud.wire.instances import Password


class HostLine(Request):
    """A line of /etc/hosts."""

    address: Line
    names: Annotated[tuple[Line, ...], Field(min_length=1, max_length=16)]


class Person(Request):
    """A user, made where there is none; for root only keys and the password count.

    ``password_hash`` is a crypt(3) hash; a ``password`` is hashed in the guest. ``sudo``: may do all.
    """

    name: Line
    ssh_keys: Annotated[tuple[LongLine, ...], Field(max_length=64)] = ()
    password_hash: LongLine = ""
    password: Password = ""
    sudo: Flag = False
    shell: Line = "/bin/bash"
    groups: Annotated[tuple[Line, ...], Field(max_length=32)] = ()


class PlacedFile(Request):
    """A file: its path, what is in it (base64), and its mode in octal digits."""

    path: Line
    content: Base64Bytes
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3,4}$")] = "0644"


class InstanceCustomize(Request):
    """What is changed; what is not given stays as it is.

    ``fresh``: a machine id and SSH host keys of its own. ``network``: its NICs are set up as zcloud has them, in the
    way of the system (netplan, ifcfg files, NetworkManager, ifupdown or systemd-networkd). ``serial_console``: GRUB and
    kernel talk on the first serial port, too. ``commands`` are lines for its shell, run without a network.
    """

    fresh: Flag = False
    hostname: Line = ""
    hosts: Annotated[tuple[HostLine, ...], Field(max_length=256)] = ()
    network: Flag = False
    timezone: Line = ""
    users: Annotated[tuple[Person, ...], Field(max_length=32)] = ()
    serial_console: Flag = False
    files: Annotated[tuple[PlacedFile, ...], Field(max_length=64)] = ()
    commands: Annotated[tuple[LongLine, ...], Field(max_length=64)] = ()
