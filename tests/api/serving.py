"""The API on a loopback port, and the CLI as people run it: another process, its own home directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI

PROGRAM = (sys.executable, "-c", "from zcloud.cli import main; main()")
_DEADLINE_S = 40


@contextmanager
def serve(
    app: FastAPI,
    *,
    ws: Literal["none", "websockets-sansio"] = "none",
    tls: tuple[Path, Path] | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Serve an application on a port of the loopback (0: a free one); gives its URL. ``tls``: certificate, key."""
    certificate, key = tls or (None, None)
    config = uvicorn.Config(
        app,
        port=port,
        log_level="warning",
        ws=ws,
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + _DEADLINE_S
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_DEADLINE_S)
        assert not thread.is_alive()


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Give what it printed, as JSON."""
        return json.loads(self.out)


@dataclass(slots=True)
class Cli:
    """Runs ``zcloud`` as one person at one server."""

    home: Path
    url: str
    environment: dict[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """Give the environment of a command."""
        given = {"HOME": str(self.home), "PATH": os.environ["PATH"], "ZCLOUD_URL": self.url, "LC_ALL": "C.UTF-8"}
        python_path = os.pathsep.join(each for each in sys.path if each)
        return {**given, "PYTHONPATH": python_path, **self.environment}

    def run(self, *arguments: str, stdin: str = "") -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            [*PROGRAM, *arguments], input=stdin, env=self.env(), capture_output=True, text=True, timeout=60, check=False
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str, stdin: str = "") -> Ran:
        """Run a command that has to succeed."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.code == 0, f"{arguments}: {ran}"
        return ran
