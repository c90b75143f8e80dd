"""Sets of CPUs or NUMA nodes as Linux and libvirt write them: ``0-3,8``; and which vCPU may run on which of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from zcloud.domain.errors import InvalidInput

MAX_CPU = 8191
_PART = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", re.ASCII)


def parse_cpuset(text: str, field: str) -> frozenset[int]:
    """Give the numbers of ``0-3,8``; raises InvalidInput naming the field."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last or last > MAX_CPU:
            raise InvalidInput(f"{text[:80]!r} is not a set of numbers such as 0-3,8.", field=field)
        numbers.update(range(first, last + 1))
    return frozenset(numbers)


def format_cpuset(numbers: Iterable[int]) -> str:
    """Give numbers as ``0-3,8``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def parse_pins(text: str, vcpus: int, field: str) -> dict[int, frozenset[int]]:
    """Give the CPUs of each vCPU from ``4-7`` (all of them) or ``0=4;1=5,6``; raises InvalidInput.

    A vCPU that is not named runs anywhere.
    """
    if not text:
        return {}
    if "=" not in text:
        return dict.fromkeys(range(vcpus), parse_cpuset(text, field))
    pins: dict[int, frozenset[int]] = {}
    for each in text.split(";"):
        vcpu, _, cpus = each.partition("=")
        number = vcpu.strip()
        if not (number.isascii() and number.isdigit()) or int(number) >= vcpus or int(number) in pins:
            raise InvalidInput(f"{each[:40]!r} does not name one of {vcpus} vCPUs, or names it twice.", field=field)
        pins[int(number)] = parse_cpuset(cpus, field)
    return pins
