"""The NICs of an instance that is there: added, taken away, their links cut and joined; while it runs, too."""

from __future__ import annotations

from collections.abc import Iterable

from zcloud.base.ids import new_id, new_mac
from zcloud.domain.errors import AlreadyExists, InvalidInput, NoPlace, NotFound, WrongState
from zcloud.domain.instance import Instance, InstanceStatus, NicRequest
from zcloud.domain.network import MAX_NICS, Network, Port, free_nic_slot, pick_address, port_hostname, tap_name
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.services import admission
from zcloud.services.context import Services, expect
from zcloud.services.owned import begin_verb, check_state, find
from zcloud.store import Tx

MAX_DEADLINE_S = 3600


class Nics:
    """The service behind ``zcloud instance nic``."""

    def __init__(self, services: Services) -> None:
        self._store, self._zone = services.store, services.zone

    def all(self, actor: Actor, project: str, ref: str) -> list[tuple[Port, Network]]:
        """List the NICs of an instance in the order of their slots, each with its network."""
        with self._store.read() as tx:
            ports = tx.ports.of_instance(find(tx, actor, project, ref, Role.VIEWER).id)
            networks = tx.networks.many({each.network_id for each in ports})
            return [(each, networks[each.network_id]) for each in ports]

    def attach(
        self, actor: Actor, project: str, ref: str, asked: NicRequest, revision: int | None = None
    ) -> tuple[Port, Operation]:
        """Add a NIC with an address of its own.

        Raises WrongState, Busy, NoPlace, NoAddress, InvalidInput (a MAC that was given out, too many NICs), NotFound.
        """

        def work(tx: Tx) -> tuple[Port, Operation]:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "attach_nic")
            slot = free_nic_slot({each.slot for each in tx.ports.of_instance(instance.id)})
            if slot is None:
                raise WrongState(f"{instance.name} has {MAX_NICS} NICs; more are not possible.")
            if instance.status is not InstanceStatus.STOPPED and instance.hardware.get("places") == 0:
                raise NoPlace(f"The running guest of {instance.name} has no place left for another NIC.")
            owner = tx.projects.get(instance.project_id)
            network = _network(tx, instance, asked.network)
            hostname = port_hostname(instance.name, slot, owner.name, self._zone)
            port = add_port(tx, instance, network, asked, slot, hostname)
            operation = begin_verb(tx, actor, instance, "attach_nic", port=port.id)
            tx.instances.update(instance.id, bump=True)
            return port, operation

        return self._store.transact(work)

    def detach(
        self, actor: Actor, project: str, ref: str, nic: str, deadline_s: int = 60, revision: int | None = None
    ) -> Operation:
        """Take a NIC away, and give its address back; raises NotFound, WrongState, Busy, InvalidInput."""
        if not 1 <= deadline_s <= MAX_DEADLINE_S:
            raise InvalidInput(f"The deadline must be 1 to {MAX_DEADLINE_S} seconds.", field="deadline_s")

        def work(tx: Tx) -> Operation:
            instance, port = _mine(tx, actor, project, ref, nic)
            expect(instance, revision)
            check_state(instance, "detach_nic")
            operation = begin_verb(tx, actor, instance, "detach_nic", port=port.id, deadline_s=deadline_s)
            tx.instances.update(instance.id, bump=True)
            return operation

        return self._store.transact(work)

    def link(self, actor: Actor, project: str, ref: str, nic: str, up: bool, revision: int | None = None) -> Operation:
        """Cut a NIC's link, or join it again, as if its cable were pulled; raises NotFound, WrongState, Busy."""

        def work(tx: Tx) -> Operation:
            instance, port = _mine(tx, actor, project, ref, nic)
            expect(instance, revision)
            check_state(instance, "link_nic")
            operation = begin_verb(tx, actor, instance, "link_nic", port=port.id, up=up)
            tx.instances.update(instance.id, bump=True)
            return operation

        return self._store.transact(work)

    def again(self, actor: Actor, old: Operation) -> Operation:
        """Ask once more for what failed; raises WrongState for a NIC that has to be asked for anew."""
        port = str(old.args["port"])
        if old.verb == "detach_nic":
            return self.detach(actor, "", old.resource_id, port, int(old.args["deadline_s"]))
        if old.verb == "link_nic":
            return self.link(actor, "", old.resource_id, port, bool(old.args["up"]))
        raise WrongState("The NIC was given up.", hint="Add it anew: `zcloud instance nic add`.")


def add_port(tx: Tx, instance: Instance, network: Network, asked: NicRequest, slot: int, hostname: str) -> Port:
    """Record a port with an address and a MAC of its own; raises InvalidInput, NoAddress."""
    identity, mac = new_id(), asked.mac or new_mac()
    while not tx.ports.reserve_mac(mac, identity):
        if asked.mac:
            raise InvalidInput(f"The MAC address {mac} was given out before.", field=f"nics.{slot}.mac")
        mac = new_mac()
    return tx.ports.add(
        Port(
            id=identity,
            instance_id=instance.id,
            network_id=network.id,
            slot=slot,
            mac=mac,
            address=pick_address(network, tx.ports.taken(network.id), asked.address) if network.cidr else "",
            tap=tap_name(identity),
            hostname=hostname,
            created_at=tx.now,
        )
    )


def _network(tx: Tx, instance: Instance, ref: str) -> Network:
    """Give a network that the instance can be on where it is; raises NotFound."""
    cloud = admission.snapshot(tx)
    here = next(each for each in cloud.views(instance.project_id) if each.id == instance.host_id)
    if ref not in here.networks:
        wanted = f"network {ref[:80]!r}" if ref else "default network"
        raise NotFound(f"There is no {wanted} on the host of {instance.name}.", hint="See `zcloud network list`.")
    return cloud.networks[here.networks[ref]]


def _mine(tx: Tx, actor: Actor, project: str, ref: str, nic: str) -> tuple[Instance, Port]:
    instance = find(tx, actor, project, ref)
    found = [each for each in tx.ports.of_instance(instance.id) if nic in _names(each)]
    if not found:
        hint = f"Name it by slot, address or MAC: `zcloud instance nic list {instance.name}`."
        raise NotFound(f"The instance {instance.name} has no NIC {nic[:80]!r}.", hint=hint)
    if len(found) > 1:
        raise AlreadyExists(f"{instance.name} has more than one NIC {nic[:80]!r}.", hint="Name it by its slot or MAC.")
    return instance, found[0]


def _names(port: Port) -> Iterable[str]:
    return filter(None, (port.id, str(port.slot), port.address, port.mac))
