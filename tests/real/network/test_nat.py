"""DHCP of a NAT network as guests see it: the entered ones get their address, at once; nobody else gets any."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tests.conformance.records import new_port
from tests.real.network.conftest import Guests, Site
from tests.real.network.frames import dhcp, parse_dhcp

from zcloud.lab.hosts import wait_for

OFFER, ACK = 2, 5
DISCOVER, REQUEST = 1, 3

LOOK_UP = """
import socket, struct, sys
_, server, name = sys.argv
labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
ask = struct.pack("!6H", 7, 256, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, 1, 1)
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.settimeout(1)
link.sendto(ask, (server, 53))
try:
    answer = link.recv(512)
except TimeoutError:
    answer = bytes(12)
print(socket.inet_ntoa(answer[-4:]) if struct.unpack("!6H", answer[:12])[3] else "")
"""

MakeGuests = Callable[[dict[str, str]], Guests]


def ask(
    site: Site, inner: str, mac: str, kind: int, address: str = "", *, within_s: float = 2
) -> list[tuple[int, str]]:
    """Send a client's message until something answers, for some seconds; gives the answers."""
    deadline = time.monotonic() + within_s
    while True:
        heard = site.send([inner], [(inner, dhcp(mac, kind, address))], 0.4)[0]
        answers = [answer for _, frame in heard if (answer := parse_dhcp(frame))]
        if answers or time.monotonic() > deadline:
            return answers


def take_lease(site: Site, inner: str, mac: str, address: str) -> None:
    """Take a lease as a client does."""
    assert ask(site, inner, mac, DISCOVER, within_s=60)[0] == (OFFER, address)
    assert ask(site, inner, mac, REQUEST, address, within_s=60)[0] == (ACK, address)


def test_ports_get_their_address_and_strangers_none(site: Site, make_guests: MakeGuests) -> None:
    guests = make_guests({"port_security": "off"})
    for port, inner in zip(guests.ports, guests.inner, strict=True):
        take_lease(site, inner, port.mac, port.address)
    assert ask(site, guests.inner[0], "52:54:00:00:be:ef", DISCOVER) == []


def test_address_of_a_removed_port_is_served_to_the_next_at_once(site: Site, make_guests: MakeGuests) -> None:
    guests = make_guests({})
    old = guests.ports[0]
    take_lease(site, guests.inner[0], old.mac, old.address)
    site.remove_tap(old)
    guests.driver.remove_port(old)

    heir = new_port(guests.network, 10)
    guests.driver.ensure_port(heir)
    inner = site.make_tap(heir, guests.bridge)
    take_lease(site, inner, heir.mac, heir.address)
    assert ask(site, inner, old.mac, DISCOVER) == []
    site.remove_tap(heir)
    guests.driver.remove_port(heir)
    guests.driver.ensure_port(old)
    site.make_tap(old, guests.bridge)


def look_up(site: Site, server: str, name: str) -> str:
    """Ask a name server for a name's address; gives the address, or nothing."""
    done = site.host.run([sys.executable, "-c", LOOK_UP, server, name])
    return done.stdout.strip()


def test_names_are_answered_by_the_gateway(site: Site, make_guests: MakeGuests) -> None:
    guests = make_guests({})
    for port in guests.ports:
        assert look_up(site, guests.network.gateway, port.hostname) == port.address
        assert look_up(site, guests.network.gateway, port.hostname.removesuffix(".cloud.test")) == port.address
    guests.driver.remove_port(guests.ports[0])
    wait_for(lambda: not look_up(site, guests.network.gateway, guests.ports[0].hostname), 20, "the name is gone")
    assert look_up(site, guests.network.gateway, "lab-h1") == ""  # of the host's own /etc/hosts


def test_nothing_stays(site: Site, make_guests: MakeGuests) -> None:
    guests = make_guests({})
    leases = f"/var/lib/libvirt/dnsmasq/zcloud/{guests.network.id}"
    assert sorted(site.host.run(["ls", leases]).stdout.split()) == sorted(port.tap for port in guests.ports)
    for port in guests.ports:
        guests.driver.remove_port(port)
    guests.driver.remove_network()
    assert site.host.run(["ls", leases], check=False).returncode != 0
    assert guests.bridge not in site.host.run(["ip", "link"]).stdout
