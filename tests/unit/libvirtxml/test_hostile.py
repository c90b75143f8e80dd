"""XML that means harm is refused with a plain error, quickly, and nothing is fetched or expanded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from zcloud.domain.errors import InvalidXml
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.parser import MAX_BYTES, MAX_DEPTH, parse_xml

LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))

HOSTILE = {
    "empty": "",
    "blank": "  \n",
    "no markup": "domain",
    "unclosed": "<domain><name>",
    "two roots": "<domain/><domain/>",
    "nul": "<domain>\0</domain>",
    "surrogate": "<domain>\ud800</domain>",
    "control character": "<domain>&#27;</domain>",
    "repeated attribute": "<domain type='kvm' type='qemu'/>",
    "undeclared prefix": "<domain><qemu:commandline/></domain>",
    "undeclared entity": "<domain>&secret;</domain>",
    "billion laughs": f'<!DOCTYPE domain [<!ENTITY l0 "lol">{LAUGHS}]><domain><name>&l9;</name></domain>',
    "quadratic": f'<!DOCTYPE domain [<!ENTITY a "{"a" * 50000}">]><domain>{"&a;" * 50000}</domain>',
    "external entity": '<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/passwd">]><domain>&x;</domain>',
    "parameter entity": '<!DOCTYPE domain [<!ENTITY % x SYSTEM "http://192.0.2.1/x.dtd">%x;]><domain/>',
    "external DTD": '<!DOCTYPE domain SYSTEM "http://192.0.2.1/x.dtd"><domain/>',
    "default attributes": "<!DOCTYPE domain [<!ATTLIST domain type CDATA 'kvm'>]><domain/>",
    "DTD in lower case": "<!doctype domain><domain/>",
    "too deep": "<domain>" + "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH + "</domain>",
    "far too deep": "<a>" * 100_000 + "</a>" * 100_000,
    "too large": f"<domain>{'x' * MAX_BYTES}</domain>",
    "UTF-16 in disguise": '<?xml version="1.0" encoding="utf-16"?><domain>'.encode("utf-16").decode("latin-1"),
    "another document": "<network><name>x</name></network>",
    "another namespace": "<domain xmlns='urn:other'><name>x</name></domain>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused(name: str) -> None:
    started = time.process_time()
    with pytest.raises(InvalidXml) as caught:
        Domain.parse(HOSTILE[name])
    assert time.process_time() - started < 1
    assert caught.value.code == "invalid_xml"
    assert len(caught.value.message) < 300
    assert "root:" not in caught.value.message


def test_includes_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    text = f"<domain xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='{secret}' parse='text'/></domain>"
    assert "canary" not in Domain.parse(text).to_xml()


def test_a_declared_encoding_changes_nothing() -> None:
    root = parse_xml("<?xml version='1.0' encoding='utf-7'?><domain>+ADw-name+AD4- é</domain>")
    assert root.text == "+ADw-name+AD4- é"
    assert not len(root)


def test_as_deep_and_as_large_as_allowed() -> None:
    parse_xml("<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH)
    parse_xml("<a>" + "x" * (MAX_BYTES - 7) + "</a>")
