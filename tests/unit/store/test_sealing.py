"""Secrets open with the right key, in their own row, unchanged; and never otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import NewUrl

from zcloud.base.clock import SystemClock
from zcloud.domain.errors import Internal
from zcloud.store import Sealer, Store

KEY, OTHER = b"k" * 32, b"o" * 32


@given(plain=st.binary(max_size=200), kind=st.text(max_size=9), owner=st.text(max_size=9))
def test_what_was_sealed_opens(plain: bytes, kind: str, owner: str) -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal(plain, kind, owner)
    assert sealer.open(sealed, kind, owner) == plain
    assert sealer.seal(plain, kind, owner) != sealed


def test_what_was_changed_or_moved_does_not_open() -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal(b"secret", "password", "alice")
    for at in range(len(sealed)):
        with pytest.raises(Internal):
            sealer.open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], "password", "alice")
    for length in range(len(sealed)):
        with pytest.raises(Internal):
            sealer.open(sealed[:length], "password", "alice")
    for kind, owner in (("password", "bob"), ("user_data", "alice"), ("passwor", "dalice")):
        with pytest.raises(Internal, match="wrong key"):
            sealer.open(sealed, kind, owner)
    with pytest.raises(Internal):
        Sealer(OTHER).open(sealed, "password", "alice")


def test_a_rotation_keeps_the_old_key_for_opening() -> None:
    old = Sealer(KEY)
    sealed = old.seal(b"secret", "a", "b")
    new = Sealer(OTHER, number=1, retired={0: KEY})
    assert new.open(sealed, "a", "b") == b"secret"
    assert new.open(new.seal(b"secret", "a", "b"), "a", "b") == b"secret"
    with pytest.raises(Internal, match="not here"):
        old.open(new.seal(b"secret", "a", "b"), "a", "b")


@pytest.mark.parametrize(("key", "number"), [(b"", 0), (b"k" * 16, 0), (KEY, 256), (KEY, -1)])
def test_keys_are_checked(key: bytes, number: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(key, number=number)


def test_secrets_in_the_store(store: Store) -> None:
    with store.write() as tx:
        tx.secrets.put("password", "i", b"one")
        tx.secrets.put("password", "i", b"two")
        tx.secrets.put("user_data", "i", b"three")
        assert (tx.secrets.get("password", "i"), tx.secrets.get("password", "x")) == (b"two", None)
        tx.secrets.delete("i", "password")
        assert (tx.secrets.get("password", "i"), tx.secrets.get("user_data", "i")) == (None, b"three")
        tx.secrets.delete("i")
        assert tx.secrets.get("user_data", "i") is None


def test_a_store_without_its_key_keeps_no_secrets(new_sqlite: NewUrl) -> None:
    store = Store(new_sqlite(), clock=SystemClock(), seal=None)
    with pytest.raises(Internal, match="sealing key"), store.write() as tx:
        tx.secrets.put("password", "i", b"one")
    store.close()
