"""What this process counts about itself, for Prometheus. The only place that knows its client library.

Every meter is a name here and nowhere else; labels are bounded (routes, verbs, hosts), never what a client sent.
What the store knows (hosts, pools, instances, the queue) is rendered from there: ``services/metrics.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client import start_http_server as _start_http_server

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use to us
REGISTRY = CollectorRegistry()
PROCESS = ProcessCollector(registry=REGISTRY)

REQUESTS = Counter("zcloud_http_requests", "Answered requests.", ("method", "route", "status"), registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "zcloud_http_request_duration_seconds",
    "Time until an answer begins; long polls (?wait=) and streams count until their first byte.",
    ("method", "route"),
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 1, 5, 30),
    registry=REGISTRY,
)
STREAMS = Gauge("zcloud_event_streams", "Clients that follow the event stream of this process.", registry=REGISTRY)
OPERATION_SECONDS = Histogram(
    "zcloud_operation_duration_seconds",
    "Time from an operation's request to its end, of those that this process ended.",
    ("verb", "resource", "outcome"),
    buckets=(0.5, 1, 2, 5, 15, 60, 300, 1800),
    registry=REGISTRY,
)
STORE_WRITE_SECONDS = Histogram(
    "zcloud_store_write_duration_seconds",
    "Time of a write transaction, with its wait for other writers and its commit.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 5),
    registry=REGISTRY,
)
LIBVIRT_SECONDS = Histogram(
    "zcloud_libvirt_call_duration_seconds",
    "Time of a call to a host's libvirt: watch looks, jobs changes.",
    ("host", "connection"),
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
    registry=REGISTRY,
)


def forget_host(name: str) -> None:
    """Give no more series of a host that was removed."""
    for connection in ("watch", "jobs"):
        with suppress(KeyError):
            LIBVIRT_SECONDS.remove(name, connection)


def described() -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Give every meter as it is read: name, type, what it says, labels."""
    meters = (REQUESTS, REQUEST_SECONDS, STREAMS, OPERATION_SECONDS, STORE_WRITE_SECONDS, LIBVIRT_SECONDS)
    told = [(next(iter(each.describe())), each._labelnames) for each in meters]
    return [
        (f"{it.name}_total" if it.type == "counter" else it.name, it.type, it.documentation, tuple(labels))
        for it, labels in told
    ]


def own_text() -> bytes:
    """Give this process's meters in Prometheus' text format."""
    return generate_latest(REGISTRY)


def serve(port: int) -> Callable[[], None]:
    """Give this process's meters at a TCP port of the loopback, until what is returned is called; raises OSError."""
    server, _thread = _start_http_server(port, addr="127.0.0.1", registry=REGISTRY)

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
