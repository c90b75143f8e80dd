"""Writes small files as an ISO 9660 image: a seed has the label ``cidata``, where cloud-init's NoCloud looks for it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pycdlib
from pycdlib.dates import DirectoryRecordDate

from zcloud.drivers.guest.cloudinit import SeedFiles

LABEL = "cidata"
_SECTOR = 2048
_FIRST_DESCRIPTOR = 16
_TERMINATOR = 255
# ECMA-119, 8.4.26 to 8.4.29: when the volume was made, changed, and takes effect.
_DATE_OFFSETS = (813, 830, 864)
_DATE = b"2000010100000000\x00"


def build_iso(files: SeedFiles) -> bytes:
    """Give a seed's image."""
    names = {"meta-data": files.meta_data, "user-data": files.user_data, "network-config": files.network_config}
    return build_volume(LABEL, names)


def build_volume(label: str, files: Mapping[str, bytes]) -> bytes:
    """Give an image (Joliet and Rock Ridge names); equal files give equal bytes, whatever the clock says."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    for name, data in files.items():
        stem, _, ending = re.sub(r"[^A-Z0-9.]", "_", name.upper()).partition(".")
        path = f"/{stem[:8]}.{ending[:3]};1"
        iso.add_fp(io.BytesIO(data), len(data), path, rr_name=name, joliet_path=f"/{name}", file_mode=0o100400)
    iso.force_consistency()
    for record in _records(iso):
        _fix_dates(record)
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return _fix_descriptors(bytearray(image.getvalue()))


def read_iso(image: bytes) -> dict[str, bytes]:
    """Give the files of a seed image by name."""
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    files = {}
    for child in iso.list_children(joliet_path="/"):
        if child.is_file():
            name = child.file_identifier().decode("utf-16-be")
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, joliet_path=f"/{name}")
            files[name] = content.getvalue()
    iso.close()
    return files


def _records(iso: Any) -> Iterator[Any]:
    for descriptor in (iso.pvd, iso.joliet_vd):
        root = descriptor.root_directory_record()
        yield root
        yield from root.children


def _fix_dates(record: Any) -> None:
    record.date = DirectoryRecordDate.from_fields(100, 1, 1, 0, 0, 0, 0)
    if record.rock_ridge is None:
        return
    for entries in (record.rock_ridge.dr_entries, record.rock_ridge.ce_entries):
        stamps = entries and entries.tf_record
        if stamps:
            stamps.access_time = stamps.modification_time = stamps.attribute_change_time = record.date


def _fix_descriptors(image: bytearray) -> bytes:
    start = _FIRST_DESCRIPTOR * _SECTOR
    while image[start] != _TERMINATOR:
        for offset in _DATE_OFFSETS:
            image[start + offset : start + offset + len(_DATE)] = _DATE
        start += _SECTOR
    return bytes(image)
