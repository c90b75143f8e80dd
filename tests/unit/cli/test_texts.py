"""Sizes, spans, names and texts: what people type, and what reaches their terminals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.cli.commands.image_import import name_from
from zcloud.cli.commands.network import read_range
from zcloud.cli.drivers import read_options
from zcloud.cli.launching import own_key, parse_disk, parse_nic, read_key
from zcloud.cli.output import table, width
from zcloud.cli.text import plain, plain_lines
from zcloud.cli.units import age, parse_mib, parse_size, parse_span, size

GIB = 1 << 30
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmzeDxYXOJW5sYFCgJSyGXfLsUfY5uGcvz3EEXMZZzW me@here"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4G", 4 * GIB), ("4GiB", 4 * GIB), ("4gb", 4 * GIB), ("1.5T", 1536 * GIB), ("512M", 512 << 20), ("0", 0),
     ("100B", 100), ("0.5K", 512)],
)  # fmt: skip
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "512", "-1G", "4X", "G", "1e3G", "4 G", "٤G", "1.G", "9" * 20 + "G", "4G4G"])
def test_what_is_not_a_size(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_size(text)


@given(st.integers(0, 1 << 50))
def test_a_size_is_read_back_nearly(value: int) -> None:
    shown = size(value)
    assert abs(parse_size(shown) - value) <= 0.06 * value


def test_memory_is_whole_mib() -> None:
    assert parse_mib("4G") == 4096
    with pytest.raises(click.BadParameter):
        parse_mib("1K")


def test_spans_and_ages() -> None:
    assert [parse_span(each) for each in ("90s", "15m", "12h", "30d", "2w")] == [90, 900, 43200, 2592000, 1209600]
    for wrong in ("90", "1y", "-1d", "1.5h", ""):
        with pytest.raises(click.BadParameter):
            parse_span(wrong)
    assert age("2026-01-01T00:00:00Z", now=1767225600 + 119) == "119s"
    assert age("2026-01-01T01:00:00+01:00", now=1767225600 + 7199) == "119m"
    assert age("2026-01-01T00:00:00Z", now=1767225600 + 3 * 86400) == "3d"
    assert age("2026-01-01T00:00:00Z", now=1767225000) == "0s"  # our clock is behind
    assert age(None) == ""


def test_nics_and_disks() -> None:
    assert parse_nic("lan") == {"network": "lan"}
    assert parse_nic("lan,address=10.0.0.7,mac=52-54-00-AA-BB-CC") == {
        "network": "lan", "address": "10.0.0.7", "mac": "52:54:00:aa:bb:cc",
    }  # fmt: skip
    assert parse_disk("20G,pool=fast,name=db") == {"size": 20 * GIB, "pool": "fast", "name": "db"}
    assert parse_disk("1G,mount=/srv,fs=xfs") == {"size": GIB, "mount": "/srv", "filesystem": "xfs"}


@pytest.mark.parametrize(
    "text",
    ["", ",address=10.0.0.7", "lan,address=10.0.0", "lan,mac=1", "lan,gateway=1", "lan,address=", "lan,",
     "lan,address=10.0.0.1,address=10.0.0.2"],
)  # fmt: skip
def test_what_is_not_a_nic(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_nic(text)


@pytest.mark.parametrize("text", ["", "fast", "20", "20G,pool", "20G,size=3G"])
def test_what_is_not_a_disk(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_disk(text)


def test_options_and_ranges() -> None:
    options = read_options(["path=/a=b", "mtu=1500", "spoof=False", "isolation=off"])
    assert options == {"path": "/a=b", "mtu": "1500", "spoof": "False", "isolation": "off"}
    for wrong in (["path"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(click.BadParameter):
            read_options(wrong)
    assert read_range("10.0.0.5-10.0.0.9,reserved,comment=router") == {
        "first": "10.0.0.5", "last": "10.0.0.9", "reserved": True, "comment": "router",
    }  # fmt: skip
    assert read_range("10.0.0.5") == {"first": "10.0.0.5", "last": "10.0.0.5"}


def test_keys_never_include_a_private_one(tmp_path: Path) -> None:
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    assert own_key(tmp_path) == ""
    (ssh / "id_rsa.pub").write_text("ssh-rsa AAAAB3 old\n")
    (ssh / "id_ed25519.pub").write_text(f"{PUBLIC}\n")
    assert own_key(tmp_path) == PUBLIC
    assert read_key("laptop") == "laptop"  # a stored key's name
    (ssh / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n")
    for wrong in (ssh / "id_ed25519", ssh / "nothing.pub", ssh):
        with pytest.raises(click.BadParameter) as caught:
            read_key(str(wrong))
        assert "b3Bl" not in caught.value.message
    (ssh / "two.pub").write_text(f"{PUBLIC}\n{PUBLIC}\n")
    with pytest.raises(click.BadParameter):
        read_key(str(ssh / "two.pub"))


@pytest.mark.parametrize(
    ("source", "name"),
    [("Disk_1.0.raw", "disk-1-0"), ("https://x.org/a/debian-12.qcow2", "debian-12"), ("ubuntu-24.04", "ubuntu-24-04"),
     ("/tmp/….img", "image"), ("a" * 80, "a" * 63)],
)  # fmt: skip
def test_image_names_come_from_the_source(source: str, name: str) -> None:
    assert name_from(source) == name


@given(st.text())
def test_nothing_from_elsewhere_steers_a_terminal(text: str) -> None:
    for shown in (plain(text), *plain_lines(text).split("\n")):
        assert all(each.isprintable() or each == "\xa0" for each in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[2Jb", r"a\x1b[2Jb"), ("\x9b31m", r"\x9b31m"), ("x\u202ey", r"x\u202ey"), ("ä 日本", "ä 日本"),
     ("a\nb", r"a\nb"), (None, ""), (7, "7")],
)  # fmt: skip
def test_controls_are_spelled_out(text: Any, shown: str) -> None:
    assert plain(text) == shown


def test_logs_lose_their_colours_and_keep_their_lines() -> None:
    log = "\x1b[32m[ OK ]\x1b[0m up\r\n\x1b]0;title\x07a\tb\x07"
    assert plain_lines(log) == "[ OK ] up\na       b\\x07"


def test_tables_are_aligned_by_columns_on_the_screen() -> None:
    lines = table([["NAME", "N"], ["日本", "1"], ["e\u0301", "22"]], [False, True], heading=True)
    assert [width(line) for line in lines] == [8, 8, 8]
    assert lines[0] == "NAME   N"
