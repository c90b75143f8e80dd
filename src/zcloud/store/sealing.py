"""Secrets at rest: AES-256-GCM with the row's identity as associated data."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zcloud.domain.errors import Internal

KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2.2: random nonces of 96 bits


class Sealer:
    """Seals bytes for one row; what was sealed for another row cannot be opened in its place.

    A sealed value is the key's number (1 byte), the nonce (12 bytes) and the ciphertext with its tag. New values
    are sealed with ``key``; ``retired`` keys, by number, only open what was sealed before a rotation.
    """

    def __init__(self, key: bytes, *, number: int = 0, retired: Mapping[int, bytes] | None = None) -> None:
        keys = {**(retired or {}), number: key}
        if any(len(each) != KEY_BYTES for each in keys.values()) or not all(0 <= each < 256 for each in keys):
            raise ValueError("sealing keys have 32 bytes and numbers of 0 to 255")
        self._number = number
        self._keys = {each: AESGCM(value) for each, value in keys.items()}

    def seal(self, plain: bytes, kind: str, owner_id: str) -> bytes:
        """Give the sealed form of ``plain`` for the secret ``kind`` of an owner."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._number].encrypt(nonce, plain, _identity(kind, owner_id))
        return bytes([self._number]) + nonce + sealed

    def open(self, sealed: bytes, kind: str, owner_id: str) -> bytes:
        """Give the plain bytes; raises Internal (another key, another row's value, or a changed one)."""
        aead = self._keys.get(sealed[0]) if sealed else None
        if aead is None:
            raise Internal("A secret was sealed with a key that is not here.", hint="Restore the store's key file.")
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return aead.decrypt(nonce, body, _identity(kind, owner_id))
        except (InvalidTag, ValueError) as error:
            message = f"The secret {kind!r} cannot be opened: wrong key, or the row was changed."
            raise Internal(message, hint="Restore the key file and the store from the same backup.") from error


def _identity(kind: str, owner_id: str) -> bytes:
    return f"{kind}\0{owner_id}".encode()
