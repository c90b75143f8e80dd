"""Ports: NICs with their addresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import bindparam, delete, select

from zcloud.domain.network import Port
from zcloud.store import schema
from zcloud.store.mapping import Mapper
from zcloud.store.repository import Records

_P, _F = schema.ports.c, schema.fences.c
_OF_INSTANCES = (
    select(*Mapper(Port, schema.ports).columns)
    .where(_P.instance_id.in_(bindparam("ids", expanding=True)))
    .order_by(_P.slot, _P.id)
)
_TAKEN = (
    select(_P.address)
    .where(_P.network_id == bindparam("network_id"))
    .union_all(select(_F.address).where(_F.network_id == bindparam("network_id")))
)


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
        return set(self._db.execute(_TAKEN, {"network_id": network_id}).scalars())

    def fence(self, network_id: str, address: str, mac: str, host_id: str) -> bool:
        """Keep an address from being given out: a host uses it, and no port has it. False if it is fenced already."""
        row = {"network_id": network_id, "address": address, "mac": mac, "host_id": host_id, "seen_at": self._scope.now}
        added = self._scope.insert(schema.fences).values(row).on_conflict_do_nothing()
        return self._db.execute(added.returning(_F.address)).first() is not None

    def unfence(self, network_id: str, address: str) -> bool:
        """Let an address be given out again; False if it was not fenced."""
        which = [_F.network_id == network_id, _F.address == address]
        return bool(self._db.execute(delete(schema.fences).where(*which)).rowcount)

    def unfence_host(self, host_id: str) -> None:
        """Let the addresses be given out again that were fenced because this host uses them."""
        self._db.execute(delete(schema.fences).where(_F.host_id == host_id))

    def fenced(self, network_id: str) -> list[str]:
        """Give the addresses of a network that are fenced."""
        query = select(_F.address).where(_F.network_id == network_id).order_by(_F.address)
        return list(self._db.execute(query).scalars())

    def reserve_mac(self, mac: str, port_id: str) -> bool:
        """Take a MAC for good; False if it was ever given out."""
        statement = self._scope.insert(schema.macs).values(mac=mac, port_id=port_id).on_conflict_do_nothing()
        return self._db.execute(statement.returning(schema.macs.c.mac)).first() is not None

    def mac_holders(self, macs: Collection[str], but: str) -> dict[str, str]:
        """Give by MAC the name of the instance that has it, ours or adopted; ``but`` one (by id)."""
        wanted, instances = set(macs), schema.instances.c
        ours = select(_P.mac, instances.name).join(schema.instances, instances.id == _P.instance_id)
        found = {mac: str(name) for mac, name in self._db.execute(ours.where(_P.mac.in_(wanted), instances.id != but))}
        adopted = select(instances.name, instances.hardware).where(instances.image_id.is_(None), instances.id != but)
        for name, hardware in self._db.execute(adopted) if wanted else ():
            theirs = {nic["mac"] for nic in (hardware.get("adopted") or {}).get("nics", ())}
            found |= dict.fromkeys(theirs & wanted, str(name))
        return found

    def for_instances(self, ids: Collection[str]) -> dict[str, list[Port]]:
        """Give the ports of instances by instance id, in the order of their slots, in one query."""
        found: defaultdict[str, list[Port]] = defaultdict(list)
        rows = self._db.execute(_OF_INSTANCES, {"ids": list(ids)}).mappings().all() if ids else ()
        for port in self._records(rows):
            found[port.instance_id].append(port)
        return dict(found)

    def of_instance(self, id: str) -> list[Port]:
        """Give the ports of one instance in the order of their slots."""
        return self.for_instances([id]).get(id, [])

    def on_network(self, network_id: str) -> list[Port]:
        """Give the ports of a network."""
        return self._all(_P.network_id == network_id)

    def at(self, network_id: str, addresses: Collection[str]) -> list[Port]:
        """Give the ports of a network that have one of the addresses."""
        return self._all(_P.network_id == network_id, _P.address.in_(list(addresses)))

    def on_host(self, host_id: str) -> list[Port]:
        """Give the ports of all instances of a host."""
        here = select(schema.instances.c.id).where(schema.instances.c.host_id == host_id)
        return self._all(_P.instance_id.in_(here))

    def _label(self, record: Port) -> str:
        return f"{record.address} ({record.mac})"
