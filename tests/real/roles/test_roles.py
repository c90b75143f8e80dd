"""Three processes over one PostgreSQL: the API answers, another one works, a third one watches."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.client import Client
from zcloud.testing.postgres import Postgres

_NUMBERS = itertools.count()
ROOT = Path(__file__).resolve().parents[3]
ZCLOUD = [sys.executable, "-c", "from zcloud.cli import main; main()"]


class Installation:
    """An installation on PostgreSQL whose roles run in processes of their own."""

    def __init__(self, base: Path, url: str, probe_kit: Path) -> None:
        self.base = base
        self.config = base / "zcloud.toml"
        with socket.socket() as free, socket.socket() as other:
            free.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self.port, self.metrics_port = free.getsockname()[1], other.getsockname()[1]
        shutil.copytree(probe_kit, base / "data/probe-kit")
        self.config.write_text(f'data_dir = "{base}/data"\nstore_url = "{url}"\n[server]\nport = {self.port}\n')
        self.environment = {**os.environ, "HOME": str(base), "PYTHONPATH": str(ROOT / "src")}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.zcloud("init", "--config", str(self.config), "--password-file", str(base / "password"))

    def zcloud(self, *words: str, stdin: str = "") -> str:
        """Run a zcloud command and insist that it succeeds."""
        done = subprocess.run(
            [*ZCLOUD, *words],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.log())
        return done.stdout

    def start(self, role: str, *options: str) -> None:
        """Start one role."""
        with (self.base / f"{role}.log").open("ab") as log:
            argv = [*ZCLOUD, "serve", "--config", str(self.config), "--role", role, *options]
            self.processes[role] = subprocess.Popen(argv, env=self.environment, stdout=log, stderr=log)

    def log(self) -> str:
        """Give the ends of all logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in self.base.glob("*.log"))

    def login(self) -> None:
        """Sign in as the first admin, once the API listens."""
        deadline = time.monotonic() + 120
        while not self._listens():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)
        words = ("--url", f"https://127.0.0.1:{self.port}", "--ca", str(self.base / "data/tls/ca.pem"))
        self.zcloud("login", *words, "--user", "admin", "--password-stdin", stdin=(self.base / "password").read_text())

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Stop all roles."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            assert process.wait(30) == 0, self.log()


@pytest.fixture
def installation(postgres: Postgres, probe_kit: Path, tmp_path: Path) -> Iterator[Installation]:
    """Give an installation with its three roles running."""
    made = Installation(tmp_path, postgres.create_database(f"roles_{next(_NUMBERS)}"), probe_kit)
    for role in ("api", "observer"):
        made.start(role)
    made.start("worker", "--metrics-port", str(made.metrics_port))
    made.login()
    yield made
    made.stop()


def test_each_role_does_its_part(installation: Installation, tiny_image: Path) -> None:
    told = installation.zcloud("image", "import", str(tiny_image), "--name", "tiny", "--public", "--user", "root")
    assert told
    image = json.loads(installation.zcloud("image", "show", "tiny", "-o", "json"))
    assert (image["state"], image["format"]) == ("ready", "qcow2")
    kinds = {each["kind"] for each in json.loads(installation.zcloud("event", "list", "-o", "json"))}
    assert {"operation.started", "operation.ended"} <= kinds
    with urllib.request.urlopen(f"http://127.0.0.1:{installation.metrics_port}/metrics", timeout=60) as answer:
        own = answer.read().decode()
    labels = 'outcome="succeeded",resource="image",verb="import"'
    assert f"zcloud_operation_duration_seconds_count{{{labels}}} 1.0\n" in own
    url, authority = f"https://127.0.0.1:{installation.port}", installation.base / "data/tls/ca.pem"
    with Client(url, ca=str(authority)) as client:
        assert [each["ok"] for each in client.get("/readyz")["checks"]] == [True] * 4


def test_a_killed_worker_is_replaced_by_the_next(installation: Installation, tiny_image: Path) -> None:
    killed = installation.processes.pop("worker")
    killed.kill()
    killed.wait()
    told = installation.zcloud(
        "image", "import", str(tiny_image), "--name", "later", "--public", "--no-wait", "-o", "json"
    )
    assert told
    installation.start("worker")
    deadline = time.monotonic() + 40
    while json.loads(installation.zcloud("image", "show", "later", "-o", "json"))["state"] != "ready":
        assert time.monotonic() < deadline, installation.log()
        time.sleep(0.3)
