"""Runs one program that ends with its parent: ``python -m zcloud.lab.tether PROGRAM [ARGUMENT...]``.

The program is killed as soon as our standard input ends: the parent closed it, or died.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys


def main(*argv: str) -> int:
    """Run ``argv`` until it ends or standard input does; give its exit status."""
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    ended = os.pidfd_open(child.pid)
    while True:
        readable, _, _ = select.select([0, ended], [], [])
        if ended in readable or not os.read(0, 4096):
            child.kill()
            return child.wait()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
