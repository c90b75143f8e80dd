"""What may stand in a guest's seed: each value is checked before it is written into YAML or a shell's reach."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import struct
from urllib.parse import urlsplit

from zcloud.domain.errors import InvalidInput
from zcloud.domain.guest import GuestDisk, GuestNic, GuestOptions, GuestSpec, GuestUser
from zcloud.domain.names import check_name

_INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_SHELL = re.compile(r"(?:/[A-Za-z0-9._-]+){1,12}")
_LOCALE = re.compile(r"[A-Za-z]{1,8}(?:_[A-Z]{2})?(?:\.[A-Za-z0-9-]{1,16})?(?:@[a-z]{1,16})?")
_TIMEZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_PACKAGE = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@+._:~=/^-]{0,127}")  # name, name=version, name/release, @group
_SERIAL = re.compile(r"[A-Za-z0-9-]{1,20}")
_MOUNT = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){1,12}")
_FILESYSTEMS = ("ext4", "xfs", "btrfs")
# An empty disk over one of these takes the system away from under the guest; below the second ones the kernel rules.
_OCCUPIED = frozenset(
    {"/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/root", "/sbin", "/usr", "/usr/bin", "/usr/lib"}
    | {"/usr/sbin", "/usr/share", "/var", "/var/lib"}
)
_KERNELS = frozenset({"dev", "proc", "run", "sys"})
_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]{1,512}")
# crypt(5): SHA-256 and SHA-512, the two that every supported guest's C library knows.
_HASH = re.compile(r"\$(?:5|6)\$(?:rounds=[0-9]{4,9}\$)?[./0-9A-Za-z]{1,16}\$(?:[./0-9A-Za-z]{43}){1,2}")
_KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)
_RESERVED_USERS = frozenset({"root", "default", "none"})
_MAX_KEY = 16384


def check_spec(spec: GuestSpec) -> None:
    """Check everything of a seed but the owner's user data; raises InvalidInput naming the field."""
    _match(_INSTANCE_ID, spec.instance_id, "instance_id", "letters, digits and . _ -")
    check_name(spec.hostname, "hostname")
    if spec.fqdn:
        check_domain(spec.fqdn, "fqdn")
    _check_keys(spec.ssh_keys, "ssh_keys")
    check_hash(spec.password_hash, "password_hash")
    check_hash(spec.root_password_hash, "root_password_hash")
    for number, user in enumerate(spec.users):
        check_user(user, f"users[{number}]")
    _unique([user.name for user in spec.users], "users", "user")
    for number, nic in enumerate(spec.nics):
        check_nic(nic, f"nics[{number}]")
    _unique([nic.mac for nic in spec.nics], "nics", "MAC address")
    check_options(spec.options)
    _check_disks(spec.disks)
    check_commands(spec.commands)
    if spec.windows:
        _check_windows(spec)


def check_options(options: GuestOptions) -> None:
    """Check the settings that an owner may choose; raises InvalidInput naming the field."""
    if options.locale:
        _match(_LOCALE, options.locale, "guest.locale", "a locale such as en_US.UTF-8")
    if options.timezone:
        _match(_TIMEZONE, options.timezone, "guest.timezone", "a time zone such as Europe/Berlin")
    for number, server in enumerate(options.ntp):
        if not _is_address(server):
            check_domain(server, f"guest.ntp[{number}]")
    for name, url in (("apt_proxy", options.apt_proxy), ("dnf_proxy", options.dnf_proxy)):
        if url:
            _check_proxy(url, f"guest.{name}")
    for number, package in enumerate(options.packages):
        _match(_PACKAGE, package, f"guest.packages[{number}]", "a package's name, perhaps with =VERSION")


def check_commands(commands: tuple[str, ...]) -> None:
    """Check lines for a guest's shell; raises InvalidInput naming the field."""
    for number, command in enumerate(commands):
        if not command.strip() or any(ord(char) < 32 and char not in "\t\n" for char in command):
            raise InvalidInput("A command is empty or has control characters.", field=f"commands[{number}]")


def check_domain(value: str, what: str) -> None:
    """Check that ``value`` is a domain name of RFC 1123 labels, at most 253 long; raises InvalidInput."""
    if len(value) > 253 or not all(_LABEL.fullmatch(label) for label in value.split(".")):
        raise _refused(value, what, "labels of a-z, 0-9 and '-', joined by dots")


def check_ssh_key(key: str, what: str) -> None:
    """Check one public key line: a known type, base64 of that very type, perhaps a comment (RFC 4253, 6.6).

    Raises InvalidInput naming ``what``.
    """
    kind, _, rest = key.partition(" ")
    body, _, comment = rest.partition(" ")
    hint = "a line such as `ssh-ed25519 AAAA... comment`, as in a .pub file; without options before it"
    if len(key) > _MAX_KEY or kind not in _KEY_TYPES or not comment.isprintable():
        raise _refused(key, what, hint)
    try:
        blob = base64.b64decode(body, validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error, ValueError) as error:
        raise _refused(key, what, hint) from error
    if blob[4 : 4 + length] != kind.encode() or len(blob) <= 4 + length:
        raise _refused(key, what, hint)


