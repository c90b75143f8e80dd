"""Requests go first, and nobody waits for ever."""

from __future__ import annotations

import threading
import time

import pytest

from zcloud.store import precedence as module
from zcloud.store.precedence import Precedence

LONG_S = 60.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", LONG_S)


def test_nobody_waits_for_nobody() -> None:
    began = time.monotonic()
    Precedence().give_way()
    assert time.monotonic() - began < LONG_S


def test_others_wait_until_the_last_of_the_first_is_through() -> None:
    precedence, order = Precedence(), list[str]()

    def other() -> None:
        precedence.give_way()
        order.append("other")

    with precedence.first():
        with precedence.first():
            thread = threading.Thread(target=other)
            thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


def test_a_stream_of_requests_keeps_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    precedence = Precedence()
    with precedence.first():
        precedence.give_way()


def test_an_error_gives_the_way_free() -> None:
    precedence = Precedence()
    with pytest.raises(KeyError), precedence.first():
        raise KeyError
    began = time.monotonic()
    precedence.give_way()
    assert time.monotonic() - began < LONG_S
