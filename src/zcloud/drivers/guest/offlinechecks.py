"""What may be changed in a system offline: each value is checked before it comes near a shell."""

from __future__ import annotations

import ipaddress
import posixpath
import re

from zcloud.domain.customization import Customization, HostEntry, PlacedFile
from zcloud.domain.errors import InvalidInput
from zcloud.domain.guest import GuestOptions, GuestUser
from zcloud.domain.names import check_name
from zcloud.drivers.guest.checks import check_commands, check_domain, check_hash, check_nic, check_options, check_user

MAX_FILES = 64
MAX_BYTES = 512 << 10
"""Of all files together: the script travels whole."""

_PATH = re.compile(r"(/[^/\x00-\x1f\x7f]{1,255}){1,32}")
_KERNELS = ("/dev", "/proc", "/run", "/sys")


def check(what: Customization) -> None:
    """Check everything; raises InvalidInput naming the field, also where nothing is to be changed."""
    if what == Customization():
        raise InvalidInput("Nothing is to be changed.", hint="Say what, such as a host name.", field="body")
    if what.hostname:
        check_name(what.hostname, "hostname")
    if what.fqdn:
        check_domain(what.fqdn, "fqdn")
    for number, entry in enumerate(what.hosts):
        _check_entry(entry, f"hosts[{number}]")
    for number, nic in enumerate(what.nics or ()):
        check_nic(nic, f"nics[{number}]")
    check_options(GuestOptions(timezone=what.timezone))
    for number, user in enumerate(what.users):
        _check_person(user, f"users[{number}]")
    for number, each in enumerate(what.passwords):
        _check_person(GuestUser(each.user), f"passwords[{number}].user")
        if not 1 <= len(each.text) <= 256 or not each.text.isprintable():
            raise InvalidInput(
                "A password has 1 to 256 characters that can be typed.", field=f"passwords[{number}].text"
            )
    _check_files(what.files)
    check_commands(what.commands)


def _check_entry(entry: HostEntry, what: str) -> None:
    try:
        ipaddress.ip_address(entry.address)
    except ValueError as error:
        raise InvalidInput(f"{entry.address[:80]!r} is not an IP address.", field=f"{what}.address") from error
    if not 1 <= len(entry.names) <= 16:
        raise InvalidInput("A line of /etc/hosts has 1 to 16 names.", field=f"{what}.names")
    for name in entry.names:
        check_domain(name, f"{what}.names")


def _check_person(user: GuestUser, what: str) -> None:
    """Check a user; root, who is there, is one whose keys and password may be set."""
    if user.name != "root":
        check_user(user, what)
        return
    check_user(GuestUser("someone", user.ssh_keys, groups=user.groups), what)
    check_hash(user.password_hash, f"{what}.password_hash")


def _check_files(files: tuple[PlacedFile, ...]) -> None:
    if len(files) > MAX_FILES or sum(len(each.content) for each in files) > MAX_BYTES:
        raise InvalidInput(
            f"At most {MAX_FILES} files of {MAX_BYTES >> 10} KiB together can be placed.",
            hint="Bring larger ones by SSH, once it runs.",
            field="files",
        )
    for number, file in enumerate(files):
        what = f"files[{number}]"
        plain = _PATH.fullmatch(file.path) and posixpath.normpath(file.path) == file.path
        if not plain or file.path.startswith(tuple(f"{each}/" for each in _KERNELS)):
            raise InvalidInput(f"{file.path[:80]!r} is no plain path of a file on a disk.", field=f"{what}.path")
        if not 0 <= file.mode <= 0o7777:
            raise InvalidInput("A file's mode is 0 to 7777, in octal.", field=f"{what}.mode")
