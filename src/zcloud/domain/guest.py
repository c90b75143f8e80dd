"""What a guest is to be told about itself: names, people, network, and the owner's own wishes."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from zcloud.domain.errors import InvalidInput
from zcloud.domain.hardware import settle
from zcloud.domain.instance import Instance
from zcloud.domain.network import Network, Port
from zcloud.domain.storage import Volume


@dataclass(frozen=True, slots=True)
class GuestUser:
    """A user to be made in the guest; ``password_hash`` is a crypt(3) hash (SHA-512), never a password."""

    name: str
    ssh_keys: tuple[str, ...] = ()
    password_hash: str = field(default="", repr=False)
    sudo: bool = False
    shell: str = "/bin/bash"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuestRoute:
    """A route of a NIC: network in CIDR form, gateway, and a metric (0: the guest's own)."""

    to: str
    via: str
    metric: int = 0


@dataclass(frozen=True, slots=True)
class GuestNic:
    """A network card as the guest shall set it up: static ``addresses`` with prefix, or DHCP without any."""

    mac: str
    addresses: tuple[str, ...] = ()  # "192.0.2.7/24", "2001:db8::7/64"
    gateway: str = ""
    gateway6: str = ""
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    mtu: int = 0  # 0: the driver's own
    routes: tuple[GuestRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class GuestOptions:
    """Settings inside the guest that an owner may choose; an empty one leaves the image's own."""

    locale: str = ""
    timezone: str = ""
    ntp: tuple[str, ...] = ()
    apt_proxy: str = ""
    dnf_proxy: str = ""
    packages: tuple[str, ...] = ()
    package_update: bool = False
    package_upgrade: bool = False
    offline: bool = False  # the image has no cloud-init: what it is told is written to its disk before it boots


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """A data disk that the guest makes a file system on, known by its serial; without ``mount`` it is not mounted."""

    serial: str
    filesystem: str
    mount: str = ""


@dataclass(frozen=True, slots=True)
class GuestSecrets:
    """What an owner gives for the guest that is sealed at rest; the names of the fields are those of the secrets."""

    user_data: str = field(default="", repr=False)
    password_hash: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    commands: tuple[str, ...] = field(default=(), repr=False)
    answers: str = field(default="", repr=False)

    def pack(self) -> dict[str, bytes]:
        """Give what is to be sealed, by name; empty ones are left out."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        texts = {
            name: json.dumps(value) if isinstance(value, tuple) else value for name, value in values.items() if value
        }
        return {name: text.encode() for name, text in texts.items()}

    @classmethod
    def unpack(cls, sealed: Mapping[str, bytes | None]) -> GuestSecrets:
        """Give what ``pack`` gave."""
        texts: dict[str, Any] = {name: value.decode() for name, value in sealed.items() if value}
        return cls(**texts | {"commands": tuple(json.loads(texts.get("commands", "[]")))})


ANSWERS = "answers"
"""The secret that is an installer's answer file."""

SECRETS = tuple(each.name for each in fields(GuestSecrets))


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """Everything that the seed of one guest is made of.

    ``instance_id`` never changes over the guest's life: with a new one cloud-init takes the guest for a new
    machine and makes its host keys again. ``ssh_keys`` and ``password_hash`` are the image's default user's.
    Windows takes no hash: its administrator has the ``password`` itself.
    """

    instance_id: str
    hostname: str
    fqdn: str = ""
    ssh_keys: tuple[str, ...] = ()
    password_hash: str = field(default="", repr=False)
    root_password_hash: str = field(default="", repr=False)
    users: tuple[GuestUser, ...] = ()
    nics: tuple[GuestNic, ...] = ()
    disks: tuple[GuestDisk, ...] = ()
    options: GuestOptions = GuestOptions()
    user_data: str = field(default="", repr=False)
    commands: tuple[str, ...] = field(default=(), repr=False)
    password: str = field(default="", repr=False)
    windows: bool = False
    cloned: bool = False  # its disks come from another machine


_KINDS: Mapping[type, tuple[str, Callable[[Any], bool]]] = {
    str: ("a text", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    tuple: (
        "a list of texts",
        lambda value: isinstance(value, list | tuple) and all(isinstance(item, str) for item in value),
    ),
}


def parse_options(raw: Mapping[str, Any]) -> GuestOptions:
    """Give the options of a plain mapping (``InstanceSpec.guest``); raises InvalidInput naming the field."""
    known = {each.name: each.default for each in fields(GuestOptions)}
    for name, value in raw.items():
        if name not in known:
            raise InvalidInput(
                f"There is no guest option {str(name)[:60]!r}.",
                hint=f"The options are {', '.join(sorted(known))}.",
                field=f"guest.{str(name)[:60]}",
            )
        kind, fits = _KINDS[type(known[name])]
        if not fits(value):
            raise InvalidInput(f"The guest option {name!r} is not {kind}.", field=f"guest.{name}")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
    return GuestOptions(**values)


def describe_guest(
    instance: Instance,
    nics: Sequence[tuple[Port, Network]],
    volumes: Sequence[Volume] = (),
    secrets: GuestSecrets = GuestSecrets(),
) -> GuestSpec:
    """Give what a guest is told about itself, from the records; raises InvalidInput for unknown options."""
    fqdn = nics[0][0].hostname if nics else ""
    return GuestSpec(
        instance_id=instance.id,
        hostname=instance.name,
        fqdn=fqdn,
        ssh_keys=tuple(instance.guest.get("ssh_keys", ())),
        password_hash=secrets.password_hash,
        password=secrets.password,
        windows=settle(instance.options).os != "linux",
        nics=tuple(_describe_nic(port, network, first=slot == 0) for slot, (port, network) in enumerate(nics)),
        disks=tuple(_describe_disk(each) for each in volumes if each.attachment.filesystem),
        options=parse_options(instance.guest.get("options", {})),
        user_data=secrets.user_data,
        commands=secrets.commands,
        cloned="clone_of" in instance.guest,
    )


def _describe_disk(volume: Volume) -> GuestDisk:
    return GuestDisk(volume.serial, volume.attachment.filesystem, volume.attachment.mount)


def _describe_nic(port: Port, network: Network, *, first: bool) -> GuestNic:
    if not port.address:
        return GuestNic(port.mac)
    prefix = ipaddress.IPv4Network(network.cidr).prefixlen
    return GuestNic(
        port.mac,
        addresses=(f"{port.address}/{prefix}",),
        gateway=network.gateway if first else "",
        dns=network.dns or ((network.gateway,) if network.gateway else ()),
        search=(network.search,) if network.search else (),
    )
