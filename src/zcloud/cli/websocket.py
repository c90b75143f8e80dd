"""The client's half of the WebSocket protocol (RFC 6455), as much as a console takes: one byte stream each way."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from zcloud.client import ApiError, tls_context

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_FRAME = 1 << 20
_CONNECT_S = 15.0
_READ = 1 << 16
_MAX_HEAD = 1 << 14


class Opcode(IntEnum):
    """What a frame holds (RFC 6455, 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Message(NamedTuple):
    """A frame's contents; a close has its code and reason in it."""

    opcode: Opcode
    data: bytes

    @property
    def code(self) -> int:
        """Give the close's code (7.4); 1006 where the connection was just lost."""
        return int.from_bytes(self.data[:2]) or 1006

    @property
    def reason(self) -> str:
        """Give why the server closes, in its words."""
        return self.data[2:].decode("utf-8", "replace")


class WebSocket:
    """A connection that was upgraded; ``fileno`` is for ``select``, ``receive`` gives what has arrived."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._buffer = bytearray()
        self._before = Opcode.BINARY  # what a continuation continues

    def fileno(self) -> int:
        """Give the socket's descriptor."""
        return self._link.fileno()

    def send(self, data: bytes, opcode: Opcode = Opcode.BINARY) -> None:
        """Send one frame, masked as a client's must be (5.3)."""
        self._link.sendall(build_frame(opcode, data, os.urandom(4)))

    def receive(self) -> Iterator[Message]:
        """Read once and give the frames that are whole now; pings are answered. A lost connection is a close."""
        arrived = self._link.recv(_READ)
        # TLS may hold more than it was asked for, and select() does not see that.
        while isinstance(self._link, ssl.SSLSocket) and self._link.pending():
            arrived += self._link.recv(_READ)
        if not arrived:
            yield Message(Opcode.CLOSE, b"")
            return
        self._buffer += arrived
        while (found := take_frame(self._buffer)) is not None:
            if found.opcode is Opcode.PING:
                self.send(found.data, Opcode.PONG)
            elif found.opcode is Opcode.CONTINUATION:
                yield Message(self._before, found.data)
            elif found.opcode is not Opcode.PONG:
                self._before = found.opcode
                yield found

    def close(self) -> None:
        """Say goodbye and close."""
        try:
            self.send((1000).to_bytes(2), Opcode.CLOSE)
        except OSError:
            pass
        finally:
            self._link.close()


def connect(url: str, path: str, ca: str) -> WebSocket:
    """Open ``path`` at the API's server as a websocket; raises ApiError where the server does not agree."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    try:
        link = socket.create_connection((host, port), timeout=_CONNECT_S)
        if parts.scheme == "https":
            link = tls_context(ca).wrap_socket(link, server_hostname=host)
        _upgrade(link, parts.netloc, path)
    except OSError as error:
        raise _refused(f"The console of {parts.netloc} cannot be reached: {error}.") from error
    link.settimeout(None)
    return WebSocket(link)


def build_frame(opcode: Opcode, data: bytes, mask: bytes) -> bytes:
    """Build one final, masked frame (5.2)."""
    head = bytearray([0x80 | opcode])
    if len(data) < 126:
        head.append(0x80 | len(data))
    elif len(data) < 1 << 16:
        head += bytes([0x80 | 126]) + len(data).to_bytes(2)
    else:
        head += bytes([0x80 | 127]) + len(data).to_bytes(8)
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    masked = (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(len(data))
    return bytes(head) + mask + masked


def take_frame(buffer: bytearray) -> Message | None:
    """Take a whole frame of a server from the buffer's front, or leave it; raises ApiError for a broken one."""
    if len(buffer) < 2:
        return None
    size, start = buffer[1] & 0x7F, 2
    if size >= 126:
        start += 2 if size == 126 else 8
        if len(buffer) < start:
            return None
        size = int.from_bytes(buffer[2:start])
    if buffer[1] & 0x80 or buffer[0] & 0x70 or size > _MAX_FRAME:
        raise _refused("The server's console stream is broken.")
    if len(buffer) < start + size:
        return None
    try:
        message = Message(Opcode(buffer[0] & 0x0F), bytes(buffer[start : start + size]))
    except ValueError:
        raise _refused("The server's console stream is broken.") from None
    del buffer[: start + size]
    return message


def _upgrade(link: socket.socket, netloc: str, path: str) -> None:
    """Make the handshake (4.1)."""
    key = base64.b64encode(os.urandom(16))
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
        "User-Agent: zcloud",
    )
    link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    status, headers = _read_head(link)
    if status != 101:
        raise _refused(f"The server does not let us to the console (HTTP status {status}).")
    expected = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    if headers.get("sec-websocket-accept") != expected:
        raise _refused("The server did not answer as a websocket server does.")


def _read_head(link: socket.socket) -> tuple[int, dict[str, str]]:
    """Read an answer's status and headers, and not a byte of what follows them."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = link.recv(1)
        if not byte or len(head) > _MAX_HEAD:
            raise _refused("The server closed the connection instead of opening a console.")
        head += byte
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = [line.partition(":") for line in lines if line]
    status = first.split(" ")[1:2]
    known = {name.strip().lower(): value.strip() for name, _, value in fields}
    return int(status[0]) if status and status[0].isdigit() else 0, known


def _refused(detail: str) -> ApiError:
    return ApiError(0, {"code": "console_unreachable", "detail": detail, "hint": "Try again; a ticket is good once."})
