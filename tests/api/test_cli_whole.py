"""The CLI, the API, the workers and fake hosts together: an instance from launch to delete, over TLS, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.api.conftest import PASSWORD, PASSWORD_HASH, make_parts
from tests.api.serving import Cli, serve

from zcloud.api.app import create_app
from zcloud.base import pki
from zcloud.domain.people import Role
from zcloud.services.people import add_user
from zcloud.store import Store
from zcloud.testing.cloud import FakeCloud


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    """Give a cloud with workers, one fake host and an admin."""
    made = FakeCloud(sqlite_store, tmp_path / "data")
    made.add_host("anton", vcpus=4, memory_mib=8192)
    made.store.transact(lambda tx: add_user(tx, "admin", PASSWORD_HASH, Role.ADMIN))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def cli(cloud: FakeCloud, tmp_path: Path) -> Iterator[Cli]:
    """Give the CLI, signed in."""
    with serve(create_app(make_parts(cloud.store, tmp_path))) as url:
        cli = Cli(tmp_path, url)
        cli.ok("login", "--user", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
        yield cli


def test_an_instance_from_launch_to_delete(cli: Cli) -> None:
    launched = cli.ok("launch", "web", "--image", "tiny", "--vcpus", "1", "--memory", "128M", "--disk", "1G")
    assert launched.out.startswith("web: running on anton 192.168.77.")
    assert launched.err.count("✓") >= 3
    assert cli.ok("list", "-q").out == "web\n"
    cli.ok("stop", "web", "--force")
    cli.ok("start", "web")
    cli.ok("restart", "web", "--force")
    assert cli.ok("instance", "show", "web", "-o", "json").json["incarnation"] == 3
    assert "web is deleted." in cli.ok("delete", "web", "--yes", "--keep", "web-data-1").out
    assert cli.ok("list", "-q").out == ""
    kept = cli.ok("volume", "list", "--unused", "-o", "json").json
    assert [each["name"] for each in kept] == ["web-data-1"]
    cli.ok("volume", "delete", "web-data-1", "--yes")
    operations = cli.ok("operation", "list", "-o", "json").json
    assert [(each["verb"], each["status"]) for each in reversed(operations)] == [
        (verb, "succeeded") for verb in ("create", "stop", "start", "restart", "delete", "delete")
    ]
    assert "create instance web" in cli.ok("operation", "list").out
    assert cli.ok("event", "list", "-o", "json").json


def test_a_size_that_waits_for_the_next_start_is_shown(cli: Cli) -> None:
    cli.ok("launch", "web", "--image", "tiny", "--vcpus", "1", "--memory", "128M", "--max-vcpus", "2")
    assert "web has its new size." in cli.ok("instance", "resize", "web", "--vcpus", "2").out
    assert "2 cpu 128M" in cli.ok("list").out
    refused = cli.run("instance", "resize", "web", "--memory", "1G")
    assert (refused.code, "not_live" in refused.err, "--next-start" in refused.err) == (4, True, True)
    cli.ok("instance", "resize", "web", "--memory", "1G", "--next-start")
    assert "2 cpu 128M (pending)" in cli.ok("list").out
    assert "memory_mib: 128 now, 1024 from the next start on" in cli.ok("instance", "show", "web").out
    pending = cli.ok("instance", "show", "web", "-o", "json").json["pending"]
    assert pending["memory_mib"] == {"now": 128, "next": 1024}
    cli.ok("restart", "web", "--force")
    assert "2 cpu 1G " in cli.ok("list").out
    nothing = cli.run("instance", "resize", "web")
    assert (nothing.code, "--flavor" in nothing.err) == (64, True)


def test_hardware_is_chosen_shown_and_refused(cli: Cli) -> None:
    cli.ok("launch", "web", "--image", "tiny", "--vcpus", "1", "--memory", "128M", "--set", "watchdog=i6300esb")
    assert "from its next start on" in cli.ok("instance", "hardware", "web", "--set", "memory_nodes=0").out
    shown = cli.ok("instance", "hardware", "web").out
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert (rows["watchdog"], rows["memory_nodes"], rows["secure_boot"]) == (["i6300esb"], ["0"], ["no"])
    assert cli.ok("instance", "hardware", "web", "-o", "json").json["memory_nodes"] == "0"
    cli.ok("instance", "hardware", "web", "--reset", "memory_nodes", "--reset", "watchdog")
    assert "watchdog: i6300esb now, off from the next start on" in cli.ok("instance", "show", "web").out
    refused = cli.run("instance", "hardware", "web", "--set", "cpu_pin=99")
    assert (refused.code, "Its CPUs are 0-3." in refused.err) == (4, True)
    for wrong in ("cpu_pin=x", "nonsense=1", "firmware=uefi", "rng=7"):
        assert "invalid_input" in cli.run("instance", "hardware", "web", "--set", wrong).err


def test_several_at_once_until_there_is_no_room(cli: Cli) -> None:
    for name in ("a", "b"):
        cli.ok("launch", name, "--image", "tiny", "--vcpus", "2", "--memory", "128M", "--no-wait")
    full = cli.run("launch", "c", "--image", "tiny", "--vcpus", "1", "--memory", "128M")
    assert (full.code, "no_room" in full.err) == (4, True)
    assert "0 of 4 vCPUs left" in full.err
    for operation in cli.ok("operation", "list", "-o", "json").json:
        cli.ok("operation", "wait", operation["id"])
    cli.ok("stop", "a", "b", "--force")
    assert cli.ok("list", "-q", "--status", "stopped").out == "a\nb\n"


def test_tls_with_the_server_s_own_authority(cloud: FakeCloud, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = pki.ensure_authority(tmp_path / "tls", now)
    certificate, key = pki.ensure_server(tmp_path / "tls", ("127.0.0.1",), now)
    with serve(create_app(make_parts(cloud.store, tmp_path)), tls=(certificate, key)) as url:
        cli = Cli(tmp_path, url)
        stranger = cli.run("login", "--user", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
        assert (stranger.code, "server_untrusted" in stranger.err, "--ca" in stranger.err) == (1, True, True)
        assert PASSWORD not in stranger.err
        cli.ok("login", "--ca", str(authority), "--user", "admin", "--password-stdin", stdin=f"{PASSWORD}\n")
        authority.unlink()  # the login kept the certificate itself
        assert cli.ok("whoami").out.startswith("User:")
        elsewhere = dataclasses.replace(cli, url=url.replace("127.0.0.1", "localhost"))
        assert "server_untrusted" in elsewhere.run("whoami").err


def test_many_at_once_by_tag_and_filter(cli: Cli) -> None:
    for name, tag in (("web-1", "web"), ("web-2", "web"), ("db", "data")):
        cli.ok("launch", name, "--image", "tiny", "--vcpus", "1", "--memory", "128M", "--tag", tag)
    rows = cli.ok("stop", "--tag", "web", "--dry-run", "-o", "json").json
    assert [(each["name"], each["refusal"]) for each in rows] == [("web-1", None), ("web-2", None)]
    assert cli.ok("list", "-q", "--status", "running").out.split() == ["db", "web-1", "web-2"]
    assert cli.run("stop", "--tag", "web").code == 64  # nobody to ask
    assert cli.run("stop", "web-1", "--tag", "web", "--yes").code == 64
    stopped = cli.ok("stop", "--tag", "web", "--force", "--yes")
    assert {"web-1 is stopped.", "web-2 is stopped."} <= set(stopped.out.splitlines())
    some = cli.run("stop", "--all", "--force", "--yes")
    assert (some.code, "db is stopped." in some.out) == (4, True)
    assert "web-1: The instance web-1 is stopped; it cannot be stopped now." in some.err
    cli.ok("start", "--filter", "status=stopped", "--filter", "search=web", "--yes")
    cli.ok("instance", "retag", "--tag", "web", "--add", "blue", "--yes")
    assert cli.ok("list", "-q", "--tag", "blue").out.split() == ["web-1", "web-2"]
    cli.ok("instance", "retag", "--all", "--remove", "web", "--yes")
    assert cli.ok("list", "-q", "--tag", "web").out == ""
    assert cli.run("stop", "--filter", "colour=blue", "--yes").code == 64
    cli.ok("delete", "--all", "--yes")
    assert cli.ok("list", "-q").out == ""
    assert sorted(cli.ok("trash", "list", "-q").out.split()) == ["db", "web-1", "web-2"]
    cli.ok("trash", "restore", "db", "--name", "data")
    assert cli.ok("list", "-q").out.split() == ["data"]
    cli.ok("trash", "empty", "--yes")
    cli.ok("delete", "data", "--purge", "--yes")
    assert cli.ok("volume", "list", "-q").out == ""


def test_an_instance_is_held_saved_and_renamed(cli: Cli, tmp_path: Path) -> None:
    cli.ok("launch", "web", "--image", "tiny", "--vcpus", "1", "--memory", "128M")
    assert "web is paused." in cli.ok("instance", "pause", "web").out
    assert "web was paused by admin." in cli.ok("instance", "show", "web").out
    cli.ok("instance", "resume", "web")
    cli.ok("instance", "reset", "web")
    cli.ok("instance", "save", "web")
    assert cli.ok("list").out.splitlines()[1].split()[1] == "saved"
    refused = cli.run("start", "web")
    assert (refused.code, "zcloud instance restore web" in refused.err) == (4, True)
    cli.ok("instance", "restore", "web")
    assert "web is called shop now." in cli.ok("instance", "rename", "web", "shop").out
    file = tmp_path / "shop.png"
    assert "shop.png written" in cli.ok("instance", "screenshot", "shop", "-f", str(file)).out
    assert file.read_bytes()[:4] == b"\x89PNG"
    cli.ok("instance", "keys", "shop", "ctrl-alt-del")
    assert cli.run("instance", "keys", "shop", "hyper-x").code == 64
    assert "/srv?[31m" in cli.ok("instance", "filesystems", "shop").out
    ran = cli.run("instance", "exec", "shop", "--", "/bin/id", "-u")
    assert (ran.code, ran.out, ran.err) == (3, "hello\n", "oops\n")
    assert cli.ok("instance", "read-file", "shop", "/etc/hostname").out == "hello\n"
    cli.ok("instance", "save", "shop")
    cli.ok("instance", "discard-saved", "shop", "--yes")
    cli.ok("delete", "shop", "--purge", "--yes")
