"""Checksum files in the forms that distributions publish."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.domain.errors import DownloadFailed
from zcloud.drivers.guest.checksums import find_checksum, parse_checksums

A, B = "a" * 64, "b" * 64
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
NAMES = st.text(string.ascii_letters + string.digits + "._-", min_size=1)


@pytest.mark.parametrize(
    "line",
    [
        f"{A}  disk.img",
        f"{A} *disk.img",
        f"{A.upper()}  disk.img",
        f"{A}  ./disk.img",
        f"{A}  images/disk.img",
        f"SHA256 (disk.img) = {A}",
        f"SHA-256 (disk.img) = {A}",
        f"  {A}  disk.img  ",
        f"{A}  disk.img\r",
    ],
)
def test_every_form_of_a_line_is_read(line: str) -> None:
    assert parse_checksums(f"{line}\n", "sha256") == {"disk.img": A}


def test_comments_armour_and_other_algorithms_are_passed_over() -> None:
    text = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

# disk.img: 5242880 bytes
MD5 (disk.img) = {"c" * 32}
SHA512 (disk.img) = {"d" * 128}
{"e" * 40}  disk.img
SHA256 (disk.img) = {A}
-----BEGIN PGP SIGNATURE-----
iQIzBAEBCAAdFiEE
-----END PGP SIGNATURE-----
"""
    assert parse_checksums(text, "sha256") == {"disk.img": A}
    assert parse_checksums(text, "sha512") == {"disk.img": "d" * 128}


def test_a_hash_alone_has_no_name_and_only_a_star_finds_it() -> None:
    assert parse_checksums(f"{A}\n", "sha256") == {"": A}
    assert find_checksum(f"{A}\n", "sha256", "*") == A
    with pytest.raises(DownloadFailed):
        find_checksum(f"{A}\n", "sha256", "disk.img")


def test_names_may_hold_blanks_and_parentheses() -> None:
    assert parse_checksums(f"SHA256 (a (1).img) = {A}\n{B}  b (2).img\n", "sha256") == {"a (1).img": A, "b (2).img": B}


def test_the_same_name_with_two_sums_is_refused() -> None:
    with pytest.raises(DownloadFailed, match="two different"):
        parse_checksums(f"{A}  disk.img\n{B}  disk.img\n", "sha256")


@pytest.mark.parametrize(("pattern", "word"), [("*.img", "several"), ("disk.iso", "no"), ("DISK.img", "no")])
def test_finding_needs_exactly_one_sum(pattern: str, word: str) -> None:
    with pytest.raises(DownloadFailed, match=f"has {word} sha256"):
        find_checksum(f"{A}  disk.img\n{B}  other.img\n", "sha256", pattern)


def test_two_names_of_one_file_are_one_sum() -> None:
    assert find_checksum(f"{A}  disk-1.img\n{A}  disk-latest.img\n", "sha256", "disk-*") == A


@given(st.dictionaries(NAMES, HASHES))
def test_both_forms_give_back_what_was_written(sums: dict[str, str]) -> None:
    coreutils = "".join(f"{digest} *{name}\n" for name, digest in sums.items())
    bsd = "".join(f"SHA256 ({name}) = {digest}\n" for name, digest in sums.items())
    assert parse_checksums(coreutils, "sha256") == parse_checksums(bsd, "sha256") == sums


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        sums = parse_checksums(text, "sha256")
    except DownloadFailed:
        return
    assert all(len(digest) == 64 for digest in sums.values())
