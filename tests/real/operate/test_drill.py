"""The restore drill: a backup, a lost disk, a restore elsewhere; what runs is recognised, and nothing is touched."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.real.operate.served import Served, until

from zcloud.lab.hosts import Lab, NamespaceHost

GUEST = ("--image", "tiny", "--vcpus", "1", "--memory", "128M")


@pytest.fixture(scope="module")
def host(kvm_works: bool) -> Iterator[NamespaceHost]:
    if os.geteuid() != 0:
        pytest.skip("namespace hosts need root")
    with Lab(1, kvm=kvm_works) as lab:
        yield lab.hosts[0]


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a directory with a short name: Unix sockets are made below it."""
    with TemporaryDirectory(prefix="zc-") as directory:
        yield Path(directory)


@pytest.fixture
def served(host: NamespaceHost, probe_kit: Path, tiny_image: Path, place: Path) -> Iterator[Served]:
    """Give an installation with the host, its pool, its network and the tiny image."""
    made = Served(place / "first", place)
    made.init(probe_kit)
    made.data.joinpath("ssh/id_ed25519").write_bytes(Path(host.ssh_key).read_bytes())
    made.data.joinpath("ssh/id_ed25519.pub").unlink()  # it was of the key just replaced
    made.start((made.base / "password").read_text())
    try:
        where = (str(host.address), "--port", str(host.ssh_port), "--user", host.ssh_user)
        made.zcloud("host", "add", "alpha", *where, "--fingerprint", _fingerprint(host.host_key))
        made.zcloud("pool", "create", "default", "--host", "alpha", "--default")
        made.zcloud("network", "create", "nat", "--host", "alpha", "--cidr", "192.168.146.0/24", "--default")
        made.zcloud("image", "import", str(tiny_image), "--name", "tiny", "--public", "--user", "root")
        yield made
    finally:
        made.stop()


def traces(host: NamespaceHost) -> dict[str, Any]:
    """Give all that an operation would change on the host; a domain's number changes with each of its runs."""
    uuids = sorted(host.virsh("list", "--all", "--uuid").split())
    listing = "find /var/lib/libvirt/images /var/lib/libvirt/dnsmasq/zcloud | sort"
    return {
        "runs": {uuid: host.virsh("domid", uuid).strip() for uuid in uuids},
        "definitions": {uuid: host.virsh("dumpxml", "--inactive", uuid) for uuid in uuids},
        "guard": host.run(["nft", "-s", "list", "table", "bridge", "zcloud"]).stdout,
        "files": host.run(["sh", "-c", listing]).stdout,
    }


def boot_id(host: NamespaceHost, uuid: str) -> str:
    """Give which boot the guest is in, as it says itself."""

    def agent(command: str, **arguments: Any) -> Any:
        request = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(host.virsh("qemu-agent-command", uuid, request))["return"]

    handle = agent("guest-file-open", path="/proc/sys/kernel/random/boot_id", mode="r")
    read = agent("guest-file-read", handle=handle, count=64)
    agent("guest-file-close", handle=handle)
    return base64.b64decode(read["buf-b64"]).decode().strip()


def instance(served: Served, name: str) -> Any:
    return served.json("instance", "show", name)


def test_the_drill(served: Served, host: NamespaceHost, place: Path) -> None:
    served.zcloud("launch", "deleted", *GUEST, "--no-start")
    served.zcloud("launch", "stays", *GUEST, "--wait", "ready")
    stays = instance(served, "stays")["id"]
    file = place / "cloud.backup"
    served.zcloud("backup", "create", str(file), "--config", str(served.config))
    assert "is whole" in served.zcloud("backup", "verify", str(file))
    served.zcloud("launch", "later", *GUEST, "--wait", "ready")
    later = instance(served, "later")
    served.zcloud("delete", "deleted", "--purge", "--yes")
    served.stop()
    shutil.rmtree(served.data)  # the controller's disk is lost
    before = traces(host)
    running = (stays, later["id"])
    boots = [boot_id(host, uuid) for uuid in running]

    other = Served(place / "second", place)
    told = other.zcloud("restore", str(file), "--config", str(other.config))
    assert "reconcile" in told
    other.start((served.base / "password").read_text())
    try:
        state = until(lambda: _compared(other), 60, other.log)
        found = {(each["kind"], each["resource_name"]) for each in state["items"]}
        assert found >= {("missing", "deleted"), ("orphan", "later (default)"), ("fenced", "nat")}
        assert not {name for kind, name in found if name == "stays"}, state
        refused = other.run("stop", "stays")
        assert (refused.returncode, "reconcil" in refused.stderr) == (4, True), refused
        assert "reconcile" in other.run("doctor").stdout
        assert traces(host) == before
        other.zcloud("reconcile", "finish", "--yes")
        until(lambda: instance(other, "deleted")["status"] == "missing", 30, other.log)
        assert instance(other, "stays")["status"] == "running"
        assert traces(host)["runs"] == before["runs"]
        other.zcloud("launch", "fresh", *GUEST)
        fresh = instance(other, "fresh")
        assert fresh["nics"][0]["address"] not in {later["nics"][0]["address"], _address(other, "stays")}
        assert fresh["nics"][0]["mac"] != later["nics"][0]["mac"]
        assert traces(host)["runs"].items() >= before["runs"].items()
        assert [boot_id(host, uuid) for uuid in running] == boots
        other.zcloud("restart", "stays", "--force")  # it is ours as before
        assert instance(other, "stays")["incarnation"] == 2
    finally:
        other.stop()


def _fingerprint(key: str) -> str:
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _compared(served: Served) -> Any:
    state = served.json("reconcile", "show")
    return None if state["unseen_hosts"] else state


def _address(served: Served, name: str) -> str:
    return str(instance(served, name)["nics"][0]["address"])
