"""One instance: zcloud's launch beside raw libvirt from Python and virt-install, on one host in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from bench.lab import RawHost, instance, real_cloud
from bench.measure import MS, Figure, Part, at_most, ratio, timed
from bench.served import Served

ABOUT = (
    "A namespace host with its own libvirtd, reached by zcloud over SSH (agentless, as any other host), by the others "
    "over its local socket. The guest is the tiny one, 128 MiB, one vCPU, one NAT network; the raw floor defines what "
    "virt-install writes. zcloud's launch also admits, claims, writes the seed, reserves address and name, and sets "
    "the rules against forged addresses. The three alternate; what is made is removed between, outside the timing."
)


class Race:
    """The ways to bring a guest up, each removing it again."""

    def __init__(self, server: Served, raw: RawHost) -> None:
        self.server, self.raw = server, raw
        self.answered: list[float] = []
        self._number = 0

    def name(self) -> str:
        """Give a name that was not used yet."""
        self._number += 1
        return f"race-{self._number}"

    def floor(self) -> float:
        """Time raw libvirt from Python until the domain runs."""
        name = self.name()
        took = timed(lambda: self.raw.launch(name))
        self.raw.remove(name)
        return took

    def virt_install(self) -> float:
        """Time virt-install until the domain runs."""
        name = self.name()
        took = self.raw.run_virt_install(name).wall
        self.raw.remove(name)
        return took

    def zcloud(self) -> float:
        """Time a launch until the domain runs; the answer's time is kept in ``answered``."""
        name = self.name()
        begun = time.perf_counter()
        accepted = self.server.client.post("/v1/instances", instance(name))
        self.answered.append(time.perf_counter() - begun)
        ran = self.raw.until_running(accepted["resource"]["id"])
        took = time.perf_counter() - begun
        self.server.done(accepted)  # tells why where it does not run
        assert ran
        self.remove(name)
        return took

    def create_raw(self) -> tuple[float, float]:
        """Give time and CPU (ours) of an overlay and a definition by raw libvirt."""
        name, before = self.name(), time.process_time()
        took = timed(lambda: self.raw.create(name))
        cpu = time.process_time() - before
        self.raw.remove(name)
        return took, cpu

    def create(self) -> tuple[float, float]:
        """Give time and CPU (the server's) of a create without start, to its end."""
        name, before = self.name(), self.server.cpu
        took = timed(lambda: self.server.done(self.server.client.post("/v1/instances", instance(name, start=False))))
        cpu = self.server.cpu - before
        self.remove(name)
        return took, cpu

    def remove(self, name: str) -> None:
        """Delete an instance."""
        self.server.done(self.server.client.delete(f"/v1/instances/{name}", purge=True))


def measure(rounds: int) -> Part:
    """Measure launches and creates."""
    with real_cloud() as (server, raw):
        race = Race(server, raw)
        ways: dict[str, Callable[[], float]] = {
            "zcloud launch": race.zcloud,
            "raw libvirt": race.floor,
            "virt-install --import": race.virt_install,
        }
        for way in ways.values():
            way()
        race.answered.clear()
        running: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                running[name].append(way() * MS)
        creates = [(race.create(), race.create_raw()) for _ in range(rounds)]
    answered = [each * MS for each in race.answered]
    return Part("launch", "Launch", ABOUT, [*_launches(running, answered), *_creates(creates)])


def _launches(running: dict[str, list[float]], answered: list[float]) -> list[Figure]:
    ours, floor, peer = running.values()
    return [
        Figure("launch.answer", "`POST /v1/instances` to its 202", "ms", {"zcloud launch": answered},
               [at_most("answered in at most 50 ms", median(answered), 50)]),
        Figure("launch.running", "From nothing to a running domain", "ms", running,
               [ratio("at most 1.2 x the floor", ours, floor, 1.2),
                ratio("faster than virt-install", ours, peer, 1.0)]),
    ]  # fmt: skip


def _creates(creates: list[tuple[tuple[float, float], tuple[float, float]]]) -> list[Figure]:
    times = {"zcloud": [ours[0] * MS for ours, _ in creates], "raw libvirt": [raw[0] * MS for _, raw in creates]}
    cpu = {"zcloud serve": [ours[1] * MS for ours, _ in creates], "raw libvirt": [raw[1] * MS for _, raw in creates]}
    over = median(cpu["zcloud serve"]) - median(cpu["raw libvirt"])
    return [
        Figure("launch.create", "Create without start: overlay and definition", "ms", times),
        Figure("launch.create_cpu", "The same, CPU of the process that drives libvirt", "ms", cpu,
               [at_most("at most 50 ms CPU over the floor", over, 50)]),
    ]  # fmt: skip
