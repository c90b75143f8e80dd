"""Lists of 10 to 10,000 instances: a page of the API, and `zcloud list` beside `virsh list`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import islice

from bench.fill import fill
from bench.lab import raw_host
from bench.measure import MS, Check, Cost, Figure, Part, alternate, at_most, command, quantile, ratio, timed
from bench.served import Served, over_fakes, served

SIZES = (10, 100, 1000, 10_000)
VIRSH_SIZES = SIZES[:3]
PAGE = 50
_REQUESTS = 100
ABOUT = (
    "A server process over SQLite, HTTPS on the loopback, one connection kept alive. A page has 50 instances with "
    "their NICs, disks, host and image names; deep pages are reached by cursor. `virsh list --all` asks the libvirtd "
    "of a namespace host with as many defined domains, over its local socket; 10,000 are left out there."
)


def measure(rounds: int) -> Part:
    """Measure lists as the store and the libvirtd grow."""
    figures: list[Figure] = []
    pages: dict[str, list[float]] = {}
    costs: dict[int, dict[str, list[Cost]]] = {}
    with raw_host() as raw, served(over_fakes("--role", "api"), fill=lambda config: fill(config, 1)) as server:
        for size in SIZES:
            fill(server.config, size)
            pages |= _pages(server, size)
            commands: dict[str, Callable[[], Cost]] = {"zcloud list": lambda: server.cli("list")}
            if size in VIRSH_SIZES:
                raw.define_many(size)
                commands["virsh list --all"] = lambda: command(["virsh", "-c", raw.uri, "list", "--all"])
            costs[size] = alternate(commands, rounds if size < SIZES[-1] else 3)
        server.stop()
        calls = json.loads((server.place / "calls.json").read_text())
    figures.append(_page_figure(pages, sum(calls.values())))
    figures += [figure for size, found in costs.items() for figure in _command_figures(size, found)]
    return Part("lists", "Lists", ABOUT, figures)


def _pages(server: Served, size: int) -> dict[str, list[float]]:
    """Give the times of first pages, and of pages deep in the list."""
    client = server.client
    client.get("/v1/instances", limit=PAGE)
    first = [timed(lambda: client.get("/v1/instances", limit=PAGE)) * MS for _ in range(_REQUESTS)]
    found = {f"first page of {size:,}": first}
    if size >= 1000:
        found[f"deep pages of {size:,}"] = list(islice(_walk(server), _REQUESTS))
    return found


def _walk(server: Served) -> Iterator[float]:
    cursor = ""
    while cursor is not None:
        begun = time.perf_counter()
        page = server.client.get("/v1/instances", limit=PAGE, cursor=cursor)
        yield (time.perf_counter() - begun) * MS
        cursor = page["next_cursor"]


def _page_figure(pages: dict[str, list[float]], calls: int) -> Figure:
    largest = [value for name, values in pages.items() if f"{SIZES[-1]:,}" in name for value in values]
    checks = [
        at_most(f"p95 at {SIZES[-1]:,} at most 50 ms", quantile(largest, 0.95), 50),
        at_most("libvirt calls on the read path: 0", calls, 0),
    ]
    return Figure("lists.page", f"`GET /v1/instances`, pages of {PAGE}", "ms", pages, checks)


def _command_figures(size: int, costs: dict[str, list[Cost]]) -> list[Figure]:
    times = {name: [each.wall * MS for each in found] for name, found in costs.items()}
    cpu = {name: [each.cpu * MS for each in found] for name, found in costs.items()}
    checks: list[Check] = []
    if size == 1000:
        ours, theirs = times.values()
        checks = [ratio("faster than `virsh list` at 1000 (ratio)", ours, theirs, 1.0)]
    return [
        Figure(f"lists.time.{size}", f"Time of a whole command, {size:,} instances", "ms", times, checks),
        Figure(f"lists.cpu.{size}", f"CPU of a whole command, {size:,} instances", "ms", cpu),
    ]
