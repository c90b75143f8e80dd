"""The life of every noun over the API: made, found, listed, changed, removed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.api.asks import INSTANCE, KEY
from tests.api.conftest import Cloud

AT_ONCE: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("users", {"name": "newcomer", "role": "viewer"}, {"role": "operator"}),
    ("projects", {"name": "fresh", "description": "one"}, {"description": "two"}),
    ("flavors", {"name": "huge", "vcpus": 64, "memory_mib": 65536, "root_size": 1 << 40}, None),
]
BY_OPERATION: list[tuple[str, dict[str, Any], str]] = [
    ("hosts", {"name": "dora", "address": "192.0.2.7", "user": "zcloud", "port": 2222}, "scan"),
    ("pools", {"name": "more", "options": {"path": "/srv/more"}, "overcommit": 1.5}, "create"),
    ("networks", {"name": "inner", "cidr": "10.77.0.0/24", "dns": ["10.77.0.1"]}, "create"),
]


def found(cloud: Cloud, noun: str, name: str) -> list[Any]:
    """Give what the list has under a name."""
    return [each for each in cloud.get(f"/v1/{noun}").json()["items"] if each["name"] == name]


@pytest.mark.parametrize(("noun", "body", "change"), AT_ONCE, ids=[each[0] for each in AT_ONCE])
def test_what_is_done_at_once(cloud: Cloud, noun: str, body: dict[str, Any], change: dict[str, Any] | None) -> None:
    made = cloud.post(f"/v1/{noun}", body)
    path = made.headers["location"]
    assert made.status_code == 201
    assert made.json().items() >= body.items()
    assert found(cloud, noun, body["name"]) == [made.json()]
    assert cloud.get(path).json().items() >= made.json().items()
    assert cloud.get(f"/v1/{noun}/{body['name']}").json() == cloud.get(path).json()
    assert cloud.post(f"/v1/{noun}", body).json()["code"] == "already_exists"
    if change is not None:
        changed = cloud.call("admin", "PATCH", path, json=change).json()
        assert changed == {**made.json(), **change, "revision": changed["revision"]}
        assert changed["revision"] > made.json()["revision"]
    assert cloud.call("admin", "DELETE", path).status_code == 204
    assert (cloud.get(path).status_code, found(cloud, noun, body["name"])) == (404, [])
    assert cloud.call("admin", "DELETE", path).status_code == 404


@pytest.mark.parametrize(("noun", "body", "verb"), BY_OPERATION, ids=[each[0] for each in BY_OPERATION])
def test_what_an_operation_does(cloud: Cloud, noun: str, body: dict[str, Any], verb: str) -> None:
    asked = body if noun == "hosts" else {**body, "host": "anton"}
    answer = cloud.post(f"/v1/{noun}", asked)
    operation, resource = answer.json()["operation"], answer.json()["resource"]
    assert (answer.status_code, operation["verb"], operation["status"]) == (202, verb, "queued")
    assert cloud.get(answer.headers["location"]).json() == operation
    made = cloud.get(resource["url"]).json()
    made = made.get("network", made)
    assert (made["id"], made["operation_id"]) == (resource["id"], operation["id"])
    assert {key: made[key] for key in body if key != "options"} == {k: v for k, v in body.items() if k != "options"}
    assert [each["id"] for each in found(cloud, noun, body["name"])] == [made["id"]]
    assert operation["id"] in {
        each["id"] for each in cloud.get(f"/v1/operations?resource={made['id']}").json()["items"]
    }
    assert cloud.post(f"/v1/{noun}", asked).status_code in (400, 409)
    busy = cloud.call("admin", "DELETE", resource["url"])
    assert (busy.status_code, busy.json()["code"]) == (409, "busy")
    cancelled = cloud.post(f"/v1/operations/{operation['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["operation"]["cancel_requested"]) == (202, True)


def test_an_instance(cloud: Cloud) -> None:
    body = {**INSTANCE, "tags": ["b", "a"], "disks": [{"size": 1 << 30, "name": "extra"}], "ssh_keys": [KEY]}
    answer = cloud.post("/v1/instances", body, "member")
    path = answer.json()["resource"]["url"]
    made = cloud.get(path, "member").json()
    assert (made["name"], made["status"], made["vcpus"], made["tags"]) == ("new", "building", 1, ["a", "b"])
    assert [each["name"] for each in made["disks"]] == ["new-root", "extra"]
    assert made["nics"][0]["address"] in cloud.get("/v1/networks/lan/records", "member").text
    assert cloud.get(f"/v1/volumes/{made['disks'][1]['id']}", "member").json()["instance_id"] == made["id"]
    usage = cloud.get("/v1/projects/default", "member").json()["usage"]
    assert usage["instances"] == 3
    assert cloud.call("member", "DELETE", path).json()["code"] == "busy"
    for name, verb, status in (("web", "start", "starting"), ("db", "stop", "stopping")):
        assert cloud.post(f"/v1/instances/{name}/{verb}", user="member").status_code == 202
        assert cloud.get(f"/v1/instances/{name}", "member").json()["status"] == status


def test_a_quota_holds(cloud: Cloud) -> None:
    assert cloud.call("admin", "PATCH", "/v1/projects/default", json={"quota": {"instances": 3}}).status_code == 200
    assert cloud.post("/v1/instances", INSTANCE, "member").status_code == 202
    before = cloud.rows()
    over = cloud.post("/v1/instances", {**INSTANCE, "name": "over"}, "member")
    assert (over.status_code, over.json()["code"], cloud.rows()) == (409, "quota_exceeded", before)


def test_a_dry_run_changes_nothing(cloud: Cloud) -> None:
    before = cloud.rows()
    told = cloud.post("/v1/instances?dry_run=true", INSTANCE, "member")
    assert (told.status_code, [each["host"] for each in told.json()["candidates"]]) == (200, ["anton"])
    assert cloud.rows() == before


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"password_hash": "hunter2"}, "invalid_input"),
        ({"user_data": "#cloud-config\nruncmd: 7\n"}, "invalid_cloud_init"),
        ({"name": None}, "already_exists"),
    ],
)
def test_a_dry_run_refuses_what_a_launch_refuses(cloud: Cloud, wrong: dict[str, Any], code: str) -> None:
    before = cloud.rows()
    wrong = {key: value or cloud.instance.name for key, value in wrong.items()}
    told = [cloud.post(f"/v1/instances{query}", INSTANCE | wrong, "member") for query in ("?dry_run=true", "")]
    assert [each.json()["code"] for each in told] == [code, code]
    assert cloud.rows() == before


@pytest.mark.parametrize("given", [False, "false"])
def test_options_may_come_as_text(cloud: Cloud, given: object) -> None:
    body = {"name": "more", "host": "anton", "options": {"path": "/srv/more", "direct_io": given}}
    assert cloud.post("/v1/pools", body).status_code == 202
    assert cloud.get("/v1/pools/more").json()["options"]["direct_io"] is False
    before = cloud.rows()
    wrong = cloud.post("/v1/pools", body | {"name": "wrong", "options": {"path": "/srv/wrong", "direct_io": "nope"}})
    assert (wrong.json()["code"], wrong.json()["details"]["field"], cloud.rows()) == (
        "invalid_input",
        "direct_io",
        before,
    )


def test_an_image_that_is_uploaded(cloud: Cloud) -> None:
    data = b"QFI\xfb" * 1000
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
    made = cloud.post("/v1/images", {"name": "mine", "source": {"kind": "upload", "checksum": checksum}}, "member")
    path = made.headers["location"]
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    piece = f"{path}/upload?offset=0"
    assert cloud.call("member", "PUT", piece, content=data).json()["offset"] == len(data)
    assert cloud.get(f"{path}/upload", "member").json()["offset"] == len(data)
    sent = cloud.post(f"{path}/upload/finish", {}, "member")
    assert (sent.status_code, cloud.get(path, "member").json()["state"]) == (202, "importing")
    assert (cloud.upload_dir / f"{made.json()['id']}.part").read_bytes() == data
    assert cloud.call("member", "PUT", piece, content=data).json()["code"] == "wrong_state"


def test_a_key_and_a_member(cloud: Cloud) -> None:
    made = cloud.post("/v1/keys", {"name": "laptop", "public_key": f"  {KEY}\n"}, "member").json()
    assert (made["public_key"], made["fingerprint"][:7]) == (KEY, "SHA256:")
    assert cloud.post("/v1/instances", {**INSTANCE, "ssh_keys": ["laptop"]}, "member").status_code == 202
    assert cloud.call("member", "DELETE", "/v1/keys/laptop").status_code == 204
    assert cloud.get("/v1/keys", "member").json()["items"] == []
    members = "/v1/projects/default/members/nobody"
    for role in ("viewer", "member"):
        assert cloud.call("admin", "PUT", members, json={"role": role}).status_code == 204
        told = cloud.get("/v1/projects/default").json()["members"]
        assert [each["role"] for each in told if each["user"] == "nobody"] == [role]
        assert cloud.get("/v1/me", "nobody").json()["projects"][0]["role"] == role
    assert cloud.call("admin", "DELETE", members).status_code == 204
    assert cloud.get("/v1/me", "nobody").json()["projects"] == []
