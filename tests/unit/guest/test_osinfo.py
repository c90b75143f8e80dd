"""What systems need: from osinfo-db's files, kept in a compact form, under our overlay."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from zcloud.domain.errors import NotFound
from zcloud.domain.hardware import guess_os, settle
from zcloud.domain.instance import Firmware
from zcloud.drivers.guest import osinfo
from zcloud.drivers.guest.osinfo import DIRECTORY, choose_firmware, list_refused, load_overlay, load_systems
from zcloud.services.systems import Systems

OLD = """<libosinfo><os id="http://x.org/1"><short-id>x1</short-id><name>X 1</name><family>linux</family>
<resources arch="all"><minimum><n-cpus>1</n-cpus><ram>268435456</ram><storage>1073741824</storage></minimum></resources>
<devices><device id="http://pcisig.com/pci/1af4/1000"/><device id="http://pcisig.com/pci/1af4/1001" supported="false"/>
</devices></os></libosinfo>"""
NEW = """<libosinfo><os id="http://x.org/2"><short-id>x2</short-id><name>X 2</name>
<derives-from id="http://x.org/1"/><derives-from id="http://x.org/2"/><eol-date>2030-01-01</eol-date></os></libosinfo>"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    directory = tmp_path / "osinfo"
    (directory / "os" / "x.org").mkdir(parents=True)
    (directory / "VERSION").write_text("1\n")
    (directory / "os" / "x.org" / "x-1.xml").write_text(OLD)
    (directory / "os" / "x.org" / "x-2.xml").write_text(NEW)
    (directory / "os" / "x.org" / "broken.xml").write_text("<libosinfo>")
    return directory


def test_a_system_has_what_its_elder_has(package: Path) -> None:
    systems = load_systems(None, package)
    assert systems["x1"].virtio == ("net",)
    newer = systems["x2"]
    assert (newer.min_memory_mib, newer.min_disk, newer.virtio, newer.family) == (256, 1 << 30, ("net",), "linux")
    assert (newer.eol, newer.source) == ("2030-01-01", "osinfo-db")


def test_the_files_are_read_once_for_a_version(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "osinfo.json"
    first = load_systems(cache, package)
    with monkeypatch.context() as patched:
        patched.setattr(osinfo, "read_package", lambda _directory: pytest.fail("it was read again"))
        assert load_systems(cache, package) == first
    for broken in ("{", '{"of": 1}', "[]"):
        cache.write_text(broken)
        assert load_systems(cache, package) == first
    (package / "VERSION").write_text("2\n")
    (package / "os" / "x.org" / "x-2.xml").unlink()
    assert "x2" not in load_systems(cache, package)


def test_without_the_package_the_overlay_alone_is_known(tmp_path: Path) -> None:
    systems = Systems(tmp_path / "osinfo.json", tmp_path / "none")
    assert {each.id for each in systems.all()} == set(load_overlay())
    assert {each.source for each in systems.all()} == {"zcloud"}
    assert systems.show("Debian13").min_memory_mib == 256
    with pytest.raises(NotFound) as caught:
        systems.show("debian99")
    assert "debian13" in caught.value.hint


@pytest.mark.parametrize("system", load_overlay().values(), ids=lambda each: each.id)
def test_the_overlay_fits_our_hardware(system: osinfo.OsInfo) -> None:
    assert system.min_memory_mib <= system.recommended_memory_mib
    assert system.min_disk
    settled = settle(dict(system.hardware))
    assert settled.os == guess_os(system.id)


def test_sizes_below_the_least_are_told(tmp_path: Path) -> None:
    systems = Systems(None, tmp_path)
    assert systems.shortages("win11", 1, 2048, 1 << 30) == [
        "Microsoft Windows 11 needs 2 vCPUs; it gets 1.",
        "Microsoft Windows 11 needs 4096 MiB of memory; it gets 2048.",
        "Microsoft Windows 11 needs 65536 MiB of root disk; it gets 1024.",
    ]
    assert systems.shortages("win11", 2, 4096, 64 << 30) == systems.shortages("unknown", 0, 0, 0) == []


def test_the_firmware_follows_the_system_unless_it_is_chosen(package: Path) -> None:
    (package / "os" / "x.org" / "w.xml").write_text(
        """<libosinfo><os id="http://w.org/1"><short-id>w1</short-id><name>W 1</name><family>winnt</family>
        <firmware arch="x86_64" type="efi"/><firmware arch="x86_64" type="bios" supported="false"/>
        <firmware arch="i686" type="efi" supported="false"/></os></libosinfo>"""
    )
    systems = load_systems(None, package)
    strict, lax = systems["w1"], systems["x1"]
    assert (strict.refuses, lax.refuses) == (("bios", "q35"), ())
    bios, uefi = Firmware.BIOS, Firmware.UEFI
    assert choose_firmware(strict, None, secure_boot=False) == (uefi, "W 1 does not start by BIOS.")
    assert choose_firmware(strict, bios, secure_boot=True) == (bios, "")
    assert choose_firmware(lax, None, secure_boot=False) == choose_firmware(None, None, secure_boot=False) == (bios, "")
    assert choose_firmware(None, None, secure_boot=True)[0] is uefi
    assert [each.split(" as osinfo")[0] for each in list_refused(strict, bios)] == [
        "W 1 does not start by BIOS,",
        "W 1 has no drivers for the chipset q35,",
    ]
    assert len(list_refused(strict, uefi)) == 1
    assert list_refused(lax, bios) == list_refused(None, bios) == []


@pytest.mark.skipif(not (DIRECTORY / "VERSION").exists(), reason="osinfo-db is not installed")
def test_the_installed_package_is_understood(tmp_path: Path) -> None:
    cache = tmp_path / "osinfo.json"
    systems = load_systems(cache)
    assert len(systems) > 300
    assert systems["ubuntu22.04"].virtio == systems["rhel9.0"].virtio == ("disk", "net")
    assert systems["ubuntu22.04"].min_memory_mib >= 512
    assert systems["win2k19"].hardware == {"clock": "localtime", "hyperv": True}
    assert (systems["winxp"].refuses, systems["win7"].refuses, systems["fedora36"].refuses) == (("q35",), (), ())
    assert cache.stat().st_size < 1 << 20
    began = time.perf_counter()
    assert load_systems(cache) == systems
    assert time.perf_counter() - began < 2
