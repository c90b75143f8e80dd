"""Ports: NICs with their addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import select

from zcloud.domain.network import Port
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Records

_P = schema.ports.c


class Ports(Records[Port, None]):
    """Ports. A port's address and MAC are its own as long as it is there; a MAC is never given out again."""

    noun = "port"
    mapper = Mapper(Port, schema.ports)
    sorts = ("created_at",)

    def taken(self, network_id: str) -> set[str]:
        """Give the addresses in use on a network.

        In a write transaction the network is held until the commit, so that no two choose the same address.
        """
        self._scope.hold(schema.networks, network_id)
        return set(self._db.execute(select(_P.address).where(_P.network_id == network_id)).scalars())

    def reserve_mac(self, mac: str, port_id: str) -> bool:
        """Take a MAC for good; False if it was ever given out."""
        statement = self._scope.insert(schema.macs).values(mac=mac, port_id=port_id).on_conflict_do_nothing()
        return self._db.execute(statement.returning(schema.macs.c.mac)).first() is not None

    def for_instances(self, ids: Collection[str]) -> dict[str, list[Port]]:
        """Give the ports of instances by instance id, in the order of their slots, in one query."""
        found: defaultdict[str, list[Port]] = defaultdict(list)
        for port in self._all(_P.instance_id.in_(list(ids)), order=[_P.slot, _P.id]) if ids else ():
            found[port.instance_id].append(port)
        return dict(found)

    def of_instance(self, id: str) -> list[Port]:
        """Give the ports of one instance in the order of their slots."""
        return self.for_instances([id]).get(id, [])

    def on_network(self, network_id: str) -> list[Port]:
        """Give the ports of a network."""
        return self._all(_P.network_id == network_id)

    def on_host(self, host_id: str) -> list[Port]:
        """Give the ports of all instances of a host."""
        here = select(schema.instances.c.id).where(schema.instances.c.host_id == host_id)
        return self._all(_P.instance_id.in_(here))

    def _label(self, record: Port) -> str:
        return f"{record.address} ({record.mac})"
