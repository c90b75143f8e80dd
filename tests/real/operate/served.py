"""An installation for tests: ``zcloud init``, ``serve`` and everything else as a person types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zcloud.client import Client

ROOT = Path(__file__).resolve().parents[3]
ZCLOUD = [sys.executable, "-c", "from zcloud.cli import main; main()"]
OBSERVER = "[observer]\ninterval_s = 1.0\nreadiness_interval_s = 0.5\norphans_interval_s = 1.0\n"


class Served:
    """One installation below ``base`` and its server; ``home`` is where a person's login is kept."""

    def __init__(self, base: Path, home: Path) -> None:
        base.mkdir()
        self.base, self.data, self.config = base, base / "data", base / "zcloud.toml"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.config.write_text(f'data_dir = "{self.data}"\n[server]\nport = {self.port}\n{OBSERVER}')
        self.environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT / "src")}
        self._process: subprocess.Popen[bytes] | None = None

    def init(self, probe_kit: Path) -> None:
        """Set it up."""
        shutil.copytree(probe_kit, self.data / "probe-kit")
        self.zcloud("init", "--config", str(self.config), "--password-file", str(self.base / "password"))

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a zcloud command."""
        return subprocess.run(
            [*ZCLOUD, *words],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=400,  # a loaded machine
            check=False,
        )

    def zcloud(self, *words: str, stdin: str = "") -> str:
        """Run a zcloud command and insist that it succeeds."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.log())
        return done.stdout

    def json(self, *words: str) -> Any:
        """Run a zcloud command and give what it printed as JSON."""
        return json.loads(self.zcloud(*words, "-o", "json"))

    def start(self, password: str = "") -> None:
        """Start the server; with a password, sign in as its first admin."""
        with (self.base / "server.log").open("ab") as log:
            argv = [*ZCLOUD, "serve", "--config", str(self.config)]
            self._process = subprocess.Popen(argv, env=self.environment, stdout=log, stderr=log)
        until(self._listens, 60, self.log)
        if not password:
            return
        words = ("--url", f"https://127.0.0.1:{self.port}", "--ca", str(self.data / "tls/ca.pem"))
        self.zcloud("login", *words, "--user", "admin", "--password-stdin", stdin=password)

    def stop(self) -> None:
        """Stop the server, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """End the server as a loss of power does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)
        self._process = None

    def client(self) -> Client:
        """Give the library's client, as whoever is signed in."""
        kept = json.loads((Path(self.environment["HOME"]) / ".config/zcloud/cli.json").read_text())
        return Client(kept["url"], kept["token"], ca=str(self.data / "tls/ca.pem"))

    def log(self) -> str:
        """Give the end of the server's log."""
        path = self.base / "server.log"
        return path.read_text()[-3000:] if path.exists() else ""

    def _listens(self) -> bool:
        assert self._process is None or self._process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def until(look: Callable[[], Any], timeout_s: float, tell: Callable[[], object] = str) -> Any:
    """Poll until ``look`` gives something; raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come: {tell()}")
        time.sleep(0.2)
    return found
