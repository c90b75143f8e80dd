"""What a guest's agent says of vCPUs and memory blocks, and what to ask it to switch on. Its word is hostile."""

from __future__ import annotations

from typing import Any

_MOST = 65536


def offline_vcpus(answer: Any) -> list[dict[str, Any]]:
    """Give what ``guest-set-vcpus`` takes to switch on those that ``guest-get-vcpus`` calls offline."""
    return _offline(answer, "logical-id")


def offline_blocks(answer: Any) -> list[dict[str, Any]]:
    """Give what ``guest-set-memory-blocks`` takes to switch on those that ``guest-get-memory-blocks`` calls offline."""
    return _offline(answer, "phys-index")


def _offline(answer: Any, name: str) -> list[dict[str, Any]]:
    found = []
    for each in answer if isinstance(answer, list) else []:
        number = each.get(name) if isinstance(each, dict) else None
        if type(number) is int and 0 <= number < 1 << 32 and each.get("online") is False:
            found.append({name: number, "online": True})
    return found[:_MOST]
