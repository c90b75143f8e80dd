"""Absurd and hostile input is refused with the field's name, and nothing is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.api.asks import INSTANCE, KEY
from tests.api.conftest import MAX_BODY, Cloud

NAMES: tuple[Any, ...] = (
    "", " ", "a b", "A", "-a", "a-", "a" * 64, "a" * 5000, "../../etc/passwd", "a/b", "a\0b", "a\nb", "ünï", "a;reboot",
    "$(reboot)", "`id`", "<script>", "' OR 1=1 --", "%00", "a.b", "\ud800", "\u202egpj", "🦆", None, 7, True, [], {},
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (-1, 1 << 63, 1 << 200, 1.5, "2", None, True, [], 1e400, float("nan"))
BODIES: dict[str, dict[str, Any]] = {
    "/v1/instances": INSTANCE,
    "/v1/flavors": {"name": "x", "vcpus": 1, "memory_mib": 512},
    "/v1/users": {"name": "x", "password": "long enough for it"},
    "/v1/projects": {"name": "x"},
    "/v1/keys": {"name": "x", "public_key": KEY},
    "/v1/tokens": {"name": "x"},
    "/v1/hosts": {"name": "x", "address": "192.0.2.9"},
    "/v1/pools": {"name": "x", "host": "anton", "options": {"path": "/srv/x"}},
    "/v1/networks": {"name": "x", "host": "anton", "cidr": "10.70.0.0/24"},
    "/v1/images": {"name": "x", "source": {"kind": "upload"}},
}


def refused(cloud: Cloud, path: str, body: Any) -> Any:
    """Send a body that must be refused without a change, and give the problem."""
    before = cloud.rows()
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = cloud.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 404, 413), f"{body!r:.200}: {answer.status_code} {answer.text[:300]}"
    assert cloud.rows() == before
    return answer.json()


@pytest.mark.parametrize("path", BODIES)
def test_names(still: Cloud, path: str) -> None:
    for name in NAMES:
        problem = refused(still, path, {**BODIES[path], "name": name})
        assert problem["code"] == "invalid_input"
        assert "name" in str(problem["details"])


@pytest.mark.parametrize("path", BODIES)
def test_bodies_of_another_form(still: Cloud, path: str) -> None:
    for body in (None, [], "x", 7, {}, [BODIES[path]], {**BODIES[path], "surprise": 1}, {**BODIES[path], "id": "x"}):
        assert refused(still, path, body)["code"] == "invalid_input"


SIZES = [
    ("/v1/instances", "vcpus"), ("/v1/instances", "memory_mib"), ("/v1/instances", "root_size"),
    ("/v1/instances", "ready_within_s"), ("/v1/flavors", "vcpus"), ("/v1/flavors", "memory_mib"),
    ("/v1/flavors", "root_size"), ("/v1/hosts", "port"), ("/v1/hosts", "cpu_ratio"),
    ("/v1/hosts", "reserved_memory_mib"), ("/v1/pools", "overcommit"), ("/v1/images", "min_disk"),
    ("/v1/images", "min_memory_mib"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "field"), SIZES)
def test_sizes(still: Cloud, path: str, field: str) -> None:
    fractional = field in ("cpu_ratio", "overcommit")
    for number in NUMBERS:
        if not (fractional and number == 1.5):
            problem = refused(still, path, {**BODIES[path], field: number})
            assert field in str(problem), problem


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("/v1/instances", {"vcpus": 513}),
    ("/v1/instances", {"memory_mib": 63}),
    ("/v1/instances", {"root_size": 1 << 20}),
    ("/v1/instances", {"root_size": 1 << 59}),
    ("/v1/instances", {"nics": [{}] * 9}),
    ("/v1/instances", {"nics": [{"mac": "52:54:00:zz:00:01"}]}),
    ("/v1/instances", {"nics": [{"address": "10.9.0.1"}]}),
    ("/v1/instances", {"nics": [{"address": "10.9.255.255"}]}),
    ("/v1/instances", {"nics": [{"address": "192.0.2.1"}]}),
    ("/v1/instances", {"nics": [{"address": "::1"}]}),
    ("/v1/instances", {"disks": [{"size": 1 << 30}] * 17}),
    ("/v1/instances", {"disks": [{"size": 1}]}),
    ("/v1/instances", {"disks": [{"size": 1 << 30, "name": "../x"}]}),
    ("/v1/instances", {"disks": [{"size": 1 << 30, "mount": "/etc"}]}),
    ("/v1/instances", {"disks": [{"size": 1 << 30, "mount": "/srv/a\nb"}]}),
    ("/v1/instances", {"disks": [{"size": 1 << 30, "filesystem": "vfat"}]}),
    ("/v1/instances", {"disks": [{"size": 1 << 30, "mount": "/srv/a"}] * 2}),
    ("/v1/instances", {"commands": ["x\0y"]}),
    ("/v1/instances", {"commands": ["ls"] * 33}),
    ("/v1/instances", {"guest": {"packages": ["--allow-downgrades"]}}),
    ("/v1/instances", {"guest": {"package_upgrade": "yes"}}),
    ("/v1/instances", {"tags": ["a b"]}),
    ("/v1/instances", {"tags": ["t"] * 33}),
    ("/v1/instances", {"tags": ["x" * 64]}),
    ("/v1/instances", {"ssh_keys": ["ssh-ed25519 AAAA\nroot: x"]}),
    ("/v1/instances", {"ssh_keys": ["no-such-key"]}),
    ("/v1/instances", {"ssh_keys": ["ssh-rsa AAAA"] * 65}),
    ("/v1/instances", {"user_data": "#cloud-config\n: : :"}),
    ("/v1/instances", {"user_data": "#cloud-config\na: &a [*a, *a]\n"}),
    ("/v1/instances", {"user_data": "x\0y"}),
    ("/v1/instances", {"password_hash": "plain"}),
    ("/v1/instances", {"password_hash": "$6$x$y\nroot:"}),
    ("/v1/instances", {"guest": {"timezone": "../../etc/shadow"}}),
    ("/v1/instances", {"guest": {"apt_proxy": "x\nrm -rf /"}}),
    ("/v1/instances", {"guest": {"unknown": "x"}}),
    ("/v1/instances", {"firmware": "seabios"}),
    ("/v1/instances", {"image": "../debian-12"}),
    ("/v1/instances", {"image": "no-such"}),
    ("/v1/instances", {"flavor": "no-such"}),
    ("/v1/instances", {"project": "no-such"}),
    ("/v1/hosts", {"address": "-oProxyCommand=reboot"}),
    ("/v1/hosts", {"address": "a b"}),
    ("/v1/hosts", {"user": "root; reboot"}),
    ("/v1/hosts", {"user": "-oX"}),
    ("/v1/hosts", {"host_key": "nonsense"}),
    ("/v1/hosts", {"kind": "local", "libvirt_socket": "relative"}),
    ("/v1/hosts", {"kind": "telnet"}),
    ("/v1/pools", {"options": {"path": "relative"}}),
    ("/v1/pools", {"options": {"path": "/srv/../etc"}}),
    ("/v1/pools", {"options": {"path": "/srv/x\0y"}}),
    ("/v1/pools", {"options": {"nested": {"a": 1}}}),
    ("/v1/pools", {"options": {"unknown": 1}}),
    ("/v1/pools", {"driver": "no-such"}),
    ("/v1/pools", {"host": "no-such"}),
    ("/v1/networks", {"cidr": "10.70.0.0/33"}),
    ("/v1/networks", {"cidr": "10.70.0.1/24"}),
    ("/v1/networks", {"cidr": "0.0.0.0/0"}),
    ("/v1/networks", {"cidr": "nonsense"}),
    ("/v1/networks", {"gateway": "192.0.2.1"}),
    ("/v1/networks", {"dns": ["not-an-address"]}),
    ("/v1/networks", {"search": "a b"}),
    ("/v1/networks", {"ranges": [{"first": "10.70.0.9", "last": "10.70.0.2"}]}),
    ("/v1/networks", {"ranges": [{"first": "10.71.0.1", "last": "10.71.0.2"}]}),
    ("/v1/images", {"source": {"kind": "file", "path": "/etc/shadow"}}),
    ("/v1/images", {"source": {"kind": "url", "url": "file:///etc/shadow"}}),
    ("/v1/images", {"source": {"kind": "url", "url": "http://x.test/no-checksum"}}),
    ("/v1/images", {"source": {"kind": "url", "url": "https://user:pw@x.test/i"}}),
    ("/v1/images", {"source": {"kind": "url", "url": "https://x.test/i", "checksum": "sha256:short"}}),
    ("/v1/images", {"source": {"kind": "upload", "checksum": "md5:x"}}),
    ("/v1/images", {"format": "vmdk"}),
    ("/v1/users", {"password": "short"}),
    ("/v1/users", {"password": "x" * 2000}),
    ("/v1/users", {"role": "root"}),
    ("/v1/keys", {"public_key": "ssh-ed25519 !!!"}),
    ("/v1/keys", {"public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}),
    ("/v1/tokens", {"expires_at": "2020-01-01T00:00:00Z"}),
    ("/v1/tokens", {"expires_at": "2099-01-01T00:00:00"}),
    ("/v1/tokens", {"expires_at": 4102444800}),
    ("/v1/projects", {"quota": {"vcpus": -1}}),
    ("/v1/projects", {"description": "x" * 256}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "change"), REFUSED, ids=lambda each: f"{each!s:.60}")
def test_values(still: Cloud, path: str, change: dict[str, Any]) -> None:
    refused(still, path, {**BODIES[path], **change})


@pytest.mark.parametrize(
    "ref", ["..", "a%00b", "a%0ab", "%2e%2e%2fetc", "x" * 81, "a b", "ü", "-rf", "'", "%ff", "a%20OR%201=1"]
)
def test_references_in_paths(still: Cloud, ref: str) -> None:
    before = still.rows()
    for noun in ("instances", "images", "hosts", "pools", "networks", "projects", "users", "flavors"):
        for method in ("GET", "DELETE"):
            assert still.call("admin", method, f"/v1/{noun}/{ref}").status_code in (400, 404, 405)
    assert still.rows() == before


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "sort=password_hash", "sort=-", "sort=' OR 1", "cursor=x", "cursor=AAAA",
     "cursor=WyJuYW1lIiwxXQ", "status=flying", "count=perhaps",
     "host=../x", "project=%00", "search=%00", "image=%FF%FE",
     "tag=" + "x" * 300],
)  # fmt: skip
def test_queries_of_lists(still: Cloud, query: str) -> None:
    answer = still.get(f"/v1/instances?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


def test_bodies_that_are_too_large_or_no_json(still: Cloud) -> None:
    before = still.rows()
    as_json = {"Content-Type": "application/json"}
    large = json.dumps({**INSTANCE, "user_data": "x" * MAX_BODY}).encode()
    chunks = [large[at : at + 4096] for at in range(0, len(large), 4096)]
    for content in (large, iter(chunks)):
        answer = still.post("/v1/instances", content=content, headers=as_json)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    for content in (b"{", b"\xff", b"[" * 30000, b'{"a":' * 9000, b'{"vcpus":' + b"9" * 5000 + b"}", b""):
        assert still.post("/v1/instances", content=content, headers=as_json).status_code == 400
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"):
        answer = still.post("/v1/instances", content=json.dumps(INSTANCE), headers={"Content-Type": kind})
        assert answer.status_code == 400
    assert still.rows() == before
