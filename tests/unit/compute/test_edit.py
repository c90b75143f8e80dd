"""What an operator may change of a definition by hand, and every way past it that was thought of."""

from __future__ import annotations

import pytest
from tests.unit.compute.plans import CASES

from zcloud.domain.errors import InvalidXml
from zcloud.drivers.compute.design import design_domain
from zcloud.drivers.compute.edit import find_objections, show_difference

OLD = design_domain(CASES["demo"])
UEFI = design_domain(CASES["uefi"])
SDA = "<disk type='block'><source dev='/dev/sda'/><target dev='vdq'/></disk>"
EVDEV = '<input type="evdev"><source dev="/dev/input/event0"/></input>'
QEMU = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"


def edited(old: str, new: str, xml: str = OLD) -> str:
    assert old in xml
    return xml.replace(old, new, 1)


FREE = {
    "title": edited("<devices>", "<title>Shop</title>\n  <devices>"),
    "cpu": edited("</cpu>", "<feature policy='disable' name='svm'/></cpu>"),
    "clock": edited('offset="utc"', 'offset="localtime"'),
    "video": edited('<model type="virtio"/>\n    </video>', '<model type="vga"/>\n    </video>'),
    "a disk's driver": edited('io="threads"', 'io="io_uring"'),
    "layout": OLD.replace("\n", "\n\n"),
    "order of attributes": edited('<driver name="qemu" type="qcow2"', '<driver type="qcow2" name="qemu"'),
}
REFUSED = {
    "no screen": edited(OLD[OLD.index("<graphics") : OLD.index("</video>") + 8], ""),
    "uuid": edited(CASES["demo"].instance_id, "5a2e6a4c-7d1f-4c62-9f0e-0000000000ff"),
    "name": edited(f"<name>{CASES['demo'].domain_name}</name>", "<name>other</name>"),
    "metadata": edited(f'name="{CASES["demo"].instance_name}"', 'name="other"'),
    "vcpu": edited("</vcpu>", "0</vcpu>"),
    "memory": edited("<memory ", "<memory dumpCore='on' "),
    "disk": edited("/pools/default/", "/etc/"),
    "disk added": edited("<controller", f"{SDA}<controller"),
    "image format": edited('name="qemu" type="raw"', 'name="qemu" type="qcow2"'),
    "link": edited('state="down"', 'state="up"'),
    "disk removed": edited(OLD[OLD.index("<disk") : OLD.index("</disk>") + 7], ""),
    "interface": edited('model type="virtio"/>', 'model type="virtio"/><script path="/tmp/x"/>'),
    "hostdev": edited("<controller", "<hostdev mode='subsystem' type='usb'/><controller"),
    "filesystem": edited("<controller", "<filesystem type='mount'><source dir='/'/></filesystem><controller"),
    "seclabel": edited("<devices>", "<seclabel type='none'/><devices>"),
    "emulator": edited("<devices>", "<devices><emulator>/bin/sh</emulator>"),
    "commandline": edited("<domain ", f"<domain {QEMU} ").replace(
        "</domain>", "<qemu:commandline><qemu:arg value='-snapshot'/></qemu:commandline></domain>"
    ),
    "serial": edited('<serial type="pty">', '<serial type="file"><source path="/etc/cron.d/x"/>'),
    "rng": edited("/dev/urandom", "/etc/shadow"),
    "os": edited("/OVMF_CODE", "/other", UEFI),
    "sysinfo": edited("<devices>", "<sysinfo type='fwcfg'><entry name='opt/x' file='/etc/shadow'/></sysinfo><devices>"),
    "shmem": edited("<controller", "<shmem name='x'/><controller"),
    "type": edited('<domain type="', '<domain type="x'),
    "two devices": OLD.replace("</domain>", "<devices/></domain>"),
    "tcp": edited('<graphics type="vnc">', '<graphics type="vnc" port="5900" listen="0.0.0.0">'),
    "address": edited('<listen type="socket"/>', '<listen type="address" address="0.0.0.0"/>'),
    "socket": edited('<listen type="socket"/>', '<listen type="socket" socket="/tmp/x"/>'),
    "spice": edited('<graphics type="vnc">', '<graphics type="spice">'),
    "password": edited('<graphics type="vnc">', '<graphics type="vnc" passwd="secret">'),
    "path in what is free": edited('<input type="tablet" bus="usb"/>', EVDEV),
    "blkio": edited("<devices>", "<blkiotune><device><path>/dev/sda</path></device></blkiotune><devices>"),
    "no domain": "<network/>",
}  # fmt: skip


@pytest.mark.parametrize("name", FREE)
def test_what_is_free(name: str) -> None:
    assert find_objections(OLD, FREE[name]) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not(name: str) -> None:
    old = UEFI if name == "os" else OLD
    objections = find_objections(old, REFUSED[name])
    assert objections
    assert all(each.endswith(".") for each in objections)


@pytest.mark.parametrize("xml", ["", "<domain>", "<!DOCTYPE x [<!ENTITY e 'x'>]><domain/>", "\0"])
def test_what_is_no_xml_is_refused(xml: str) -> None:
    with pytest.raises(InvalidXml):
        find_objections(OLD, xml)


def test_the_reason_says_what_to_do_instead() -> None:
    assert find_objections(OLD, REFUSED["vcpu"]) == [
        "<vcpu> was changed: the size is claimed: `zcloud instance resize`."
    ]


def test_the_difference_is_what_changed() -> None:
    lines = show_difference(OLD, FREE["clock"]).splitlines()
    assert [line[1:].strip() for line in lines if line.startswith("+ ")] == ['<clock offset="localtime">']
    assert show_difference(OLD, OLD) == ""
