"""Many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_threads(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Run all at once, each in a thread of its own, and give their results; raises what the first to fail raised."""
    listed = list(calls)
    with ThreadPoolExecutor(len(listed)) as pool:
        futures = [pool.submit(call) for call in listed]
        return [future.result(timeout=120) for future in futures]
