"""The anti-spoofing rules of a host as nft scripts: pure builders, and the parser of nft's listing.

The table ``bridge zcloud`` judges every frame that comes from a tap of ours, before the bridge learns its source
address, and every frame that goes to one. Sets of (tap, address) say what is allowed; the rules themselves do not
change with the number of ports. A tap named like ours that no set knows may send nothing: it fails closed.

Frames to 01:80:c2:00:00:0x (LLDP, 802.1X, ...) do not pass the bridge's prerouting hook: the kernel gives them to the
tap itself, and an IP packet inside would reach the host's own stack with any source address. The ``input`` chain and
the table ``inet zcloud`` close that door.

IPv6 is dropped unless asked for: zcloud hands out no IPv6 addresses, and the nft of Debian 12 cannot look the target
of a neighbour advertisement up in a set, so a "link-local only" mode could be spoofed.

Sources: nft(8); Linux ``net/bridge/br_input.c``; RFC 5227 (ARP probes); RFC 2131 (DHCP); RFC 6105 (rogue routers).
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from zcloud.domain.errors import CommandFailed, InvalidInput

_TAP = re.compile(r"zc[0-9a-z]{1,13}")
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
_OWNER = re.compile(r"[A-Za-z0-9.-]{1,64}")

RULES = """\
add table bridge zcloud
add set bridge zcloud macs { type ifname . ether_addr; }
add set bridge zcloud addresses { type ifname . ipv4_addr; }
add set bridge zcloud ipv6 { type ifname; }
add set bridge zcloud unguarded { type ifname; }
add chain bridge zcloud from_guest
add chain bridge zcloud from_guest_arp
add chain bridge zcloud from_guest_ip
add chain bridge zcloud from_guest_ip6
add chain bridge zcloud to_guest
add chain bridge zcloud prerouting { type filter hook prerouting priority -300; policy accept; }
add chain bridge zcloud input { type filter hook input priority -300; policy accept; }
add chain bridge zcloud postrouting { type filter hook postrouting priority 300; policy accept; }
flush table bridge zcloud

add rule bridge zcloud prerouting iifname "zc*" jump from_guest
add rule bridge zcloud input iifname "zc*" ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter drop
add rule bridge zcloud postrouting oifname "zc*" jump to_guest

add rule bridge zcloud from_guest iifname @unguarded accept
add rule bridge zcloud from_guest iifname . ether saddr != @macs counter drop
add rule bridge zcloud from_guest ether type arp goto from_guest_arp
add rule bridge zcloud from_guest ether type ip goto from_guest_ip
add rule bridge zcloud from_guest ether type ip6 goto from_guest_ip6
add rule bridge zcloud from_guest counter drop

add rule bridge zcloud from_guest_arp arp htype != 1 counter drop
add rule bridge zcloud from_guest_arp arp ptype != ip counter drop
add rule bridge zcloud from_guest_arp arp hlen != 6 counter drop
add rule bridge zcloud from_guest_arp arp plen != 4 counter drop
add rule bridge zcloud from_guest_arp iifname . arp saddr ether != @macs counter drop
add rule bridge zcloud from_guest_arp arp operation request arp saddr ip 0.0.0.0 accept
add rule bridge zcloud from_guest_arp iifname . arp saddr ip @addresses arp operation { request, reply } accept
add rule bridge zcloud from_guest_arp counter drop

add rule bridge zcloud from_guest_ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
add rule bridge zcloud from_guest_ip iifname . ip saddr != @addresses counter drop
add rule bridge zcloud from_guest_ip udp sport 67 counter drop
add rule bridge zcloud from_guest_ip udp dport 68 counter drop
add rule bridge zcloud from_guest_ip accept

add rule bridge zcloud from_guest_ip6 iifname != @ipv6 counter drop
add rule bridge zcloud from_guest_ip6 icmpv6 type { nd-router-advert, nd-redirect } counter drop
add rule bridge zcloud from_guest_ip6 udp sport 547 counter drop
add rule bridge zcloud from_guest_ip6 udp dport 546 counter drop
add rule bridge zcloud from_guest_ip6 accept

add rule bridge zcloud to_guest ether daddr & 01:00:00:00:00:00 != 00:00:00:00:00:00 accept
add rule bridge zcloud to_guest oifname @unguarded accept
add rule bridge zcloud to_guest oifname . ether daddr != @macs counter drop

add table inet zcloud
add chain inet zcloud prerouting { type filter hook prerouting priority -300; policy accept; }
flush table inet zcloud
add rule inet zcloud prerouting iifname "zc*" counter drop
"""

LOOK = "list chain bridge zcloud prerouting\n"
"""Has nft print the chain that leads to all other rules, as they are once the script before it was applied."""

RULE_COUNT = RULES.count("add rule bridge ")

REMOVAL = """\
add table bridge zcloud
delete table bridge zcloud
add table inet zcloud
delete table inet zcloud
"""


class Security(StrEnum):
    """What a port's network asks for (its option ``port_security``)."""

    STRICT = "strict"
    OFF = "off"


