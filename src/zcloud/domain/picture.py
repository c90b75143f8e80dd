"""Pictures of screens: what a hypervisor gives is checked byte by byte, and becomes a PNG of our own.

PPM is "P6", width, height and 255 in decimal, then three bytes a pixel (https://netpbm.sourceforge.net/doc/ppm.html).
A PNG of whole 8-bit RGB is its signature and the chunks IHDR, IDAT and IEND (https://www.w3.org/TR/png-3/).
"""

from __future__ import annotations

import re
import struct
import zlib

from zcloud.domain.errors import HypervisorFailed

PPM, PNG = "image/x-portable-pixmap", "image/png"
MAX_SIDE = 8192
MAX_BYTES = 64 << 20
"""More than a screen of 5120 by 2880 has as PPM."""

_HEADER = re.compile(rb"P6[ \t\r\n]{1,8}(\d{1,5})[ \t\r\n]{1,8}(\d{1,5})[ \t\r\n]{1,8}255[ \t\r\n]")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IHDR_END = 33


def to_png(kind: str, data: bytes) -> bytes:
    """Give a PNG of a picture of the MIME type ``kind``; raises HypervisorFailed for whatever is not whole or sane."""
    if kind == PPM:
        width, height, pixels = _read_ppm(data)
        return _write_png(width, height, pixels)
    if kind == PNG:
        _check_png(data)
        return data
    raise HypervisorFailed(f"The hypervisor gave a picture of a kind that is not known: {kind[:40]!r}.")


def _read_ppm(data: bytes) -> tuple[int, int, memoryview]:
    header = _HEADER.match(data)
    if header is None:
        raise HypervisorFailed("The hypervisor gave a picture that is no PPM.")
    width, height = int(header[1]), int(header[2])
    pixels = memoryview(data)[header.end() :]
    _check_sides(width, height)
    if len(pixels) != 3 * width * height:
        raise HypervisorFailed(f"The picture has {len(pixels)} bytes, and {width} by {height} pixels take others.")
    return width, height, pixels


def _check_png(data: bytes) -> None:
    if data[:8] != _SIGNATURE or data[8:16] != b"\0\0\0\rIHDR" or len(data) < _IHDR_END:
        raise HypervisorFailed("The hypervisor gave a picture that is no PNG.")
    _check_sides(*struct.unpack(">II", data[16:24]))


def _check_sides(width: int, height: int) -> None:
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and 3 * width * height <= MAX_BYTES):
        raise HypervisorFailed(f"The picture of {width} by {height} pixels is out of bounds.")


def _write_png(width: int, height: int, pixels: memoryview) -> bytes:
    row = 3 * width
    packer = zlib.compressobj(1)
    packed = bytearray()
    for line in range(height):  # each begins with its filter: none
        packed += packer.compress(b"\0")
        packed += packer.compress(pixels[line * row : (line + 1) * row])
    packed += packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", bytes(packed)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
