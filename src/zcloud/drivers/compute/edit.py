"""Which changes of a domain's XML by hand are let through. Pure: two texts in, the reasons against out.

What may be changed is listed; all else has to stay as it is, because zcloud's records, claims or confinement rest on
it. In what may be changed nothing new names a path of the host, and a screen listens on nothing but a socket.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from lxml import etree

from zcloud.libvirtxml.parser import parse_xml

MAX_BYTES = 256 << 10

_FREE = frozenset(
    {
        "title", "description", "blkiotune", "memtune", "cputune", "numatune", "iothreads", "features", "cpu", "clock",
        "on_poweroff", "on_reboot", "on_crash", "on_lockfailure", "pm",
    }
)  # fmt: skip
_FREE_DEVICES = frozenset({"input", "memballoon", "panic", "sound", "video", "watchdog"})
_FREE_PARTS: Mapping[str, frozenset[str]] = {  # of elements of which the rest has to stay
    "os": frozenset({"boot", "bootmenu", "bios"}),
    "disk": frozenset({"iotune", "boot", "address", "blockio"}),
    "interface": frozenset({"driver", "bandwidth", "boot", "address", "rom", "coalesce", "tune"}),
    "controller": frozenset({"driver", "address"}),
}
_WHY: Mapping[str, str] = {
    "uuid": "it is the instance's identity",
    "name": "it is fixed at birth; `zcloud instance rename` gives an instance another name",
    "metadata": "zcloud recognises the domain by it",
    "vcpu": "the size is claimed: `zcloud instance resize`",
    "memory": "the size is claimed: `zcloud instance resize`",
    "currentMemory": "the size is claimed: `zcloud instance resize`",
    "maxMemory": "the size is claimed: `zcloud instance resize`",
    "os": "firmware, its files and the machine type belong to zcloud",
    "seclabel": "it confines QEMU on the host",
    "emulator": "it is a program of the host",
    "disk": "disks are volumes of pools, and recorded",
    "interface": "NICs have recorded addresses and anti-spoofing",
    "graphics": "whether there is a screen is chosen: `zcloud instance hardware`",
    "hostdev": "devices of the host are claimed",
    "filesystem": "it would open directories of the host",
    "commandline": "QEMU's own arguments pass by all checks",
}


def find_objections(old: str, new: str) -> list[str]:
    """Give a sentence for each change that is not let through; raises InvalidXml for what is no XML."""
    before, after = parse_xml(old), parse_xml(new)
    if after.tag != "domain":
        return ["The document is not a domain."]
    found = dict.fromkeys(_changed_parts(before, after))
    objections = [f"<{tag}> was changed: {_WHY.get(tag, 'it is not among what may be changed')}." for tag in found]
    known = set(_paths(before))
    strange = [path for path in _paths(after) if path not in known]
    objections += [f"The path {path[:80]} is not named in what was there." for path in strange]
    objections += [f"<graphics> {why}." for each in after.findall("devices/graphics") for why in _listening(each)]
    return objections


def show_difference(old: str, new: str) -> str:
    """Give the difference as a unified diff."""
    lines = difflib.unified_diff(_lines(old), _lines(new), "now", "then", lineterm="")
    return "\n".join(lines)


def _changed_parts(before: etree._Element, after: etree._Element) -> Iterator[str]:
    """Give the names of elements that had to stay and did not."""
    if sorted(before.items()) != sorted(after.items()):
        yield "domain"
    yield from _compare(before, after, _FREE | {"devices"})
    olds, news = before.findall("devices"), after.findall("devices")
    if len(olds) != 1 or len(news) != 1:
        yield "devices"
        return
    yield from _compare(olds[0], news[0], _FREE_DEVICES)


def _compare(before: etree._Element, after: etree._Element, free: frozenset[str]) -> Iterator[str]:
    names = dict.fromkeys(_name(each) for parent in (before, after) for each in _elements(parent))
    for name in names:
        if name in free:
            continue
        kept = [sorted(_text(each) for each in _elements(parent) if _name(each) == name) for parent in (before, after)]
        if kept[0] != kept[1]:
            yield etree.QName(name).localname


def _text(element: etree._Element) -> str:
    """Give an element without its layout, and without those of its parts that may be changed."""
    free = _FREE_PARTS.get(_name(element), frozenset())
    copy = etree.fromstring(etree.tostring(element, with_tail=False))
    for part in [each for each in _elements(copy) if _name(each) in free]:
        copy.remove(part)
    for driver in copy.findall("driver") if element.tag == "disk" else ():
        # Only what reads the image: a raw disk that is read as qcow2 would open any file that its guest names.
        for attribute in sorted(set(map(str, driver.attrib)) - {"name", "type"}):
            del driver.attrib[attribute]
    return str(etree.canonicalize(etree.tostring(copy, encoding="unicode"), strip_text=True))


def _paths(root: etree._Element) -> Iterator[str]:
    for each in root.iter("{*}*"):
        values = [*each.attrib.values(), each.text or ""]
        yield from (str(value).strip() for value in values if str(value).strip().startswith("/"))


def _listening(graphics: etree._Element) -> Iterator[str]:
    """Give what is wrong with a screen."""
    if graphics.get("type") != "vnc":
        yield "has to be of the type vnc"
    if {"port", "autoport", "websocket", "listen", "socket", "tlsPort"} & set(graphics.attrib):
        yield "would listen on a port; a screen listens on a socket of its run and nowhere else"
    listens = graphics.findall("listen")
    if len(listens) != 1 or listens[0].get("type") != "socket" or set(listens[0].attrib) != {"type"}:
        yield "has to have one <listen type='socket'/> without anything else"
    if {"passwd", "passwdValidTo", "connected"} & set(graphics.attrib):
        yield "would hold a password"


def _elements(parent: etree._Element) -> Iterator[etree._Element]:
    return (each for each in parent if isinstance(each.tag, str))


def _name(element: etree._Element) -> str:
    return str(element.tag)


def _lines(xml: str) -> list[str]:
    return [line.rstrip() for line in xml.strip().splitlines()]
