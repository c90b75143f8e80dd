"""Hosts: add (the key is shown, approved, pinned), show, refresh, change, remove."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.claims import ProviderKind
from zcloud.domain.errors import AlreadyExists, InUse, InvalidInput, WrongState
from zcloud.domain.foreign import Others
from zcloud.domain.host import Accel, Host, HostKind, HostState
from zcloud.domain.instance import Instance
from zcloud.domain.names import check_name
from zcloud.domain.operation import Operation
from zcloud.domain.orphans import Orphan, orphans_key
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Services, Subject, authorize, begin, expect
from zcloud.services.forgetting import Forgetting
from zcloud.store import Tx

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_DNS_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
MAX_RATIO = 64.0


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A host that is to be added. Without ``host_key`` an SSH host's key is fetched and waits for approval."""

    name: str
    kind: HostKind = HostKind.SSH
    address: str = ""
    port: int = 22
    user: str = "root"
    host_key: str = ""
    libvirt_socket: str = ""
    cpu_ratio: float = 4.0
    memory_ratio: float = 1.0
    reserved_memory_mib: int = 1024


class Hosts:
    """The service behind ``zcloud host``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self.forgetting = Forgetting(services)

    def all(self, actor: Actor) -> list[Host]:
        """List all hosts (there are at most hundreds)."""
        authorize(actor, None, Role.VIEWER, "The list of hosts")
        with self._store.read() as tx:
            return tx.hosts.all()

    def show(self, actor: Actor, ref: str) -> Host:
        """Give one host by name or id; raises NotFound."""
        authorize(actor, None, Role.VIEWER, f"The host {ref!r}")
        with self._store.read() as tx:
            return tx.hosts.resolve(ref)

    def others(self) -> dict[str, Others]:
        """Give what running domains that are not zcloud's take of each host; one without any is left out."""
        with self._store.read() as tx:
            return tx.foreign.others()

    def claimed(self) -> dict[str, dict[str, int]]:
        """Give what instances have claimed of each host, by resource."""
        with self._store.read() as tx:
            return {view.ref.id: dict(view.used) for view in tx.claims.views(ProviderKind.HOST)}

    def orphans(self, actor: Actor, ref: str) -> list[Orphan]:
        """Give what the observer found on a host that looks like ours and that no record knows; raises NotFound."""
        authorize(actor, None, Role.OPERATOR, "The orphans of hosts")
        with self._store.read() as tx:
            kept = tx.settings.get(orphans_key(tx.hosts.resolve(ref).id), {"items": []})
        return [Orphan.from_json(each) for each in kept["items"]]

    def add(self, actor: Actor, spec: HostSpec) -> tuple[Host, Operation]:
        """Record a host and look at it; raises InvalidInput, AlreadyExists."""
        authorize(actor, None, Role.OPERATOR, "Adding hosts")
        _check_spec(spec)

        def work(tx: Tx) -> tuple[Host, Operation]:
            _check_only_once(tx, spec)
            host = tx.hosts.add(_record(tx, spec))
            known = spec.kind is HostKind.LOCAL or bool(spec.host_key)
            return host, _begin(tx, actor, host, "enlist" if known else "scan")

        return self._store.transact(work)

    def approve(self, actor: Actor, ref: str, fingerprint: str) -> Operation:
        """Pin the key that the host offered, if it is the one with this fingerprint, and enlist the host.

        Raises WrongState (no key waits), InvalidInput (another fingerprint).
        """
        authorize(actor, None, Role.OPERATOR, "Approving hosts")

        def work(tx: Tx) -> Operation:
            host = tx.hosts.resolve(ref)
            offered = host.inventory.get("offered_key", "")
            if not offered:
                raise WrongState(f"No key of the host {host.name} waits for approval.")
            if fingerprint != host.inventory.get("offered_fingerprint"):
                raise InvalidInput(
                    f"The host {host.name} offered another key than {fingerprint[:80]!r}.",
                    hint="Read the fingerprint on the host itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
                    field="fingerprint",
                )
            tx.hosts.update(host.id, host_key=offered, inventory={}, bump=True)
            return _begin(tx, actor, host, "enlist")

        return self._store.transact(work)

    def refresh(self, actor: Actor, ref: str) -> Operation:
        """Read the inventory again and repeat the KVM probe."""
        authorize(actor, None, Role.OPERATOR, "Refreshing hosts")
        return self._store.transact(lambda tx: _begin(tx, actor, tx.hosts.resolve(ref), "enlist"))

    def change(self, actor: Actor, ref: str, changes: dict[str, Any], revision: int | None) -> Host:
        """Change overcommit ratios and reserved memory; raises InvalidInput, RevisionMismatch."""
        authorize(actor, None, Role.OPERATOR, "Changing hosts")
        _check_ratios(changes)

        def work(tx: Tx) -> Host:
            host = tx.hosts.update(tx.hosts.resolve(ref).id, expect_revision=revision, bump=True, **changes)
            if host.inventory.get("cpus"):
                tx.claims.set_capacity(host.ref, host.capacity)
            return host

        return self._store.transact(work)

    def remove(self, actor: Actor, ref: str, revision: int | None = None) -> Operation:
        """Forget a host that has nothing of ours any more; raises InUse, Busy, RevisionMismatch."""
        authorize(actor, None, Role.OPERATOR, "Removing hosts")

        def work(tx: Tx) -> Operation:
            host = tx.hosts.resolve(ref)
            expect(host, revision)
            _check_empty(tx, host)
            operation = _begin(tx, actor, host, "remove")
            tx.hosts.update(host.id, state=HostState.REMOVING)
            return operation

        return self._store.transact(work)


