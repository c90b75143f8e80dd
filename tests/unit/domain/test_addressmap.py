"""The map of a network's addresses."""

from __future__ import annotations

import ipaddress
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests import builders

from zcloud.domain.addressmap import PIECE, Use, map_addresses
from zcloud.domain.errors import NoAddress
from zcloud.domain.network import AddressRange, Network, pick_address

CIDR = "10.9.0.0/25"
NUMBERS = st.integers(0, 127)


def text(number: int) -> str:
    return f"10.9.0.{number}"


def network(*ranges: AddressRange, cidr: str = CIDR) -> Network:
    return builders.network(cidr=cidr, gateway="10.9.0.1", ranges=ranges)


RANGES = st.lists(
    st.tuples(NUMBERS, NUMBERS, st.booleans()).map(
        lambda it: AddressRange(text(min(it[:2])), text(max(it[:2])), reserved=it[2])
    ),
    max_size=4,
)


@given(RANGES, st.sets(NUMBERS.map(text)))
def test_free_is_what_would_be_given_out(ranges: list[AddressRange], taken: set[str]) -> None:
    lan = network(*ranges)
    found, given_out = map_addresses(lan, taken, (), (), 0), set(taken)
    free = {cell.address for cell in found.cells if cell.use is Use.FREE}
    assert found.free == len(free)
    try:
        while True:
            given_out.add(pick_address(lan, given_out))
    except NoAddress:
        assert given_out - taken == free


def test_every_address_is_in_one_cell_and_one_row() -> None:
    kept = AddressRange("10.9.0.20", "10.9.0.29", reserved=True, comment="printers")
    ports = [builders.port("i", "n", address="10.9.0.10")]
    found = map_addresses(network(kept), {"10.9.0.10", "10.9.0.11", "10.9.0.12"}, ["10.9.0.12"], ports, 0)
    assert len(found.cells) == sum(run.count for run in found.runs) == 128
    rows = [(run.first, run.last, run.cell.use.value) for run in found.runs]
    assert rows[2:] == [
        ("10.9.0.2", "10.9.0.9", "free"),
        ("10.9.0.10", "10.9.0.10", "used"),
        ("10.9.0.11", "10.9.0.11", "used"),
        ("10.9.0.12", "10.9.0.12", "fenced"),
        ("10.9.0.13", "10.9.0.19", "free"),
        ("10.9.0.20", "10.9.0.29", "reserved"),
        ("10.9.0.30", "10.9.0.126", "free"),
        ("10.9.0.127", "10.9.0.127", "own"),
    ]
    assert [cell.port is not None for cell in found.cells[10:13]] == [True, False, False]


def test_a_large_network_is_shown_in_pieces() -> None:
    lan = builders.network(cidr="10.0.0.0/8", gateway="10.0.0.1")
    found = map_addresses(lan, {"10.200.3.4", "10.200.3.5"}, (), (), 10**9)
    assert (found.piece, found.pieces, len(found.cells)) == (65535, 65536, PIECE)
    assert found.busy == ((200 * 256 + 3, "10.200.3.0", 2),)
    assert found.free == 2**24 - 5
    assert ipaddress.IPv4Address(found.cells[-1].address) == ipaddress.IPv4Network(lan.cidr).broadcast_address
    assert Counter(cell.use for cell in found.cells)[Use.OWN] == 1
