"""``python -m bench [PART ...]``: measure, keep the results, write docs/performance.md."""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Callable

from bench import batch, blackhole, cli, crowd, hour, launch, lists, live, pages, peers, report, server, storage, upload
from bench.measure import Part, keep, machine
from zcloud.base.clock import SystemClock

PARTS: dict[str, Callable[[int], Part]] = {
    "launch": launch.measure,
    "peers": peers.measure,
    "batch": batch.measure,
    "crowd": crowd.measure,
    "lists": lists.measure,
    "pages": pages.measure,
    "live": live.measure,
    "cli": cli.measure,
    "server": server.measure,
    "hour": hour.measure,
    "blackhole": blackhole.measure,
    "upload": upload.measure,
    "storage": storage.measure,
}


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} [all]")
    parser.add_argument("--rounds", type=int, default=15, help="how often each is measured [15]")
    parser.add_argument("--quick", action="store_true", help="only see that it works: one small round, nothing is kept")
    parser.add_argument("--report", action="store_true", help="only write the document anew, from the last results")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}")
    names = () if given.report else given.parts or PARTS
    failed = [name for name in names if not _measure(name, given.rounds, quick=given.quick)]
    if not given.quick:
        print(report.write(tuple(PARTS)))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _measure(name: str, rounds: int, *, quick: bool) -> bool:
    """Measure a part; one that fails is told of and does not keep the others from being measured."""
    facts, begun = machine(), time.perf_counter()
    try:
        part = PARTS[name](1 if quick else max(rounds, 2))
    except Exception:
        traceback.print_exc()
        return False
    if not quick:
        keep(part, f"{SystemClock().now():%Y-%m-%d %H:%M} UTC", facts)
    print(f"\n# {part.title} ({time.perf_counter() - begun:.0f} s)\n")
    for figure in part.figures:
        print(f"{report.table(figure)}\n", flush=True)
    return True


if __name__ == "__main__":
    main()
