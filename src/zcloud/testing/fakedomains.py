"""The domain half of the fake libvirt: domains that start, stop and send events, with a console each.

It is fast enough for 10,000 domains. Guests come up at once and obey; ``stubborn`` holds the uuids of those that do
not shut down. What happens behind zcloud's back is done with ``crash``, ``pause`` and the plain verbs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zcloud.domain.errors import HypervisorFailed, InUse, NotFound
from zcloud.libvirtxml.parser import parse_xml
from zcloud.ports import DomainEvent, DomainFacts, DomainState, DomainStats
from zcloud.testing.fakedevices import OFF, FakeDevices, Plugged

Listener = Callable[[DomainEvent], None]


class FakeConsole:
    """A console that gives back what is written to it, after ``greeting``."""

    def __init__(self, greeting: bytes, on_close: Callable[[], None]) -> None:
        self._bytes = bytearray(greeting)
        self._ready = threading.Condition()
        self._closed = False
        self._on_close = on_close

    def read(self, limit: int = 65536) -> bytes:
        """Block until bytes are there; empty at the end."""
        with self._ready:
            self._ready.wait_for(lambda: self._bytes or self._closed)
            piece = bytes(self._bytes[:limit])
            del self._bytes[:limit]
            return piece

    def write(self, data: bytes) -> None:
        """Echo."""
        with self._ready:
            self._bytes += data
            self._ready.notify_all()

    def close(self) -> None:
        """Give the console up."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        self._on_close()


@dataclass(slots=True)
class FakeDomain:
    """A domain; ``starts`` counts its runs, ``boots`` its guest's boots; ``memory`` is the boot that is in memory."""

    uuid: str
    name: str
    xml: str
    state: DomainState = DomainState.SHUTOFF
    reason: str = "unknown"
    starts: int = 0
    boots: int = 0
    memory: int = 0
    console: FakeConsole | None = None
    guest: dict[str, Any] = field(default_factory=dict)  # agent command -> answer
    frozen: bool = False  # its file systems
    migrated: bool = False  # its memory was written: QEMU does not touch its disks until it goes on
    installs: bool = False  # its guest reboots once it was seen, and that ends this run
    plugged: Plugged = field(default_factory=Plugged)

    @property
    def macs(self) -> tuple[str, ...]:
        """Give the MAC addresses of its NICs, as it runs or would."""
        root = parse_xml(self.plugged.xml or self.xml)
        return tuple(str(mac.get("address")) for mac in root.findall("devices/interface/mac"))


