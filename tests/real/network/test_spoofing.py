"""A guest that forges frames: each forged one is heard by nobody (0 of 3), each honest one by its addressee (3 of 3).

Frames are sent on the guest's end of its tap; the ears are the other guest's end, the host's bridge device, and a
UDP socket of the host. A frame carries a mark, so that it is known wherever it comes out.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.conformance.records import new_port
from tests.real.network.conftest import UDP_PORT, Guests, Site
from tests.real.network.frames import (
    ARP,
    BROADCAST,
    IP,
    IP6,
    QINQ,
    arp,
    datagram,
    dhcp,
    ethernet,
    icmp6,
    llc,
    tagged,
)

from zcloud.drivers import registry

MARK = b"zcloud-spoof"
TIMES = 3
LINK_LOCAL = "fe80::5054:ff:fe00:1"
OTHER_MAC = "52:54:00:ba:d0:01"
GROUP = "01:80:c2:00:00:"

Frames = dict[str, bytes]


def honest(guests: Guests, gateway_mac: str) -> Frames:
    """What a well-behaved guest sends."""
    (me, peer), gateway = guests.ports, guests.network.gateway
    mine, theirs, nobody = (me.mac, me.address), (peer.mac, peer.address), (BROADCAST, gateway)

    def ip(target_mac: str, target: str, port: int = 2) -> bytes:
        return ethernet(me.mac, target_mac, IP, datagram(me.address, target, (1, port), MARK))

    return {
        "ip to the host": ip(gateway_mac, gateway, UDP_PORT),
        "ip to the other guest": ip(peer.mac, peer.address),
        "ip beyond the host": ip(gateway_mac, "192.0.2.1"),
        "arp request": ethernet(me.mac, BROADCAST, ARP, arp(1, mine, nobody) + MARK),
        "arp reply": ethernet(me.mac, peer.mac, ARP, arp(2, mine, theirs) + MARK),
        "arp probe": ethernet(me.mac, BROADCAST, ARP, arp(1, (me.mac, "0.0.0.0"), nobody) + MARK),
        "dhcp discover": dhcp(me.mac, 1, mark=MARK),
    }


def forged(guests: Guests, gateway_mac: str) -> Frames:
    """What a guest may not send."""
    return {
        **forged_addresses(guests, gateway_mac),
        **forged_arp(guests),
        **forged_servers(guests),
        **forged_kinds(guests, gateway_mac),
    }


def forged_addresses(guests: Guests, gateway_mac: str) -> Frames:
    """IP packets from a MAC or an address that is not the sender's."""
    (me, peer), gateway = guests.ports, guests.network.gateway
    stranger = f"{me.address.rpartition('.')[0]}.66"

    def ip(source_mac: str, source: str, ports: tuple[int, int] = (1, UDP_PORT)) -> bytes:
        return ethernet(source_mac, gateway_mac, IP, datagram(source, gateway, ports, MARK))

    frames = {
        "mac unknown": ip(OTHER_MAC, me.address),
        "mac of the other guest": ip(peer.mac, me.address),
        "mac of the gateway": ethernet(gateway_mac, peer.mac, IP, datagram(me.address, peer.address, (1, 2), MARK)),
        "ip unknown": ip(me.mac, stranger),
        "ip of the other guest": ip(me.mac, peer.address),
        "ip of the gateway": ethernet(me.mac, peer.mac, IP, datagram(gateway, peer.address, (1, 2), MARK)),
        "ip of the world": ip(me.mac, "192.0.2.8"),
        "ip zero": ip(me.mac, "0.0.0.0"),
        "ip zero, ports of dhcp": ip(me.mac, "0.0.0.0", (68, 67)),
    }
    lie = datagram(stranger, gateway, (1, UDP_PORT), MARK)
    for last in ("00", "01", "02", "03", "08", "0e", "0f"):
        frames[f"ip in a frame to {GROUP}{last}"] = ethernet(OTHER_MAC, GROUP + last, IP, lie)
    return frames


