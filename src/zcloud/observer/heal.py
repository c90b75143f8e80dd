"""What a host lost and gets back: anti-spoofing elements, DHCP entries and names of ports."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

from zcloud.domain.network import Network, Port
from zcloud.drivers import registry
from zcloud.ports import HostLink
from zcloud.store import Store, Tx

_log = logging.getLogger(__name__)


class Healer:
    """Puts back what is missing, and takes out what was added to ports of ours, and says so.

    Ports on whose instance an operation works are left to it. One that was deleted while it was healed got back what
    the operation had taken away, so the next look takes that away again. Elements of taps that no record knows are
    kept: they may belong to guests that a restored store has forgotten (see ``orphans``).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._healed: defaultdict[str, dict[str, tuple[Network, Port]]] = defaultdict(dict)  # by host, then by port

    def run(self, host_id: str, link: HostLink) -> None:
        """Look at one host; an event tells what was put right."""
        with self._store.read() as tx:
            busy = {row.id for row in tx.instances.powers(host_id) if row.operation_id is not None}
            known = tx.ports.on_host(host_id)
            networks = tx.networks.many({port.network_id for port in known})
        self._settle(host_id, {port.id: port.instance_id in busy for port in known}, link)
        ports = [port for port in known if port.instance_id not in busy]
        if not ports:
            return
        healed = self._healed[host_id]
        healed.update({port.id: (networks[port.network_id], port) for port in ports if port.id not in healed})
        guarded = _heal_guard(ports, networks, link)
        served = _heal_networks(ports, networks, link)
        if guarded or served:
            self._store.transact(lambda tx: _tell(tx, host_id, guarded, served))
        for port in ports:
            if port.tap not in guarded and port.address not in served:
                healed.pop(port.id, None)

    def _settle(self, host_id: str, busy: Mapping[str, bool], link: HostLink) -> None:
        """Take away what was healed for ports that are gone; those on which an operation works may still go."""
        for port_id, (network, port) in list(self._healed[host_id].items()):
            if port_id not in busy:
                registry.network(network, link).remove_port(port)
            if not busy.get(port_id):
                del self._healed[host_id][port_id]


def _heal_guard(ports: Sequence[Port], networks: dict[str, Network], link: HostLink) -> list[str]:
    """Give the taps whose anti-spoofing elements were not as they should be, after they are."""
    guard = registry.guard(link)
    difference = guard.compare_ports([registry.guarded(networks[port.network_id], port) for port in ports])
    if difference:
        guard.mend(difference)
    if difference.bare:  # none of them was guarded
        return sorted(port.tap for port in ports)
    return sorted({element.key[0] for element in difference.missing | difference.surplus})


def _heal_networks(ports: Sequence[Port], networks: dict[str, Network], link: HostLink) -> list[str]:
    """Give the addresses whose DHCP entry or name was not there, after they are."""
    by_network: defaultdict[str, list[Port]] = defaultdict(list)
    for port in ports:
        by_network[port.network_id].append(port)
    healed = []
    for network_id, mine in by_network.items():
        driver = registry.network(networks[network_id], link)
        lacking = driver.lacking(mine)
        if lacking:
            driver.ensure_network()
        for port in lacking:
            driver.ensure_port(port)
        healed += [port.address for port in lacking]
    return healed


def _tell(tx: Tx, host_id: str, guarded: list[str], served: list[str]) -> None:
    host = tx.hosts.get(host_id)
    told = []
    if guarded:
        told.append(f"anti-spoofing elements of {_some(guarded)}")
    if served:
        told.append(f"DHCP entries and names of {_some(served)}")
    message = f"{host.name}: {' and '.join(told)} were not as they should be, and were put right."
    _log.warning("%s", message)
    tx.events.add(
        "host.healed",
        resource_kind="host",
        resource_id=host.id,
        resource_name=host.name,
        message=message,
        data={"taps": guarded[:100], "addresses": served[:100]},
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
