"""Which addresses of a network are used, free or kept back, a piece of it at a time, as people look at it. Pure."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from zcloud.domain.network import Network, Port

PIECE = 256
"""Addresses of one piece."""

_MOST_PIECES = 64


class Use(StrEnum):
    """What an address is used for."""

    FREE = "free"  # the next instances get these
    USED = "used"
    RESERVED = "reserved"  # given out only where somebody asks for it
    FENCED = "fenced"  # a host uses it although no record has it
    OUTSIDE = "outside"  # in none of the ranges: given out only where somebody asks for it
    OWN = "own"  # the network's, the broadcast address or the gateway


_ALONE = frozenset({Use.USED, Use.FENCED, Use.OWN})


@dataclass(frozen=True, slots=True)
class Cell:
    """An address. ``port`` is told of a used one where the person may know of it; ``comment`` is its range's."""

    address: str
    use: Use
    port: Port | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbours that are used alike, from ``first`` to ``last``."""

    first: str
    last: str
    count: int
    cell: Cell


@dataclass(frozen=True, slots=True)
class AddressMap:
    """One piece of a network: the piece's number of ``pieces`` in all, and how many addresses are used and free.

    ``busy`` has the pieces with used addresses, at most 64 of them, each with its number, first address and count.
    """

    cells: tuple[Cell, ...]
    piece: int
    pieces: int
    used: int
    free: int
    busy: tuple[tuple[int, str, int], ...]

    @property
    def runs(self) -> list[Run]:
        """Give the cells as rows of a table: each one that somebody has for itself, other neighbours together."""
        found = list[Run]()
        for cell in self.cells:
            last = found[-1] if found else None
            alike = last and cell.use not in _ALONE and _kind(last.cell) == _kind(cell)
            if last and alike:
                found[-1] = Run(last.first, cell.address, last.count + 1, cell)
            else:
                found.append(Run(cell.address, cell.address, 1, cell))
        return found


def addresses_of(network: Network, piece: int) -> list[str]:
    """Give the addresses of a piece; one that there is not is the nearest."""
    return [_text(number) for number in _piece(network, piece)]


def _piece(network: Network, piece: int) -> range:
    block = ipaddress.IPv4Network(network.cidr)
    low, size = int(block.network_address), block.num_addresses
    first = low + PIECE * min(max(piece, 0), -(-size // PIECE) - 1)
    return range(first, min(first + PIECE, low + size))


def map_addresses(
    network: Network, taken: Collection[str], fenced: Collection[str], ports: Iterable[Port], piece: int
) -> AddressMap:
    """Give a piece of a network's addresses; ``taken`` has what ports and fences hold, ``ports`` those to tell of."""
    block, here = ipaddress.IPv4Network(network.cidr), _piece(network, piece)
    low, pieces = int(block.network_address), -(-block.num_addresses // PIECE)
    known, numbers = {each.address: each for each in ports}, {_number(each) for each in taken if each}
    cells = tuple(_cell(network, number, numbers, fenced, known) for number in here)
    counts = Counter((each - low) // PIECE for each in numbers if 0 <= each - low < block.num_addresses)
    busy = tuple((at, _text(low + at * PIECE), count) for at, count in sorted(counts.items())[:_MOST_PIECES])
    used, free = len(numbers), _count_free(network, numbers)
    return AddressMap(cells, (here.start - low) // PIECE, pieces, used, free, busy)


def _cell(
    network: Network, number: int, taken: Collection[int], fenced: Collection[str], ports: Mapping[str, Port]
) -> Cell:
    block, address = ipaddress.IPv4Network(network.cidr), _text(number)
    if address in fenced:
        return Cell(address, Use.FENCED)
    if number in taken:
        return Cell(address, Use.USED, ports.get(address))
    if address == network.gateway or number in (int(block.network_address), int(block.broadcast_address)):
        return Cell(address, Use.OWN)
    for each in sorted(network.ranges, key=lambda each: not each.reserved):
        if _number(each.first) <= number <= _number(each.last):
            return Cell(address, Use.RESERVED if each.reserved else Use.FREE, comment=each.comment)
    return Cell(address, Use.OUTSIDE if any(not each.reserved for each in network.ranges) else Use.FREE)


def _count_free(network: Network, taken: Collection[int]) -> int:
    """Count what instances can still get by themselves, without going through all addresses."""
    block = ipaddress.IPv4Network(network.cidr)
    whole = (int(block.network_address) + 1, int(block.broadcast_address) - 1)
    open_ = [(_number(each.first), _number(each.last)) for each in network.ranges if not each.reserved] or [whole]
    kept = [(_number(each.first), _number(each.last)) for each in network.ranges if each.reserved]

    def given_out(number: int) -> bool:
        return _within(number, open_) and not _within(number, kept) and _within(number, [whole])

    edges = sorted({edge for low, high in [*open_, *kept, whole] for edge in (low, high + 1)})
    gone = {*taken, *([_number(network.gateway)] if network.gateway else ())}
    return sum(b - a for a, b in pairwise(edges) if given_out(a)) - sum(map(given_out, gone))


def _within(number: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(low <= number <= high for low, high in spans)


def _kind(cell: Cell) -> tuple[Use, str]:
    return cell.use, cell.comment


def _number(address: str) -> int:
    return int(ipaddress.IPv4Address(address))


def _text(number: int) -> str:
    return str(ipaddress.IPv4Address(number))
