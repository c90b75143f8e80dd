"""Networks: their addresses belong to zcloud."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.addressmap import AddressMap, addresses_of, map_addresses
from zcloud.domain.errors import AlreadyExists, InUse, InvalidInput, NotFound
from zcloud.domain.names import check_name
from zcloud.domain.network import AddressRange, Network, NetworkKind, NetworkScope, NetworkState, Port, check_network
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.domain.records import RecordFormat, export_records
from zcloud.drivers import registry
from zcloud.services.context import Services, Subject, authorize, begin, expect, visible_projects
from zcloud.store import Tx

_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network that is to be made; ``host`` and ``project`` are names or ids."""

    name: str
    kind: NetworkKind = NetworkKind.NAT
    host: str = ""
    project: str = ""
    cidr: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()
    search: str = ""
    ranges: tuple[AddressRange, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    is_default: bool = False


class Networks:
    """The service behind ``zcloud network``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._zone = services.zone

    def all(self, actor: Actor) -> list[Network]:
        """List the networks that the actor may use."""
        visible = visible_projects(actor)
        with self._store.read() as tx:
            return [each for each in tx.networks.all() if visible is None or each.project_id in (None, *visible)]

    def show(self, actor: Actor, ref: str) -> tuple[Network, list[Port]]:
        """Give one network with the ports that have addresses in it; raises NotFound."""
        with self._store.read() as tx:
            network = _find(tx, actor, ref)
            return network, _visible(tx, actor, tx.ports.on_network(network.id))

    def addresses(self, actor: Actor, ref: str, piece: int = 0) -> tuple[Network, AddressMap]:
        """Give one network with a piece of the map of its addresses; who has them is told as by ``show``."""
        with self._store.read() as tx:
            network = _find(tx, actor, ref)
            ports = _visible(tx, actor, tx.ports.at(network.id, addresses_of(network, piece)))
            taken, fenced = tx.ports.taken(network.id), tx.ports.fenced(network.id)
            return network, map_addresses(network, taken, fenced, ports, piece)

    def create(self, actor: Actor, spec: NetworkSpec) -> tuple[Network, Operation]:
        """Record a network and make it on its host; raises InvalidInput, AlreadyExists, NotFound."""
        authorize(actor, None, Role.OPERATOR, "Making networks")
        check_name(spec.name)
        options = registry.check_network_options(spec.kind, spec.options)
        info, _ = registry.network_kinds()[spec.kind]
        gateway = _checked_gateway(spec)
        if spec.search and not _DOMAIN.fullmatch(spec.search):
            raise InvalidInput(f"{spec.search[:80]!r} is not a domain.", field="search")

        def work(tx: Tx) -> tuple[Network, Operation]:
            host = tx.hosts.resolve(spec.host)
            scope = info.scope
            _check_overlap(tx, spec, host.id, scope)
            network = tx.networks.add(
                Network(
                    id=new_id(),
                    name=spec.name,
                    kind=spec.kind,
                    scope=scope,
                    host_id=host.id,
                    project_id=tx.projects.resolve(spec.project).id if spec.project else None,
                    cidr=spec.cidr,
                    gateway=gateway,
                    dns=spec.dns,
                    search=spec.search or self._zone,
                    ranges=spec.ranges,
                    options=options,
                    state=NetworkState.CREATING,
                    is_default=spec.is_default,
                    operation_id=None,
                    created_at=tx.now,
                    revision=1,
                )
            )
            return network, _begin(tx, actor, network, "create")

        return self._store.transact(work)

    def change(self, actor: Actor, ref: str, changes: dict[str, Any], revision: int | None) -> Network:
        """Change ranges, DNS servers or search domain; what is given out stays. Raises RevisionMismatch."""
        authorize(actor, None, Role.OPERATOR, "Changing networks")

        def work(tx: Tx) -> Network:
            network = tx.networks.resolve(ref)
            check_network(network.cidr, network.gateway, changes.get("ranges", network.ranges))
            return tx.networks.update(network.id, expect_revision=revision, bump=True, **changes)

        return self._store.transact(work)

    def delete(self, actor: Actor, ref: str, revision: int | None = None) -> Operation:
        """Remove a network without ports; raises InUse, Busy."""
        authorize(actor, None, Role.OPERATOR, "Deleting networks")

        def work(tx: Tx) -> Operation:
            network = tx.networks.resolve(ref)
            expect(network, revision)
            ports = tx.ports.on_network(network.id)
            if ports:
                names = ", ".join(each.hostname for each in ports[:5])
                raise InUse(f"The network {network.name} has {len(ports)} ports: {names}.")
            operation = _begin(tx, actor, network, "delete")
            tx.networks.update(network.id, state=NetworkState.DELETING)
            return operation

        return self._store.transact(work)

    def unfence(self, actor: Actor, ref: str, address: str) -> None:
        """Let an address be given out again that a host used when no port had it; raises NotFound."""
        authorize(actor, None, Role.OPERATOR, "Lifting the fence of an address")

        def work(tx: Tx) -> None:
            network = tx.networks.resolve(ref)
            if not tx.ports.unfence(network.id, address):
                fenced = ", ".join(tx.ports.fenced(network.id)[:20]) or "none"
                raise NotFound(f"{address[:60]!r} is not fenced on {network.name}.", hint=f"Fenced are: {fenced}.")

        self._store.transact(work)

    def export_dns(self, actor: Actor, ref: str, form: RecordFormat) -> str:
        """Give the names on a network as a hosts file or a zone file, for a DNS server of one's own."""
        return export_records(self.show(actor, ref)[1], form)


def _find(tx: Tx, actor: Actor, ref: str) -> Network:
    network = tx.networks.resolve(ref)
    if network.project_id is not None:
        authorize(actor, network.project_id, Role.VIEWER, f"The network {ref!r}")
    return network


def _visible(tx: Tx, actor: Actor, ports: list[Port]) -> list[Port]:
    """Give those of the ports whose instances the actor may know of."""
    if actor.role is not None:
        return ports
    instances = tx.instances.many({each.instance_id for each in ports})
    mine = {key for key, each in instances.items() if actor.role_in(each.project_id)}
    return [each for each in ports if each.instance_id in mine]


def _checked_gateway(spec: NetworkSpec) -> str:
    check_network(spec.cidr, spec.gateway, spec.ranges)
    for server in spec.dns:
        try:
            ipaddress.ip_address(server)
        except ValueError as error:
            raise InvalidInput(f"{server[:60]!r} is not an address.", field="dns") from error
    if spec.gateway or spec.kind is not NetworkKind.NAT:
        return spec.gateway
    return str(next(ipaddress.IPv4Network(spec.cidr).hosts()))


def _check_overlap(tx: Tx, spec: NetworkSpec, host_id: str, scope: NetworkScope) -> None:
    mine = ipaddress.IPv4Network(spec.cidr)
    for other in tx.networks.all():
        same_host = other.host_id == host_id
        if same_host and NetworkScope.HOST in (scope, other.scope) and mine.overlaps(ipaddress.IPv4Network(other.cidr)):
            raise InvalidInput(f"{spec.cidr} overlaps {other.cidr} of the network {other.name}.", field="cidr")
        if spec.is_default and other.is_default and same_host:
            raise AlreadyExists(f"There is a default network already: {other.name}.")


def _begin(tx: Tx, actor: Actor, network: Network, verb: str) -> Operation:
    operation = begin(tx, actor, verb, f"network_{verb}_v1", Subject("network", network.id, network.name))
    tx.networks.lock(network.id, operation.id)
    return operation
