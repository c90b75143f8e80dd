"""Volumes, disks and NICs from the command line to what is recorded; nobody works on the operations here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import builders
from tests.api.conftest import Cloud
from tests.api.serving import Cli, serve

from zcloud.domain.operation import Operation
from zcloud.domain.storage import GIB, MIB
from zcloud.store import OperationQuery


@pytest.fixture
def cli(cloud: Cloud, tmp_path: Path) -> Iterator[Cli]:
    """Give the CLI as a member of the project."""
    with serve(cloud.app) as url:
        yield Cli(tmp_path, url, {"ZCLOUD_TOKEN": cloud.tokens["member"]})


def asked(cloud: Cloud, verb: str) -> Operation:
    """Give the newest operation of a verb."""
    with cloud.store.read() as tx:
        return next(
            each for each in tx.operations.page(OperationQuery(), sort="-created_at").items if each.verb == verb
        )


def test_schedules(cli: Cli, cloud: Cloud) -> None:
    made = cli.ok("snapshot", "schedule", "create", "web", "--every", "6h", "--keep", "3", "--name", "often").out
    assert "often takes its first snapshot" in made
    assert cli.run("snapshot", "schedule", "change", "often").code == 64
    assert (
        "often takes its next snapshot" in cli.ok("snapshot", "schedule", "change", "often", "--daily-at", "03:00").out
    )
    listed = cli.ok("snapshot", "schedule", "list", "-o", "json").json
    assert [(each["at"], each["every_h"], each["keep"]) for each in listed] == [("03:00", 0, 3)]
    cli.ok("snapshot", "schedule", "delete", "often", "--yes")
    assert cli.ok("snapshot", "schedule", "list", "-o", "json").json == []


def test_volumes(cli: Cli, cloud: Cloud) -> None:
    assert "zcloud operation wait" in cli.ok("volume", "create", "more", "--size", "3G", "--no-wait").out
    assert cli.ok("volume", "show", "more", "-o", "json").json["size"] == 3 * GIB
    assert "attic" in cli.ok("volume", "set", "spare", "--name", "attic").out
    cli.ok("volume", "clone", "attic", "copy", "--no-wait")
    copying = asked(cloud, "clone")
    assert copying.args["size"] == GIB
    with cloud.store.write() as tx:
        tx.volumes.unlock(copying.args["source"], copying.id)
    cli.ok("volume", "resize", "attic", "--size", "2G", "--no-wait")
    assert asked(cloud, "resize").args == {"size": 2 * GIB, "filesystems": True}
    busy = cli.run("volume", "attach", "attic", "db", "--no-wait")
    assert (busy.code, "resize operation works on" in busy.err) == (4, True)
    smaller = cli.run("volume", "resize", "more", "--size", "1G")
    assert (smaller.code, "only grow" in smaller.err) == (64, True)
    assert "No instance has" in cli.run("volume", "detach", "more").err


def test_groups(cli: Cli, cloud: Cloud) -> None:
    assert "group add shop INSTANCE" in cli.ok("group", "create", "shop").out
    assert "It is empty" in cli.ok("group", "show", "shop").err
    cli.ok("group", "add", "shop", "db", "--order", "1", "--until", "ready", "--delay", "5s")
    assert "The order is: db, then web" in cli.ok("group", "add", "shop", "web", "--order", "2").out
    shown = cli.ok("group", "show", "shop").out
    assert "it is ready, and 5 s" in shown
    assert "they stay off" in shown
    assert "db, then web" in cli.ok("group", "list").out
    assert cli.ok("group", "start", "shop", "--dry-run").out.strip() == "web"  # db runs
    assert "zcloud operation wait" in cli.ok("group", "start", "shop", "--no-wait").out
    assert asked(cloud, "start").resource_kind == "group"
    busy = cli.run("group", "delete", "shop", "--yes")
    assert (busy.code, "An operation works on the group" in busy.err) == (4, True)
    with cloud.store.write() as tx:
        tx.groups.unlock(tx.groups.resolve("shop").id, asked(cloud, "start").id)
    assert cli.ok("group", "stop", "shop", "--dry-run").out.strip() == "db"
    cli.ok("group", "remove", "shop", "db", "web")
    cli.ok("group", "rename", "shop", "team")
    assert "team is removed" in cli.ok("group", "delete", "team", "--yes").out
    assert "There are no groups" in cli.ok("group", "list").err


def test_disks(cli: Cli, cloud: Cloud) -> None:
    cli.ok(
        "instance", "disk", "add", "db", "--volume", "spare", "--bus", "scsi", "--serial", "logs", "--read-only",
        "--limit", "bytes=50M", "--limit", "iops=100", "--limit", "iops_burst=200", "--limit", "burst=10s", "--no-wait",
    )  # fmt: skip
    [disk] = cli.ok("instance", "disk", "list", "db", "-o", "json").json
    assert (disk["bus"], disk["target"], disk["serial"], disk["read_only"]) == ("scsi", "sdb", "logs", True)
    limits = {name: value for name, value in disk["limits"].items() if value}
    assert limits == {"total_bytes": 50 * MIB, "total_iops": 100, "total_iops_burst": 200, "burst_s": 10}
    assert "bytes=50M iops=100 iops_burst=200 burst=10s" in cli.ok("instance", "disk", "list", "db").out
    with cloud.store.write() as tx:
        tx.volumes.add(
            builders.volume(cloud.home.id, cloud.pool.id, name="web-data-1", instance_id=cloud.instance.id, slot=1)
        )
    cli.ok("instance", "disk", "remove", "web", "web-data-1", "--force", "--deadline", "5s", "--no-wait")
    args = asked(cloud, "detach_disk").args
    assert (args["force"], args["delete"], args["deadline_s"]) == (True, False, 5)
    for words in (["--limit", "bytes"], ["--limit", "speed=5"], ["--limit", "iops=fast"], []):
        assert cli.run("instance", "disk", "set", "web", "web-data-1", *words).code in (2, 64)
    contradiction = cli.run("instance", "disk", "set", "db", "spare", "--limit", "bytes=5M", "--limit", "read_bytes=1M")
    assert (contradiction.code, "not both" in contradiction.err) == (64, True)


def test_nics(cli: Cli, cloud: Cloud) -> None:
    cli.ok("instance", "nic", "add", "db", "--network", "lan", "--address", "10.9.0.99", "--no-wait")
    nics = cli.ok("instance", "nic", "list", "db", "-o", "json").json
    assert [(nic["address"], nic["link"]) for nic in nics] == [("10.9.0.11", "up"), ("10.9.0.99", "up")]
    cli.ok("instance", "nic", "set", "web", "10.9.0.10", "--link", "down", "--no-wait")
    assert asked(cloud, "link_nic").args["up"] is False
    unknown = cli.run("instance", "nic", "remove", "web", "aa:bb:cc:dd:ee:ff")
    assert "not_found" in unknown.err


def test_disks_of_hosts(cloud: Cloud, tmp_path: Path) -> None:
    with serve(cloud.app) as url:
        admin = Cli(tmp_path, url, {"ZCLOUD_TOKEN": cloud.tokens["admin"]})
        listed = {each["name"]: each for each in admin.ok("host", "disk", "list", "anton", "-o", "json").json}
        assert listed["sda"]["system"]
        assert listed["vdb"]["uses"] == listed["vdb"]["content"] == []
        refused = admin.run("host", "disk", "prepare", "anton", "vdc", "--mount", "/srv/fast", "--yes")
        assert refused.code != 0
        assert "--erase" in refused.err
        wish = ("host", "disk", "prepare", "anton", "/dev/vdc", "--mount", "/srv/fast", "--erase")
        plan = admin.ok(*wish, "--dry-run", "-o", "json").json
        assert "ntfs on vdc1" in plan["lost"]
        assert admin.run(*wish, "--no-wait").code == 64, "nobody is there to say yes"
        assert "zcloud operation wait" in admin.ok(*wish, "--yes", "--no-wait").out
    args = asked(cloud, "prepare_disk").args
    assert (args["disk"], args["digest"], args["erase"]) == ("vdc", plan["digest"], True)
