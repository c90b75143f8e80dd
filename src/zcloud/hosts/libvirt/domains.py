"""The part of ``ports.Hypervisor`` that changes domains and talks to guests: on the jobs connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import libvirt
import libvirt_qemu

from zcloud.domain.errors import GuestSilent, InUse, NotFound
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.console import LibvirtConsole
from zcloud.hosts.libvirt.errors import AGENT_SILENT, NO_DOMAIN, UNSUPPORTED_FLAGS, code_of
from zcloud.ports import InterfaceAddress

_ALL_STATE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
_ALL_STATE_AND_TPM = _ALL_STATE | libvirt.VIR_DOMAIN_UNDEFINE_TPM  # libvirt >= 8.9
_SHUTDOWN = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT | libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
_AGENT_WAIT_S = 30.0


class Domains:
    """Calls that change domains. Those that need a domain raise NotFound where libvirt has none of that uuid."""

    _jobs: Connection
    _agents: threading.BoundedSemaphore  # a guest that hangs may hold one of the connection's turns, not all

    def define(self, xml: str) -> None:
        """Define or redefine a domain; libvirt checks the XML against its own schema first."""
        self._jobs.call(lambda raw: raw.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE))

    def undefine(self, uuid: str) -> None:
        """Remove a definition with all state that libvirt keeps for it; absent is fine."""
        self._on(uuid, _undefine, absent_is_fine=True)

    def start(self, uuid: str) -> None:
        """Start a defined domain; running already is fine."""
        self._on(uuid, lambda domain: unless(is_active, domain, domain.create))

    def shutdown(self, uuid: str) -> None:
        """Ask the guest to shut down (agent first, then ACPI); not running and absent are fine."""
        self._on(
            uuid,
            lambda domain: unless(_is_off, domain, lambda: domain.shutdownFlags(_SHUTDOWN)),
            absent_is_fine=True,
        )

    def destroy(self, uuid: str) -> None:
        """Take the power away; not running and absent are fine."""
        self._on(uuid, lambda domain: unless(_is_off, domain, domain.destroy), absent_is_fine=True)

    def resume(self, uuid: str) -> None:
        """Let a paused domain go on; running already is fine."""
        self._on(uuid, lambda domain: unless(_is_running, domain, domain.resume))

    def agent(self, uuid: str, command: str, arguments: Mapping[str, Any], *, timeout_s: int = 5) -> Any:
        """Call the guest agent and give its ``return`` value (the guest's word: hostile); raises GuestSilent."""
        request = json.dumps({"execute": command, **({"arguments": dict(arguments)} if arguments else {})})
        text = self._ask_guest(uuid, lambda domain: libvirt_qemu.qemuAgentCommand(domain, request, timeout_s, 0))
        try:
            return json.loads(text)["return"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise GuestSilent(f"The guest agent gave no sensible answer to {command}.") from error

    def guest_addresses(self, uuid: str) -> list[InterfaceAddress]:
        """Give the guest's addresses as its agent reports them; raises GuestSilent."""
        source = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
        found = self._ask_guest(uuid, lambda domain: domain.interfaceAddresses(source, 0))
        return [
            InterfaceAddress(name, interface.get("hwaddr") or "", address["addr"], int(address["prefix"]))
            for name, interface in found.items()
            for address in interface.get("addrs") or ()
        ]

    def open_console(self, uuid: str, *, force: bool = False) -> LibvirtConsole:
        """Open the first serial console; raises InUse where somebody has it open and ``force`` is not set."""

        def attach(raw: libvirt.virConnect) -> LibvirtConsole:
            stream = raw.newStream(libvirt.VIR_STREAM_NONBLOCK)
            try:
                find_domain(raw, uuid).openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0)
            except libvirt.libvirtError as error:
                if "console session exists" in str(error):
                    raise InUse("Somebody else has this serial console open.", hint="Take it over.") from error
                raise
            return LibvirtConsole(stream)

        console = self._jobs.call(attach)
        self._jobs.depend(console)
        return console

    def _on(self, uuid: str, work: Callable[[libvirt.virDomain], object], *, absent_is_fine: bool = False) -> None:
        def find_and_work(raw: libvirt.virConnect) -> None:
            try:
                work(find_domain(raw, uuid))
            except NotFound:
                if not absent_is_fine:
                    raise
            except libvirt.libvirtError as error:  # it may vanish between the two calls
                if code_of(error) != NO_DOMAIN or not absent_is_fine:
                    raise

        self._jobs.call(find_and_work)

    def _ask_guest(self, uuid: str, work: Callable[[libvirt.virDomain], Any]) -> Any:
        """Do agent work, one guest at a time on this host."""

        def ask(raw: libvirt.virConnect) -> Any:
            try:
                return work(find_domain(raw, uuid))
            except libvirt.libvirtError as error:
                if code_of(error) in AGENT_SILENT:
                    raise GuestSilent(f"The guest agent does not answer: {error.get_error_message()}.") from error
                raise

        if not self._agents.acquire(timeout=_AGENT_WAIT_S):
            raise GuestSilent("The guest agent was not asked: other guests' agents on this host hang.")
        try:
            return self._jobs.call(ask)
        finally:
            self._agents.release()


def find_domain(raw: libvirt.virConnect, uuid: str) -> libvirt.virDomain:
    """Give a domain; raises NotFound."""
    try:
        return raw.lookupByUUIDString(uuid)
    except libvirt.libvirtError as error:
        if code_of(error) == NO_DOMAIN:
            raise NotFound(f"libvirt has no domain {uuid}.", uuid=uuid) from error
        raise


def unless(fine: Callable[[libvirt.virDomain], bool], domain: libvirt.virDomain, work: Callable[[], object]) -> None:
    """Do work; that it is refused because the domain is where it should be already is fine."""
    try:
        work()
    except libvirt.libvirtError:
        if not fine(domain):
            raise


def is_active(domain: libvirt.virDomain) -> bool:
    """Say whether it runs or is held."""
    return domain.isActive() == 1


def _is_off(domain: libvirt.virDomain) -> bool:
    return domain.isActive() == 0


def _is_running(domain: libvirt.virDomain) -> bool:
    return domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING


def _undefine(domain: libvirt.virDomain) -> None:
    """Remove a definition with all that this libvirt knows to keep; older ones do not know vTPM state."""
    try:
        domain.undefineFlags(_ALL_STATE_AND_TPM)
    except libvirt.libvirtError as error:
        if code_of(error) != UNSUPPORTED_FLAGS:
            raise
        domain.undefineFlags(_ALL_STATE)
