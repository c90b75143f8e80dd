"""A host's link behind the fence: nothing is changed there by a worker that no longer owns the operation.

Each changing call first passes the fault point ``WORKFLOW.STEP.VERB`` and then ``Control.fence``; reads go straight
through. A command of ``Shell.run`` counts as a change, because what it does is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from zcloud.operations.model import Control
from zcloud.ports import (
    Completed,
    ConsoleStream,
    DomainFacts,
    DomainStats,
    FileFacts,
    HostLink,
    Hypervisor,
    InterfaceAddress,
    NetworkSection,
    NodeFacts,
    Shell,
    Space,
)

SHELL_CHANGES = ("run", "write_file", "upload", "remove")
HYPERVISOR_CHANGES = (
    "define", "undefine", "start", "shutdown", "destroy", "resume", "agent",
    "ensure_network", "remove_network", "ensure_network_entry", "remove_network_entry",
)  # fmt: skip


class _Gate:
    """What every changing call passes first."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def __call__(self, verb: str) -> None:
        self._control.fault(f"{self._control.operation.workflow}.{self._control.step}.{verb}")
        self._control.fence()  # last: whoever was stopped at the fault point has lost the operation by now


class FencedLink:
    """Both means of reaching a host (``ports.HostLink``), fenced."""

    def __init__(self, link: HostLink, control: Control) -> None:
        gate = _Gate(control)
        self.shell: Shell = FencedShell(link.shell, gate)
        self.hypervisor: Hypervisor = FencedHypervisor(link.hypervisor, gate)


class FencedShell:
    """``ports.Shell`` behind the fence."""

    def __init__(self, shell: Shell, gate: Callable[[str], None]) -> None:
        self._shell = shell
        self._gate = gate

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0, check: bool = True) -> Completed:
        self._gate("run")
        return self._shell.run(argv, stdin=stdin, timeout_s=timeout_s, check=check)

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, owner: str = "") -> None:
        self._gate("write_file")
        self._shell.write_file(path, data, mode=mode, owner=owner)

    def upload(
        self, source: BinaryIO, path: str, *, mode: int = 0o600, progress: Callable[[int], None] | None = None
    ) -> None:
        self._gate("upload")
        self._shell.upload(source, path, mode=mode, progress=progress)

    def remove(self, path: str) -> None:
        self._gate("remove")
        self._shell.remove(path)

    def read_file(self, path: str, *, limit: int = 1 << 20, tail: bool = False) -> bytes:
        return self._shell.read_file(path, limit=limit, tail=tail)

    def list_files(self, directory: str) -> list[FileFacts]:
        return self._shell.list_files(directory)

    def space(self, path: str) -> Space:
        return self._shell.space(path)


class _HypervisorReads:
    """The half of ``ports.Hypervisor`` that changes nothing."""

    def __init__(self, hypervisor: Hypervisor, gate: Callable[[str], None]) -> None:
        self._hypervisor = hypervisor
        self._gate = gate

    def node(self) -> NodeFacts:
        return self._hypervisor.node()

    def capabilities_xml(self) -> str:
        return self._hypervisor.capabilities_xml()

    def domain_capabilities_xml(self, *, accel: str, machine: str = "q35") -> str:
        return self._hypervisor.domain_capabilities_xml(accel=accel, machine=machine)

    def list_domains(self) -> list[DomainFacts]:
        return self._hypervisor.list_domains()

    def stats(self) -> list[DomainStats]:
        return self._hypervisor.stats()

    def domain_xml(self, uuid: str, *, inactive: bool = True) -> str | None:
        return self._hypervisor.domain_xml(uuid, inactive=inactive)

    def guest_addresses(self, uuid: str) -> list[InterfaceAddress]:
        return self._hypervisor.guest_addresses(uuid)

    def open_console(self, uuid: str, *, force: bool = False) -> ConsoleStream:
        return self._hypervisor.open_console(uuid, force=force)

    def list_networks(self) -> dict[str, bool]:
        return self._hypervisor.list_networks()

    def network_xml(self, name: str) -> str | None:
        return self._hypervisor.network_xml(name)

    def list_pools(self) -> list[tuple[str, str, str]]:
        return self._hypervisor.list_pools()


class FencedHypervisor(_HypervisorReads):
    """``ports.Hypervisor`` behind the fence."""

    def define(self, xml: str) -> None:
        self._gate("define")
        self._hypervisor.define(xml)

    def undefine(self, uuid: str) -> None:
        self._gate("undefine")
        self._hypervisor.undefine(uuid)

    def start(self, uuid: str) -> None:
        self._gate("start")
        self._hypervisor.start(uuid)

    def shutdown(self, uuid: str) -> None:
        self._gate("shutdown")
        self._hypervisor.shutdown(uuid)

    def destroy(self, uuid: str) -> None:
        self._gate("destroy")
        self._hypervisor.destroy(uuid)

    def resume(self, uuid: str) -> None:
        self._gate("resume")
        self._hypervisor.resume(uuid)

    def agent(self, uuid: str, command: str, arguments: Mapping[str, Any], *, timeout_s: int = 5) -> Any:
        self._gate("agent")
        return self._hypervisor.agent(uuid, command, arguments, timeout_s=timeout_s)

    def ensure_network(self, xml: str) -> None:
        self._gate("ensure_network")
        self._hypervisor.ensure_network(xml)

    def remove_network(self, name: str) -> None:
        self._gate("remove_network")
        self._hypervisor.remove_network(name)

    def ensure_network_entry(self, name: str, section: NetworkSection, xml: str) -> None:
        self._gate("ensure_network_entry")
        self._hypervisor.ensure_network_entry(name, section, xml)

    def remove_network_entry(self, name: str, section: NetworkSection, xml: str) -> None:
        self._gate("remove_network_entry")
        self._hypervisor.remove_network_entry(name, section, xml)
