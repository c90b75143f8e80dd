"""What an installer is told: its answers, how they reach it, and the arguments of its kernel. Pure.

preseed: https://www.debian.org/releases/stable/amd64/apb (a file /preseed.cfg in the initrd is read by itself).
kickstart: https://anaconda-installer.readthedocs.io (a volume labelled OEMDRV with /ks.cfg is read by itself).
autoinstall: https://canonical-subiquity.readthedocs-hosted.com (a NoCloud seed, and ``autoinstall`` for no question).
unattend: Windows Setup reads Autounattend.xml from the root of removable media.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import yaml

from zcloud.domain.errors import InvalidInput, InvalidXml
from zcloud.domain.install import InstallRequest
from zcloud.libvirtxml.parser import parse_xml

MAX_ANSWERS = 256 << 10
CONSOLE = "console=ttyS0,115200n8"

LAYOUTS: tuple[tuple[str, str], ...] = (
    ("install.amd/vmlinuz", "install.amd/initrd.gz"),  # Debian's CDs
    ("linux", "initrd.gz"),  # Debian's mini.iso
    ("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"),  # Fedora, RHEL and their kin
    ("casper/vmlinuz", "casper/initrd"),  # Ubuntu
    ("casper/vmlinuz", "casper/initrd.gz"),
    ("boot/x86_64/loader/linux", "boot/x86_64/loader/initrd"),  # openSUSE
    ("boot/vmlinuz", "boot/initrd"),
)
"""Where CDs have an installer's kernel and its initrd."""

TREES: tuple[tuple[str, str], ...] = (
    ("linux", "initrd.gz"),  # Debian's netboot directory
    ("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"),  # Fedora, RHEL and their kin
    ("boot/x86_64/loader/linux", "boot/x86_64/loader/initrd"),  # openSUSE
)
"""Where trees on the network have them."""

_PRESEED = re.compile(r"[A-Za-z0-9.+-]+[ \t]+[^ \t]+[ \t]+(\S+)")
_TYPES = frozenset({"string", "boolean", "select", "multiselect", "note", "text", "password", "title", "error", "seen"})
_SECTIONS = frozenset({"pre", "pre-install", "post", "packages", "addon", "anaconda", "onerror", "traceback"})
_COMMANDS = frozenset(
    {"autopart", "bootloader", "cdrom", "clearpart", "firstboot", "harddrive", "ignoredisk", "keyboard", "lang"}
    | {"liveimg", "network", "nfs", "part", "partition", "poweroff", "reboot", "repo", "rootpw", "shutdown"}
    | {"timezone", "url"}
)
_UNATTEND = "{urn:schemas-microsoft-com:unattend}unattend"


