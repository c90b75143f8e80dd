"""The library's examples do what they say, against a server with workers and a fake host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.asks import KEY
from tests.api.conftest import PASSWORD_HASH, make_parts, open_session
from tests.api.serving import Cli, serve

from zcloud.api.app import create_app
from zcloud.client import ApiError, Client, Record
from zcloud.domain.errors import HypervisorFailed
from zcloud.domain.instance import Flavor, Ready
from zcloud.domain.people import Role
from zcloud.domain.storage import GIB
from zcloud.services.people import add_user
from zcloud.store import Store
from zcloud.testing.cloud import FakeCloud

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "sdk.md"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path / "data")
    made.add_host("anton", vcpus=4, memory_mib=8192)
    made.store.transact(lambda tx: tx.flavors.add(Flavor("small", 1, 256, GIB)))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def home(cloud: FakeCloud, tmp_path: Path) -> Iterator[Cli]:
    """Give an admin's environment at the served cloud."""
    admin = cloud.store.transact(lambda tx: add_user(tx, "admin", PASSWORD_HASH, Role.ADMIN))
    token = cloud.store.transact(lambda tx: open_session(tx, admin))
    with serve(create_app(make_parts(cloud.store, tmp_path))) as url:
        yield Cli(tmp_path, url, {"ZCLOUD_TOKEN": token})


@pytest.fixture
def client(home: Cli) -> Iterator[Client]:
    with Client(home.url, home.environment["ZCLOUD_TOKEN"]) as client:
        yield client


