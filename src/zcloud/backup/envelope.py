"""Encryption of a backup with a passphrase: scrypt (RFC 7914), then AES-256-GCM in frames.

Frames are numbered in their nonce and the last one is marked in it (the STREAM construction of Hoang, Reyhanitabar,
Rogaway and Vizár, 2015), so none can be left out, moved or cut off. The header is in clear and bound to every frame.
"""

from __future__ import annotations

import base64
import json
import os
import struct
from typing import Any, BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from zcloud.domain.errors import BackupLocked, BackupUnusable

MAGIC = b"zcloud backup, encrypted, 1\n"
MIN_PASSPHRASE = 8  # bytes
_FRAME = 64 << 10
_TAG = 16
_HEADER_MAX = 4096
_COST = 1 << 17  # 128 MiB of memory for a guess, as OWASP asks for (Password Storage Cheat Sheet)
_COST_MAX = 1 << 20


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> int: ...


class Encrypting:
    """A sink that encrypts; ``finish`` writes the last frame, without which nothing can be opened to its end."""

    def __init__(self, sink: Sink, passphrase: bytes) -> None:
        salt, self._prefix = os.urandom(16), os.urandom(7)
        header = {"n": _COST, "r": 8, "p": 1, "salt": _text(salt), "nonce": _text(self._prefix)}
        self._head = MAGIC + json.dumps(header).encode() + b"\n"
        self._key = AESGCM(_derive(passphrase, salt, header))
        self._sink, self._pending, self._number = sink, bytearray(), 0
        sink.write(self._head)

    def write(self, data: bytes, /) -> int:
        """Take bytes."""
        self._pending += data
        while len(self._pending) > _FRAME:  # the last frame is known as such only at the end
            self._frame(bytes(self._pending[:_FRAME]), last=False)
            del self._pending[:_FRAME]
        return len(data)

    def finish(self) -> None:
        """Write what is left as the last frame."""
        self._frame(bytes(self._pending), last=True)

    def _frame(self, plain: bytes, *, last: bool) -> None:
        self._sink.write(self._key.encrypt(_nonce(self._prefix, self._number, last), plain, self._head))
        self._number += 1


class Decrypting:
    """A source that decrypts what ``Encrypting`` wrote; raises BackupLocked, BackupUnusable."""

    def __init__(self, source: BinaryIO, passphrase: bytes) -> None:
        line = source.readline(_HEADER_MAX)
        header = _header(line)
        self._head = MAGIC + line
        self._prefix = base64.b64decode(header["nonce"])
        self._key = AESGCM(_derive(passphrase, base64.b64decode(header["salt"]), header))
        self._source, self._plain, self._number, self._ended = source, bytearray(), 0, False
        self._next = source.read(_FRAME + _TAG)
        self._open()  # a wrong passphrase is told at once

    def read(self, size: int, /) -> bytes:
        """Give ``size`` bytes, fewer at the end only."""
        while len(self._plain) < size and not self._ended:
            self._open()
        given = bytes(self._plain[:size])
        del self._plain[:size]
        return given

    def _open(self) -> None:
        frame, self._next = self._next, self._source.read(_FRAME + _TAG)
        self._ended = not self._next
        try:
            self._plain += self._key.decrypt(_nonce(self._prefix, self._number, self._ended), frame, self._head)
        except (InvalidTag, ValueError) as error:
            if self._number == 0:
                raise BackupLocked("The passphrase is wrong, or the file is damaged at its beginning.") from error
            raise BackupUnusable("The backup is damaged or incomplete.") from error
        self._number += 1


def _header(line: bytes) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(line)
        if not all(isinstance(header[name], int) for name in ("n", "r", "p")):
            raise TypeError("a number was expected")
        if header["n"] > _COST_MAX or header["r"] > 16 or header["p"] > 16:
            raise ValueError("it asks for too much")
        if len(base64.b64decode(header["nonce"])) != 7 or len(base64.b64decode(header["salt"])) != 16:
            raise ValueError("it is of another length")
    except (ValueError, KeyError, TypeError) as error:
        raise BackupUnusable("The header of the encrypted backup is damaged.") from error
    return header


def _derive(passphrase: bytes, salt: bytes, header: dict[str, Any]) -> bytes:
    return Scrypt(salt=salt, length=32, n=header["n"], r=header["r"], p=header["p"]).derive(passphrase)


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + struct.pack(">IB", number, last)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
