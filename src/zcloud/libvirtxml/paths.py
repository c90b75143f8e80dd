"""The small part of XPath that can be written as well as read.

A path is ``./child[@key='value']/grandchild/@attribute``: child steps, each with optional attribute
tests, and at its end perhaps an attribute. ``.`` is the element itself. It is checked when declared.
Reading takes the first child that matches each step; writing makes what is missing, at its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

NAMESPACES: Mapping[str, str] = {
    "dnsmasq": "http://libvirt.org/schemas/network/dnsmasq/1.0",
    "zcloud": "urn:zcloud:instance:1",
}

Order = Mapping[tuple[str, ...], tuple[str, ...]]
"""For the tags that lead to an element: the order of its children's tags."""

_NAME = r"[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?"
_TEST = rf"\[@{_NAME}='[^'\]]*'\]"
_PATH = re.compile(rf"\.((?:/{_NAME}(?:{_TEST})*)*)(?:/@({_NAME}))?")
_STEP = re.compile(rf"/({_NAME})((?:{_TEST})*)")
_TESTS = re.compile(rf"\[@({_NAME})='([^'\]]*)'\]")


@dataclass(frozen=True, slots=True)
class Step:
    """One child step: a tag and the attributes that it must have."""

    tag: str
    tests: tuple[tuple[str, str], ...] = ()

    def matches(self, element: etree._Element) -> bool:
        return element.tag == self.tag and all(element.get(key) == value for key, value in self.tests)

    def children(self, element: etree._Element) -> Iterator[etree._Element]:
        return (child for child in element if self.matches(child))

    def new(self) -> etree._Element:
        uri = self.tag[1:].partition("}")[0] if self.tag.startswith("{") else ""
        nsmap = {prefix: known for prefix, known in NAMESPACES.items() if known == uri}
        element = etree.Element(self.tag, nsmap=nsmap)
        for key, value in self.tests:
            element.set(key, value)
        return element


@dataclass(frozen=True, slots=True)
class Path:
    """A declared path; ``text`` is as it was written."""

    text: str
    steps: tuple[Step, ...]
    attribute: str | None

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(step.tag for step in self.steps)

    def find(self, element: etree._Element) -> etree._Element | None:
        """Give the element that the steps lead to, the first where several match."""
        found: etree._Element | None = element
        for step in self.steps:
            if found is None:
                return None
            found = next(step.children(found), None)
        return found

    def find_all(self, element: etree._Element) -> list[etree._Element]:
        """Give every element that the last step matches, in document order."""
        holder = Path(self.text, self.steps[:-1], None).find(element)
        return [] if holder is None else list(self.steps[-1].children(holder))

    def ensure(self, element: etree._Element, order: Order) -> etree._Element:
        """Give the element that the steps lead to, making what is missing."""
        for depth, step in enumerate(self.steps):
            child = next(step.children(element), None)
            element = insert(element, step.new(), order.get(self.tags[:depth], ())) if child is None else child
        return element

    def add(self, element: etree._Element, order: Order) -> etree._Element:
        """Make one more element for the last step, after those that are there."""
        holder = Path(self.text, self.steps[:-1], None).ensure(element, order)
        return insert(holder, self.steps[-1].new(), order.get(self.tags[:-1], ()))

    def prune(self, root: etree._Element, element: etree._Element) -> None:
        """Remove ``element``, then those above it (below ``root``) that this left empty."""
        while element is not root:
            parent = element.getparent()
            if parent is None:
                return
            remove(element)
            if not is_empty(parent):
                return
            element = parent


def parse_path(text: str) -> Path:
    """Read a path. Raises ValueError (when the class is made) if it is none of ours."""
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(f"not a path of this mapping: {text!r}")
    steps = tuple(
        Step(_qualify(tag), tuple((_qualify(key), value) for key, value in _TESTS.findall(tests)))
        for tag, tests in _STEP.findall(match[1])
    )
    return Path(text, steps, _qualify(match[2]) if match[2] else None)


def _qualify(name: str) -> str:
    prefix, colon, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}" if colon else name


def is_empty(element: etree._Element) -> bool:
    """Tell whether an element says nothing: no attribute, no child, no comment, no text."""
    return not len(element) and not element.attrib and not (element.text or "").strip()


def insert(parent: etree._Element, child: etree._Element, order: tuple[str, ...]) -> etree._Element:
    """Put ``child`` where ``order`` wants it; siblings, known or not, keep their places and layout."""
    index = _place(parent, child.tag, order)
    before = parent[index - 1] if index else None
    parent.insert(index, child)
    if not _is_blank(parent.text):
        return child
    if before is None:
        child.tail = parent.text if len(parent) > 1 else None
    elif _is_blank(before.tail):
        child.tail, before.tail = before.tail, parent.text
    return child


def _place(parent: etree._Element, tag: str, order: tuple[str, ...]) -> int:
    """After the last sibling that comes no later in ``order``, else before the first that comes later."""
    if tag not in order:
        return len(parent)
    rank = order.index(tag)
    earlier, later = set(order[: rank + 1]), set(order[rank + 1 :])
    tags = [child.tag for child in parent]
    for index in range(len(tags) - 1, -1, -1):
        if tags[index] in earlier:
            return index + 1
    return next((index for index, known in enumerate(tags) if known in later), len(tags))


def remove(element: etree._Element) -> None:
    """Take ``element`` away; text behind it stays, and the layout closes over the gap."""
    parent = element.getparent()
    if parent is None:
        return
    before, tail = element.getprevious(), element.tail
    lead = parent.text if before is None else before.tail
    if not _is_blank(tail):
        lead = (lead or "") + (tail or "")
    elif _is_blank(lead) and element.getnext() is None:
        lead = tail if before is not None else None
    else:
        parent.remove(element)
        return
    parent.remove(element)
    if before is None:
        parent.text = lead
    else:
        before.tail = lead


def _is_blank(text: str | None) -> bool:
    return not (text or "").strip()


def own_text(element: etree._Element) -> str:
    """Give an element's own text, also where a comment interrupts it."""
    return (element.text or "") + "".join(child.tail or "" for child in element if callable(child.tag))


def set_own_text(element: etree._Element, text: str) -> None:
    """Replace an element's own text; its child elements stay."""
    if own_text(element) == text:
        return
    element.text = text or None
    for child in element:
        if callable(child.tag):
            child.tail = None
