"""A whole cloud for trying: where it keeps what, and who runs it. ``zcloud lab`` is made of it.

One process, the keeper (``keeper.py``), holds the namespace hosts and the server; it is found by its process id and
start time, so that a later process with the same number is never taken for it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import zcloud
from zcloud.domain.errors import BuildFailed
from zcloud.lab.hosts import remove_leftovers

DEFAULT = Path("/var/lib/zcloud-lab")
MOST_HOSTS = 10
PROGRAMS = ("libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "sshd", "ssh-keygen", "ip", "mount", "nsenter")
_APPEAR_S, _START_S, _STOP_S = 30.0, 180.0, 60.0
_LONGEST_DIRECTORY = 44  # characters; the longest path of a Unix socket has 107 (unix(7))
_SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Process:
    """A process, named so that no other is taken for it."""

    pid: int = 0
    started: str = ""

    @classmethod
    def of(cls, pid: int) -> Process:
        """Name a process that runs now."""
        return cls(pid, _started(pid))

    @property
    def runs(self) -> bool:
        """Say whether it still runs."""
        return bool(self.pid) and _started(self.pid) == self.started != ""

    def end(self, seconds: float) -> None:
        """Ask it to end, then insist."""
        for number, wait in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                if self.runs:
                    os.kill(self.pid, number)
            if poll(lambda: not self.runs, wait):
                return


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One host of the trial."""

    name: str
    address: str
    host_key: str


@dataclass(frozen=True, slots=True)
class State:
    """What the keeper says of itself. ``stage`` is starting, ready, or failed with ``why``."""

    stage: str = "starting"
    why: str = ""
    keeper: Process = Process()
    server: Process = Process()
    url: str = ""
    bridge: str = ""
    directory: str = ""  # of the hosts
    gateway: str = ""
    hosts: tuple[HostFacts, ...] = field(default=())


class Trial:
    """The files of a trial below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config, self.password = directory / "zcloud.toml", directory / "admin-password"
        self.key, self.environment = directory / "id_ed25519", directory / "env"
        self.log, self.server_log = directory / "lab.log", directory / "serve.log"
        self._state = directory / "state.json"

    @property
    def data(self) -> Path:
        """Where the server keeps its data."""
        return self.directory / "data"

    @property
    def authority(self) -> Path:
        """The certificate by which the server is known."""
        return self.data / "tls" / "ca.pem"

    def state(self) -> State | None:
        """Give what the keeper said last, or None where there is no trial."""
        try:
            read: dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            return None
        hosts = tuple(HostFacts(**each) for each in read.pop("hosts"))
        keeper, server = (Process(**read.pop(name)) for name in ("keeper", "server"))
        return State(**read, keeper=keeper, server=server, hosts=hosts)

    def write(self, state: State) -> None:
        """Say something; it appears whole or not at all."""
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps(asdict(state), indent=1))
        part.replace(self._state)

    def prepare(self) -> None:
        """Make the directory, a configuration with a free port, the server's installation and a key for guests.

        Raises BuildFailed for a directory with something in it: it is removed with the lab.
        """
        if len(str(self.directory)) > _LONGEST_DIRECTORY:
            raise BuildFailed(f"The path {self.directory} is too long: Unix sockets of the server are below it.")
        if self.directory.exists() and any(self.directory.iterdir()):
            raise BuildFailed(f"{self.directory} is not empty.", hint="Give one that is not there yet: --dir")
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.write(State())
        self.config.write_text(f'data_dir = "{self.data}"\n\n[server]\nport = {_free_port()}\n')
        self.run("init", "--config", str(self.config), "--password-file", str(self.password))
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "zcloud-lab", "-f", str(self.key)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)

    def run(self, *words: str) -> None:
        """Run a zcloud command; raises BuildFailed with its last words."""
        done = subprocess.run(command(*words), env=environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildFailed(f"zcloud {words[0]} failed: {done.stderr.strip()[-800:]}")

    def start(self, count: int) -> State:
        """Start the keeper, which outlives us, and give its state once hosts and server are up; raises BuildFailed."""
        argv = ["setsid", "--fork", sys.executable, "-m", "zcloud.lab.keeper", str(self.directory), str(count)]
        with self.log.open("ab") as log:  # it forks, so that the keeper is no child of ours and outlives us
            subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), cwd="/", check=True
            )
        if not poll(lambda: self._now().keeper.pid != 0, _APPEAR_S):
            raise BuildFailed(f"The lab did not start: {_tail(self.log)}")
        if not poll(lambda: self._now().stage != "starting" or not self._now().keeper.runs, _START_S):
            raise BuildFailed(f"The lab did not start within {_START_S:.0f} s; see {self.log}.")
        state = self._now()
        if state.stage != "ready":
            raise BuildFailed(f"The lab did not start: {state.why or _tail(self.log)}")
        return state

    def end(self) -> bool:
        """Stop everything by its process id and remove every file; gives whether there was anything."""
        state = self.state()
        if state is None:  # then the directory is none of ours
            return False
        state.keeper.end(_STOP_S)
        state.server.end(_STOP_S)  # the keeper ends it, unless it was killed
        if state.bridge:
            remove_leftovers(state.bridge, Path(state.directory), [each.name for each in state.hosts])
        shutil.rmtree(self.directory, ignore_errors=True)
        return True

    def _now(self) -> State:
        return self.state() or State(stage="failed", why="its state is gone")


def keeper_state(bridge: str, directory: Path, gateway: str, hosts: Sequence[HostFacts]) -> State:
    """Give the state of this process as the keeper of hosts that are up."""
    return replace(
        State(keeper=Process.of(os.getpid())),
        bridge=bridge,
        directory=str(directory),
        gateway=gateway,
        hosts=tuple(hosts),
    )


def missing_programs() -> list[str]:
    """Give the programs that a lab needs and this machine has not."""
    return [name for name in PROGRAMS if shutil.which(name, path=_SBIN) is None]


def command(*words: str) -> list[str]:
    """Give the command line of a zcloud command, run by this Python."""
    return [sys.executable, "-c", "from zcloud.cli import main; main()", *words]


def environment() -> dict[str, str]:
    """Give the environment in which this zcloud is found, whatever the working directory."""
    return {**os.environ, "PYTHONPATH": str(Path(zcloud.__file__).parents[1]), "PATH": _SBIN}


def poll(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until ``condition`` holds; gives whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _started(pid: int) -> str:
    """Give when a process was started, in the kernel's ticks; nothing for one that is gone or only waits to be."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] == "Z" else words[19]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(path: Path) -> str:
    return path.read_text(errors="replace").strip()[-800:] if path.exists() else "it said nothing"
