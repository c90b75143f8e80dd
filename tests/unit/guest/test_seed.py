"""The seed's image: read back, and the same bytes for the same files."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from zcloud.drivers.guest.cloudinit import SeedFiles
from zcloud.drivers.guest.seed import build_iso, read_iso

FILES = SeedFiles(b"instance-id: i-1\n", b"#cloud-config\n" + b"x" * 70000, b"version: 2\n")


def test_what_is_written_is_read_back() -> None:
    assert read_iso(build_iso(FILES)) == {
        "meta-data": FILES.meta_data,
        "user-data": FILES.user_data,
        "network-config": FILES.network_config,
    }


def test_the_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    now = build_iso(FILES)
    monkeypatch.setattr(time, "time", lambda: 1.7e9)
    assert build_iso(FILES) == now


def test_other_files_give_another_image() -> None:
    assert build_iso(SeedFiles(b"instance-id: i-2\n", FILES.user_data, FILES.network_config)) != build_iso(FILES)


@pytest.mark.skipif(shutil.which("isoinfo") is None, reason="isoinfo (package genisoimage) is not installed")
def test_another_reader_sees_label_and_names(tmp_path: Path) -> None:
    image = tmp_path / "seed.iso"
    image.write_bytes(build_iso(FILES))

    def isoinfo(*options: str) -> str:
        command = ["isoinfo", *options, "-i", str(image)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "Volume id: cidata" in isoinfo("-d")
    for names in ("-R", "-J"):
        assert isoinfo("-f", names).split() == ["/meta-data", "/network-config", "/user-data"]
    assert isoinfo("-R", "-x", "/user-data").encode() == FILES.user_data
    listing = isoinfo("-R", "-l")
    assert "-r--------" in listing
    assert "Jan  1 2000" in listing
