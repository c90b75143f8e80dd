"""What a host lost and gets back: anti-spoofing elements, DHCP entries and names of ports."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from zcloud.domain.network import Network, Port
from zcloud.drivers import registry
from zcloud.ports import HostLink
from zcloud.store import Store, Tx

_log = logging.getLogger(__name__)


class Healer:
    """Puts back what is missing, and takes out what was added to ports of ours, and says so.

    Ports on whose instance an operation works are left to it. Elements of taps that no record knows are kept: they
    may belong to guests that a restored store has forgotten (see ``orphans``).
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, host_id: str, link: HostLink) -> None:
        """Look at one host; an event tells what was put right."""
        with self._store.read() as tx:
            busy = {row.id for row in tx.instances.powers(host_id) if row.operation_id is not None}
            ports = [port for port in tx.ports.on_host(host_id) if port.instance_id not in busy]
            networks = tx.networks.many({port.network_id for port in ports})
        if not ports:
            return
        guarded = _heal_guard(ports, networks, link)
        served = _heal_networks(ports, networks, link)
        if guarded or served:
            self._store.transact(lambda tx: _tell(tx, host_id, guarded, served))


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