def example(home: Cli, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(argv, env=home.env(), capture_output=True, text=True, timeout=60, check=False)


def launch(client: Client, *names: str) -> None:
    changes = [client.instances.create(name=each, image="tiny", flavor="small", tags=["ci"]) for each in names]
    for change in changes:
        change.wait()


@pytest.fixture
def guests(cloud: FakeCloud) -> Iterator[None]:
    """Have every guest be ready soon after its start, as the observer would see it."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            with cloud.store.read() as tx:
                waiting = tx.instances.waiting()
            for each in waiting:
                cloud.store.transact(lambda tx, each=each: tx.instances.update(each.id, ready=Ready.READY))  # type: ignore[misc]

    thread = threading.Thread(target=look)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("guests")
def test_launch_and_wait(home: Cli) -> None:
    done = example(home, "launch_and_wait.py", "web", "--image", "tiny")
    assert (done.returncode, done.stdout.startswith("web 192.168.77.")) == (0, True), done.stderr
    assert done.stderr.startswith("- ")
    again = example(home, "launch_and_wait.py", "web", "--image", "tiny")
    assert (again.returncode, "already_exists" in again.stderr) == (1, True)


def test_bulk_by_tag(home: Cli, client: Client, cloud: FakeCloud) -> None:
    launch(client, "a", "b")
    [link] = cloud.links.hosts.values()
    done = example(home, "bulk_by_tag.py", "ci", "restart")
    assert (done.returncode, sorted(done.stdout.splitlines())) == (0, ["a: done", "b: done"]), done.stderr
    assert [each.starts for each in link.hypervisor.domains.values()] == [2, 2]
    refused = example(home, "bulk_by_tag.py", "ci", "start")
    assert (refused.returncode, refused.stderr.count("(wrong_state)")) == (2, 2)


def test_follow_events_goes_on_where_it_was(home: Cli, client: Client, tmp_path: Path) -> None:
    launch(client, "a")
    state = tmp_path / "seq"
    state.write_text("0\n")
    every = [each for each in client.events.list() if each["kind"].startswith("operation.")]
    seen: list[str] = []
    for _ in range(2):
        done = example(
            home, "follow_events.py", "--state", str(state), "--kind", "operation.", "--count", str(len(every) // 2)
        )
        assert done.returncode == 0, done.stderr
        seen += [line.split(" ")[0] for line in done.stdout.splitlines()]
    assert seen == [each["time"] for each in every[: len(seen)]]
    assert len(seen) >= 2


def test_inventory(home: Cli, client: Client) -> None:
    launch(client, "a", "b")
    client.instances.stop("b", force=True).wait()
    told = json.loads(example(home, "inventory.py", "--list").stdout)
    address = told["_meta"]["hostvars"]["a"]["ansible_host"]
    assert told["tag_ci"]["hosts"] == told["image_tiny"]["hosts"] == ["a"]
    assert example(home, "inventory.py", "--hosts").stdout == f"{address} a\n"
    assert example(home, "inventory.py", "--host", "a").stdout == "{}\n"


def test_a_failed_operation_is_one_error_with_everything_in_it(client: Client, cloud: FakeCloud) -> None:
    [link] = cloud.links.hosts.values()
    link.hypervisor.fail("start", HypervisorFailed("It does not start.", hint="Look at the host."))
    seen: list[Record] = []
    change = client.instances.create(name="web", image="tiny", flavor="small")
    with pytest.raises(ApiError) as caught:
        change.wait(seen.append)
    error = caught.value
    assert (error.status, error.code, str(error)) == (0, "hypervisor_failed", "It does not start.")
    assert (error.hint, error.operation_id) == ("Look at the host.", change.id)
    assert error.left
    assert error.request_id == seen[-1]["request_id"]


NOUNS = ["instances", "images", "hosts", "pools", "volumes", "networks", "flavors", "projects", "users", "operations"]


def test_every_noun_is_listed_and_shown(client: Client) -> None:
    launch(client, "a")
    client.keys.add(name="laptop", public_key=KEY)
    for noun in NOUNS:
        first = next(iter(getattr(client, noun).list()))
        assert getattr(client, noun).show(first.get("id") or first["name"])
    assert [each["name"] for each in client.keys.list()] == ["laptop"]
    assert client.networks.detail(next(client.networks.list())["id"])["ports"]
    plan = client.instances.plan(name="b", image="tiny", vcpus=1, memory_mib=64)
    assert [each["host"] for each in plan["candidates"]] == ["anton"]
    with pytest.raises(ApiError, match="64 are needed") as caught:
        client.instances.plan(name="b", image="tiny", vcpus=64, memory_mib=64)
    assert caught.value.details["refusals"][0]["host"] == "anton"


def test_the_document_names_what_there_is(client: Client) -> None:
    rows = re.findall(r"^\| (`.*?) \| (`.*?) \|$", DOCUMENT.read_text(), flags=re.MULTILINE)
    told = [(noun, verb) for nouns, verbs in rows for noun in ticked(nouns) for verb in ticked(verbs)]
    told = [(noun, verb) for noun, verb in told if hasattr(client, noun)]
    assert len(told) > 30
    assert [f"{noun}.{verb}" for noun, verb in told if not hasattr(getattr(client, noun), verb)] == []


def ticked(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def test_an_instance_through_its_life(client: Client) -> None:
    launch(client, "a")
    instances = client.instances
    assert instances.pause("a").result()["status"] == "paused"
    assert instances.resume("a").result()["status"] == "running"
    assert instances.rename("a", name="b").result()["name"] == "b"
    assert instances.save("b").result()["status"] == "saved"
    assert instances.restore("b").result()["status"] == "running"
    instances.stop("b", force=True).wait()
    assert instances.resize("b", memory_mib=512, next_start=True).result()["name"] == "b"
    instances.delete("b").wait()
    assert (list(instances.list()), [each["name"] for each in client.trash.list()]) == ([], ["b"])
    client.trash.restore("b").wait()
    assert [each["name"] for each in instances.list()] == ["b"]
    instances.delete("b", purge=True, keep=["all"]).wait()
    assert (list(client.trash.list()), [each["instance_id"] for each in client.volumes.list()]) == ([], [None])


def test_a_change_with_a_revision_refuses_what_was_changed_meanwhile(client: Client) -> None:
    launch(client, "a")
    seen = client.instances.show("a")
    client.instances.change("a", tags=["x"])
    with pytest.raises(ApiError, match="changed since") as caught:
        client.instances.change("a", revision=seen["revision"], tags=["y"])
    assert (caught.value.status, caught.value.code) == (412, "revision_mismatch")


def test_waiting_ends_in_time_and_the_operation_goes_on(client: Client, cloud: FakeCloud) -> None:
    [link] = cloud.links.hosts.values()
    link.hypervisor.unreachable = True
    change = client.instances.create(name="web", image="tiny", flavor="small")
    with pytest.raises(ApiError) as caught:
        change.wait(timeout_s=0.5)
    assert (caught.value.code, caught.value.operation_id) == ("wait_timeout", change.id)
    link.hypervisor.unreachable = False
    client.operations.retry(change.id)
    assert client.operations.wait(change.id, timeout_s=20)["status"] == "succeeded"


def test_operations_and_streams_are_counted(client: Client, home: Cli) -> None:
    launch(client, "a")
    with Client(home.url, home.environment["ZCLOUD_TOKEN"]) as other:
        events = other.events.follow(0)
        assert next(iter(events))["seq"] == 1
        text = client.text("/metrics")
    assert "zcloud_event_streams 1.0\n" in text
    labels = 'outcome="succeeded",resource="instance",verb="create"'
    [count] = re.findall(rf"^zcloud_operation_duration_seconds_count{{{labels}}} (.*)$", text, re.MULTILINE)
    assert float(count) >= 1
    assert float(re.findall(r"^zcloud_store_write_duration_seconds_count (.*)$", text, re.MULTILINE)[0]) > 5


def test_a_key_of_ones_own_gives_the_first_answer_again(client: Client) -> None:
    body = {"name": "web", "image": "tiny", "flavor": "small"}
    first, again = (client.post("/v1/instances", body, key="nightly-1") for _ in range(2))
    assert first["operation"]["id"] == again["operation"]["id"]
