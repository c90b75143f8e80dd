"""Fifty real guests: zcloud beside a loop over raw libvirt, until all of them run."""

from __future__ import annotations

import time

from bench.lab import RawHost, instance, real_cloud
from bench.measure import MS, Figure, Part, at_most, ratio, scaled
from bench.served import Served

_MEMORY_MIB = 96
_MOST_ROUNDS = 2


def measure(rounds: int) -> Part:
    """Measure both, one after the other."""
    count = scaled(rounds, 50, 3)
    answers: list[float] = []
    wall: dict[str, list[float]] = {"zcloud": [], "raw libvirt loop": []}
    cpu: dict[str, list[float]] = {"zcloud serve": [], "raw libvirt loop": []}
    with real_cloud() as (server, raw):
        for number in range(min(rounds, _MOST_ROUNDS)):
            crowd = Crowd(server, raw, [f"crowd-{number}-{each}" for each in range(count)])
            for times, costs, (took, used) in zip(
                wall.values(), cpu.values(), (crowd.ours(answers), crowd.theirs()), strict=True
            ):
                times.append(took)
                costs.append(used * MS / count)
    return Part("crowd", f"{count} real guests", _about(count), _figures(count, answers, wall, cpu))


class Crowd:
    """Guests of these names, made in one way, then in the other, and removed again outside the timing."""

    def __init__(self, server: Served, raw: RawHost, names: list[str]) -> None:
        self._server, self._raw, self._names = server, raw, names

    def ours(self, answers: list[float]) -> tuple[float, float]:
        """Give seconds until all run and the server's CPU; ``answers`` grows by the time of each 202 (ms)."""
        begun, before, accepted = time.perf_counter(), self._server.cpu, []
        for name in self._names:
            asked = time.perf_counter()
            body = {**instance(name), "memory_mib": _MEMORY_MIB}
            accepted.append(self._server.client.post("/v1/instances", body))
            answers.append((time.perf_counter() - asked) * MS)
        for each in accepted:
            self._server.done(each)
        took, used = time.perf_counter() - begun, self._server.cpu - before
        if not all(self._raw.until_running(each["resource"]["id"]) for each in accepted):
            raise RuntimeError("not all guests run")
        for gone in [self._server.client.delete(f"/v1/instances/{name}", purge=True) for name in self._names]:
            self._server.done(gone)
        return took, used

    def theirs(self) -> tuple[float, float]:
        """Give seconds until all run and our own CPU."""
        begun, before = time.perf_counter(), time.process_time()
        for name in self._names:
            self._raw.launch(name, memory_mib=_MEMORY_MIB)
        took, used = time.perf_counter() - begun, time.process_time() - before
        for name in self._names:
            self._raw.remove(name)
        return took, used


def _about(count: int) -> str:
    return (
        f"{count} tiny guests of {_MEMORY_MIB} MiB on one namespace host: one client asks for them one after the "
        "other and zcloud's workers make them meanwhile; beside overlay, definition and start in a loop over raw "
        "libvirt from Python. Until all domains run; each guest begins to boot at once, without KVM on the same cores."
    )


def _figures(
    count: int, answers: list[float], wall: dict[str, list[float]], cpu: dict[str, list[float]]
) -> list[Figure]:
    ours, theirs = wall.values()
    return [
        Figure("crowd.wall", f"From nothing to {count} running domains", "s", wall,
               [ratio("at most 1.05 x the raw loop", ours, theirs, 1.05)]),
        Figure("crowd.cpu", "CPU of the process that drives libvirt, for each guest", "ms", cpu),
        Figure("crowd.answers", "Each answer meanwhile (202)", "ms", {"zcloud": answers},
               [at_most("answers for all within 3 s", sum(answers) / MS / len(ours), 3.0)]),
    ]  # fmt: skip
