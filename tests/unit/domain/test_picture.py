"""Pictures from hypervisors: whole ones become PNG, anything else is refused."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.domain.errors import HypervisorFailed, InvalidInput
from zcloud.domain.keys import KEYS, parse_strokes, type_text
from zcloud.domain.picture import MAX_SIDE, PNG, PPM, to_png


def ppm(width: int, height: int, pixels: bytes) -> bytes:
    return b"P6\n%d %d\n255\n" % (width, height) + pixels


def read_png(data: bytes) -> tuple[int, int, bytes]:
    """Give width, height and pixels, checking every chunk."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + content),)
        chunks.append((kind, content))
        at += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert rest == [8, 2, 0, 0, 0]
    raw, row = zlib.decompress(chunks[1][1]), 3 * width + 1
    lines = [raw[line * row : (line + 1) * row] for line in range(height)]
    assert all(line[0] == 0 and len(line) == row for line in lines)
    return width, height, b"".join(line[1:] for line in lines)


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_every_pixel_arrives(width: int, height: int, data: st.DataObject) -> None:
    pixels = data.draw(st.binary(min_size=3 * width * height, max_size=3 * width * height))
    assert read_png(to_png(PPM, ppm(width, height, pixels))) == (width, height, pixels)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"P6",
        b"P5\n1 1\n255\n\0",
        b"P6\n# a comment\n1 1\n255\n\0\0\0",
        ppm(1, 1, b"\0\0"),
        ppm(1, 1, b"\0\0\0\0"),
        ppm(0, 1, b""),
        ppm(MAX_SIDE + 1, 1, bytes(3 * (MAX_SIDE + 1))),
        b"P6\n99999 99999\n255\n",
        b"P6\n1 1\n65535\n\0\0\0\0\0\0",
        b"P6\n-1 1\n255\n",
    ],
)
def test_what_is_no_sane_ppm_is_refused(data: bytes) -> None:
    with pytest.raises(HypervisorFailed):
        to_png(PPM, data)


@given(st.sampled_from([PPM, PNG, "text/html", ""]), st.binary(max_size=80))
def test_bytes_of_any_kind_never_break_it(kind: str, data: bytes) -> None:
    with contextlib.suppress(HypervisorFailed):
        assert to_png(kind, data)[:4] == b"\x89PNG"


def test_a_png_is_taken_as_it_is_where_its_size_is_sane() -> None:
    good = to_png(PPM, ppm(2, 1, b"abcdef"))
    assert to_png(PNG, good) == good
    huge = good[:16] + struct.pack(">II", 1 << 30, 1 << 30) + good[24:]
    with pytest.raises(HypervisorFailed, match="out of bounds"):
        to_png(PNG, huge)


def test_strokes() -> None:
    assert parse_strokes(["Ctrl-Alt-Del", "f2", "q"]) == [(29, 56, 111), (60,), (16,)]
    assert type_text("aA\n~") == [(30,), (42, 30), (28,), (42, 41)]
    printable = "".join(map(chr, range(32, 127)))
    assert len(set(type_text(printable))) == len(printable)
    assert len(set(KEYS.values())) == len(KEYS)
    for words in ([], ["ctrl-"], ["hyper-x"], ["a"] * 101, ["a-b-c-d-e-f-g-h-i"]):
        with pytest.raises(InvalidInput):
            parse_strokes(words)
    for text in ("", "ü", "a" * 1001, "\x1b"):
        with pytest.raises(InvalidInput):
            type_text(text)
