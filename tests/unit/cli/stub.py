"""A server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handle = Callable[["Asked"], tuple[int, Any] | None]  # None: close the connection without an answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Stub:
    """What was asked, and where."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def stub(handle: Handle) -> Iterator[Stub]:
    """Serve on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers), body)
            made.asked.append(asked)
            found = handle(asked)
            if found is None:
                self.close_connection = True
                return
            status, value = found
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Stub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def instance(name: str, **changes: Any) -> dict[str, Any]:
    """Give an instance as the API shows it."""
    nic = {"slot": 0, "network": "lan", "network_id": "n", "mac": "52:54:00:00:00:01", "address": "10.0.0.5",
           "hostname": f"{name}.default.cloud.internal"}  # fmt: skip
    shown = {
        "id": "11111111-2222-4333-8444-555555555555", "name": name, "project": "default", "project_id": "p",
        "host": "anton", "host_id": "h", "host_state": "up", "accel": "kvm", "image": "debian-12", "image_id": "i",
        "default_user": "debian", "status": "running", "desired": "running", "vcpus": 2, "memory_mib": 4096,
        "flavor": "", "firmware": "bios", "machine": "q35", "tags": [], "protected": False, "incarnation": 1,
        "ready": "ready", "ready_detail": "", "ready_deadline": None, "address": nic["address"],
        "nics": [nic], "disks": [], "guest": {},
        "observed": {}, "error": None, "operation_id": None, "created_by": "admin",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "started_at": None, "revision": 1,
    }  # fmt: skip
    return {**shown, **changes}


def operation(status: str, *steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Give an operation as the API shows it."""
    shown = {
        "id": "op1", "verb": "create", "status": status, "project_id": "p", "actor": "admin", "steps": list(steps),
        "resource": {"kind": "instance", "id": "i1", "name": "web", "url": "/v1/instances/i1"}, "error": None,
        "may_cancel": True, "cancel_requested": False, "wait_reason": "", "request_id": "r1",
        "created_at": "2026-01-01T00:00:00Z", "started_at": None, "ended_at": None,
    }  # fmt: skip
    return {**shown, **changes}


def step(seq: int, title: str, status: str, **changes: Any) -> dict[str, Any]:
    """Give a step as the API shows it."""
    shown = {"seq": seq, "name": f"s{seq}", "title": title, "status": status, "started_at": "2026-01-01T00:00:00Z",
             "ended_at": "2026-01-01T00:00:01.500Z", "done": 0, "total": 0, "detail": ""}  # fmt: skip
    return {**shown, **changes}
