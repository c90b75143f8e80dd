"""The kinds of value that libvirt's XML holds, as descriptors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self, overload

from lxml import etree

from zcloud.libvirtxml.mapping import Field, Line, Node
from zcloud.libvirtxml.paths import own_text, remove, set_own_text

UNITS: Mapping[str, int] = {
    "b": 1,
    "byte": 1,
    "bytes": 1,
    **{letter: 1024**power for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)},
}
"""Bytes in libvirt's units (https://libvirt.org/formatdomain.html#memory-allocation)."""

_INT = re.compile(r"-?\d{1,20}", re.ASCII)
_HEX = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,16}")


class Text(Field[str]):
    """Text, as it is."""

    def decode(self, text: str) -> str:
        return text

    def encode(self, value: str) -> str:
        return value


class Int(Field[int]):
    """A whole decimal number."""

    def decode(self, text: str) -> int:
        if not _INT.fullmatch(text.strip()):
            raise ValueError(text)
        return int(text)

    def encode(self, value: int) -> str:
        return str(int(value))


class Hex(Field[int]):
    """A number written as ``0x1a``, with at least ``digits`` digits (PCI and USB addresses)."""

    def __init__(self, path: str, digits: int = 1) -> None:
        super().__init__(path)
        self.digits = digits

    def decode(self, text: str) -> int:
        if not _HEX.fullmatch(text.strip()):
            raise ValueError(text)
        return int(text, 16)

    def encode(self, value: int) -> str:
        if value < 0:
            raise ValueError(value)
        return f"0x{value:0{self.digits}x}"


class Switch(Field[bool]):
    """A truth value in one of libvirt's two spellings."""

    spelling = ("yes", "no")

    def decode(self, text: str) -> bool:
        if text not in self.spelling:
            raise ValueError(text)
        return text == self.spelling[0]

    def encode(self, value: bool) -> str:
        return self.spelling[0] if value else self.spelling[1]


class YesNo(Switch):
    """``yes`` or ``no``."""


class OnOff(Switch):
    """``on`` or ``off``."""

    spelling = ("on", "off")


class Bytes(Field[int]):
    """A size in bytes: an element's text with a ``unit`` attribute.

    ``absent`` is the unit that libvirt means when none is written, ``unit`` the one that we write
    where the size is a multiple of it.
    """

    def __init__(self, path: str, unit: str = "KiB", absent: str = "KiB") -> None:
        super().__init__(path)
        self.unit, self.absent = unit, absent

    def decode(self, text: str) -> int:
        number, _, unit = text.partition(" ")
        if not _INT.fullmatch(number) or unit not in UNITS:
            raise ValueError(text)
        return int(number) * UNITS[unit]

    def encode(self, value: int) -> str:
        size = UNITS[self.unit]
        return f"{value} bytes" if value % size else f"{value // size} {self.unit}"

    def _read(self, element: etree._Element) -> str:
        return f"{own_text(element).strip()} {element.get('unit', self.absent)}"

    def _write(self, element: etree._Element, text: str) -> None:
        number, _, unit = text.partition(" ")
        element.set("unit", unit)
        set_own_text(element, number)

    def _erase(self, element: etree._Element) -> None:
        if "unit" in element.attrib:
            del element.attrib["unit"]
        set_own_text(element, "")


class Flag(Line):
    """True where the element is present."""

    @overload
    def __get__(self, node: None, owner: type[Node]) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type[Node]) -> bool: ...
    def __get__(self, node: Node | None, owner: type[Node]) -> Self | bool:
        if node is None:
            return self
        home = node.element
        return home is not None and self.path.find(home) is not None

    def __set__(self, node: Node, value: bool) -> None:
        if value:
            self.path.ensure(node.ensure(), node.ORDER)
            return
        home = node.element
        element = None if home is None else self.path.find(home)
        if home is not None and element is not None:
            self.path.prune(home, element)
            node.prune()


class Texts(Line):
    """The texts of like elements, in their order; setting replaces them all."""

    @overload
    def __get__(self, node: None, owner: type[Node]) -> Self: ...
    @overload
    def __get__(self, node: Node, owner: type[Node]) -> tuple[str, ...]: ...
    def __get__(self, node: Node | None, owner: type[Node]) -> Self | tuple[str, ...]:
        if node is None:
            return self
        home = node.element
        return () if home is None else tuple(own_text(found) for found in self.path.find_all(home))

    def __set__(self, node: Node, values: tuple[str, ...]) -> None:
        for value in values:
            self.check_text(value)
        home = node.ensure()
        for found in self.path.find_all(home):
            remove(found)
        for value in values:
            self.path.add(home, node.ORDER).text = value
