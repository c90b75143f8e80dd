"""The CLI against the real API: signing in, lists, launches, refusals; no host is there."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.conftest import PASSWORD, Cloud
from tests.api.serving import Cli, serve


@pytest.fixture
def cli(cloud: Cloud, tmp_path: Path) -> Iterator[Cli]:
    """Give the CLI as the admin, by token."""
    home = tmp_path / "home"
    home.mkdir()
    with serve(cloud.app) as url:
        yield Cli(home, url, {"ZCLOUD_TOKEN": cloud.tokens["admin"]})


def test_login_keeps_the_session_for_its_server_only(cli: Cli) -> None:
    del cli.environment["ZCLOUD_TOKEN"]
    refused = cli.run("login", "--user", "member", "--password-stdin", stdin="wrong\n")
    assert (refused.code, "login_failed" in refused.err) == (1, True)
    assert "Signed in" in cli.ok("login", "--user", "member", "--password-stdin", stdin=f"{PASSWORD}\n").out
    kept = cli.home / ".config/zcloud/cli.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert PASSWORD not in kept.read_text()
    assert cli.ok("whoami", "-o", "json").json["name"] == "member"
    # Another name for the same server is another server: what this one gave out is not sent there.
    elsewhere = cli.run("whoami", "--url", cli.url.replace("127.0.0.1", "localhost"))
    assert (elsewhere.code, "unauthenticated" in elsewhere.err) == (1, True)
    cli.ok("logout")
    assert "unauthenticated" in cli.run("whoami").err
    assert "zcs_" not in kept.read_text()


def test_lists_and_shows_every_noun(cli: Cli, cloud: Cloud) -> None:
    table = cli.ok("list").out.splitlines()
    assert table[0].split() == ["NAME", "STATUS", "READY", "ADDRESS", "HOST", "SIZE", "IMAGE", "AGE"]
    assert {line.split()[0] for line in table[1:]} == {"db", "web", "theirs"}
    assert [each["name"] for each in cli.ok("list", "--tag", "blue", "-o", "json").json] == ["web"]
    assert cli.ok("list", "-q", "--status", "running", "--project", "default").out == "db\n"
    for noun in ("instance", "image", "host", "pool", "volume", "network", "flavor", "key", "project", "user", "token",
                 "operation", "event"):  # fmt: skip
        for form in ("table", "wide", "json", "yaml"):
            cli.ok(noun, "list", "-o", form)
    for noun, name in (("instance", "web"), ("image", "debian-12"), ("host", "anton"), ("pool", "local"),
                       ("volume", "spare"), ("network", "lan"), ("project", "default"),
                       ("operation", cloud.operation.id)):  # fmt: skip
        assert name in cli.ok(noun, "show", name).out
        assert cli.ok(noun, "show", name, "-o", "json").json
    assert "debian-12" in cli.ok("image", "catalogue").out
    assert "web.x.cloud.internal" in cli.ok("network", "records", "lan").out
    assert cli.ok("network", "records", "lan", "--format", "zone").out.count("\tA\t") == 3


def test_launch_sends_what_was_asked_for(cli: Cli, cloud: Cloud) -> None:
    keys = cli.home / ".ssh"
    keys.mkdir()
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmzeDxYXOJW5sYFCgJSyGXfLsUfY5uGcvz3EEXMZZzW me@here"
    (keys / "id_ed25519.pub").write_text(public + "\n")
    began = cli.ok(
        "launch", "new", "--image", "debian-12", "--flavor", "small", "--memory", "1G", "--disk", "3G,name=extra",
        "--network", "lan,address=10.9.0.77", "--tag", "red", "--protect", "--no-start", "--no-wait",
    )  # fmt: skip
    assert "zcloud operation wait" in began.out
    new = cli.ok("instance", "show", "new", "-o", "json").json
    assert (new["memory_mib"], new["vcpus"], new["tags"], new["protected"]) == (1024, 1, ["red"], True)
    assert new["nics"][0]["address"] == "10.9.0.77"
    assert [(disk["name"], disk["size"]) for disk in new["disks"]] == [("new-root", 2 << 30), ("extra", 3 << 30)]
    assert (new["desired"], new["status"]) == ("stopped", "building")
    with cloud.store.read() as tx:
        assert tx.instances.get(new["id"]).guest["ssh_keys"] == [public]


def test_refusals_have_their_exit_codes_and_say_what_to_do(cli: Cli) -> None:
    missing = cli.run("instance", "show", "nosuch")
    assert missing.code == 3
    assert "What to do:" in missing.err
    assert "not_found (request " in missing.err
    full = cli.run("launch", "big", "--image", "debian-12", "--memory", "900G", "--vcpus", "1", "--no-wait")
    assert full.code == 4
    assert "Traceback" not in full.err
    line = next(each for each in full.err.splitlines() if "anton" in each)
    assert "MiB would fit" in line
    explained = cli.run("explain", "big", "--image", "debian-12", "--memory", "900G", "--vcpus", "1", "-o", "json")
    assert (explained.code, explained.json["candidates"]) == (4, [])
    assert cli.ok("explain", "s", "--image", "debian-12", "--flavor", "small", "-o", "json").json["candidates"]
    assert cli.run("launch", "Bad_Name", "--image", "debian-12", "--no-wait").code == 64
    assert cli.run("delete", "web").code == 64  # nobody to ask
    assert cli.run("nosuch").code == 64
    protected = cli.run("instance", "protect", "web"), cli.run("delete", "web", "--yes", "--no-wait")
    assert [each.code for each in protected] == [0, 4]


def test_one_refused_name_does_not_keep_the_others(cli: Cli) -> None:
    ran = cli.run("stop", "nosuch", "db", "--no-wait")
    assert ran.code == 3
    assert "Operation" in ran.out
    assert cli.ok("instance", "show", "db", "-o", "json").json["status"] == "stopping"


def test_a_file_is_uploaded_with_its_checksum(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    file = tmp_path / "Disk_1.0.raw"
    file.write_bytes(data)
    wrong = cli.run("image", "import", str(file), "--checksum", f"sha256:{'0' * 64}")
    assert (wrong.code, "checksum is" in wrong.err) == (64, True)
    sent = cli.ok("image", "import", str(file), "--no-wait")
    digest = hashlib.sha256(data).hexdigest()
    assert "Sent Disk_1.0.raw" in sent.out
    image = cli.ok("image", "show", "disk-1-0", "-o", "json").json
    assert (image["state"], image["source"]["checksum"]) == ("importing", f"sha256:{digest}")
    file.write_bytes(bytes(2 << 20))  # more than this server takes
    large = cli.run("image", "import", str(file), "--name", "large", "--no-wait")
    assert (large.code, "payload_too_large" in large.err) == (1, True)
    del cloud


def test_people_tokens_and_keys(cli: Cli) -> None:
    cli.ok("user", "add", "zoe", "--password-stdin", stdin="a long enough password\n")
    cli.ok("project", "create", "lab", "--instances", "2", "--memory", "8G", "--description", "Trials")
    cli.ok("project", "member", "lab", "zoe", "member")
    assert "zoe (member)" in cli.ok("project", "show", "lab").out
    cli.ok("project", "set", "lab", "--vcpus", "4")
    quota = cli.ok("project", "show", "lab", "-o", "json").json["quota"]
    assert quota == {"instances": 2, "vcpus": 4, "memory_mib": 8192, "volume_bytes": None}
    secret = cli.ok("token", "create", "ci", "--role", "viewer", "--expires", "1d").out.strip()
    assert secret.startswith("zct_")
    viewer = Cli(cli.home, cli.url, {"ZCLOUD_TOKEN": secret})
    assert viewer.ok("list", "-q").out
    denied = viewer.run("user", "list")
    assert (denied.code, "forbidden" in denied.err) == (1, True)
    cli.ok("token", "delete", "ci", "--yes")
    assert "unauthenticated" in viewer.run("list").err


def test_console_log_cannot_steer_the_terminal(cli: Cli) -> None:
    assert "\x1b" not in cli.ok("instance", "log", "web").out
    assert "\x1b[31m" in cli.ok("instance", "log", "web", "--raw").out


def test_doctor_says_what_to_do(cli: Cli) -> None:
    ran = cli.run("doctor", "-o", "json")
    assert all(each["todo"] for each in ran.json if each["result"] != "ok")
    assert {each["check"] for each in ran.json} >= {"server", "sign-in", "host anton", "pool local"}
    assert {"store", "workers", "observer"} <= {each["check"] for each in ran.json if each["result"] == "ok"}
    nobody = Cli(cli.home, "http://127.0.0.1:9", {}).run("doctor")
    assert (nobody.code, "zcloud serve" in nobody.out) == (1, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_names_of_things(cli: Cli, shell: str) -> None:
    assert "_ZCLOUD_COMPLETE" in cli.ok("completion", shell).out
    here = "w" if shell == "fish" else "2"  # fish gives the word, the others its place
    cli.environment |= {"_ZCLOUD_COMPLETE": f"{shell}_complete", "COMP_WORDS": "zcloud start w", "COMP_CWORD": here}
    assert "web" in cli.ok("").out