def forged_arp(guests: Guests) -> Frames:
    """ARP that would turn others' traffic to the sender."""
    (me, peer), gateway = guests.ports, guests.network.gateway
    mine, theirs, nobody = (me.mac, me.address), (peer.mac, peer.address), (BROADCAST, gateway)
    packets = {
        "arp with the gateway's ip": arp(2, (me.mac, gateway), theirs),
        "arp with another's mac": arp(2, (peer.mac, me.address), theirs),
        "arp, gratuitous": arp(1, (me.mac, gateway), nobody),
        "arp reply with ip zero": arp(2, (me.mac, "0.0.0.0"), theirs),
        "arp of another hardware": b"\0\6" + arp(1, mine, nobody)[2:],
        "arp of another operation": arp(8, mine, nobody),
    }
    frames = {name: ethernet(me.mac, BROADCAST, ARP, packet + MARK) for name, packet in packets.items()}
    return {**frames, "rarp": ethernet(me.mac, BROADCAST, 0x8035, arp(3, mine, mine) + MARK)}


def forged_servers(guests: Guests) -> Frames:
    """What only a DHCP server or a router says, and IPv6 as a whole."""
    me, peer = guests.ports

    def ip6(kind: int, padding: int) -> bytes:
        return ethernet(me.mac, "33:33:00:00:00:01", IP6, icmp6(LINK_LOCAL, "ff02::1", kind, bytes(padding) + MARK))

    return {
        "dhcp server": ethernet(me.mac, BROADCAST, IP, datagram(me.address, "255.255.255.255", (67, 68), MARK)),
        "dhcp server, other port": ethernet(me.mac, peer.mac, IP, datagram(me.address, peer.address, (6767, 68), MARK)),
        "router advertisement": ip6(134, 12),
        "neighbour advertisement": ip6(136, 20),
        "ping over ipv6": ip6(128, 4),
    }


def forged_kinds(guests: Guests, gateway_mac: str) -> Frames:
    """Frames of a kind that guests have no business with."""
    me, gateway = guests.ports[0], guests.network.gateway
    good = ethernet(me.mac, gateway_mac, IP, datagram(me.address, gateway, (1, UDP_PORT), MARK))
    request = ethernet(me.mac, BROADCAST, ARP, arp(1, (me.mac, me.address), (BROADCAST, gateway)) + MARK)
    return {
        "vlan": tagged(good, 5),
        "vlan, arp": tagged(request, 5),
        "vlan zero": tagged(good, 0),
        "vlan in vlan": tagged(tagged(good, 5), 6, QINQ),
        "spanning tree": llc(me.mac, GROUP + "00", bytes(35) + MARK),
        "lldp": ethernet(me.mac, GROUP + "0e", 0x88CC, MARK),
        "profinet": ethernet(me.mac, BROADCAST, 0x8892, MARK),
    }


def count_heard(site: Site, guests: Guests, frames: Frames, sender: int = 0) -> dict[str, int]:
    """Send each frame three times; gives how many came out anywhere but at the sender's own end."""
    ear, mouth = guests.inner[1 - sender], guests.inner[sender]
    peer = guests.ports[1 - sender]
    # The other guest says something first, so that the bridge knows where it is.
    hello = ethernet(peer.mac, BROADCAST, ARP, arp(1, (peer.mac, peer.address), (BROADCAST, guests.network.gateway)))
    names = [name for name in frames for _ in range(TIMES)]
    sends = [send for name in names for send in ((ear, hello), (mouth, frames[name]))]
    heard = site.send([ear, guests.bridge], sends, 0.03)[1::2]
    marks = dict.fromkeys(frames, 0)
    for name, found in zip(names, heard, strict=True):
        marks[name] += any(MARK in data for _, data in found)
    return marks


def test_forged_frames_are_dropped_and_honest_ones_arrive(
    site: Site, make_guests: Callable[[dict[str, str]], Guests]
) -> None:
    guests = make_guests({})
    gateway_mac = site.mac_of(guests.bridge)
    right, wrong = honest(guests, gateway_mac), forged(guests, gateway_mac)
    assert count_heard(site, guests, right) == dict.fromkeys(right, TIMES)
    assert count_heard(site, guests, wrong) == dict.fromkeys(wrong, 0)
    assert count_heard(site, guests, right) == dict.fromkeys(right, TIMES)


def test_the_same_frames_pass_without_the_guard(site: Site, make_guests: Callable[[dict[str, str]], Guests]) -> None:
    """The attack works where nothing stops it: what the test above proves is not a mistake in its frames."""
    guests = make_guests({"port_security": "off"})
    registry.guard(site.link).remove()
    frames = forged(guests, site.mac_of(guests.bridge))
    heard = count_heard(site, guests, frames)
    # The kernel itself drops pause frames, and gives these to nobody but their own daemons.
    never = {f"ip in a frame to {GROUP}01", "lldp"}
    assert {name for name, number in heard.items() if number == 0} <= never
    assert heard[f"ip in a frame to {GROUP}0e"] == TIMES


