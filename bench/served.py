"""A server process as people run it, over TLS on the loopback, with a client and a command line that are signed in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import ROOT, ZCLOUD, Cost, command, cpu_of
from zcloud.base.config import Config, load
from zcloud.client import ENDED, Client, Record
from zcloud.main.setup import prepare

_START_S = 30.0
_DONE_S = 120.0
_UNIT = {"MALLOC_ARENA_MAX": "2"}  # as the service's unit sets it


class Served:
    """A running server. ``calls_file`` has what a server over fake hosts asked of them, once it has ended."""

    def __init__(self, place: Path, config: Config, argv: Sequence[str], password: str) -> None:
        self.place, self.config = place, config
        self.url = f"https://127.0.0.1:{config.server.port}"
        self.authority = str(config.tls_dir / "ca.pem")
        self.env = {"HOME": str(place), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        self.log = place / "serve.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, **_UNIT}
            )
        self._wait_until_up()
        words = ("login", "--url", self.url, "--ca", self.authority, "--user", "admin", "--password-stdin")
        subprocess.run([ZCLOUD, *words], input=password, env=self.env, text=True, check=True, capture_output=True)
        self.client = self.new_client()

    @property
    def pid(self) -> int:
        """Give its process id."""
        return self._process.pid

    @property
    def cpu(self) -> float:
        """Give the CPU seconds that it has used."""
        return cpu_of(self.pid)

    def new_client(self) -> Client:
        """Give one more connection."""
        kept = json.loads((self.place / ".config/zcloud/cli.json").read_text())
        return Client(self.url, kept["token"], ca=self.authority)

    def cli(self, *words: str) -> Cost:
        """Run a zcloud command and give its cost."""
        return command([ZCLOUD, *words], self.env)

    def done(self, accepted: Record) -> Record:
        """Wait until what was accepted is done; raises RuntimeError where it failed."""
        path, deadline = f"/v1/operations/{accepted['operation']['id']}", time.monotonic() + _DONE_S
        operation: Record = {"status": ""}
        while operation["status"] not in ENDED and time.monotonic() < deadline:
            operation = self.client.get(path, wait=30)
        if operation["status"] != "succeeded":
            raise RuntimeError(f"{operation}\n{self.log.read_text()[-3000:]}")
        return operation

    def stop(self) -> None:
        """End it as a service manager does."""
        self.client.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.config.server.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {self.log.read_text()[-1500:]}")


@dataclass(frozen=True, slots=True)
class Installation:
    """What ``zcloud init`` made, below ``place``."""

    place: Path
    config: Config
    password: str

    @property
    def file(self) -> Path:
        """Give the configuration's path."""
        return self.place / "zcloud.toml"


@contextmanager
def installed(settings: str = "") -> Iterator[Installation]:
    """Set an installation up, with more TOML in its configuration, and remove it afterwards."""
    place = Path(tempfile.mkdtemp(prefix="zcloud-bench-"))
    try:
        path = place / "zcloud.toml"
        path.write_text(f'data_dir = "{place / "data"}"\n{settings}\n[server]\nport = {_free_port()}\n')
        config = load(path)
        yield Installation(place, config, prepare(config).password)
    finally:
        shutil.rmtree(place)


@contextmanager
def served(
    program: Sequence[str] = (ZCLOUD, "serve"),
    *,
    settings: str = "",
    fill: Callable[[Config], object] = lambda _: None,
) -> Iterator[Served]:
    """Set an installation up, ``fill`` it, run ``program`` with it, and remove all of it afterwards.

    ``settings`` is more TOML for the configuration.
    """
    with installed(settings) as made:
        fill(made.config)
        server = Served(made.place, made.config, (*program, "--config", str(made.file)), made.password)
        try:
            yield server
        finally:
            server.stop()


def over_fakes(*options: str) -> tuple[str, ...]:
    """Give the program that serves over fake hosts."""
    return (sys.executable, "-m", "bench.fakeserve", *options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
