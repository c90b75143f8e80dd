"""Many instances at once: 50 answers over fake hosts, and 8 real guests until each has its address."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from bench.fill import fill
from bench.lab import RawHost, instance, real_cloud
from bench.measure import Figure, Part, at_most, ratio
from bench.served import Served, over_fakes, served
from zcloud.client import Record

ADMITTED, CLIENTS, REAL = 50, 8, 8
ABOUT = (
    f"{ADMITTED} launches over ten fake hosts (admission, store and workers are real), from one client and from "
    f"{CLIENTS} at once. Then {REAL} real tiny guests until each answers a ping at its address, beside a loop over "
    "raw libvirt; both take turns on one namespace host, and nearly all of the time is the guests' own boot."
)


def measure(rounds: int) -> Part:
    """Measure both batches."""
    one, many, running = [], [], []
    with served(over_fakes(), fill=lambda config: fill(config, 1)) as server:
        for number in range(min(rounds, 5)):
            one.append(_admit(server, f"one-{number}", 1)[0])
            answered, ran = _admit(server, f"many-{number}", CLIENTS)
            many.append(answered)
            running.append(ran)
    series = {"one client": one, f"{CLIENTS} clients": many, f"{CLIENTS} clients, until all run (fake hosts)": running}
    figures = [
        Figure("batch.answers", f"Answers for {ADMITTED} launches", "s", series,
               [at_most("answers for all within 3 s", max(one + many), 3.0)]),
    ]  # fmt: skip
    with real_cloud() as (server, raw):
        real: dict[str, list[float]] = {"zcloud": [], "raw libvirt loop": []}
        for number in range(min(rounds, 3)):
            real["zcloud"].append(_real(server, raw, f"batch-{number}"))
            real["raw libvirt loop"].append(_raw(raw, f"raw-{number}"))
    checks = [ratio("at most 1.05 x the raw loop", real["zcloud"], real["raw libvirt loop"], 1.05)]
    figures.append(Figure("batch.addresses", f"{REAL} guests until all answer at their address", "s", real, checks))
    return Part("batch", "Many at once", ABOUT, figures)


def _admit(server: Served, prefix: str, clients: int) -> tuple[float, float]:
    """Give the seconds until all are answered, and until all are made."""
    names = [f"{prefix}-{number}" for number in range(ADMITTED)]
    connections = [server.new_client() for _ in range(clients)]

    def launch(client: int) -> list[Record]:
        return [connections[client].post("/v1/instances", instance(name)) for name in names[client::clients]]

    with ThreadPoolExecutor(clients) as pool:
        begun = time.perf_counter()
        accepted = [each for found in pool.map(launch, range(clients)) for each in found]
        answered = time.perf_counter() - begun
    for each in accepted:
        server.done(each)
    ran = time.perf_counter() - begun
    for connection in connections:
        connection.close()
    _remove(server, names)
    return answered, ran


def _remove(server: Served, names: list[str]) -> None:
    for accepted in [server.client.delete(f"/v1/instances/{name}", purge=True) for name in names]:
        server.done(accepted)


def _real(server: Served, raw: RawHost, prefix: str) -> float:
    names = [f"{prefix}-{number}" for number in range(REAL)]
    begun = time.perf_counter()
    accepted = [server.client.post("/v1/instances", instance(name)) for name in names]
    raw.until_reachable(server.client.get(f"/v1/instances/{name}")["nics"][0]["address"] for name in names)
    took = time.perf_counter() - begun
    for each in accepted:
        server.done(each)
    _remove(server, names)
    return took


def _raw(raw: RawHost, prefix: str) -> float:
    names = [f"{prefix}-{number}" for number in range(REAL)]
    known = raw.leases()
    begun = time.perf_counter()
    for name in names:
        raw.launch(name)
    raw.until_reachable(raw.until_leased(known, REAL))
    took = time.perf_counter() - begun
    for name in names:
        raw.remove(name)
    return took
