"""The catalogue of official cloud images: ``catalogue.toml``, and an operator's own files, as typed records."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from zcloud.domain.errors import ConfigInvalid, NotFound
from zcloud.drivers.guest.checksums import DIGITS

MIB = 1024 * 1024
FIRMWARE = ("bios", "uefi")
_KEYS = re.compile(r"/.+|[a-z0-9-]+")
NATIVE, MACHINES = "x86_64", ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True)
class CatalogueImage:
    """One official image.

    ``checksums_url`` is the vendor's checksum file and ``checksum_entry`` the pattern of the image's
    name in it (see ``checksums.find_checksum``). ``pinned`` says that the address names one build
    rather than the newest. ``min_disk`` is bytes; ``firmware`` is what the image boots by, ``arch`` the machine that it
    is for, ``eol`` the day (ISO 8601) until which its vendor mends it, or empty; ``signature_url`` is of the checksums,
    by the keys that ``signed_by`` names (see ``signing_keys``); both are empty where nothing signed is known.
    """

    name: str
    title: str
    os_id: str
    url: str
    checksums_url: str
    algorithm: str
    checksum_entry: str
    default_user: str
    min_memory_mib: int
    min_disk: int
    firmware: tuple[str, ...] = FIRMWARE
    pinned: bool = False
    arch: str = NATIVE
    eol: str = ""
    signature_url: str = ""
    signed_by: str = ""


@cache
def load_catalogue() -> Mapping[str, CatalogueImage]:
    """Read the catalogue that ships with zcloud, once: name -> image, in the file's order."""
    text = resources.files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    return MappingProxyType(parse_catalogue(text))


def find_image(catalogue: Mapping[str, CatalogueImage], name: str) -> CatalogueImage:
    """Give the image called ``name``; raises NotFound with names that are like it."""
    image = catalogue.get(name.lower())
    if image is None:
        family = name.lower().rstrip("0123456789.").rstrip("-")
        near = [known for known in catalogue if family and known.startswith(family)] or list(catalogue)
        raise NotFound(f"The catalogue has no image {name!r}.", hint=f"It has: {', '.join(near)}.")
    return image


def signing_keys(signed_by: str) -> bytes:
    """Give the binary keyring of a name that ships with zcloud, or of an operator's file; raises ConfigInvalid."""
    try:
        if signed_by.startswith("/"):
            return Path(signed_by).read_bytes()
        return resources.files(__package__).joinpath("keys", f"{signed_by}.gpg").read_bytes()
    except OSError as error:
        raise ConfigInvalid(f"The keys {signed_by} of the image catalogue cannot be read: {error.strerror}.") from None


def parse_catalogue(text: str) -> dict[str, CatalogueImage]:
    """Read a catalogue in TOML (pure); raises ConfigInvalid with the image and what is wrong in it."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"The image catalogue is not TOML: {error}.") from None
    return {image.name: image for name, table in tables.items() for image in _images(name, table)}


def read_catalogue(directory: Path) -> tuple[dict[str, CatalogueImage], dict[str, str]]:
    """Read an operator's own files: name -> image, and file name -> what is wrong with it; a wrong file is left out."""
    found: dict[str, CatalogueImage] = {}
    wrong: dict[str, str] = {}
    for path in sorted(directory.glob("*.toml")) if directory.is_dir() else ():
        try:
            found |= parse_catalogue(path.read_text(encoding="utf-8"))
        except ConfigInvalid as error:
            wrong[path.name] = error.message
        except (OSError, UnicodeDecodeError) as error:
            wrong[path.name] = f"It cannot be read: {error}."
    return found, wrong


def _images(name: str, table: Any) -> Iterator[CatalogueImage]:
    """Give an entry's image for each machine that it names."""
    if not isinstance(table, dict) or not isinstance(table.get("arches", {}), dict):
        raise ConfigInvalid(f"The image catalogue's entry {name!r} is not a table.")
    arches = table.get("arches", {NATIVE: NATIVE})
    if not arches or not set(arches) <= set(MACHINES):
        raise ConfigInvalid(f"The image catalogue's entry {name!r} names a machine other than {', '.join(MACHINES)}.")
    for machine, spelled in arches.items():
        own = {
            key: value.replace("{arch}", str(spelled)) if isinstance(value, str) else value
            for key, value in table.items()
            if key != "arches"
        }
        yield _image(name if machine == NATIVE else f"{name}-{machine}", {**own, "arch": machine})


def _image(name: str, table: Mapping[str, Any]) -> CatalogueImage:
    try:
        values = {**table}
        eol, signature = values.pop("eol", ""), values.pop("signature", "")
        url, checksums = values.pop("url"), values.pop("checksums")
        entry = values.pop("entry", urlsplit(url).path.rsplit("/", 1)[-1])
        min_disk, firmware = values.pop("min_disk_mib") * MIB, tuple(values.pop("firmware", FIRMWARE))
        image = CatalogueImage(
            name=name,
            url=url,
            checksums_url=checksums,
            checksum_entry=entry,
            min_disk=min_disk,
            firmware=firmware,
            eol=eol.isoformat() if isinstance(eol, date) else date.fromisoformat(eol).isoformat() if eol else "",
            signature_url=signature,
            **values,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigInvalid(f"The image catalogue's entry {name!r} is not complete: {error}.") from None
    if image.signed_by and not (image.signature_url and _KEYS.fullmatch(image.signed_by)):
        raise ConfigInvalid(
            f"The image catalogue's entry {name!r} needs a signature, and as signed_by a shipped key's name or a path."
        )
    for address in filter(None, (image.url, image.checksums_url, image.signature_url)):
        if urlsplit(address).scheme != "https":
            raise ConfigInvalid(f"The image catalogue's entry {name!r} has an address that is not https: {address}.")
    if image.algorithm not in DIGITS or not set(image.firmware) <= set(FIRMWARE):
        raise ConfigInvalid(f"The image catalogue's entry {name!r} has an unknown algorithm or firmware.")
    return image
