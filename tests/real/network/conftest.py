"""A namespace host with a guarded bridge, taps of guests on it, and what is heard there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conformance.records import new_network, new_port

from zcloud.domain.host import HostKind
from zcloud.domain.network import Network, Port
from zcloud.drivers import registry
from zcloud.drivers.network.base import NetworkDriver
from zcloud.hosts.address import HostAddress
from zcloud.hosts.pool import HostPool
from zcloud.lab.hosts import Lab, NamespaceHost
from zcloud.ports import HostLink

UDP_PORT = 9999
_WIRE = Path(__file__).with_name("wire.py")

Heard = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Site:
    """A host, the way to it, and how frames are sent there."""

    host: NamespaceHost
    link: HostLink

    def make_tap(self, port: Port, bridge: str) -> str:
        """Plug a veth into the bridge in a tap's stead; gives its other end, where the guest would be."""
        inner = "g" + port.tap[2:]
        self.host.run(["ip", "link", "add", port.tap, "type", "veth", "peer", "name", inner])
        self.host.run(["ip", "link", "set", port.tap, "master", bridge, "up"])
        # The guest's end answers nothing by itself: no address of either family.
        self.host.run(["sysctl", "-qw", f"net.ipv6.conf.{inner}.disable_ipv6=1"])
        self.host.run(["ip", "link", "set", inner, "up"])
        return inner

    def remove_tap(self, port: Port) -> None:
        """Unplug it."""
        self.host.run(["ip", "link", "del", port.tap])

    def mac_of(self, device: str) -> str:
        """Give a device's MAC."""
        return str(json.loads(self.host.run(["ip", "-j", "link", "show", "dev", device]).stdout)[0]["address"])

    def send(self, listen: list[str], sends: list[tuple[str, bytes]], wait_s: float = 0.1) -> list[Heard]:
        """Send frames one after the other; gives what each ear heard after each."""
        task = {
            "listen": listen,
            "udp": UDP_PORT,
            "wait_s": wait_s,
            "sends": [(device, frame.hex()) for device, frame in sends],
        }
        done = self.host.run([sys.executable, "-c", _WIRE.read_text()], stdin=json.dumps(task))
        return [[(ear, bytes.fromhex(data)) for ear, data in heard] for heard in json.loads(done.stdout)]


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a host with a link to it."""
    with Lab(1) as lab:
        host = lab.hosts[0]
        address = HostAddress(
            host.name, HostKind.SSH, host.address, host.ssh_port, host.ssh_user, str(host.ssh_key), host.host_key
        )
        directory: Path = tmp_path_factory.mktemp("p")
        pool = HostPool({host.name: address}.__getitem__, str(directory / "r"))
        yield Site(host, pool.link(host.name))
        pool.close()


@dataclass(frozen=True)
class Guests:
    """Two guests' ports on one NAT network, plugged in; ``inner`` are the guests' ends."""

    network: Network
    driver: NetworkDriver
    bridge: str
    ports: tuple[Port, Port]
    inner: tuple[str, str]


@pytest.fixture
def make_guests(site: Site) -> Iterator[Callable[[dict[str, str]], Guests]]:
    """Give what makes a NAT network with the given options and two admitted ports on it."""
    made: list[Guests] = []

    def make(options: dict[str, str]) -> Guests:
        network = new_network("nat", **options)
        driver = registry.network(network, site.link)
        driver.ensure_network()
        bridge = f"zbr-{network.id[:8]}"
        ports = new_port(network, 10), new_port(network, 11)
        for port in ports:
            driver.ensure_port(port)
        inner = site.make_tap(ports[0], bridge), site.make_tap(ports[1], bridge)
        guests = Guests(network, driver, bridge, ports, inner)
        made.append(guests)
        return guests

    yield make
    for guests in made:
        for port in guests.ports:
            site.remove_tap(port)
            guests.driver.remove_port(port)
        guests.driver.remove_network()
    registry.guard(site.link).remove()
