"""What `zcloud monitoring export` writes makes a real Prometheus read a real server, over TLS, with a token."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.api.conftest import PASSWORD, Cloud
from tests.api.serving import Cli, serve

from zcloud.base import pki

_DEADLINE_S = 40.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def prometheus(directory: Path, data: Path) -> Iterator[Callable[..., Any]]:
    """Run Prometheus with the directory's configuration; gives what asks its API."""
    address = f"127.0.0.1:{free_port()}"
    argv = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={data}",
            f"--web.listen-address={address}", "--log.level=warn"]  # fmt: skip

    def ask(path: str, **query: str) -> Any:
        url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    with (data.parent / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        yield ask
    finally:
        process.terminate()
        process.wait(20)


def wait_for(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        try:
            found = look()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)


def test_prometheus_reads_the_server_with_what_was_exported(cloud: Cloud, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = pki.ensure_authority(tmp_path / "tls", now)
    pair = pki.ensure_server(tmp_path / "tls", ("127.0.0.1",), now)
    out = tmp_path / "watch"
    with serve(cloud.app, tls=pair) as url:
        cli = Cli(tmp_path, url)
        cli.ok("login", "--ca", str(authority), "--user", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
        cli.ok("monitoring", "export", str(out))
        (out / "zcloud.token").write_text(cli.ok("token", "create", "prometheus", "--role", "viewer").out)
        os.chmod(out / "zcloud.token", 0o600)
        config = out / "prometheus.yml"
        config.write_text(config.read_text().replace("15s", "1s"))
        with prometheus(out, tmp_path / "data") as ask:
            [target] = wait_for(
                lambda: [each for each in ask("targets")["activeTargets"] if each["health"] != "unknown"]
            )
            assert (target["health"], target["lastError"]) == ("up", "")
            assert target["scrapeUrl"] == f"{url}/metrics"
            [running] = wait_for(lambda: ask("query", query='zcloud_instances{status="running"}')["result"])
            assert running["value"][1] == "2"
            rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
            assert len(rules) > 15
            wait_for(lambda: all(each["health"] == "ok" for group in ask("rules")["groups"] for each in group["rules"]))


def test_export_leaves_what_is_there(cloud: Cloud, tmp_path: Path) -> None:
    with serve(cloud.app) as url:
        cli = Cli(tmp_path, url)
        cli.ok("monitoring", "export", str(tmp_path / "out"))
        rules = tmp_path / "out" / "zcloud.rules.yml"
        rules.write_text("mine")
        again = cli.run("monitoring", "export", str(tmp_path / "out"))
        assert (again.code, "--force" in again.err, rules.read_text()) == (4, True, "mine")
        cli.ok("monitoring", "export", str(tmp_path / "out"), "--force")
        assert rules.read_text() != "mine"
        assert "scheme: http\n" in (tmp_path / "out" / "prometheus.yml").read_text()