def test_security_off_lets_all_pass(site: Site, make_guests: Callable[[dict[str, str]], Guests]) -> None:
    guests = make_guests({"port_security": "off"})
    frames = forged(guests, site.mac_of(guests.bridge))
    wanted = {
        name: frame for name, frame in frames.items() if GROUP not in name and name not in ("lldp", "spanning tree")
    }
    assert count_heard(site, guests, wanted) == dict.fromkeys(wanted, TIMES)


def test_ipv6_passes_on_request_without_routers(site: Site, make_guests: Callable[[dict[str, str]], Guests]) -> None:
    guests = make_guests({"ipv6": "unfiltered"})
    frames = forged(guests, site.mac_of(guests.bridge))
    heard = count_heard(site, guests, frames)
    passing = {"neighbour advertisement", "ping over ipv6"}
    assert heard == {name: TIMES if name in passing else 0 for name in frames}


@pytest.mark.parametrize("removed", ["port", "elements"])
def test_tap_that_is_not_admitted_may_send_nothing(
    site: Site, make_guests: Callable[[dict[str, str]], Guests], removed: str
) -> None:
    guests = make_guests({})
    if removed == "port":
        guests.driver.remove_port(guests.ports[0])
    else:
        registry.guard(site.link).reconcile([registry.guarded(guests.network, guests.ports[1])])
    frames = honest(guests, site.mac_of(guests.bridge))
    assert count_heard(site, guests, frames) == dict.fromkeys(frames, 0)


def test_guest_does_not_hear_what_is_for_others(site: Site, make_guests: Callable[[dict[str, str]], Guests]) -> None:
    """The bridge floods frames for a MAC that it does not know; a guest hears only its own and multicast."""
    guests = make_guests({})
    me, _ = guests.ports
    flooded = ethernet(me.mac, OTHER_MAC, IP, datagram(me.address, "192.0.2.7", (1, 2), MARK))
    heard = site.send([guests.inner[1]], [(guests.inner[0], flooded)] * TIMES)
    assert not any(MARK in data for each in heard for _, data in each)


def test_lldp_frame_with_a_stolen_mac_moves_no_traffic(
    site: Site, make_guests: Callable[[dict[str, str]], Guests]
) -> None:
    """The bridge would learn from such a frame before any rule sees it, and send the owner's frames to the thief."""
    guests = make_guests({})
    thief, owner = guests.ports
    hello = ethernet(owner.mac, BROADCAST, ARP, arp(1, (owner.mac, owner.address), (BROADCAST, guests.network.gateway)))
    lie = ethernet(owner.mac, GROUP + "0e", 0x88CC, MARK)
    site.send([], [(guests.inner[1], hello), (guests.inner[0], lie)])
    entries = json.loads(site.host.run(["bridge", "-j", "fdb", "show", "br", guests.bridge]).stdout)
    assert [entry["ifname"] for entry in entries if entry["mac"] == owner.mac] == [owner.tap]
    assert owner.tap != thief.tap


def test_rules_are_put_back_whole_while_guests_talk(
    site: Site, make_guests: Callable[[dict[str, str]], Guests]
) -> None:
    guests = make_guests({})
    frames = forged(guests, site.mac_of(guests.bridge))
    site.host.run(["nft", "flush", "chain", "bridge", "zcloud", "from_guest"])
    site.host.run(["nft", "delete", "table", "inet", "zcloud"])
    assert count_heard(site, guests, {"x": frames["ip unknown"]}) == {"x": TIMES}
    guard = registry.guard(site.link)
    wanted = [registry.guarded(guests.network, port) for port in guests.ports]
    assert guard.reconcile(wanted).bare  # the elements were there, the rules that read them were not
    assert not guard.reconcile(wanted)
    assert count_heard(site, guests, frames) == dict.fromkeys(frames, 0)


def test_another_network_s_port_keeps_its_own_rules(
    site: Site, make_guests: Callable[[dict[str, str]], Guests]
) -> None:
    one, other = make_guests({}), make_guests({"port_security": "off"})
    frames = forged(one, site.mac_of(one.bridge))
    assert count_heard(site, one, frames) == dict.fromkeys(frames, 0)
    stranger = new_port(other.network, 12)
    other.driver.ensure_port(stranger)
    other.driver.remove_port(stranger)
    assert other.driver.list_ports() == {port.tap for port in other.ports}
