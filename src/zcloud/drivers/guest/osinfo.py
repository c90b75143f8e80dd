"""What operating systems need, by osinfo's short id: from the package osinfo-db, and from our overlay of newer ones.

The package's XML (https://libosinfo.org/, one file a system) is read whole once, which takes seconds, and kept as one
JSON file beside the store until the package changes. A system without facts of its own has those of the one that it
derives from.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from lxml import etree

from zcloud.domain.hardware import PROFILES
from zcloud.domain.instance import Firmware

DIRECTORY = Path("/usr/share/osinfo")
_FORM = 2  # of the kept file
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
_VIRTIO = {
    "http://pcisig.com/pci/1af4/1000": "net",
    "http://pcisig.com/pci/1af4/1041": "net",
    "http://pcisig.com/pci/1af4/1001": "disk",
    "http://pcisig.com/pci/1af4/1042": "disk",
}
_Q35 = "http://qemu.org/chipset/x86/q35"
_MIB = 1 << 20
_MACHINES = ("x86_64", "all")


@dataclass(frozen=True, slots=True)
class OsInfo:
    """A system; sizes are 0 and texts empty where nothing is known.

    ``virtio``: what of ``disk`` and ``net`` it drives without more drivers. ``hardware``: defaults that differ from a
    Linux guest's, by the names of ``domain/hardware.py``. ``refuses``: of bios, uefi and q35 with what it
    does not start.
    """

    id: str
    name: str
    family: str = ""
    distro: str = ""
    version: str = ""
    eol: str = ""
    min_vcpus: int = 0
    min_memory_mib: int = 0
    min_disk: int = 0
    recommended_vcpus: int = 0
    recommended_memory_mib: int = 0
    recommended_disk: int = 0
    virtio: tuple[str, ...] = ()
    hardware: Mapping[str, Any] = field(default_factory=dict)
    refuses: tuple[str, ...] = ()
    source: str = "osinfo-db"


@dataclass(frozen=True, slots=True)
class Default:
    """What a system's guests get of a choice of hardware, and a sentence that says why."""

    value: Any
    why: str


def hardware_defaults(system: OsInfo | None, kind: str) -> dict[str, Default]:
    """Give by option what a guest of a system and kind (``domain/hardware.py``) needs otherwise than most (pure)."""
    name = system.name if system else "Windows"
    driven = set(system.virtio) if system else {"disk", "net"} if kind == "linux" else set()
    wanted = {**PROFILES[kind], **(system.hardware if system else {})}
    found = {option: Default(value, f"{name} expects it.") for option, value in wanted.items() if option != "os"}
    if "disk" not in driven:
        found["disk_bus"] = Default("sata", f"{name} comes without a driver for virtio disks.")
    if "net" not in driven:
        found["nic_model"] = Default("e1000e", f"{name} comes without a driver for virtio network cards.")
    if not driven:
        found["video"] = Default("vga", f"{name} comes without drivers for virtio.")
    return found


def choose_firmware(system: OsInfo | None, chosen: Firmware | None, *, secure_boot: bool) -> tuple[Firmware, str]:
    """Give how a guest boots, and why where it is neither chosen nor the usual BIOS (pure)."""
    name = system.name if system else "Windows"
    if chosen is not None:
        return chosen, ""
    if system is not None and "bios" in system.refuses:
        return Firmware.UEFI, f"{name} does not start by BIOS."
    if secure_boot:
        return Firmware.UEFI, f"{name} expects Secure Boot, which takes UEFI."
    return Firmware.BIOS, ""


def list_refused(system: OsInfo | None, firmware: Firmware) -> list[str]:
    """Give a sentence for each thing with which a system does not start although it gets it (pure)."""
    refuses = system.refuses if system else ()
    told = {
        firmware.value: f"does not start by {firmware.value.upper()}, as osinfo says, and gets it.",
        "q35": "has no drivers for the chipset q35, as osinfo says; zcloud has no other machine.",
    }
    return [f"{system.name} {words}" for name, words in told.items() if system and name in refuses]


def load_systems(cache: Path | None, directory: Path = DIRECTORY) -> dict[str, OsInfo]:
    """Give all systems by id: the package's, as kept in ``cache`` where that is of this version, under the overlay."""
    return {**_package(cache, directory), **load_overlay()}


def load_overlay() -> dict[str, OsInfo]:
    """Give the systems that ship with zcloud."""
    text = resources.files(__package__).joinpath("systems.toml").read_text(encoding="utf-8")
    return {
        name: _from_record({"id": name, "source": "zcloud", **values}) for name, values in tomllib.loads(text).items()
    }


def package_version(directory: Path = DIRECTORY) -> str:
    """Give the version of osinfo-db that is installed, empty where it is not."""
    try:
        return (directory / "VERSION").read_text().strip()
    except OSError:
        return ""


def _package(cache: Path | None, directory: Path) -> dict[str, OsInfo]:
    version = package_version(directory)
    if not version:
        return {}
    wanted = [_FORM, version, (directory / "VERSION").stat().st_mtime_ns]
    kept = _kept(cache, wanted)
    if kept is None:
        kept = read_package(directory)
        if cache is not None:
            _keep(cache, {"of": wanted, "systems": [asdict(each) for each in kept.values()]})
    return kept


