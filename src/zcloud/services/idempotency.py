"""Requests that may be sent twice: the first answer is kept, and given again.

An answer that holds a secret is never kept: the second request learns that it was answered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from zcloud.domain.errors import InvalidInput
from zcloud.domain.people import Actor
from zcloud.services.context import Services
from zcloud.store import StoredAnswer, Tx

__all__ = ["Idempotency", "StoredAnswer"]

_KEY = re.compile(r"[!-~]{1,128}")


class Idempotency:
    """Keys and answers of requests, per user."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def begin(self, actor: Actor, key: str, request: tuple[str, str, str], body: bytes) -> StoredAnswer | None:
        """Take ``key`` for a request (method, path, query) and give None, or the answer that it got before.

        Raises InvalidInput (the key's form), IdempotencyInFlight, IdempotencyMismatch (used for another request).
        """
        if not _KEY.fullmatch(key):
            raise InvalidInput(
                "The Idempotency-Key is not usable.", hint="Use 1 to 128 printable characters.", field="Idempotency-Key"
            )
        parts = "\n".join((*request, hashlib.sha256(body).hexdigest(), actor.user_id))
        fingerprint = hashlib.sha256(parts.encode()).hexdigest()
        return self._store.transact(lambda tx: tx.idempotency.begin(actor.user_id, key, fingerprint))

    def finishing(self, actor: Actor, key: str, answer: StoredAnswer) -> Callable[[Tx], None]:
        """Give what keeps the answer of the request that took the key, in the transaction of its audit entry."""
        return lambda tx: tx.idempotency.finish(actor.user_id, key, answer)

    def abandon(self, actor: Actor, key: str) -> None:
        """Give the key back: the request ended without an answer to keep."""
        self._store.transact(lambda tx: tx.idempotency.abandon(actor.user_id, key))
