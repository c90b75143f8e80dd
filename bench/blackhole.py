"""One of ten hosts falls silent: lists, and launches on the others, with and without that, in turns."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.lab import MEMORY_MIB
from bench.measure import MS, Check, Figure, Part, quantile, scaled, timed
from bench.served import Served, served
from zcloud.base.config import Config
from zcloud.lab import tiny
from zcloud.lab.hosts import Lab, NamespaceHost, wait_for

_LISTS, _LAUNCHES = 40, 4
_BOTH_WAYS_S = 60.0
_ALL, _ONE_SILENT = "all hosts answer", "one is black-holed"


def measure(rounds: int) -> Part:
    """Measure the same load with all hosts, and with one whose packets are dropped from the moment before."""
    count, turns = scaled(rounds, 10, 2), min(rounds, 6)
    lists: dict[str, list[float]] = {_ALL: [], _ONE_SILENT: []}
    launches: dict[str, list[float]] = {_ALL: [], _ONE_SILENT: []}
    with Lab(count) as lab, served(fill=lambda config: _authorize(config, lab.hosts[0])) as server:
        _enlist(server, lab.hosts)
        load = Load(server, [host.name for host in lab.hosts[:-1]])
        load.run([], [])  # the images are on every host then
        silent = lab.hosts[-1]
        for _ in range(turns):
            load.run(lists[_ALL], launches[_ALL])
            silent.drop_packets()
            load.run(lists[_ONE_SILENT], launches[_ONE_SILENT])
            _wait_for_state(server, silent.name, "lost")
            silent.restore_packets()
            _wait_for_state(server, silent.name, "up")
    return Part("blackhole", "One silent host", _about(count), _figures(count, lists, launches))


class Load:
    """Lists, and launches on the hosts that stay."""

    def __init__(self, server: Served, hosts: list[str]) -> None:
        self._server, self._hosts, self._number = server, hosts, 0

    def run(self, lists: list[float], launches: list[float]) -> None:
        """Do all of it once; the lists given grow by the milliseconds of each."""
        client = self._server.client
        for _ in range(_LAUNCHES):
            lists += [timed(lambda: client.get("/v1/instances", limit=50)) * MS for _ in range(_LISTS // _LAUNCHES)]
            launches.append(self._launch())

    def _launch(self) -> float:
        self._number += 1
        name, host = f"guest-{self._number}", self._hosts[self._number % len(self._hosts)]
        body = {"name": name, "image": "tiny", "vcpus": 1, "memory_mib": MEMORY_MIB, "root_size": 1 << 30, "host": host}
        client = self._server.client
        took = timed(lambda: self._server.done(client.post("/v1/instances", body))) * MS
        self._server.done(client.delete(f"/v1/instances/{name}", purge=True))
        return took


def _about(count: int) -> str:
    return (
        f"{count} namespace hosts, reached by SSH. The same load in turns: lists of instances, and launches on the "
        "hosts that stay, one after the other, until the domain runs; once while all answer, and once from the moment "
        "when all packets of one are dropped, so that finding that out is part of it."
    )


def _figures(count: int, lists: dict[str, list[float]], launches: dict[str, list[float]]) -> list[Figure]:
    return [
        Figure("blackhole.lists", f"`GET /v1/instances`, {count} hosts", "ms", lists, [_p95(lists)]),
        Figure("blackhole.launches", "Launches on the other hosts until they run", "ms", launches, [_p95(launches)]),
    ]  # fmt: skip


def _p95(series: dict[str, list[float]]) -> Check:
    before, after = (quantile(values, 0.95) for values in series.values())
    return Check("p95 with a black-holed host at most 1.1 x that without", after / before, 1.1)


def _authorize(config: Config, host: NamespaceHost) -> None:
    config.ssh_key.write_bytes(Path(host.ssh_key).read_bytes())
    config.ssh_key.with_suffix(".pub").unlink()  # it was of the key just replaced


def _enlist(server: Served, hosts: list[NamespaceHost]) -> None:
    client = server.client
    client.images.upload(tiny.tiny_image(), "tiny", public=True).wait()

    def add(number: int) -> None:
        host = hosts[number]
        access = {"address": str(host.address), "port": host.ssh_port, "user": host.ssh_user, "host_key": host.host_key}
        mine = server.new_client()
        server.done(mine.post("/v1/hosts", {"name": host.name, "cpu_ratio": 64.0, **access}))
        named = {"name": f"own-{number}", "host": host.name, "is_default": True}
        server.done(mine.post("/v1/pools", named))
        server.done(mine.post("/v1/networks", {**named, "cidr": f"192.168.{100 + number}.0/24"}))
        mine.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, range(len(hosts))))


def _wait_for_state(server: Served, host: str, state: str) -> None:
    wait_for(lambda: server.client.get(f"/v1/hosts/{host}")["state"] == state, _BOTH_WAYS_S, f"{host} is {state}")
    time.sleep(1.0)  # what was held up for it is done
