"""Which URLs and addresses a download may use."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.domain.errors import AddressForbidden, InvalidInput
from zcloud.hosts.webaddress import Target, allowed_addresses, is_allowed, parse_url, resolve

PRIVATE = [
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::a9fe:a9fe"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("2001:0:0:1::1", "fec0::1", "100::1", "nonsense", "", "127.1", "0x7f.1"),
]
PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    assert not is_allowed(address, [])


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address, [])


def test_a_private_network_can_be_allowed_by_name() -> None:
    networks = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
    assert is_allowed("10.1.2.3", networks)
    assert is_allowed("::ffff:10.1.2.3", networks)
    assert is_allowed("fd12::1", networks)
    assert not is_allowed("192.168.0.1", networks)


def test_only_good_addresses_of_a_host_are_kept() -> None:
    assert allowed_addresses("x", ["10.0.0.1", "1.1.1.1"], []) == ["1.1.1.1"]
    for found in (["10.0.0.1", "::1"], []):
        with pytest.raises(AddressForbidden, match="not a public address"):
            allowed_addresses("x", found, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_odd_spellings_of_loopback_resolve_to_it_and_are_refused(host: str) -> None:
    assert resolve(host, 80) == ["127.0.0.1"]
    with pytest.raises(AddressForbidden):
        allowed_addresses(host, resolve(host, 80), [])


def test_urls_are_taken_apart() -> None:
    assert parse_url("https://Images.Example/a b".replace(" ", "%20")) == Target(
        "https", "images.example", 443, "/a%20b"
    )
    assert parse_url("http://[2606:4700::1]:8080/x?y=1&z#f").host_header == "[2606:4700::1]:8080"
    assert parse_url("http://x?q=1").path == "/?q=1"
    assert parse_url("https://bücher.example/ü").path == "/%C3%BC"
    assert parse_url("https://bücher.example/").host == "xn--bcher-kva.example"
    assert parse_url("../b", base="https://x.example/a/c") == Target("https", "x.example", 443, "/b")


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "ftp://x/", "file:///etc/shadow", "gopher://x/", "//x/y", "http://", "http:///x", "http://:80/"),
        *("http://user@x/", "http://u:p@x/", "http://x:0/", "http://x:99999/", "http://x:y/", "http://x y/"),
        *(
            "http://x/\r\nHost: y",
            "http://x/\n",
            "http://x\t/",
            "http://a%0d/",
            "http://[::1/",
            "http://x/" + "a" * 2048,
        ),
        *("http://[fe80::1%25eth0]/", "http://x\x00/", "http://a\u2028b/", "http://" + "a" * 64 + ".example/"),
    ],
)
def test_odd_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        parse_url(url)


@given(st.text(max_size=60), st.sampled_from(["http://", "https://x/", "http://[", ""]))
def test_no_url_smuggles_a_line_into_the_request(rest: str, start: str) -> None:
    try:
        target = parse_url(start + rest)
    except InvalidInput:
        return
    for part in (target.host_header, target.path):
        assert part.isascii()
        assert part.isprintable()
        assert " " not in part
