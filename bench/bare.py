"""What no upload over TLS gets below: a file through one bare TLS connection, hashed on both sides and written.

``python -m bench.bare FILE TARGET CERTIFICATE KEY``: no HTTP, no server around it, the largest reads; the digests are
made in threads of their own beside it, as zcloud makes them. Each side is a process.
"""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_PIECE = 1 << 20
_AHEAD = 4  # pieces that wait for their digest at most


def main(source: str, target: str, certificate: str, key: str) -> int:
    """Send and receive; gives 1 where the digests differ."""
    listener = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        os._exit(_receive(listener, Path(target), os.path.getsize(source), (certificate, key)))
    with listener:
        same = _send(Path(source), listener.getsockname()[1])
    return 0 if os.waitpid(child, 0)[1] == 0 and same else 1


def _send(source: Path, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is our own other half
    plain = socket.create_connection(("127.0.0.1", port))
    with source.open("rb", buffering=0) as file, context.wrap_socket(plain) as stream:

        def pieces() -> Iterator[bytes]:
            while piece := file.read(_PIECE):
                stream.sendall(piece)
                yield piece

        digest = _digest(pieces())
        return stream.recv(64).decode() == digest


def _receive(listener: socket.socket, target: Path, size: int, files: tuple[str, str]) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    plain, _ = listener.accept()
    with context.wrap_socket(plain, server_side=True) as stream, target.open("wb", 0) as file:

        def pieces() -> Iterator[bytearray]:
            left = size
            while left and (piece := _read(stream, min(left, _PIECE))):
                file.write(piece)
                left -= len(piece)
                yield piece

        stream.sendall(_digest(pieces()).encode())
    return 0


def _read(stream: ssl.SSLSocket, length: int) -> bytearray:
    """Give so many bytes; TLS hands out 16 KiB at a time."""
    piece, size = bytearray(length), 0
    with memoryview(piece) as view:
        while size < length and (more := stream.recv_into(view[size:])):
            size += more
    del piece[size:]
    return piece


def _digest(pieces: Iterator[bytes | bytearray]) -> str:
    """Give the digest of all pieces, made while the next ones are under way."""
    digest = hashlib.sha256()
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as worker:
        for piece in pieces:
            waiting.append(worker.submit(digest.update, piece))
            if len(waiting) > _AHEAD:
                waiting.popleft().result()
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