def _check_empty(tx: Tx, host: Host) -> None:
    pools = [each for each in tx.pools.all() if each.host_id == host.id]
    networks = [each for each in tx.networks.all() if each.host_id == host.id]
    for noun, things in (("instances", tx.instances.on_host(host.id)), ("pools", pools), ("networks", networks)):
        if things:
            names = ", ".join(each.name for each in things[:5])
            raise InUse(f"The host {host.name} has {len(things)} {noun}: {names}.", hint=_hint(noun, things))


def _hint(noun: str, things: Sequence[Any]) -> str:
    if any(isinstance(each, Instance) and each.adopted for each in things):
        return "Let the adopted ones go (`zcloud forget NAME`), and delete the others."
    return f"Delete its {noun} first."


def _begin(tx: Tx, actor: Actor, host: Host, verb: str) -> Operation:
    operation = begin(tx, actor, verb, f"host_{verb}_v1", Subject("host", host.id, host.name))
    tx.hosts.lock(host.id, operation.id)
    return operation


def _record(tx: Tx, spec: HostSpec) -> Host:
    return Host(
        id=new_id(),
        name=spec.name,
        kind=spec.kind,
        address=spec.address,
        port=spec.port,
        user=spec.user,
        host_key=spec.host_key.strip(),
        libvirt_socket=spec.libvirt_socket,
        state=HostState.ADDING,
        state_reason="",
        state_since=tx.now,
        accel=Accel.UNKNOWN,
        accel_reason="Not probed yet.",
        cpu_ratio=spec.cpu_ratio,
        memory_ratio=spec.memory_ratio,
        reserved_memory_mib=spec.reserved_memory_mib,
        inventory={},
        seen_at=None,
        operation_id=None,
        created_at=tx.now,
        revision=1,
    )


def _check_only_once(tx: Tx, spec: HostSpec) -> None:
    for host in tx.hosts.all():
        both_local = spec.kind is HostKind.LOCAL and host.kind is HostKind.LOCAL
        if both_local and host.libvirt_socket == spec.libvirt_socket:
            raise AlreadyExists(f"This machine is there already, as {host.name}.")
        same = (host.address, host.port) == (spec.address, spec.port)
        if spec.kind is HostKind.SSH and host.kind is HostKind.SSH and same:
            raise AlreadyExists(f"{spec.address} is there already, as {host.name}.")


def _check_spec(spec: HostSpec) -> None:
    check_name(spec.name)
    if spec.kind is HostKind.SSH:
        if not _is_address(spec.address) and not _DNS_NAME.fullmatch(spec.address):
            raise InvalidInput(f"{spec.address[:80]!r} is neither an address nor a name.", field="address")
        if not _USER.fullmatch(spec.user):
            raise InvalidInput(f"{spec.user[:80]!r} is not a user name.", field="user")
        if not 1 <= spec.port <= 65535:
            raise InvalidInput(f"{spec.port} is not a TCP port.", field="port")
        if spec.host_key and ("\n" in spec.host_key.strip() or len(spec.host_key.split()) < 2):
            raise InvalidInput("The host key is not a public key line.", hint="ssh-ed25519 AAAA…", field="host_key")
    if spec.libvirt_socket and not spec.libvirt_socket.startswith("/"):
        raise InvalidInput("The libvirt socket must be an absolute path.", field="libvirt_socket")
    _check_ratios(
        {
            "cpu_ratio": spec.cpu_ratio,
            "memory_ratio": spec.memory_ratio,
            "reserved_memory_mib": spec.reserved_memory_mib,
        }
    )


def _check_ratios(values: dict[str, Any]) -> None:
    for name in ("cpu_ratio", "memory_ratio"):
        if name in values and not 0.1 <= values[name] <= MAX_RATIO:
            raise InvalidInput(f"{name} must be 0.1 to {MAX_RATIO:.0f}.", field=name)
    if values.get("reserved_memory_mib", 0) < 0:
        raise InvalidInput("reserved_memory_mib must not be negative.", field="reserved_memory_mib")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
