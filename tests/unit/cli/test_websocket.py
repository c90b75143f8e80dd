"""Frames of the console's stream: whole, in parts, and broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.cli.commands.console import refusal
from zcloud.cli.websocket import Message, Opcode, build_frame, take_frame
from zcloud.client import ApiError

UNMASKED = b"\0\0\0\0"


def served(opcode: Opcode, data: bytes) -> bytes:
    """Give a frame as a server sends it: a client's without its mask."""
    frame = bytearray(build_frame(opcode, data, UNMASKED))
    frame[1] &= 0x7F
    start = len(frame) - len(data)
    del frame[start - 4 : start]
    return bytes(frame)


def test_the_standard_s_own_example() -> None:
    assert build_frame(Opcode.TEXT, b"Hello", b"\x37\xfa\x21\x3d").hex() == "818537fa213d7f9f4d5158"  # RFC 6455, 5.7
    assert take_frame(bytearray(bytes.fromhex("810548656c6c6f"))) == Message(Opcode.TEXT, b"Hello")


@given(st.binary(max_size=300) | st.integers(65530, 65540).map(bytes), st.integers(0, 10))
def test_frames_arrive_in_any_parts(data: bytes, cut: int) -> None:
    frame = served(Opcode.BINARY, data)
    buffer = bytearray(frame[: min(cut, len(frame) - 1)])
    assert take_frame(buffer) is None
    buffer += frame[len(buffer) :] + b"\x82"
    assert take_frame(buffer) == Message(Opcode.BINARY, data)
    assert buffer == b"\x82"


@pytest.mark.parametrize("broken", ["8280", "c201aa", "837e0001aa", "827f7fffffffffffffff", "8bffffffffffffffffff"])
def test_broken_frames_end_the_console(broken: str) -> None:
    with pytest.raises(ApiError):
        take_frame(bytearray(bytes.fromhex(broken)))


def test_the_server_s_close_is_an_error_with_its_code() -> None:
    error = refusal(Message(Opcode.CLOSE, (4409).to_bytes(2) + b"in_use: Somebody has it."))
    assert (error.status, error.code, str(error)) == (409, "in_use", "Somebody has it.")
    assert "--force" in error["hint"]
    lost = refusal(Message(Opcode.CLOSE, b""))
    assert (lost.status, str(lost)) == (0, "The connection was lost.")