def _kept(cache: Path | None, wanted: list[Any]) -> dict[str, OsInfo] | None:
    try:
        record = json.loads(cache.read_text()) if cache is not None else None
        if record is None or record["of"] != wanted:
            return None
        return {each["id"]: _from_record(each) for each in record["systems"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(cache: Path, record: Mapping[str, Any]) -> None:
    fresh = cache.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(record))
        fresh.replace(cache)
    except OSError:
        return  # it is read again at the next start


def _from_record(values: Mapping[str, Any]) -> OsInfo:
    given = dict(values)
    if "min_disk_mib" in given:
        given["min_disk"] = given.pop("min_disk_mib") * _MIB
    if "eol" in given:
        given["eol"] = str(given["eol"])
    return OsInfo(**{**given, **{name: tuple(given.get(name, ())) for name in ("virtio", "refuses")}})


@dataclass(slots=True)
class _Read:
    """A system as its file has it."""

    info: OsInfo
    parents: list[str]
    q35: bool  # its file names our machines' chipset


def read_package(directory: Path) -> dict[str, OsInfo]:
    """Read osinfo-db's files; one that is not XML is left out."""
    read: dict[str, _Read] = {}
    for path in sorted((directory / "os").rglob("*.xml")):
        try:
            tree = etree.parse(str(path), _PARSER)
        except (etree.XMLSyntaxError, OSError):
            continue
        for element in tree.iterfind("os"):
            if short := element.findtext("short-id"):
                read[str(element.get("id"))] = _Read(_parse(element, short), _parents(element), _names_q35(element))
    return {each.info.id: _inherit(each, read) for each in read.values()}


def _names_q35(element: etree._Element) -> bool:
    return any(each.get("id") == _Q35 for each in element.iterfind("devices/device"))


def _refused_firmware(element: etree._Element) -> tuple[str, ...]:
    firmware = [each for each in element.iterfind("firmware") if each.get("arch") in _MACHINES]
    refused = {each.get("type") for each in firmware if each.get("supported") == "false"}
    return tuple(ours for ours, theirs in (("bios", "bios"), ("uefi", "efi")) if theirs in refused)


def _parents(element: etree._Element) -> list[str]:
    return [str(each.get("id")) for tag in ("clones", "derives-from") for each in element.iterfind(tag)]


def _parse(element: etree._Element, short: str) -> OsInfo:
    least, advised = _resources(element, "minimum"), _resources(element, "recommended")
    family = element.findtext("family") or ""
    driven = {
        _VIRTIO[str(each.get("id"))]
        for each in element.iterfind("devices/device")
        if each.get("id") in _VIRTIO and each.get("supported") != "false"
    }
    return OsInfo(
        id=short,
        name=element.findtext("name") or short,
        family=family,
        distro=element.findtext("distro") or "",
        version=element.findtext("version") or "",
        eol=element.findtext("eol-date") or "",
        min_vcpus=least.get("n-cpus", 0),
        min_memory_mib=least.get("ram", 0) // _MIB,
        min_disk=least.get("storage", 0),
        recommended_vcpus=advised.get("n-cpus", 0),
        recommended_memory_mib=advised.get("ram", 0) // _MIB,
        recommended_disk=advised.get("storage", 0),
        virtio=tuple(sorted(driven)),
        hardware={"clock": "localtime", "hyperv": True} if family == "winnt" else {},
        refuses=_refused_firmware(element),
    )


def _resources(element: etree._Element, kind: str) -> dict[str, int]:
    """Give what the first of our machines' entries says."""
    for machine in _MACHINES:
        for each in element.iterfind(f"resources[@arch='{machine}']/{kind}"):
            return {str(one.tag): int(one.text) for one in each if one.text and one.text.isdecimal()}
    return {}


def _inherit(read: _Read, all_read: Mapping[str, _Read]) -> OsInfo:
    info, q35 = read.info, read.q35
    for elder in _ancestors(read, all_read):
        older, q35 = elder.info, q35 or elder.q35
        info = replace(
            info,
            family=info.family or older.family,
            virtio=tuple(sorted({*info.virtio, *older.virtio})),
            **({} if info.min_memory_mib else {name: getattr(older, name) for name in _SIZES}),
        )
    # Of Windows each line that has drivers for the chipset says so; of other systems hardly any says anything.
    return info if q35 or info.family != "winnt" else replace(info, refuses=(*info.refuses, "q35"))


_SIZES = (
    "min_vcpus", "min_memory_mib", "min_disk", "recommended_vcpus", "recommended_memory_mib", "recommended_disk",
)  # fmt: skip


def _ancestors(read: _Read, all_read: Mapping[str, _Read]) -> Iterator[_Read]:
    seen, ahead = set[str](), list(read.parents)
    while ahead:
        identity = ahead.pop(0)
        if identity in seen or identity not in all_read:
            continue
        seen.add(identity)
        yield all_read[identity]
        ahead += all_read[identity].parents
