"""Uploads beside ``cp``: a file of 2 GiB by the command line over TLS, and the server's memory meanwhile."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Check, Cost, Figure, Part, alternate, command, memory_of, ratio
from bench.served import Served, served

SIZE = 2 << 30
_MOST_ROUNDS = 5  # each writes 4 GiB
_LOOK_S = 0.05
_GROWTH_MIB = 32
ABOUT = (
    "`zcloud image import FILE --no-wait` of 2 GiB that do not compress, to `zcloud serve` over TLS on the loopback, "
    "until all bytes are there and hashed on both sides; beside `cp` of the same file on the same file system, "
    "`cp` with the data on the disk (`sync -d`), and the same bytes through one bare TLS connection between two "
    "processes that hash them, without HTTP (`bench/bare.py`): what no upload gets below. One raw image; what is "
    "kept is removed after each round."
)


def measure(rounds: int) -> Part:
    """Measure uploads and copies in turns."""
    with served() as server:
        source = server.place / "disk.raw"
        _fill(source)
        before = memory_of(server.pid)
        with _watched(server) as most:
            costs = alternate(
                {
                    "zcloud image import": lambda: _upload(server, source),
                    "bare TLS, hashed": lambda: _bare(server, source),
                    "cp": lambda: _copy(source),
                    "cp and sync": lambda: _copy(source, sync=True),
                },
                min(rounds, _MOST_ROUNDS),
            )
    rates = {name: [SIZE / each.wall / (1 << 20) for each in found] for name, found in costs.items()}
    times = {name: [each.wall for each in found] for name, found in costs.items()}
    ours, _, theirs, _ = times.values()
    cpu = {name: [each.cpu for each in found] for name, found in costs.items()}
    growth = max(most) - before
    return Part(
        "upload",
        "Uploads",
        ABOUT,
        [
            Figure(
                "upload.time",
                "Time for 2 GiB",
                "s",
                times,
                [ratio("at most 3 times that of `cp` (TLS and two digests included)", ours, theirs, 3.0)],
            ),
            Figure(
                "upload.cpu",
                "CPU of both sides",
                "s",
                cpu,
                [
                    ratio(
                        "at most 1.5 times that of bare TLS with both digests",
                        cpu["zcloud image import"],
                        cpu["bare TLS, hashed"],
                        1.5,
                    )
                ],
            ),
            Figure("upload.rate", "Throughput", "MiB/s", rates),
            Figure(
                "upload.memory",
                "Memory of the server (resident)",
                "MiB",
                {"before": [before], "most while it receives": most},
                [Check(f"grows by at most {_GROWTH_MIB} MiB", growth, _GROWTH_MIB)],
            ),
        ],
    )


def _fill(path: Path) -> None:
    piece = os.urandom(64 << 20)
    with path.open("wb") as file:
        for _ in range(SIZE // len(piece)):
            file.write(piece)
        os.fsync(file.fileno())


def _upload(server: Served, source: Path) -> Cost:
    begun = server.cpu
    sent = server.cli("image", "import", str(source), "--name", "bench", "--no-wait")
    cost = Cost(sent.wall, sent.cpu + server.cpu - begun)
    for image in server.client.get("/v1/images")["items"]:
        operation = image["operation_id"]
        if operation:
            server.client.wait(operation)
        server.done(server.client.delete(f"/v1/images/{image['id']}"))
    return cost


def _bare(server: Served, source: Path) -> Cost:
    target, tls = source.with_suffix(".bare"), server.config.tls_dir
    files = [str(each) for each in (source, target, tls / "server.pem", tls / "server.key")]
    cost = command([sys.executable, "-m", "bench.bare", *files])
    target.unlink()
    return cost


def _copy(source: Path, *, sync: bool = False) -> Cost:
    target = source.with_suffix(".copy")
    cost = command(["cp", "--reflink=never", str(source), str(target)])
    if sync:
        flushed = command(["sync", "-d", str(target)])
        cost = Cost(cost.wall + flushed.wall, cost.cpu + flushed.cpu)
    target.unlink()
    return cost


@contextmanager
def _watched(server: Served) -> Iterator[list[float]]:
    """Give a list that grows with the server's memory."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_S):
            seen.append(memory_of(server.pid))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
