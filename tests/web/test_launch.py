"""The launch page: what it reads, what it says beforehand, and that the command and the call beside it ask the same."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from tests import builders
from tests.web.conftest import Web

from zcloud.api.routes.instances import _spec
from zcloud.cli.commands.launch import launch as launch_command
from zcloud.cli.launching import build_request
from zcloud.domain.errors import InvalidInput
from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import DiskRequest, NicRequest, OnBoot
from zcloud.domain.storage import GIB
from zcloud.web.fields import Fields, parse_gib
from zcloud.web.wish import ANSWERS_FILE, KEY_FILE, USER_DATA_FILE, read_wish, same
from zcloud.wire.instances import InstanceCreate

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLE me"
LEAST = {"name": ["n1"], "image": ["debian-12"], "flavor": ["small"]}
MOST = {
    **LEAST, "flavor": [""], "vcpus": ["2"], "memory": ["1.5"], "root": ["20"], "pool": ["local"],
    "project": ["default"],
    "disk_size": ["10", "", "5"], "disk_pool": ["local", "", ""], "disk_fs": ["xfs", "", ""],
    "disk_mount": ["/srv it", "", ""], "nic_network": ["lan", "lan"], "nic_address": ["10.9.0.44", ""],
    "key": ["laptop"], "own_key": [KEY], "user_data": ["#cloud-config\r\nruncmd: [ls]\r\n"], "tags": ["web, blue"],
    "packages": ["nginx curl"], "upgrade": ["on"], "firmware": ["uefi"], "protected": ["on"], "stopped": ["on"],
    "headless": ["on"], "on_boot": ["start"], "max_vcpus": ["4"], "max_memory": ["4"], "timezone": ["Europe/Berlin"],
    "host": ["anton"], "offline": ["on"],
}  # fmt: skip
ANSWERS = "d-i time/zone string UTC"
INSTALLED = {
    **LEAST, "source": ["install"], "media": ["netinst"], "answers": [f"{ANSWERS}\r\n"], "root": ["10"],
    "cmdline": ["locale=en_US fb=false"], "kernel": ["linux"], "initrd": ["initrd.gz"], "within": ["5"],
}  # fmt: skip
FROM_TREE = {
    **INSTALLED, "tree": ["http://mirror.test/netboot"],
    "kernel_checksum": ["sha256:" + "0" * 64], "initrd_checksum": ["sha256:" + "1" * 64],
}  # fmt: skip
FORMS = pytest.mark.parametrize(
    "form", [LEAST, MOST, INSTALLED, FROM_TREE], ids=["least", "most", "installed", "from a tree"]
)


def test_a_form_is_read_as_what_it_says() -> None:
    spec = read_wish(Fields(MOST)).spec
    assert (spec.vcpus, spec.memory_mib, spec.root_size, spec.max_memory_mib) == (2, 1536, 20 * GIB, 4096)
    assert spec.nics == (NicRequest("lan", "10.9.0.44"), NicRequest("lan"))
    assert spec.disks == (
        DiskRequest(10 * GIB, "local", filesystem="xfs", mount="/srv it"),
        DiskRequest(5 * GIB),
    )
    assert (spec.ssh_keys, spec.tags) == (("laptop", KEY), ("web", "blue"))
    assert (spec.start, spec.protected, spec.headless, spec.on_boot) == (False, True, True, OnBoot.START)
    assert spec.user_data == "#cloud-config\nruncmd: [ls]"


@FORMS
def test_the_call_beside_the_form_asks_the_api_for_the_same(form: dict[str, list[str]]) -> None:
    wish = read_wish(Fields(form))
    body = json.loads(same(wish).body)
    assert _spec(InstanceCreate.model_validate(body)) == wish.spec
    assert body.get("project", "") == wish.project


@FORMS
def test_the_command_beside_the_form_asks_the_cli_for_the_same(
    form: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wish = read_wish(Fields(form))
    Path(KEY_FILE).write_text(KEY)
    Path(USER_DATA_FILE).write_text(wish.spec.user_data)
    Path(ANSWERS_FILE).write_text(wish.spec.answers)
    told = same(wish)
    words = shlex.split(told.command.replace("\\\n", " "))
    assert words[:2] == ["zcloud", "launch"]
    assert build_request(options(words[2:]), tmp_path) == json.loads(told.body)


def options(words: list[str]) -> dict[str, Any]:
    """Give what click reads from the words of the command."""
    project = words[words.index("--project") + 1] if "--project" in words else ""
    context = click.Context(launch_command)
    launch_command.parse_args(context, words)
    return {**context.params, "project": project}


def test_of_an_installation_only_what_counts_there_is_asked_for() -> None:
    spec = read_wish(Fields({**MOST, **INSTALLED})).spec
    assert spec.install == InstallRequest("netinst", "locale=en_US fb=false", "linux", "initrd.gz", 5 * 3600)
    assert (spec.image, spec.answers, spec.start) == ("", ANSWERS, True)
    assert (spec.user_data, spec.ssh_keys, dict(spec.guest)) == ("", (), {})


def test_an_installation_is_rehearsed_with_the_kind_of_its_answers_and_begun(web: Web) -> None:
    with web.cloud.store.write() as tx:
        tx.images.add(builders.image(name="netinst", format="iso", size=GIB, virtual_size=GIB))
    assert '<option value="netinst"' in web.get("/launch").text
    assert "Answers: preseed." in web.post("/launch/plan", data=INSTALLED).text
    wrong = web.post("/launch/plan", data={**INSTALLED, "answers": "hello"}).text
    assert 'data-field="answers"' in wrong
    assert (
        'data-field="root_size"'
        in web.post("/launch/plan", data={**INSTALLED, "flavor": "", "vcpus": "1", "memory": "1", "root": ""}).text
    )
    path = web.post("/launch", data=INSTALLED).headers["location"]
    assert "<b>Install</b>" in web.get(path).text
    assert ">Install</a>" in web.get(f"{path}/console").text.partition('id="progress"')[2]


def test_several_are_named_by_number_and_have_no_address_of_their_own() -> None:
    wish = read_wish(Fields({**LEAST, "count": ["3"]}))
    assert [each.name for each in wish.each()] == ["n1-1", "n1-2", "n1-3"]
    assert same(wish).command.startswith("for name in n1-1 n1-2 n1-3; do\n")
    with pytest.raises(InvalidInput, match="address belongs to one"):
        read_wish(Fields({**LEAST, "count": ["2"], "nic_network": ["lan"], "nic_address": ["10.9.0.9"]}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vcpus", "two"), ("memory", "-1"), ("memory", "1e9"), ("root", "nan"), ("count", "21"), ("on_boot", "maybe"),
        ("timezone", "a\nb"), ("packages", "x" * 300), ("own_key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ("own_key", "word"), ("vcpus", "9" * 11), ("tags", "a\x00b"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_its_field(field: str, value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_wish(Fields({**LEAST, "flavor": [""], field: [value]}))
    assert caught.value.details["field"] == field


def test_gibibytes_are_read() -> None:
    assert [parse_gib(text, "x") for text in ("", "1", "0.5", "1,5")] == [0, GIB, GIB // 2, 3 * GIB // 2]


def test_the_page_is_filled_in_with_what_most_want(web: Web) -> None:
    web.cloud.post("/v1/keys", {"name": "laptop", "public_key": KEY})
    text = web.get("/launch").text
    assert re.search(r'name="image" value="debian-12" checked', text)
    assert re.search(r'name="flavor" value="small" checked', text)
    assert re.search(r'name="key" value="laptop" checked', text)
    assert '<option value="lan" selected>' in text


def test_an_address_fills_the_page_in(web: Web) -> None:
    text = web.get("/launch?name=n7&flavor=&vcpus=3&disk_size=7").text
    assert 'value="n7"' in text
    assert re.search(r'name="flavor" value="" checked', text)
    assert re.search(r'name="disk_size" type="text" inputmode="decimal" value="7"', text)


def test_where_it_would_run_is_said_and_nothing_is_changed_or_audited(web: Web) -> None:
    before, audited = web.cloud.rows(), web.cloud.get("/v1/audit").json()["items"]
    text = web.post("/launch/plan", data=LEAST).text
    assert "<b>anton</b>" in text
    assert "10.9.0." in text
    assert "zcloud launch n1" in text
    assert web.cloud.rows() == before
    assert web.cloud.get("/v1/audit").json()["items"] == audited


def test_a_form_without_a_name_yet_says_where(web: Web) -> None:
    text = web.post("/launch/plan", data={**LEAST, "name": ""}).text
    assert "<b>anton</b>" in text
    assert "zcloud launch NAME" in text


def test_a_host_that_has_no_room_is_named_with_what_would_fit(web: Web) -> None:
    text = web.post("/launch/plan", data={**LEAST, "flavor": "", "vcpus": "1", "memory": "900"}).text
    assert "no_room" in text
    assert "MiB would fit" in text


def test_cloud_init_is_checked_beside_the_form(web: Web) -> None:
    text = web.post("/launch/plan", data={**LEAST, "user_data": "hello"}).text
    assert "invalid_cloud_init" in text
    assert 'data-field="user_data"' in text


def test_a_launch_goes_to_the_instance_whose_steps_run(web: Web) -> None:
    answer = web.post("/launch", data=LEAST)
    assert answer.status_code == 303
    page = web.get(answer.headers["location"]).text
    assert 'class="zc-ophead"' in page
    assert "No worker has begun yet." in page


def test_a_refused_launch_comes_back_as_it_was_filled_in(web: Web) -> None:
    answer = web.post("/launch", data={**LEAST, "name": "db", "tags": "kept"})
    assert answer.status_code == 409
    assert "already_exists" in answer.text
    assert 'value="kept"' in answer.text


def test_of_several_those_before_the_refused_one_are_told(web: Web) -> None:
    web.cloud.post("/v1/instances", {"name": "n1-2", "image": "debian-12", "flavor": "small"})
    answer = web.post("/launch", data={**LEAST, "count": "3"})
    assert "Launched before it: n1-1." in answer.text


def test_a_viewer_cannot_launch(web: Web) -> None:
    assert web.get("/launch", user="viewer").status_code == 403
    assert web.post("/launch", user="viewer", data=LEAST).status_code == 403
    assert "/launch" not in web.get("/instances", user="viewer").text


def test_a_member_sees_neither_how_full_hosts_are_nor_whom_to_pin_to(web: Web) -> None:
    assert 'name="host"' not in web.get("/launch", user="member").text
    text = web.post("/launch/plan", user="member", data=LEAST).text
    assert "<b>anton</b>" in text
    assert "free" not in text


def test_without_anything_the_page_says_what_to_do_first(web: Web) -> None:
    with web.cloud.store.write() as tx:
        for image in tx.images.all():
            tx.images.update(image.id, state="importing")
    assert "zcloud image import debian-12" in web.get("/launch").text
