"""The catalogue that ships is complete and each entry is of the right form."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from zcloud.domain.errors import ConfigInvalid, NotFound
from zcloud.drivers.guest.catalogue import find_image, load_catalogue, parse_catalogue
from zcloud.services.catalogue import Catalogue

ENTRY = """
[demo]
title = "Demo"
os_id = "demo1"
url = "https://example.org/images/demo.qcow2"
checksums = "https://example.org/images/SHA256SUMS"
algorithm = "sha256"
default_user = "demo"
min_memory_mib = 256
min_disk_mib = 1024
"""

SYSTEMS = {
    *("debian-11", "debian-12", "debian-13", "ubuntu-20.04", "ubuntu-22.04", "ubuntu-24.04"),
    *("rocky-8", "rocky-9", "rocky-10", "almalinux-8", "almalinux-9", "almalinux-10"),
    *("centos-stream-9", "centos-stream-10", "opensuse-leap-15.6", "archlinux"),
    *("ubuntu-26.04", "opensuse-leap-16.0", "opensuse-tumbleweed", "amazonlinux-2023", "flatcar-stable"),
    *("debian-12-aarch64", "rocky-9-aarch64", "ubuntu-24.04-aarch64", "freebsd-15.1"),
}


def test_the_promised_systems_are_there() -> None:
    names = set(load_catalogue())
    assert names >= SYSTEMS
    assert any(name.startswith("fedora-") for name in names)
    assert any(name.startswith("alpine-") for name in names)


@pytest.mark.parametrize("name", load_catalogue())
def test_entries_are_of_the_right_form(name: str) -> None:
    image = load_catalogue()[name]
    assert re.fullmatch(r"[a-z0-9._-]+", image.name)
    assert "{" not in image.url + image.checksums_url
    assert image.name.endswith(f"-{image.arch}") or image.arch == "x86_64"
    assert not image.eol or date.fromisoformat(image.eol).year > 2020
    assert re.fullmatch(r"[a-z-]+[0-9.]*", image.os_id)
    assert re.fullmatch(r"[a-z][a-z0-9-]*", image.default_user)
    assert image.url.endswith((".qcow2", ".img", ".qcow2.xz", ".img.gz"))
    assert 256 <= image.min_memory_mib <= 4096
    assert 1024**3 <= image.min_disk <= 64 * 1024**3
    assert image.firmware


def test_an_address_that_names_one_build_says_so() -> None:
    for image in load_catalogue().values():
        names_build = re.search(r"-\d+\.\d+\.\d+(\.\d+)?-|-\d+-\d+\.\d+\.", image.url) is not None
        assert image.pinned == names_build, image.name


def test_defaults_come_from_the_address() -> None:
    image = parse_catalogue(ENTRY)["demo"]
    assert image.checksum_entry == "demo.qcow2"
    assert image.min_disk == 1024 * 1024**2
    assert image.firmware == ("bios", "uefi")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('url = "https:', 'url = "http:'),
        ('algorithm = "sha256"', 'algorithm = "md5"'),
        ('os_id = "demo1"\n', ""),
        ('title = "Demo"', 'title = "Demo"\neol = "soon"'),
        ('title = "Demo"', 'title = "Demo"\narches = { sparc = "sun" }'),
        ('title = "Demo"', 'title = "Demo"\ncolour = "red"'),
        ("min_memory_mib = 256", 'min_memory_mib = 256\nfirmware = ["openfirmware"]'),
        ("[demo]", "[demo"),
    ],
)
def test_a_wrong_entry_is_refused(old: str, new: str) -> None:
    assert old in ENTRY
    with pytest.raises(ConfigInvalid):
        parse_catalogue(ENTRY.replace(old, new))


def test_an_unknown_name_tells_of_those_like_it() -> None:
    catalogue = load_catalogue()
    assert find_image(catalogue, "Debian-12").name == "debian-12"
    with pytest.raises(NotFound) as caught:
        find_image(catalogue, "debian-7")
    assert "debian-13" in caught.value.hint
    assert "rocky" not in caught.value.hint


def test_an_operator_s_files_come_over_what_ships(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.d")
    shipped = len(catalogue.all())
    (tmp_path / "catalogue.d").mkdir()
    (tmp_path / "catalogue.d" / "own.toml").write_text(ENTRY)
    (tmp_path / "catalogue.d" / "wrong.toml").write_text("[demo")
    (tmp_path / "catalogue.d" / "over.toml").write_text(ENTRY.replace("[demo]", "[debian-12]"))
    assert len(catalogue.all()) == shipped + 1
    assert catalogue.find("demo").title == catalogue.find("debian-12").title == "Demo"
    (tmp_path / "catalogue.d" / "own.toml").unlink()
    with pytest.raises(NotFound):
        catalogue.find("demo")
