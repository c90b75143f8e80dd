"""The catalogue of official cloud images: ``catalogue.toml`` as typed records."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from zcloud.domain.errors import ConfigInvalid, NotFound
from zcloud.drivers.guest.checksums import DIGITS

MIB = 1024 * 1024
FIRMWARE = ("bios", "uefi")


@dataclass(frozen=True, slots=True)
class CatalogueImage:
    """One official image.

    ``checksums_url`` is the vendor's checksum file and ``checksum_entry`` the pattern of the image's
    name in it (see ``checksums.find_checksum``). ``pinned`` says that the address names one build
    rather than the newest. ``min_disk`` is bytes; ``firmware`` is what the image boots by.
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


def load_catalogue() -> dict[str, CatalogueImage]:
    """Read the catalogue that ships with zcloud: name -> image, in the file's order."""
    text = resources.files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    return parse_catalogue(text)


def find_image(catalogue: Mapping[str, CatalogueImage], name: str) -> CatalogueImage:
    """Give the image called ``name``; raises NotFound with names that are like it."""
    image = catalogue.get(name.lower())
    if image is None:
        family = name.lower().rstrip("0123456789.").rstrip("-")
        near = [known for known in catalogue if family and known.startswith(family)] or list(catalogue)
        raise NotFound(f"The catalogue has no image {name!r}.", hint=f"It has: {', '.join(near)}.")
    return image


def parse_catalogue(text: str) -> dict[str, CatalogueImage]:
    """Read a catalogue in TOML (pure); raises ConfigInvalid with the image and what is wrong in it."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"The image catalogue is not TOML: {error}.") from None
    return {name: _image(name, table) for name, table in tables.items()}


def _image(name: str, table: Mapping[str, Any]) -> CatalogueImage:
    try:
        values = {**table}
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
            **values,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigInvalid(f"The image catalogue's entry {name!r} is not complete: {error}.") from None
    for address in (image.url, image.checksums_url):
        if urlsplit(address).scheme != "https":
            raise ConfigInvalid(f"The image catalogue's entry {name!r} has an address that is not https: {address}.")
    if image.algorithm not in DIGITS or not set(image.firmware) <= set(FIRMWARE):
        raise ConfigInvalid(f"The image catalogue's entry {name!r} has an unknown algorithm or firmware.")
    return image
