"""Nothing is lost: what no line names survives, and setting one field changes that field alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.schemas import needs_schemas, schema_names

from zcloud.libvirtxml.capabilities import Capabilities, DomainCapabilities
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.fields import Bytes, Flag, Hex, Int, Switch, Text, Texts
from zcloud.libvirtxml.mapping import Children, Field, Group, Node, Required, lines
from zcloud.libvirtxml.network import VirtualNetwork
from zcloud.libvirtxml.storage import StoragePool

DOCUMENTS: tuple[type[Node], ...] = (Domain, VirtualNetwork, Capabilities, DomainCapabilities, StoragePool)


def reachable(cls: type[Node], seen: dict[type[Node], None]) -> None:
    if cls in seen:
        return
    seen[cls] = None
    for line in lines(cls).values():
        if isinstance(line, Group | Children):
            reachable(line.of, seen)


def every_class() -> list[type[Node]]:
    seen: dict[type[Node], None] = {}
    for document in DOCUMENTS:
        reachable(document, seen)
    return list(seen)


CLASSES = every_class()
FIELDS = [(cls, name) for cls in CLASSES for name, line in lines(cls).items() if isinstance(line, Field | Required)]

# Characters that XML 1.0 can hold; a carriage return is kept as a character reference.
xml_text = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=("Cc", "Cs"))
    | st.sampled_from("\t\n\r<>&\"'")
)
plain = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
xml_name = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)


def value_of(cls: type[Node], name: str) -> st.SearchStrategy[Any]:
    """Give values for a field, each of its type."""
    line = lines(cls)[name]
    field = line.field if isinstance(line, Required) else line
    if isinstance(field, Bytes):
        return st.integers(0, 1 << 50)
    if isinstance(field, Int):
        return st.integers(-(1 << 60), 1 << 60)
    if isinstance(field, Hex):
        return st.integers(0, 1 << 60)
    if isinstance(field, Switch):
        return st.booleans()
    assert isinstance(field, Text)
    return xml_text


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> etree._Element:
    """Draw any element: attributes, text, comments, processing instructions, children in any namespace."""
    uri = draw(st.sampled_from(["", "{urn:x}", "{http://libvirt.org/schemas/domain/qemu/1.0}"]))
    element = etree.Element(uri + draw(xml_name | st.sampled_from(["devices", "disk", "name", "cpu", "metadata"])))
    for key, value in draw(st.dictionaries(xml_name, xml_text, max_size=3)).items():
        element.set(key, value)
    element.text = draw(xml_text) or None
    for _ in range(draw(st.integers(0, 3)) if depth else 0):
        kind = draw(st.integers(0, 5))
        child = elements(depth - 1) if kind > 1 else st.builds(etree.Comment if kind else _instruction, plain)
        made = draw(child)
        made.tail = draw(xml_text) or None
        element.append(made)
    return element


def _instruction(text: str) -> etree._Element:
    return etree.ProcessingInstruction("zc", text)


def canonical(text: str) -> bytes:
    return etree.tostring(etree.fromstring(text.encode()), method="c14n")


@settings(deadline=None)
@given(elements())
def test_round_trip_is_exact(root: etree._Element) -> None:
    root.tag = "domain"
    text = etree.tostring(root, encoding="unicode")
    written = Domain.parse(text).to_xml()
    assert written == text
    assert canonical(written) == canonical(text)


@settings(deadline=None)
@given(elements(), st.data())
def test_setting_one_field_changes_that_field_alone(root: etree._Element, data: st.DataObject) -> None:
    root.tag = "domain"
    before = etree.tostring(root, encoding="unicode")
    domain = Domain.parse(before)
    name = data.draw(st.sampled_from([name for cls, name in FIELDS if cls is Domain]))
    values = {other: read(domain, other) for cls, other in FIELDS if cls is Domain and other != name}
    value = data.draw(value_of(Domain, name))
    setattr(domain, name, value)
    assert getattr(domain, name) == value
    assert getattr(Domain.parse(domain.to_xml()), name) == value
    for other, known in values.items():
        fresh = lines(Domain)[name].path.steps == lines(Domain)[other].path.steps
        # A bare attribute makes its element, whose text is then empty instead of absent.
        assert read(domain, other) == known or (fresh and known is None)
    assert survivors(before) <= survivors(domain.to_xml())


def read(node: Node, name: str) -> Any:
    try:
        return getattr(node, name)
    except Exception as error:
        return type(error)


def survivors(text: str) -> set[tuple[Any, ...]]:
    """Give all that no line of ours names: elements of strange names with their attributes, comments, texts."""
    strange: set[tuple[Any, ...]] = set()
    for element in etree.fromstring(text.encode()).iter():
        if callable(element.tag):
            strange.add(("note", element.text))
        elif element.tag not in KNOWN_TAGS:
            strange.add((element.tag, tuple(sorted(element.attrib.items())), element.text))
    return strange


KNOWN_TAGS = {"domain"} | {tag for cls in CLASSES for line in lines(cls).values() for tag in line.path.tags}


@pytest.mark.parametrize(("cls", "name"), FIELDS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_field_reads_what_was_written(cls: type[Node], name: str, data: st.DataObject) -> None:
    node = cls.create()
    empty = node.to_xml()
    value = data.draw(value_of(cls, name))
    setattr(node, name, value)
    again = cls.parse(node.to_xml())
    assert getattr(node, name) == getattr(again, name) == value
    if isinstance(lines(cls)[name], Field):
        tests = any(step.tests for step in lines(cls)[name].path.steps)
        setattr(node, name, None)
        assert node.to_xml() == empty or tests


@pytest.mark.parametrize("cls", CLASSES)
def test_flags_and_texts_read_what_was_written(cls: type[Node]) -> None:
    for name, line in lines(cls).items():
        value = True if isinstance(line, Flag) else ("a", "b") if isinstance(line, Texts) else None
        if value is not None:
            node = cls.create()
            setattr(node, name, value)
            assert getattr(cls.parse(node.to_xml()), name) == value


@pytest.mark.parametrize("cls", CLASSES)
def test_fields_of_a_class_do_not_share_a_place(cls: type[Node]) -> None:
    places = [
        (line.path.steps, line.path.attribute) for line in lines(cls).values() if isinstance(line, Field | Required)
    ]
    assert len(places) == len(set(places))


@needs_schemas
@pytest.mark.parametrize("cls", CLASSES)
def test_libvirt_knows_every_name(cls: type[Node]) -> None:
    for line in lines(cls).values():
        names = {*line.path.tags, *(key for step in line.path.steps for key, _ in step.tests)}
        names |= {line.path.attribute} if line.path.attribute else set()
        ours = {name for name in names if "urn:zcloud" in name} | {"incarnation", "project"}
        ours |= {"clusters"}  # libvirt 10 and later
        assert {name.rpartition("}")[2] for name in names - ours} <= schema_names(), line.path.text
