"""Start, stop or restart all instances with a tag, at once; tell of each that could not.

python examples/bulk_by_tag.py ci stop
"""

from __future__ import annotations

import argparse
import sys

from zcloud.client import ApiError, Change, Client, connect
from zcloud.client.types import Instance


def main() -> int:
    """Do it; gives how many did not end well (at most 100)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tag")
    parser.add_argument("verb", choices=("start", "stop", "restart"))
    given = parser.parse_args()
    failed = 0
    with connect() as cloud:
        begun = {}
        for instance in cloud.instances.list(tag=given.tag):
            try:
                begun[instance["name"]] = ask(cloud, instance, given.verb)
            except ApiError as error:
                failed += 1
                print(f"{instance['name']}: {error} ({error.code})", file=sys.stderr)
        for name, change in begun.items():
            try:
                change.wait()
                print(f"{name}: done")
            except ApiError as error:
                failed += 1
                print(f"{name}: {error} {error.left}", file=sys.stderr)
    return min(failed, 100)


def ask(cloud: Client, instance: Instance, verb: str) -> Change[Instance]:
    """Begin the verb; nothing waits for it yet, so that all run side by side."""
    return cloud.instances.act(instance["id"], verb)


if __name__ == "__main__":
    sys.exit(main())
