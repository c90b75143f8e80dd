"""``zcloud serve``: the roles of one process, until a signal."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence

import uvicorn

import zcloud
from zcloud.api.app import create_app, end_streams
from zcloud.api.parts import Settings, build_parts
from zcloud.base import meters, pki
from zcloud.base.config import Config
from zcloud.domain.errors import InstanceAdopted, NotFound
from zcloud.domain.instance import Instance
from zcloud.main.setup import server_names
from zcloud.main.wiring import Fault, Runtime, arrival_limits, no_fault, start_observer, start_workers
from zcloud.ports import ConsoleStream
from zcloud.services.direct import Direct
from zcloud.services.health import Patience
from zcloud.services.metrics import MetricsOptions
from zcloud.services.tickets import SERIAL, Grant, Tickets
from zcloud.tunnel import Tunnel
from zcloud.web.app import PAGES

_CONSOLE_LOG_TAIL = 256 << 10
_GRACE_S = 5
_LEAST_PATIENCE_S = 10.0

_log = logging.getLogger(__name__)


def serve(
    runtime: Runtime, roles: Sequence[str], *, tls: bool = True, metrics_port: int = 0, fault: Fault = no_fault
) -> None:
    """Run the roles until SIGTERM or SIGINT; the first part that cannot start ends the process.

    ``metrics_port``: where, on the loopback, a process without the API gives its own counters.
    """
    try:
        if "worker" in roles:
            start_workers(runtime, ",".join(roles), fault)
        if "observer" in roles:
            start_observer(runtime)
        if "api" in roles:
            _serve_api(runtime, tls=tls)
        else:
            if metrics_port:
                runtime.stops.append(meters.serve(metrics_port))
            _wait_for_signal()
    finally:
        runtime.stop()


def _serve_api(runtime: Runtime, *, tls: bool) -> None:
    config = runtime.config
    tunnel = Tunnel(Tickets(runtime.services), _open_console(runtime))
    parts = build_parts(
        runtime.services,
        _settings(config, tls=tls),
        read_console_log=_read_console_log(runtime),
        console=tunnel.route(),
        direct=Direct(runtime.pool.link),
    )
    app = create_app(parts, PAGES)
    secure: dict[str, str] = {}
    if tls:
        certificate, key = pki.ensure_server(config.tls_dir, server_names(config), runtime.clock.now())
        secure = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}

    def end_all() -> None:
        end_streams(app)
        tunnel.closing.set()

    server = _Server(
        uvicorn.Config(
            app,
            host=config.server.listen,
            port=config.server.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            ws_max_size=64 << 10,
            **secure,  # type: ignore[arg-type]
        ),
        end_all,
    )
    scheme = "https" if tls else "http"
    _log.info("listening on %s://%s:%d", scheme, config.server.listen, config.server.port)
    server.run()


def _settings(config: Config, *, tls: bool) -> Settings:
    return Settings(
        upload_dir=config.upload_dir,
        uploads=arrival_limits(config),
        upload_h=config.images.upload_h,
        catalogue=config.images.catalogue,
        systems_cache=config.data_dir / "osinfo.json",
        max_body=config.server.max_body,
        zone=config.zone,
        version=zcloud.__version__,
        open_metrics=config.metrics.open_on_loopback and tls,
        metrics=MetricsOptions(
            version=zcloud.__version__,
            instances=config.metrics.instances,
            certificates=lambda: pki.ends(config.tls_dir),
        ),
        fingerprints=lambda: pki.fingerprints(config.tls_dir),
        patience=Patience(
            worker_s=max(3 * config.workers.heartbeat_timeout_s, _LEAST_PATIENCE_S),
            observer_s=max(3 * config.observer.lease_s, _LEAST_PATIENCE_S),
        ),
    )


class _Server(uvicorn.Server):
    """uvicorn, told to end streams when it is told to stop: they would hold it up otherwise."""

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: object) -> None:
        """Begin to stop; uvicorn's own would raise the signal again afterwards and end us before the other parts."""
        del frame
        self._on_exit()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _open_console(runtime: Runtime) -> Callable[[Grant, bool], ConsoleStream]:
    def open_console(grant: Grant, force: bool) -> ConsoleStream:
        hypervisor = runtime.pool.link(grant.host_id).hypervisor
        if grant.ticket.kind == SERIAL:
            return hypervisor.open_console(grant.instance.id, force=force)
        return hypervisor.open_screen(grant.instance.id)

    return open_console


def _read_console_log(runtime: Runtime) -> Callable[[str, Instance], bytes]:
    def read(host_id: str, instance: Instance) -> bytes:
        if instance.adopted:
            raise InstanceAdopted(
                f"The instance {instance.name} was adopted; its definition keeps no log for zcloud.",
                hint=f"Look at its console while it runs: `zcloud console {instance.name}`.",
            )
        path = str(instance.hardware.get("console_log", ""))
        if not path:
            raise NotFound(f"The instance {instance.name} has no console log yet.")
        return runtime.pool.link(host_id).shell.read_file(path, limit=_CONSOLE_LOG_TAIL, tail=True)

    return read


def _wait_for_signal() -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
