"""Sealed secrets, remembered answers, and settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from zcloud.domain.errors import IdempotencyInFlight, IdempotencyMismatch, Internal
from zcloud.domain.storage import Pool
from zcloud.store import schema
from zcloud.store.repository import Repository
from zcloud.store.sealing import Sealer

OBSERVER_LEASE = "observer.lease"  # the row that observers compare and swap

_POOL = "pool"  # the kind of a secret

_S, _I, _K = schema.secrets.c, schema.idempotency.c, schema.settings.c


class Secrets(Repository):
    """Secrets, sealed for their row."""

    def put(self, kind: str, owner_id: str, plain: bytes) -> None:
        """Keep a secret, in place of the one before."""
        sealed = self._sealer.seal(plain, kind, owner_id)
        statement = self._scope.insert(schema.secrets).values(kind=kind, owner_id=owner_id, sealed=sealed)
        self._db.execute(statement.on_conflict_do_update(index_elements=["kind", "owner_id"], set_={"sealed": sealed}))

    def get(self, kind: str, owner_id: str) -> bytes | None:
        """Give a secret, or None; raises Internal where it cannot be opened."""
        sealed = self._db.execute(select(_S.sealed).where(_S.kind == kind, _S.owner_id == owner_id)).scalar()
        return None if sealed is None else self._sealer.open(bytes(sealed), kind, owner_id)

    def delete(self, owner_id: str, kind: str | None = None) -> None:
        """Remove an owner's secrets, or only one; absent ones are fine."""
        where = [_S.owner_id == owner_id] + ([_S.kind == kind] if kind is not None else [])
        self._db.execute(delete(schema.secrets).where(*where))

    def keep_pool(self, pool_id: str, secrets: Mapping[str, str]) -> None:
        """Keep the secret options of a pool, in place of those before; none: nothing is kept."""
        self.delete(pool_id, _POOL)
        if secrets:
            self.put(_POOL, pool_id, json.dumps(dict(secrets)).encode())

    def opened(self, pool: Pool) -> Pool:
        """Give a pool with its secret options, as its driver is given it."""
        plain = self.get(_POOL, pool.id)
        return pool if plain is None else replace(pool, secrets=json.loads(plain))

    @property
    def _sealer(self) -> Sealer:
        if self._scope.sealer is None:
            raise Internal("The store was opened without its sealing key, so secrets cannot be read or kept.")
        return self._scope.sealer


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """How a request was answered the first time."""

    status: int
    headers: Mapping[str, str]
    body: str


class Idempotency(Repository):
    """Answers to requests that came with an Idempotency-Key."""

    def begin(self, user_id: str, key: str, fingerprint: str) -> StoredAnswer | None:
        """Take a key for a request and give None, or the answer that it got before.

        Raises IdempotencyInFlight, IdempotencyMismatch (the key was used with another payload).
        """
        row = {"user_id": user_id, "key": key, "fingerprint": fingerprint, "created_at": self._scope.now}
        taken = self._scope.insert(schema.idempotency).values(row).on_conflict_do_nothing().returning(_I.key)
        if self._db.execute(taken).first() is not None:
            return None
        columns = (_I.fingerprint, _I.status, _I.headers, _I.body)
        first, status, headers, body = self._db.execute(select(*columns).where(*_named(user_id, key))).one()
        if first != fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key was used before with another request.")
        if status is None:
            raise IdempotencyInFlight("A request with this Idempotency-Key is being answered right now.")
        return StoredAnswer(status, headers or {}, body or "")

    def finish(self, user_id: str, key: str, answer: StoredAnswer) -> None:
        """Keep the answer of the request that took the key."""
        values = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
        self._db.execute(update(schema.idempotency).where(*_named(user_id, key)).values(values))

    def abandon(self, user_id: str, key: str) -> None:
        """Give a key back whose request ended without an answer to keep."""
        self._db.execute(delete(schema.idempotency).where(*_named(user_id, key), _I.status.is_(None)))

    def prune(self, before: datetime, *, in_flight_before: datetime | None = None) -> int:
        """Remove older answers, and keys whose request never ended; give how many."""
        old = _I.created_at < before
        stuck = and_(_I.status.is_(None), _I.created_at < in_flight_before) if in_flight_before else old
        return self._db.execute(delete(schema.idempotency).where(or_(old, stuck))).rowcount


class Settings(Repository):
    """Small values that belong to the installation."""

    def get(self, key: str, default: Any = None) -> Any:
        """Give a value of plain JSON, or ``default``."""
        row = self._db.execute(select(_K.value).where(_K.key == key)).one_or_none()
        return default if row is None else row[0]

    def put(self, key: str, value: Any) -> None:
        """Keep a value of plain JSON, in place of the one before."""
        statement = self._scope.insert(schema.settings).values(key=key, value=value)
        self._db.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

    def observer_beat(self) -> datetime | None:
        """Give when the observer last said that it watches; None where there is none."""
        lease = self.get(OBSERVER_LEASE)
        return None if lease is None else datetime.fromisoformat(lease["beaten_at"])

    def swap(self, key: str, expected: Any, value: Any) -> bool:
        """Put a value in place of the one expected (None: of none); False where there is another by now."""
        if expected is None:
            statement = self._scope.insert(schema.settings).values(key=key, value=value).on_conflict_do_nothing()
            return self._db.execute(statement.returning(_K.key)).first() is not None
        row = self._db.execute(select(_K.value).where(_K.key == key).with_for_update()).one_or_none()
        if row is None or row[0] != expected:
            return False
        self.put(key, value)
        return True

    def delete(self, key: str) -> None:
        """Forget a value."""
        self._db.execute(delete(schema.settings).where(_K.key == key))


def _named(user_id: str, key: str) -> list[ColumnElement[bool]]:
    return [_I.user_id == user_id, _I.key == key]
