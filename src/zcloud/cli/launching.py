"""From what ``zcloud launch`` was given to the request's body; reads files, asks no server."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from zcloud.cli.asking import ask_password
from zcloud.cli.disks import LIMITS, read_limits
from zcloud.cli.drivers import read_options
from zcloud.cli.text import _
from zcloud.cli.units import parse_size

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
# In the order in which ssh itself tries its keys, newest kind first.
_OWN_KEYS = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
_MAX_KEY = 8192
_MAX_USER_DATA = 256 << 10
ON_BOOT = ("last", "start", "stay-off")
_PLAIN = ("name", "image", "project", "flavor", "pool", "firmware", "host", "on_boot", "driver_iso", "cd")


def parse_nic(text: str) -> dict[str, str]:
    """Read ``NET[,address=A][,mac=M]``; raises click.BadParameter."""
    network, settings = _parts(text, {"address", "mac"})
    nic = {"network": network, **settings}
    if "address" in nic:
        try:
            ipaddress.ip_address(nic["address"])
        except ValueError:
            raise click.BadParameter(_("{text!r} is not an address.").format(text=nic["address"])) from None
    if "mac" in nic:
        nic["mac"] = nic["mac"].lower().replace("-", ":")
        if not _MAC.fullmatch(nic["mac"]):
            raise click.BadParameter(_("{text!r} is not a MAC address.").format(text=nic["mac"]))
    return nic


def parse_disk(text: str) -> dict[str, Any]:
    """Read ``SIZE[,pool=P][,name=N][,mount=DIR][,fs=F][,LIMIT=…]``; raises click.BadParameter."""
    extent, settings = _parts(text, {"pool", "name", "mount", "fs", *LIMITS})
    if "fs" in settings:
        settings["filesystem"] = settings.pop("fs")
    words = tuple(f"{key}={settings.pop(key)}" for key in LIMITS if key in settings)
    return {"size": parse_size(extent), **settings, **({"limits": read_limits(words)} if words else {})}


def read_key(text: str) -> str:
    """Give a public key line from a file, or the text itself where it names a stored key.

    Raises click.BadParameter for a private key, which must not leave this machine.
    """
    if "/" not in text and not text.startswith("~") and not text.endswith(".pub"):
        return text
    path = Path(text).expanduser()
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            content = file.read(_MAX_KEY + 1).strip()
    except OSError as error:
        raise click.BadParameter(_("{path}: {reason}.").format(path=path, reason=error.strerror)) from error
    if "PRIVATE KEY" in content:
        hint = _("{path} is a private key; give its public half: {path}.pub.")
        raise click.BadParameter(hint.format(path=path))
    line = " ".join(content.split())
    if "\n" in content or len(content) > _MAX_KEY or len(line.split(" ")) < 2:
        raise click.BadParameter(_("{path} is not one SSH public key.").format(path=path))
    return line


def own_key(home: Path) -> str:
    """Give the person's own public key, if there is one: the kind that ssh would use first."""
    for name in _OWN_KEYS:
        path = home / ".ssh" / name
        if path.is_file():
            return read_key(str(path))
    return ""


def read_user_data(path: Path) -> str:
    """Give a cloud-init file's text; raises click.BadParameter where it cannot be one."""
    try:
        data = path.read_bytes()
        if len(data) > _MAX_USER_DATA:
            raise click.BadParameter(_("{path} is larger than 256 KiB.").format(path=path))
        return data.decode("utf-8")
    except OSError as error:
        raise click.BadParameter(_("{path}: {reason}.").format(path=path, reason=error.strerror)) from error
    except UnicodeDecodeError:
        raise click.BadParameter(_("{path} is not UTF-8 text.").format(path=path)) from None


def build_request(options: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """Give the body of ``POST /v1/instances``; what was not asked for is left out."""
    body: dict[str, Any] = {name: options[name] for name in _PLAIN if options.get(name)}
    body |= {
        "vcpus": options["vcpus"],
        "memory_mib": options["memory"],
        "max_vcpus": options["max_vcpus"],
        "max_memory_mib": options["max_memory"],
        "root_size": options["disk_size"],
        "nics": [parse_nic(each) for each in options["network"]],
        "disks": [parse_disk(each) for each in options["disk"]],
        "ssh_keys": [read_key(each) for each in options["key"]] or list(filter(None, [own_key(home)])),
        "user_data": read_user_data(options["user_data"]) if options["user_data"] else "",
        "commands": list(options["run_command"]),
        "password": ask_password(_("Password of the guest"), stdin=True) if options["password_stdin"] else "",
        "tags": list(options["tag"]),
        "protected": options["protect"],
        "headless": options["headless"],
        "hardware": read_options(options["hardware"]) | ({"os": options["os"]} if options["os"] else {}),
        "ready_within_s": options["ready_within"],
        "guest": _guest(options),
    }
    body |= _installation(options)
    body = {name: value for name, value in body.items() if value}
    if options["no_start"]:
        body["start"] = False
    return body


def _installation(options: Mapping[str, Any]) -> dict[str, Any]:
    if sum(bool(options[name]) for name in ("image", "install", "install_tree")) != 1:
        raise click.UsageError(_("Give --image, --install or --install-tree."))
    if options["image"]:
        return {}
    install = {"media": options["install"], "tree": options["install_tree"], "within_s": options["install_within"]}
    names = ("cmdline", "kernel", "initrd", "kernel_checksum", "initrd_checksum")
    install |= {name: options[name] for name in names}
    answers = read_user_data(options["answers"]) if options["answers"] else ""
    return {"install": {name: value for name, value in install.items() if value}, "answers": answers}


def _guest(options: Mapping[str, Any]) -> dict[str, Any]:
    guest = {name: options[name] for name in ("timezone", "locale", "apt_proxy", "dnf_proxy") if options[name]}
    lists = {"ntp": list(options["ntp"]), "packages": list(options["package"])}
    switches = {name: options[name] for name in ("package_update", "package_upgrade", "offline")}
    return guest | {name: value for name, value in {**lists, **switches}.items() if value}


def _parts(text: str, known: set[str]) -> tuple[str, dict[str, str]]:
    first, *rest = text.split(",")
    settings: dict[str, str] = {}
    for each in rest:
        name, equals, value = each.partition("=")
        if name not in known or not equals or not value or name in settings:
            names = ", ".join(f"{name}=…" for name in sorted(known))
            raise click.BadParameter(_("{text!r} is not understood; known are {names}.").format(text=each, names=names))
        settings[name] = value
    if not first:
        raise click.BadParameter(_("{text!r} begins with nothing.").format(text=text))
    return first, settings
