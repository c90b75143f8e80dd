"""The design's golden files, and what must hold for every one of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from tests.conftest import CheckGolden
from tests.schemas import needs_schemas, schema
from tests.unit.compute.plans import BRIDGE_NIC, CASES, DEMO, SLOW_DATA

from zcloud.domain.errors import InvalidXml
from zcloud.domain.host import Accel
from zcloud.domain.plug import DiskFormat, DiskKind, NicKind
from zcloud.drivers.compute.design import DomainPlan, design_disk, design_domain, design_nic
from zcloud.libvirtxml.disk import Disk
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.nic import Interface

GOLDEN = Path(__file__).parent / "golden"
every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_golden(name: str, check_golden: CheckGolden) -> None:
    check_golden(GOLDEN / f"{name}.xml", design_domain(CASES[name]) + "\n")


@every_case
@needs_schemas
def test_libvirts_schema_accepts_it(name: str) -> None:
    schema("domain").assertValid(etree.fromstring(design_domain(CASES[name])))


def test_no_golden_without_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.xml")} == set(CASES)


def collect(record: Any, seen: dict[tuple[type, str], set[Any]]) -> None:
    """Note each value of each field of a plan and of the records in it."""
    for field in fields(record):
        value = getattr(record, field.name)
        seen[type(record), field.name].add(value)
        for part in value if isinstance(value, tuple) else (value,):
            if is_dataclass(part):
                collect(part, seen)


def test_every_field_of_a_plan_has_a_golden_case() -> None:
    seen: dict[tuple[type, str], set[Any]] = defaultdict(set)
    for plan in CASES.values():
        collect(plan, seen)
    dull = {f"{owner.__name__}.{name}" for (owner, name), values in seen.items() if len(values) < 2}
    assert not dull
    values = {value for each in seen.values() for value in each if isinstance(value, Enum)}
    for kind in (Accel, DiskFormat, DiskKind, NicKind):
        wanted = set(kind)
        assert wanted <= values


def test_every_field_of_a_plan_shows_in_the_xml() -> None:
    texts = {name: design_domain(plan) for name, plan in CASES.items()}
    assert len(set(texts.values())) == len(texts)
    defaults = {field.name for field in fields(DomainPlan) if field.default is not MISSING}
    full = CASES["full"]
    for field in fields(DomainPlan):
        if field.name in defaults | {"disks", "nics"}:
            continue
        other = replace(full, **{field.name: getattr(DEMO, field.name)})
        changed = getattr(full, field.name) != getattr(DEMO, field.name)
        assert (design_domain(other) != texts["full"]) == changed, field.name


def test_user_text_stays_text() -> None:
    domain = Domain.parse(design_domain(CASES["hostile"]))
    plan = CASES["hostile"]
    assert (domain.mark.name, domain.mark.project) == (plan.instance_name, plan.project)
    assert domain.title == "one two <title>"
    assert domain.description == plan.description
    plain = Domain.parse(design_domain(DEMO))
    for each in (domain, plain):
        del each.title, each.description
        each.mark.name = each.mark.project = ""
    assert canonical(domain.ensure()) == canonical(plain.ensure())


@pytest.mark.parametrize("text", ["\0", "a\x1bb", "\ud800", "\ufffe"])
def test_characters_that_xml_forbids_are_refused(text: str) -> None:
    with pytest.raises(InvalidXml):
        design_domain(replace(DEMO, description=text))


def test_spare_root_ports_beyond_those_used() -> None:
    for plan in CASES.values():
        domain = Domain.parse(design_domain(plan))
        ports = [each for each in domain.controllers if each.model == "pcie-root-port"]
        used = len(domain.disks) - bool(plan.drivers) - bool(plan.cd) + len(domain.interfaces) + 4
        assert len(ports) == used + 12
        assert [port.index for port in ports] == list(range(1, len(ports) + 1))


def test_only_writable_disks_discard_and_pause_on_a_full_pool() -> None:
    for plan in CASES.values():
        for disk in Domain.parse(design_domain(plan)).disks:
            assert (disk.error_policy == "enospace") is not disk.read_only
            assert (disk.discard in ("unmap", "ignore")) is not disk.read_only


def test_targets_are_unique_and_the_root_boots_first() -> None:
    domain = Domain.parse(design_domain(CASES["full"]))
    assert [disk.target for disk in domain.disks] == ["vda", "sdb", "vdc", "vdz"]
    assert [disk.boot_order for disk in domain.disks] == [1, None, None, None]


def test_a_device_attached_later_is_as_it_would_be_from_birth() -> None:
    domain = Domain.parse(design_domain(CASES["full"]))
    disk = Disk.parse(design_disk(SLOW_DATA))
    nic = Interface.parse(design_nic(BRIDGE_NIC))
    assert canonical(disk.ensure()) == canonical(domain.disks[1].ensure())
    assert canonical(nic.ensure()) == canonical(domain.interfaces[1].ensure())


def canonical(element: etree._Element) -> bytes:
    """Give an element without its layout."""
    copy = etree.fromstring(etree.tostring(element, with_tail=False), etree.XMLParser(remove_blank_text=True))
    return etree.tostring(copy, method="c14n")
