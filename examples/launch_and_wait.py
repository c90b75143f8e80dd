"""Launch an instance and wait until its guest says that it is ready.

    python examples/launch_and_wait.py web --image debian-12 --flavor small

Server and secret are those of the last `zcloud login`, or of ZCLOUD_URL, ZCLOUD_CA and ZCLOUD_TOKEN.
"""

from __future__ import annotations

import argparse
import sys

from zcloud.client import ApiError, Record, connect


def main() -> int:
    """Launch what the arguments say; gives 0, or 1 after an error was told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--image", required=True)
    parser.add_argument("--flavor", default="small")
    parser.add_argument("--ready-within", type=float, default=300, metavar="SECONDS")
    given = parser.parse_args()
    try:
        with connect() as cloud:
            change = cloud.instances.create(name=given.name, image=given.image, flavor=given.flavor)
            instance = change.result(Steps())
            ready = cloud.instances.wait_ready(instance["id"], timeout_s=given.ready_within)
    except ApiError as error:
        print(f"{error} ({error.code})", *filter(None, (error.left, error.hint)), sep="\n", file=sys.stderr)
        return 1
    print(ready["name"], *(nic["address"] for nic in ready["nics"]))
    return 0


class Steps:
    """Prints each step of an operation once it is done."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, operation: Record) -> None:
        for step in operation["steps"]:
            if step["status"] == "done" and step["name"] not in self._told:
                self._told.add(step["name"])
                print(f"- {step['title']}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
