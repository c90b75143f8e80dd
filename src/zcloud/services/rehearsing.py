"""A change that is tried and undone, so that people see what it would come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from zcloud.store import Store, Tx

T = TypeVar("T")


class _Undone(Exception):
    """Ends the transaction, so that nothing of it is kept."""

    def __init__(self, found: Any) -> None:
        super().__init__("rehearsed")
        self.found = found


def rehearse(store: Store, work: Callable[[Tx], T]) -> T:
    """Do ``work`` in a transaction that is undone, and give what it found; raises what it raises."""

    def undone(tx: Tx) -> None:
        raise _Undone(work(tx))

    try:
        store.transact(undone)
    except _Undone as done:
        found: T = done.found
        return found
    raise AssertionError("a rehearsal always ends by being undone")
