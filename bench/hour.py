"""An hour of looks at 1000 and at 10,000 instances: memory, CPU and the store's growth."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import Any

from bench.fill import HOSTS, fill
from bench.measure import MS, ROOT, Check, Figure, Part, at_most, scaled
from bench.served import installed

_INTERVAL_S = 10
ABOUT = (
    f"The observer's looks at {HOSTS} fake hosts for one hour of a clock that is moved: listings, counters (two disks "
    "and a NIC for each guest), pools, healing and orphans as often as by default, and retention, on a real store "
    "(SQLite), in a process of its own that has all of the server imported. The fakes live in it as well. What the "
    "observer does four times a second between looks is in the part about the server."
)


def measure(rounds: int) -> Part:
    """Measure an hour of each size."""
    seconds = scaled(rounds, 3600, 120)
    sizes = (1000, 10_000) if rounds > 1 else (20,)
    found = {f"{size:,} instances": _hour(size, seconds) for size in sizes}
    return Part("hour", "An hour of looks", ABOUT, _figures(found))


def _hour(instances: int, seconds: int) -> dict[str, Any]:
    with installed() as place:
        fill(place.config, instances)
        argv = [sys.executable, "-m", "bench.hours", "--config", str(place.file), "--seconds", str(seconds)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _figures(found: dict[str, dict[str, Any]]) -> list[Figure]:
    first = next(iter(found.values()))
    memory = {
        f"{size}, {word}": [value]
        for size, each in found.items()
        for word, value in (("after 10 minutes", each["memory"][0]), ("at the end", each["memory"][-1]))
    }
    leaks = [
        Check(f"{size}: grows by at most 8 MiB from the tenth minute on", each["memory"][-1] - each["memory"][0], 8)
        for size, each in found.items()
    ]
    ticks = {size: [value * MS for value in each["ticks"]] for size, each in found.items()}
    share = median(first["ticks"]) / _INTERVAL_S * 100
    return [
        Figure("hour.memory", "Memory (resident)", "MiB", memory,
               [at_most("first: at most 200 MB (191 MiB)", first["memory"][-1], 200e6 / (1 << 20)), *leaks]),
        Figure("hour.tick", f"CPU for {_INTERVAL_S} s of looks at all hosts", "ms", ticks,
               [at_most("first: at most 5 % of a core", share, 5)]),
        Figure("hour.cpu", "CPU for the whole hour", "s", {size: [sum(each["ticks"])] for size, each in found.items()}),
        Figure("hour.store", "Growth of the store", "MiB", {size: [each["grown"]] for size, each in found.items()}),
    ]  # fmt: skip
