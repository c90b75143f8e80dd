"""What the server itself costs with 1000 instances: memory, and CPU for each look at the hosts."""

from __future__ import annotations

import time
from statistics import median

from bench.fill import HOSTS, fill
from bench.measure import MS, Figure, Part, at_most, memory_of
from bench.served import Served, over_fakes, served

INSTANCES = 1000
_INTERVAL_S = 2.0
_PAGES = 40
ABOUT = (
    f"`zcloud serve` (API, workers, observer) in one process over {HOSTS} fake hosts with {INSTANCES} running "
    f"instances; a look at all hosts every {_INTERVAL_S:.0f} s (10 s by default). The fakes live in the same process, "
    "so their memory and CPU count as well."
)


def measure(rounds: int) -> Part:
    """Measure memory and CPU over so many looks."""
    settings = f"[observer]\ninterval_s = {_INTERVAL_S}"
    with served(over_fakes(), settings=settings, fill=lambda config: fill(config, INSTANCES)) as server:
        time.sleep(3 * _INTERVAL_S)  # the first looks read every definition
        memory, ticks = [memory_of(server.pid)], []
        for _ in range(rounds):
            before = server.cpu
            time.sleep(_INTERVAL_S)
            ticks.append((server.cpu - before) * MS)
            memory.append(memory_of(server.pid))
        busy = _under_load(server)
        peak = memory_of(server.pid, "VmHWM")
    return Part(
        "server",
        f"The server with {INSTANCES} instances",
        ABOUT,
        [
            Figure(
                "server.memory",
                "Memory (resident)",
                "MiB",
                {
                    "idle": memory,
                    "after 40 pages of 1000": [busy],
                    "most ever (argon2 takes 64 MiB for a moment at each login)": [peak],
                },
                [at_most("at most 200 MB (191 MiB) resident, one process", busy, 200e6 / (1 << 20))],
            ),
            Figure(
                "server.tick",
                f"CPU for an interval of {_INTERVAL_S:.0f} s with one look at each of {HOSTS} hosts",
                "ms",
                {"zcloud serve": ticks},
                [at_most("one look costs at most 5 % of a core at 10 s", median(ticks), 500)],
            ),
        ],
    )


def _under_load(server: Served) -> float:
    for _ in range(_PAGES):
        server.client.get("/v1/instances", limit=1000)
    return memory_of(server.pid)
