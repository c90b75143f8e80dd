"""Starts libvirtd where no service manager runs: in containers, in continuous integration, in demos."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from zcloud.domain.errors import BuildFailed
from zcloud.lab import reaper

SOCKET = Path("/run/libvirt/libvirt-sock")
STATE_DIR = Path("/run/zcloud-lab")
CONFIG = Path("/etc/libvirt/libvirtd.conf")
_START_SECONDS = 20.0
_STOP_SECONDS = 15.0
_DAEMONS = ("libvirtd", "virtlogd")  # in the order to stop them


@dataclass(frozen=True)
class Started:
    """What ``ensure_running`` found or did: ``already`` is true when a libvirtd answered before."""

    socket: Path
    already: bool


def answers(path: Path = SOCKET) -> bool:
    """Tell whether something accepts connections on the Unix socket ``path``."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def ensure_running(state_dir: Path = STATE_DIR) -> Started:
    """Have a system libvirtd; start virtlogd and libvirtd unless one answers.

    Process ids and logs go to ``state_dir``. A ``host_uuid`` is set in libvirtd.conf when there is none,
    because on machines without DMI libvirtd would take a new one at every start. Raises ``BuildFailed``
    when it does not answer within 20 s.
    """
    if answers():
        return Started(SOCKET, already=True)
    state_dir.mkdir(parents=True, exist_ok=True)
    Path("/var/log/libvirt/qemu").mkdir(parents=True, exist_ok=True)
    ensure_host_uuid(CONFIG)
    if not answers(Path("/run/libvirt/virtlogd-sock")):
        _start(state_dir, "virtlogd")
    _start(state_dir, "libvirtd")
    wait_for_socket(SOCKET, state_dir / "libvirtd.log")
    return Started(SOCKET, already=False)


def stop(state_dir: Path = STATE_DIR) -> list[str]:
    """Stop what ``ensure_running`` started, and nothing else; give the names of what was stopped.

    Running guests keep running, as they do when libvirtd restarts.
    """
    return [name for name in _DAEMONS if _stop(state_dir / f"{name}.pid", name)]


def ensure_host_uuid(config: Path) -> None:
    """Append a random ``host_uuid`` to a libvirtd.conf that sets none."""
    text = config.read_text() if config.exists() else ""
    if not re.search(r"^\s*host_uuid\s*=", text, re.MULTILINE):
        config.write_text(f'{text.rstrip()}\nhost_uuid = "{uuid4()}"\n')


def wait_for_socket(path: Path, log: Path, seconds: float = _START_SECONDS) -> None:
    """Wait until ``path`` accepts connections; raise ``BuildFailed`` with the log's end when it does not."""
    deadline = time.monotonic() + seconds
    while not answers(path):
        if time.monotonic() > deadline:
            words = log.read_text(errors="replace")[-800:] if log.exists() else "no log"
            raise BuildFailed(f"nothing answers on {path}: {words}")
        time.sleep(0.02)


def pid_in(pidfile: Path, program: str) -> int | None:
    """Give the process id in ``pidfile`` if that process runs ``program``, else None."""
    try:
        pid = int(pidfile.read_text())
        running = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    # The kernel keeps 15 characters of the name.
    return pid if running == program[:15] else None


def _start(state_dir: Path, program: str) -> None:
    with (state_dir / f"{program}.log").open("ab") as log:
        # setsid forks, so that the daemon is no child of ours and outlives us.
        subprocess.run(
            ["setsid", "--fork", sys.executable, reaper.__file__, state_dir / f"{program}.pid", program],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            check=True,
        )


def _stop(pidfile: Path, program: str) -> bool:
    pid = pid_in(pidfile, program)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while pid_in(pidfile, program) is not None:
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.02)
    pidfile.unlink(missing_ok=True)
    return True
