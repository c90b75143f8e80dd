"""Runs one program as a child subreaper: ``python reaper.py PIDFILE PROGRAM [ARGUMENT...]``.

Where PID 1 reaps slowly, libvirtd waits for its dead QEMUs (destroying a guest takes 1.6 s instead of
0.2 s). Orphans of the program become children of this process, which reaps them at once. It uses the
standard library only, so that any Python can run it by path.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def become_subreaper() -> None:
    """Make this process the parent of its orphaned descendants (prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def main(pidfile: str, *argv: str) -> int:
    """Run ``argv``, write its process id to ``pidfile``, reap until it ended, give its exit status."""
    become_subreaper()
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    Path(pidfile).write_text(f"{child.pid}\n")
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGTERM))
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child.pid:
            Path(pidfile).unlink(missing_ok=True)
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
