"""PID 1 of a namespace host: ``python -m zcloud.lab.holder NAME``, started by ``zcloud.lab.hosts``.

It makes the namespaces, answers the process id of PID 1 in them, reads one line of JSON (``hostroot.Plan``) from
standard input, sets the host up, answers ``ready``, and from then on only reaps. When its standard input
ends (the lab stopped it, or died) it exits, and the kernel ends all processes of the host with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import traceback
from contextlib import suppress

from zcloud.lab import cgroups, hostroot

# unshare(2)
_CLONE_NEWNS, _CLONE_NEWCGROUP, _CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
_CLONE_NEWIPC, _CLONE_NEWPID, _CLONE_NEWNET = 0x08000000, 0x20000000, 0x40000000
ALL_NAMESPACES = _CLONE_NEWNS | _CLONE_NEWCGROUP | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWPID | _CLONE_NEWNET


def main(name: str) -> int:
    """Make the namespaces and stay until PID 1 in them has ended."""
    cgroups.enter(name)
    if ctypes.CDLL(None, use_errno=True).unshare(ALL_NAMESPACES):
        raise OSError(ctypes.get_errno(), "unshare")
    cgroups.settle(name)
    child = os.fork()
    if child == 0:
        _be_pid_one()
    print(child, flush=True)
    # Only PID 1 may see the end of standard input.
    os.close(0)
    os.waitpid(child, 0)
    return 0


def _be_pid_one() -> None:
    status = 1
    try:
        plan = hostroot.Plan(**json.loads(_read_line()))
        hostroot.build(plan)
        hostroot.start_daemons()
        print("ready", flush=True)
        _reap_until_end_of_input()
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stderr.flush()
        os._exit(status)


def _read_line() -> bytes:
    """Read one line without buffering, so that nothing of standard input is lost."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def _reap_until_end_of_input() -> None:
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        readable, _, _ = select.select([0, wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
        if 0 in readable and not os.read(0, 4096):
            return


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
