"""Networks, address ranges and ports; which address comes next."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from zcloud.domain.errors import InvalidInput, NoAddress

MAX_NICS = 8
"""NICs of one instance."""


class NetworkKind(StrEnum):
    """The foundation's kinds; the driver of each is a file in ``drivers/network``."""

    NAT = "nat"
    BRIDGE = "bridge"


class NetworkScope(StrEnum):
    """Whether a network's ports can be anywhere or only on the host that has the network."""

    HOST = "host"
    SHARED = "shared"


class NetworkState(StrEnum):
    """Where a network is in its life."""

    CREATING = "creating"
    READY = "ready"
    ERROR = "error"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses from ``first`` to ``last``; ``reserved`` ones are never handed out by themselves."""

    first: str
    last: str
    reserved: bool = False
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """The record of a network. ``options`` are the driver's (bridge name, anti-spoofing off, ...)."""

    id: str
    name: str
    kind: NetworkKind
    scope: NetworkScope
    host_id: str | None  # of a network with scope host
    project_id: str | None  # None: for everybody
    cidr: str
    gateway: str
    dns: tuple[str, ...]
    search: str
    ranges: tuple[AddressRange, ...]
    options: Mapping[str, Any]
    state: NetworkState
    is_default: bool
    operation_id: str | None
    created_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Port:
    """A NIC of an instance with its addresses; the record that owns both."""

    id: str
    instance_id: str
    network_id: str
    slot: int
    mac: str
    address: str
    tap: str  # the host's device, chosen by zcloud, at most 15 bytes
    hostname: str  # fully qualified: instance.project.zone
    created_at: datetime
    link_up: bool = True  # whether its cable is in, so to say


def free_nic_slot(taken: Collection[int]) -> int | None:
    """Give the lowest place for a NIC that none has; None where all are taken."""
    return next((slot for slot in range(MAX_NICS) if slot not in taken), None)


def port_hostname(instance: str, slot: int, project: str, zone: str) -> str:
    """Give the DNS name of an instance's port; its first port has the instance's own."""
    name = instance if slot == 0 else f"{instance}-{slot}"
    return f"{name}.{project}.{zone}"


def tap_name(port_id: str) -> str:
    """Give the tap device's name for a port: ``zc`` and eleven hex digits (IFNAMSIZ is 16 with the NUL)."""
    return "zc" + port_id.replace("-", "")[:11]


def check_network(cidr: str, gateway: str, ranges: Collection[AddressRange]) -> None:
    """Check that gateway and ranges lie in ``cidr`` and do not contradict each other; raises InvalidInput."""
    try:
        network = ipaddress.IPv4Network(cidr)
        inside = [gateway] if gateway else []
        inside += [address for each in ranges for address in (each.first, each.last)]
        for address in inside:
            if ipaddress.IPv4Address(address) not in network:
                raise InvalidInput(f"The address {address} is not in {cidr}.", field="cidr")
        for each in ranges:
            if ipaddress.IPv4Address(each.first) > ipaddress.IPv4Address(each.last):
                raise InvalidInput(f"The range {each.first}-{each.last} runs backwards.", field="ranges")
    except ValueError as error:
        raise InvalidInput(f"Not a valid IPv4 network or address: {error}.", field="cidr") from error
    if network.prefixlen > 30 or network.prefixlen < 8:
        raise InvalidInput(f"A network of /{network.prefixlen} cannot be managed.", hint="Use /8 to /30.")


def pick_address(network: Network, taken: Collection[str], chosen: str = "") -> str:
    """Give ``chosen`` if it is free, or the lowest free address of the network's ranges.

    A chosen address may lie in a reserved range or outside all ranges, but not be the gateway, the network's
    or the broadcast address. Raises InvalidInput (not in the network) and NoAddress (taken, or none left).
    """
    if chosen:
        return _check_chosen(network, taken, chosen)
    reserved = [_bounds(each) for each in network.ranges if each.reserved]
    for candidate in _candidates(network):
        if any(low <= candidate <= high for low, high in reserved):
            continue
        address = str(ipaddress.IPv4Address(candidate))
        if address != network.gateway and address not in taken:
            return address
    raise NoAddress(
        f"The network {network.name} has no free address left.",
        hint="Add a range, choose an address outside the ranges, or remove instances that are not needed.",
        network=network.name,
    )


def count_addresses(network: Network) -> int:
    """Give how many addresses a network has to give out by itself."""
    if not network.cidr:
        return 0
    block = ipaddress.IPv4Network(network.cidr)
    low, high = int(block.network_address) + 1, int(block.broadcast_address) - 1
    given = [_bounds(each) for each in network.ranges if not each.reserved] or [(low, high)]
    gateway = int(ipaddress.IPv4Address(network.gateway)) if network.gateway else -1
    spans = [(max(first, low), min(last, high)) for first, last in given]
    whole = sum(max(last - first + 1, 0) for first, last in spans)
    kept = [_bounds(each) for each in network.ranges if each.reserved]
    lost = sum(max(min(last, b) - max(first, a) + 1, 0) for first, last in spans for a, b in kept)
    return max(whole - lost - any(first <= gateway <= last for first, last in spans), 0)


def _candidates(network: Network) -> Iterator[int]:
    block = ipaddress.IPv4Network(network.cidr)
    low, high = int(block.network_address) + 1, int(block.broadcast_address) - 1
    allocatable = [_bounds(each) for each in network.ranges if not each.reserved] or [(low, high)]
    for first, last in sorted(allocatable):
        yield from range(max(first, low), min(last, high) + 1)


def _bounds(each: AddressRange) -> tuple[int, int]:
    return int(ipaddress.IPv4Address(each.first)), int(ipaddress.IPv4Address(each.last))


def _check_chosen(network: Network, taken: Collection[str], chosen: str) -> str:
    try:
        address = ipaddress.IPv4Address(chosen)
    except ValueError as error:
        raise InvalidInput(f"{chosen[:60]!r} is not an IPv4 address.", field="address") from error
    block = ipaddress.IPv4Network(network.cidr)
    edges = {str(block.network_address), str(block.broadcast_address), network.gateway}
    if address not in block or str(address) in edges:
        raise InvalidInput(
            f"The address {address} cannot be given to an instance on {network.name} ({network.cidr}).",
            field="address",
        )
    if str(address) in taken:
        raise NoAddress(f"The address {address} on {network.name} is taken.", network=network.name)
    return str(address)