def _check_disks(disks: tuple[GuestDisk, ...]) -> None:
    for number, disk in enumerate(disks):
        what = f"disks[{number}].mount"
        _match(_SERIAL, disk.serial, f"disks[{number}].serial", "the disk's serial")
        if disk.filesystem not in _FILESYSTEMS:
            raise _refused(disk.filesystem, f"disks[{number}].filesystem", " or ".join(_FILESYSTEMS))
        if not disk.mount:
            continue
        _match(_MOUNT, disk.mount, what, "an absolute path such as /srv/data")
        if disk.mount in _OCCUPIED or disk.mount.split("/")[1] in _KERNELS:
            raise InvalidInput(
                f"An empty disk at {disk.mount} would hide what the guest's system has there.",
                hint="Mount it at a directory of its own, such as /srv/data.",
                field=what,
            )
    _unique([disk.mount for disk in disks if disk.mount], "disks", "mount point")


def _check_windows(spec: GuestSpec) -> None:
    options = spec.options
    told: dict[str, object] = {"disks": spec.disks, "commands": spec.commands, "guest.packages": options.packages}
    told |= {f"guest.{name}": getattr(options, name) for name in ("package_update", "package_upgrade")}
    for field, value in told.items():
        if value:
            raise InvalidInput(
                f"A guest with Windows takes no {field}.",
                hint="Give it a script as user data; cloudbase-init runs it.",
                field=field,
            )


def check_user(user: GuestUser, what: str) -> None:
    """Check a user that is to be made; raises InvalidInput naming the field."""
    _match(_ACCOUNT, user.name, f"{what}.name", "at most 32 of a-z, 0-9, '_' and '-', not beginning with a digit")
    if user.name in _RESERVED_USERS:
        raise InvalidInput(
            f"The user {user.name!r} cannot be made.",
            hint="Keys for the image's own user go into ssh_keys, root's password into root_password_hash.",
            field=f"{what}.name",
        )
    _check_keys(user.ssh_keys, f"{what}.ssh_keys")
    check_hash(user.password_hash, f"{what}.password_hash")
    _match(_SHELL, user.shell, f"{what}.shell", "an absolute path")
    for number, group in enumerate(user.groups):
        _match(_ACCOUNT, group, f"{what}.groups[{number}]", "a group's name")


def check_nic(nic: GuestNic, what: str) -> None:
    """Check how a network card is to be set up; raises InvalidInput naming the field."""
    _match(_MAC, nic.mac, f"{what}.mac", "six pairs of lower case hex digits with colons")
    if int(nic.mac[:2], 16) & 1:
        raise InvalidInput(f"{nic.mac} is a multicast address.", field=f"{what}.mac")
    try:
        inside = [ipaddress.ip_interface(each) for each in nic.addresses]
        for server in nic.dns:
            ipaddress.ip_address(server)
        for route in nic.routes:
            if ipaddress.ip_network(route.to).version != ipaddress.ip_address(route.via).version:
                raise ValueError(f"{route.via} cannot be the gateway to {route.to}")
        _check_gateway(nic.gateway, 4, inside)
        _check_gateway(nic.gateway6, 6, inside)
    except ValueError as error:
        raise InvalidInput(f"The network card {nic.mac} cannot be set up so: {error}.", field=what) from error
    if any("/" not in each for each in nic.addresses):
        raise InvalidInput(f"An address of {nic.mac} has no prefix length.", field=f"{what}.addresses")
    for number, domain in enumerate(nic.search):
        check_domain(domain, f"{what}.search[{number}]")
    if nic.mtu and not 576 <= nic.mtu <= 9216:
        raise InvalidInput(f"An MTU of {nic.mtu} is not between 576 and 9216.", field=f"{what}.mtu")
    if any(not 0 <= route.metric < 2**32 for route in nic.routes):
        raise InvalidInput("A route's metric is not between 0 and 4294967295.", field=f"{what}.routes")


def _check_gateway(gateway: str, version: int, inside: list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]) -> None:
    if not gateway:
        return
    address = ipaddress.ip_address(gateway)
    if address.version != version:
        raise ValueError(f"{gateway} is not an IPv{version} address")
    reachable = address.is_link_local or any(address in each.network for each in inside)
    if not reachable or any(address == each.ip for each in inside):
        raise ValueError(f"the gateway {gateway} is not a neighbour of any address")


def _check_keys(keys: tuple[str, ...], what: str) -> None:
    for number, key in enumerate(keys):
        check_ssh_key(key, f"{what}[{number}]")


def check_hash(value: str, what: str) -> None:
    """Check a hash of a password; raises InvalidInput naming the field."""
    if value and not _HASH.fullmatch(value):
        raise InvalidInput(  # the value itself is not repeated: it may be a password
            "That is not a SHA-512 or SHA-256 hash of crypt(5).",
            hint="Make one with `openssl passwd -6` or `mkpasswd -m sha-512`.",
            field=what,
        )


def _check_proxy(url: str, what: str) -> None:
    wanted = "a URL such as http://proxy.example:3128, without a password"
    if not _URL.fullmatch(url):
        raise _refused(url, what, wanted)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(url, what, wanted) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or port == 0:
        raise _refused(url, what, wanted)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _match(pattern: re.Pattern[str], value: str, what: str, wanted: str) -> None:
    if not pattern.fullmatch(value):
        raise _refused(value, what, wanted)


def _unique(values: list[str], what: str, noun: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise InvalidInput(f"The {noun} {value} is there twice.", field=what)


def _refused(value: str, what: str, wanted: str) -> InvalidInput:
    return InvalidInput(f"{what} cannot be {value[:80]!r}.", hint=f"Give {wanted}.", field=what)