class FakeDomains(FakeDevices):
    """The domain half. Events go to every listener at once, in the thread that caused them."""

    def __init__(self) -> None:
        super().__init__()
        self.domains: dict[str, FakeDomain] = {}
        self.stubborn: set[str] = set()
        self._listeners: list[Listener] = []
        self._names: dict[str, str] = {}

    def enter(self, verb: str) -> None:
        """Called with the verb before each: the place for faults."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have all events told; gives how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def list_domains(self) -> list[DomainFacts]:
        """Give every domain."""
        self.enter("list_domains")
        seen = [DomainFacts(each.uuid, each.name, each.state, each.reason, True) for each in self.domains.values()]
        for domain in [each for each in self.domains.values() if each.installs and each.state not in OFF]:
            self.shutdown(domain.uuid)
        return seen

    def stats(self) -> list[DomainStats]:
        """Give the counters of all running domains."""
        self.enter("stats")
        active = [domain for domain in self.domains.values() if domain.state not in OFF]
        return [DomainStats(uuid=domain.uuid, state=domain.state, reason=domain.reason) for domain in active]

    def domain_xml(self, uuid: str, *, inactive: bool = True) -> str | None:
        """Give a domain's XML as it is defined, or as it runs."""
        self.enter("domain_xml")
        domain = self.domains.get(uuid)
        if domain is None or inactive or domain.state in OFF:
            return domain.xml if domain else None
        xml, gone = self.live_xml(domain)
        for alias in gone:
            self._tell(domain, "device_removed", alias, "")
        return xml

    def define(self, xml: str) -> None:
        """Define a domain, or change the definition of the one with the same uuid and name."""
        self.enter("define")
        root = parse_xml(xml)
        uuid, name = root.findtext("uuid", ""), root.findtext("name", "")
        for other in (self.domains.get(uuid), self._named(name)):
            if other is not None and (other.uuid, other.name) != (uuid, name):
                raise HypervisorFailed(f"domain '{other.name}' already exists with uuid {other.uuid}")
        known = self.domains.get(uuid)
        if known is None:
            self._names[name] = uuid
            self.domains[uuid] = FakeDomain(uuid, name, xml)
        else:
            known.xml = xml
        self._tell(self.domains[uuid], "definition", "defined", "updated" if known else "added")

    def undefine(self, uuid: str) -> None:
        """Remove a definition; absent is fine, running is not."""
        self.enter("undefine")
        domain = self.domains.get(uuid)
        if domain is None:
            return
        if domain.state not in OFF:
            raise HypervisorFailed(f"cannot undefine the running domain '{domain.name}'")
        del self.domains[uuid], self._names[domain.name]
        self._tell(domain, "definition", "undefined", "removed")

    def start(self, uuid: str) -> None:
        """Start a defined domain; running already is fine."""
        self.enter("start")
        domain = self._domain(uuid)
        if domain.state in OFF:
            domain.starts += 1
            domain.boots += 1
            domain.migrated = False
            domain.memory = domain.boots
            domain.plugged = Plugged(domain.xml)
            domain.installs = "<on_reboot>destroy" in domain.xml
            self._change(domain, DomainState.RUNNING, "booted", "started:booted")
            self._tell(domain, "agent", "connected", "")

    def shutdown(self, uuid: str) -> None:
        """Ask the guest to shut down; it does so at once, unless it is stubborn."""
        self.enter("shutdown")
        domain = self.domains.get(uuid)
        if domain is not None and domain.state not in OFF and uuid not in self.stubborn:
            self._change(domain, DomainState.SHUTOFF, "shutdown", "stopped:shutdown")

    def destroy(self, uuid: str) -> None:
        """Take the power away; not running and absent are fine."""
        self.enter("destroy")
        domain = self.domains.get(uuid)
        if domain is not None and domain.state not in OFF:
            self._change(domain, DomainState.SHUTOFF, "destroyed", "stopped:destroyed")

    def resume(self, uuid: str) -> None:
        """Let a paused domain go on."""
        self.enter("resume")
        domain = self._domain(uuid)
        if domain.state is DomainState.PAUSED:
            domain.migrated = False
            self._change(domain, DomainState.RUNNING, "unpaused", "resumed:unpaused")

    def open_console(self, uuid: str, *, force: bool = False) -> FakeConsole:
        """Open the console; raises InUse where it is open and ``force`` is not set."""
        self.enter("open_console")
        domain = self._domain(uuid)
        if domain.console is not None and not force:
            raise InUse("Somebody else has the console open.")
        if domain.console is not None:
            domain.console.close()
        domain.console = FakeConsole(f"{domain.name} login: ".encode(), lambda: setattr(domain, "console", None))
        return domain.console

    def crash(self, uuid: str) -> None:
        """Let the guest crash, behind zcloud's back."""
        self._change(self._domain(uuid), DomainState.SHUTOFF, "crashed", "stopped:crashed")

    def pause(self, uuid: str, reason: str = "ioerror") -> None:
        """Let the domain be paused, as by a full pool."""
        domain = self._domain(uuid)
        self._change(domain, DomainState.PAUSED, reason, f"suspended:{reason}")
        if reason == "ioerror":
            self._tell(domain, "io_error", "enospc", "")

    def _named(self, name: str) -> FakeDomain | None:
        return self.domains.get(self._names.get(name, ""))

    def _domain(self, uuid: str) -> FakeDomain:
        if uuid not in self.domains:
            raise NotFound(f"libvirt has no domain {uuid}.", uuid=uuid)
        return self.domains[uuid]

    def _change(self, domain: FakeDomain, state: DomainState, reason: str, detail: str) -> None:
        domain.state, domain.reason = state, reason
        event, _, why = detail.partition(":")
        self._tell(domain, "lifecycle", event, why)

    def _tell(self, domain: FakeDomain, kind: str, event: str, reason: str) -> None:
        detail = f"{event}:{reason}" if reason else event
        record = DomainEvent(kind, domain.uuid, domain.name, detail, {"event": event, "reason": reason})
        for listener in list(self._listeners):
            listener(record)
