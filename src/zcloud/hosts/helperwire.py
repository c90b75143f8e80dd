"""What the service and its root helper say to each other on their Unix socket: one command a connection.

Frames are one letter, four bytes of length (big endian), payload. The service sends ``R`` (the request as JSON),
then ``I`` frames (standard input) and an empty ``I``; the helper answers ``O`` and ``E`` frames (output) and ``D``
(done: the exit code), or ``X`` (an error record).
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from zcloud.domain.errors import HostUnreachable

SOCKET = "/run/zcloud/helper.sock"
MAX_FRAME = 4 << 20

_HEAD = struct.Struct(">cI")
_CREDENTIALS = struct.Struct("3i")


class Frame(NamedTuple):
    """One frame: its letter and payload."""

    letter: bytes
    payload: bytes


def send(stream: socket.socket, letter: bytes, payload: bytes = b"") -> None:
    """Send one frame, or several of the same letter where the payload is longer than one frame may be."""
    view = memoryview(payload)
    while True:
        piece, view = view[:MAX_FRAME], view[MAX_FRAME:]
        stream.sendall(_HEAD.pack(letter, len(piece)))
        if piece:  # after an empty frame the peer may have answered and gone already
            stream.sendall(piece)
        if not view:
            return


def receive(stream: socket.socket) -> Frame:
    """Receive one frame; raises HostUnreachable where the other side is gone or talks nonsense."""
    letter, length = _HEAD.unpack(_exactly(stream, _HEAD.size))
    if length > MAX_FRAME:
        raise HostUnreachable("The root helper's connection carries a frame that is too long.")
    return Frame(letter, _exactly(stream, length))


def peer_uid(stream: socket.socket) -> int:
    """Give the user id of the process at the other end (SO_PEERCRED, unix(7))."""
    data = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])


def _exactly(stream: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = stream.recv(length - len(data))
        if not piece:
            raise HostUnreachable("The root helper's connection ended early.")
        data += piece
    return bytes(data)
