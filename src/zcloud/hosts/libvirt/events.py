"""Domain events of one connection as ``DomainEvent`` records, in the order in which they came.

libvirt calls back in its event thread, where nothing may block: ``sink`` must only put the record into a queue.
https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainEventID
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libvirt

from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.states import AGENT_STATES, BLOCK_JOB_STATES, IO_ERROR_ACTIONS, lifecycle, word
from zcloud.ports import DomainEvent

Sink = Callable[[DomainEvent], None]


def listen(connection: Connection, sink: Sink) -> None:
    """Have the events of all domains sent to ``sink`` until the connection ends."""
    feed = _Feed(sink)
    callbacks: dict[int, Callable[..., None]] = {
        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: feed.lifecycle,
        libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: feed.reboot,
        libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: feed.io_error,
        libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: feed.agent,
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED: feed.device_added,
        libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: feed.device_removed,
        libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2: feed.block_job,
    }

    def register(raw: libvirt.virConnect) -> None:
        for event_id, callback in callbacks.items():
            raw.domainEventRegisterAny(None, event_id, callback, None)

    connection.call(register)


class _Feed:
    """One method per kind of libvirt event."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def _send(self, kind: str, domain: libvirt.virDomain, detail: str, **data: Any) -> None:
        self._sink(DomainEvent(kind, domain.UUIDString(), domain.name(), detail, data))

    def lifecycle(self, _raw: Any, domain: libvirt.virDomain, event: int, detail: int, _opaque: Any) -> None:
        name, more = lifecycle(event, detail)
        kind = "definition" if name in ("defined", "undefined") else "lifecycle"
        self._send(kind, domain, f"{name}:{more}", event=name, reason=more)

    def reboot(self, _raw: Any, domain: libvirt.virDomain, _opaque: Any) -> None:
        self._send("reboot", domain, "")

    def io_error(self, _raw: Any, domain: libvirt.virDomain, *rest: Any) -> None:
        path, alias, action, reason, _opaque = rest
        self._send("io_error", domain, reason or "other", path=path, alias=alias, action=word(IO_ERROR_ACTIONS, action))

    def agent(self, _raw: Any, domain: libvirt.virDomain, state: int, reason: int, _opaque: Any) -> None:
        self._send("agent", domain, word(AGENT_STATES, state), reason=reason)

    def device_added(self, _raw: Any, domain: libvirt.virDomain, alias: str, _opaque: Any) -> None:
        self._send("device_added", domain, alias)

    def device_removed(self, _raw: Any, domain: libvirt.virDomain, alias: str, _opaque: Any) -> None:
        self._send("device_removed", domain, alias)

    def block_job(self, _raw: Any, domain: libvirt.virDomain, disk: str, *rest: Any) -> None:
        kind, status, _opaque = rest
        self._send("block_job", domain, word(BLOCK_JOB_STATES, status), disk=disk, type=kind)