class Answers(StrEnum):
    """The kinds of answer files."""

    PRESEED = "preseed"
    KICKSTART = "kickstart"
    AUTOINSTALL = "autoinstall"
    UNATTEND = "unattend"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How answers reach the installer: files in its initrd, or on a volume with a label; and kernel arguments."""

    initrd: Mapping[str, bytes] = field(default_factory=dict)
    label: str = ""
    volume: Mapping[str, bytes] = field(default_factory=dict)
    arguments: str = ""


def check_answers(text: str) -> Answers | None:
    """Give what kind of answers a text is, None for an empty one; raises InvalidInput where it cannot be any."""
    if not text:
        return None
    if len(text.encode()) > MAX_ANSWERS or "\0" in text:
        raise _wrong(f"The answer file is no text, or larger than {MAX_ANSWERS >> 10} KiB.")
    lines = [each.strip() for each in text.splitlines() if each.strip() and not each.lstrip().startswith("#")]
    if text.lstrip().startswith("<"):
        return _check_unattend(text)
    if any(each.startswith(("autoinstall:", "version:")) for each in lines):
        return _check_autoinstall(text)
    if any(each.startswith("d-i ") for each in lines):
        return _check_preseed(text)
    return _check_kickstart(lines)


def deliver(kind: Answers | None, text: str, instance_id: str) -> Delivery:
    """Give how answers reach the installer."""
    data = text.encode()
    if kind is Answers.PRESEED:
        return Delivery(initrd={"/preseed.cfg": data}, arguments="auto=true priority=critical")
    if kind is Answers.KICKSTART:
        return Delivery(label="OEMDRV", volume={"ks.cfg": data}, arguments="inst.ks=hd:LABEL=OEMDRV:/ks.cfg inst.text")
    if kind is Answers.AUTOINSTALL:
        seed = {"meta-data": f"instance-id: {instance_id}\n".encode(), "user-data": _as_cloud_config(text).encode()}
        return Delivery(label="cidata", volume=seed, arguments="autoinstall")
    if kind is Answers.UNATTEND:
        return Delivery(label="OEMDRV", volume={"autounattend.xml": data})
    return Delivery()


def boots_kernel(install: InstallRequest, kind: Answers | None) -> bool:
    """Say whether the installer's kernel is booted itself: what a CD's own boot loader starts takes no arguments."""
    return bool(install.tree or install.kernel or install.cmdline or kind not in (None, Answers.UNATTEND))


def layouts(install: InstallRequest) -> tuple[tuple[str, str], ...]:
    """Give where kernel and initrd may be on the CD, or below the tree."""
    if install.kernel:
        return ((install.kernel, install.initrd),)
    return TREES if install.tree else LAYOUTS


def join_arguments(install: InstallRequest, delivery: Delivery) -> str:
    """Give the kernel's arguments: the console that is logged, what answers and tree need, and what was asked for.

    Anaconda takes the rest of itself from ``inst.repo``; Debian's installer asks for its mirror, or is answered.
    """
    anaconda = "inst.ks=" in delivery.arguments and "inst.repo=" not in install.cmdline
    repo = f"inst.repo={install.tree}" if install.tree and anaconda else ""
    return " ".join(filter(None, (CONSOLE, delivery.arguments, repo, install.cmdline)))


def _check_preseed(text: str) -> Answers:
    for number, line in enumerate(text.replace("\\\n", " ").splitlines(), start=1):
        match = _PRESEED.match(line.strip())
        if line.strip() and not line.lstrip().startswith("#") and (match is None or match[1] not in _TYPES):
            raise _wrong(f"Line {number} of the preseed file is not OWNER QUESTION TYPE VALUE: {line.strip()[:60]!r}.")
    return Answers.PRESEED


def _check_kickstart(lines: list[str]) -> Answers:
    open_section = ""
    for line in lines:
        word = line.split()[0]
        if word == "%end":
            if not open_section:
                raise _wrong("The kickstart file has an %end without a section.")
            open_section = ""
        elif not open_section and word.startswith("%") and word[1:] not in {"include", "ksappend"}:
            if word[1:] not in _SECTIONS:
                raise _wrong(f"The kickstart file has an unknown section {word[:40]!r}.")
            open_section = word
    if open_section:
        raise _wrong(f"The section {open_section} of the kickstart file has no %end.")
    if not any(each.split()[0] in _COMMANDS for each in lines):
        raise _wrong("The answer file is no preseed, kickstart, autoinstall or unattend file.")
    return Answers.KICKSTART


def _check_autoinstall(text: str) -> Answers:
    try:
        whole = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _wrong(f"The autoinstall file is not YAML: {str(error)[:200]}") from error
    inner = whole.get("autoinstall", whole) if isinstance(whole, dict) else None
    if not isinstance(inner, dict) or inner.get("version") != 1:
        raise _wrong("The autoinstall file has no `version: 1`.")
    return Answers.AUTOINSTALL


def _as_cloud_config(text: str) -> str:
    """Give it as cloud-init takes it: below the key ``autoinstall``, after the line that names the format."""
    whole = yaml.safe_load(text)
    wrapped = whole if "autoinstall" in whole else {"autoinstall": whole}
    return "#cloud-config\n" + yaml.safe_dump(wrapped, sort_keys=False)


def _check_unattend(text: str) -> Answers:
    try:
        root = parse_xml(text)
    except InvalidXml as error:
        raise _wrong(f"The unattend file is not XML: {error.message[:200]}") from error
    if root.tag != _UNATTEND:
        raise _wrong(f"The XML's root is not {_UNATTEND}.")
    return Answers.UNATTEND


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, hint="See the installer's own documentation of answer files.", field="answers")