class IPv6(StrEnum):
    """What becomes of a port's IPv6 (its network's option ``ipv6``)."""

    OFF = "off"
    UNFILTERED = "unfiltered"  # except router advertisements, redirects and DHCP servers


class Element(NamedTuple):
    """One element of a set. ``owner`` is its comment: the id of the network that the port is in."""

    set: str
    key: tuple[str, ...]
    owner: str


@dataclass(frozen=True, slots=True)
class GuardedPort:
    """What a port may send. ``address`` is empty where the port has none (then it may send no IPv4).

    Raises InvalidInput for anything that could be more than one word of an nft script.
    """

    tap: str
    mac: str
    address: str
    owner: str
    security: Security = Security.STRICT
    ipv6: IPv6 = IPv6.OFF

    def __post_init__(self) -> None:
        for value, pattern in ((self.tap, _TAP), (self.mac, _MAC), (self.owner, _OWNER)):
            if not pattern.fullmatch(value):
                raise InvalidInput(f"{value[:60]!r} cannot be part of a port's anti-spoofing rules.")
        try:
            if self.address:
                ipaddress.IPv4Address(self.address)
        except ValueError as error:
            raise InvalidInput(f"{self.address[:60]!r} is not an IPv4 address.") from error

    def elements(self) -> frozenset[Element]:
        """Give the elements that let this port's own traffic through."""
        if self.security is Security.OFF:
            return frozenset({Element("unguarded", (self.tap,), self.owner)})
        found = {Element("macs", (self.tap, self.mac), self.owner)}
        if self.address:
            found.add(Element("addresses", (self.tap, self.address), self.owner))
        if self.ipv6 is IPv6.UNFILTERED:
            found.add(Element("ipv6", (self.tap,), self.owner))
        return frozenset(found)

    def traces(self) -> frozenset[Element]:
        """Give every element that the port can have had under any options."""
        strict = GuardedPort(self.tap, self.mac, self.address, self.owner, Security.STRICT, IPv6.UNFILTERED)
        return strict.elements() | {Element("unguarded", (self.tap,), self.owner)}


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be added to and removed from the host's sets; ``bare``: rules are missing too."""

    missing: frozenset[Element]
    surplus: frozenset[Element]
    bare: bool = False

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.bare)


class Listing(NamedTuple):
    """What a host's table holds."""

    elements: frozenset[Element] = frozenset()
    rules: int = 0


def diff(expected: Iterable[GuardedPort], present: Listing) -> Difference:
    """Compare the ports that should be guarded with what a host's table holds."""
    wanted = {element for port in expected for element in port.elements()}
    elements = present.elements
    return Difference(frozenset(wanted - elements), frozenset(elements - wanted), present.rules < RULE_COUNT)


def has_rules(chain: bytes) -> bool:
    """Say by the answer to ``LOOK`` whether frames from guests are judged at all."""
    return b'iifname "zc*" jump from_guest' in chain


def build_admission(ports: Iterable[GuardedPort]) -> str:
    """Give the script that adds the ports' elements; adding one that is there changes nothing."""
    return "".join(_line("add", each) for each in _sorted(port.elements() for port in ports))


def build_release(ports: Iterable[GuardedPort]) -> str:
    """Give the script that removes the ports' elements, whether they are there or not."""
    return build_removal(_sorted(port.traces() for port in ports))


def build_removal(elements: Iterable[Element]) -> str:
    """Give the script that removes elements; each is added first, because deleting an absent one is an error."""
    return "".join(_line("add", each) + _line("delete", each) for each in sorted(elements))


def build_healing(difference: Difference) -> str:
    """Give the one script that puts rules and elements right; the surplus goes first (an owner may have changed)."""
    missing = "".join(_line("add", each) for each in sorted(difference.missing))
    return RULES + build_removal(difference.surplus) + missing


def parse_listing(listing: bytes) -> Listing:
    """Read the answer of ``nft -j list table bridge zcloud``; raises CommandFailed when it is not that."""
    try:
        entries = json.loads(listing)["nftables"]
        sets = [entry["set"] for entry in entries if "set" in entry]
        elements = (_parse_element(each["name"], element) for each in sets for element in each.get("elem", ()))
        return Listing(frozenset(elements), sum("rule" in entry for entry in entries))
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed("nft's listing of the table bridge zcloud cannot be read.") from error


def _parse_element(set_name: str, element: object) -> Element:
    """An element is a plain value, or wrapped as ``{"elem": {"val": ..., "comment": ...}}`` when it has a comment."""
    owner = ""
    if isinstance(element, dict) and "elem" in element:
        owner = str(element["elem"].get("comment", ""))
        element = element["elem"]["val"]
    key = element["concat"] if isinstance(element, dict) else [element]
    return Element(set_name, tuple(str(part) for part in key), owner)


def _sorted(groups: Iterable[frozenset[Element]]) -> list[Element]:
    return sorted({element for group in groups for element in group})


def _line(verb: str, element: Element) -> str:
    tap, *rest = element.key
    key = " . ".join([f'"{tap}"', *rest])
    comment = f' comment "{element.owner}"' if element.owner and verb == "add" else ""
    return f"{verb} element bridge zcloud {element.set} {{ {key}{comment} }}\n"
