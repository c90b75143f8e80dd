"""Print what happens, and go on where it was after a restart: no event is missed, none comes twice.

python examples/follow_events.py --state /var/tmp/zcloud.seq --kind instance. --kind host.
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path

from zcloud.client import connect


def main() -> int:
    """Follow for ever, or for so many events."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path, required=True, help="where the last event's number is kept")
    parser.add_argument("--kind", action="append", default=[], help="only these; `instance.` means all of them")
    parser.add_argument("--count", type=int, help="end after so many")
    given = parser.parse_args()
    after = given.state.read_text().strip() if given.state.exists() else ""
    with connect() as cloud:
        for event in islice(cloud.events.follow(after, kind=given.kind), given.count):
            print(event["time"], event["kind"], event["resource_name"], event["message"], flush=True)
            part = given.state.with_suffix(".part")  # whole or not at all, whatever ends us
            part.write_text(f"{event['seq']}\n")
            part.replace(given.state)
    return 0


if __name__ == "__main__":
    sys.exit(main())
