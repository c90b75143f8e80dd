"""Domains that others made: what is read of them, and what is named because no record can hold it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests import builders
from tests.conftest import CheckGolden

from zcloud.domain.errors import InvalidXml
from zcloud.domain.instance import Firmware
from zcloud.domain.network import NetworkKind
from zcloud.drivers import registry
from zcloud.drivers.compute.adopt import MAX_TOLD, read_domain

FOREIGN = Path(__file__).with_name("foreign")
NAMES = sorted(path.stem for path in FOREIGN.glob("*.xml"))
LAN = builders.network(name="lan", options={"bridge": "br-lan"})
INNER = builders.network(id="0a0b0c0d-0000-0000-0000-000000000000", name="inner", kind=NetworkKind.NAT, host_id="h")
JOINS = registry.joins([LAN, INNER], "h")


@pytest.mark.parametrize("name", NAMES)
def test_what_others_made_is_read_as_it_is(name: str, check_golden: CheckGolden) -> None:
    adoption = read_domain((FOREIGN / f"{name}.xml").read_text(), JOINS)
    record = adoption.to_changes({})
    for nic in record["hardware"]["adopted"]["nics"]:
        nic["network_id"] = bool(nic["network_id"])  # a new one every time
    check_golden(FOREIGN / f"{name}.json", json.dumps(record, indent=1, default=str) + "\n")


def test_a_nic_is_on_our_network_by_bridge_or_by_libvirt_s_name() -> None:
    _, bridged = read_domain((FOREIGN / "virt-install.xml").read_text(), JOINS).nics
    [served] = read_domain((FOREIGN / "virt-manager.xml").read_text(), JOINS).nics
    assert (bridged.network, bridged.network_id) == ("lan", LAN.id)
    assert (served.network, served.network_id) == ("inner", INNER.id)
    elsewhere = read_domain((FOREIGN / "virt-manager.xml").read_text(), registry.joins([INNER], "another host"))
    assert elsewhere.nics[0].network == ""


def test_what_cannot_be_kept_is_named() -> None:
    told = " ".join(read_domain((FOREIGN / "hand-written.xml").read_text(), JOINS).unmapped)
    for word in (
        "device of the host", "directory", "TPM", "huge pages", "pinned", "arguments", "gadget", "kernel",
        "sda may be written", "vdb is of the type network", "52:54:00:aa:00:03", "2 screens", "serial",
    ):  # fmt: skip
        assert word in told
    assert read_domain((FOREIGN / "hand-written.xml").read_text(), JOINS).firmware is Firmware.UEFI


def test_a_definition_that_changes_keeps_the_sizes_that_were_seen() -> None:
    adoption = read_domain((FOREIGN / "virt-install.xml").read_text(), JOINS)
    before = adoption.to_changes({"definition": "x"})["hardware"]
    before["adopted"]["disks"][0]["size"] = 7
    after = adoption.to_changes(before)["hardware"]
    assert after["definition"] == "x"
    assert [each["size"] for each in after["adopted"]["disks"]] == [7, 0]


@pytest.mark.parametrize(
    "xml",
    [
        "<domain/>",
        "no xml",
        "<!DOCTYPE d [<!ENTITY e 'x'>]><domain type='kvm'><name>&e;</name></domain>",
        "<domain type='kvm'><name>x</name><uuid>u</uuid><vcpu>0</vcpu><memory>1048576</memory></domain>",
        "<domain type='kvm'><name>x</name><uuid>u</uuid><vcpu>1</vcpu><memory>5</memory></domain>",
        "<domain type='kvm'><name>x</name><vcpu>1</vcpu><memory>1048576</memory></domain>",
    ],
)
def test_what_is_no_domain_is_refused(xml: str) -> None:
    with pytest.raises(InvalidXml):
        read_domain(xml, {})


def test_hostile_texts_and_numbers_are_bounded() -> None:
    disk = f"<disk type='file'><source file='/{'x' * 5000}\n\x7f'/><target dev='vda'/></disk>"
    parts = "".join(f"<strange{number}/>" for number in range(500))
    xml = "<domain type='kvm'><name>x</name><uuid>u</uuid><vcpu>1</vcpu><memory>1048576</memory>"
    adoption = read_domain(f"{xml}<devices>{disk}{parts}</devices></domain>", {})
    assert len(adoption.unmapped) == MAX_TOLD
    assert len(adoption.disks[0].source) <= 300
