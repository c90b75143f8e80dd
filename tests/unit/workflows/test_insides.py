"""What guests on fake hosts are asked through their agents: who may, what is told, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from zcloud.domain.errors import (
    Forbidden,
    GuestRefused,
    GuestSilent,
    HypervisorFailed,
    InvalidInput,
    NotFound,
    WrongState,
)
from zcloud.domain.instance import DiskRequest, InstanceSpec
from zcloud.domain.people import Actor, Role
from zcloud.services.direct import Direct
from zcloud.services.insides import Insides
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud
from zcloud.testing.fakehypervisor import FakeHypervisor

SPEC = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256, disks=(DiskRequest(1 << 30),))


class Inside:
    """The guest of ``web``, which runs."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud
        cloud.add_host("alpha")
        made, operation = cloud.launch.launch(ADMIN, "", SPEC)
        cloud.wait(operation)
        self.id, self.project = made.id, made.project_id
        (link,) = cloud.links.hosts.values()
        self.hypervisor: FakeHypervisor = link.hypervisor
        self.guest = link.hypervisor.domains[made.id].guest
        self.insides = Insides(cloud.services, Direct(lambda _: link))

    def told(self) -> list[str]:
        found = self.cloud.read(lambda tx: tx.events.after(0, limit=1000, kinds=["instance.guest_asked"]))
        return [each.message for each in found]


@pytest.fixture
def inside(sqlite_store: Store, tmp_path: Path) -> Iterator[Inside]:
    cloud = FakeCloud(sqlite_store, tmp_path)
    cloud.start()
    yield Inside(cloud)
    cloud.stop()


def test_file_systems_name_their_volumes(inside: Inside) -> None:
    disk = next(each for each in inside.cloud.read(lambda tx: tx.volumes.of_instance(inside.id)) if each.slot)
    inside.guest["guest-get-fsinfo"] = [
        {"mountpoint": "/srv", "type": "ext4", "disk": [{"serial": f"QEMU_HARDDISK_{disk.serial}"}]},
        {"mountpoint": "/", "type": "ext4", "disk": [{"serial": "other"}]},
    ]
    root, data = inside.insides.filesystems(ADMIN, "", "web")
    assert (root.filesystem.mountpoint, root.volumes) == ("/", ())
    assert (data.filesystem.mountpoint, data.volumes) == ("/srv", (disk.name,))
    assert inside.told() == []


def test_a_guest_tells_of_itself_what_its_agent_knows(inside: Inside) -> None:
    now = inside.cloud.read(lambda tx: tx.now.timestamp())
    inside.guest |= {
        "guest-get-osinfo": {"pretty-name": "Debian\x1b[2J 12", "kernel-release": "6.1", "id": 7},
        "guest-get-host-name": {"host-name": "web"},
        "guest-get-timezone": "nonsense",
        "guest-get-time": int((now - 300) * 1e9),
        "guest-get-users": [{"user": "ann", "login-time": 1700000000.5}, 3],
    }
    facts, ahead = inside.insides.info(ADMIN, "", "web")
    assert (facts.kernel, facts.hostname, facts.timezone) == ("6.1", "web", "")
    assert "\x1b" not in facts.os
    assert [(each.name, each.since) for each in facts.users] == [("ann", 1700000000.5)]
    assert ahead is not None
    assert -310 < ahead < -290
    assert inside.told() == []


def test_trim_and_clock_are_told(inside: Inside) -> None:
    inside.guest["guest-fstrim"] = {"paths": [{"path": "/", "trimmed": 4096}, {"path": "/x", "error": "no discard"}]}
    root, other = inside.insides.trim(ADMIN, "", "web")
    assert (root.path, root.bytes, other.error) == ("/", 4096, "no discard")
    inside.insides.set_time(ADMIN, "", "web")
    assert inside.told() == [
        "admin had the file systems of web trimmed.",
        "admin set the clock of the guest of web.",
    ]
    inside.guest["guest-fstrim"] = {"paths": "all"}
    with pytest.raises(GuestRefused):
        inside.insides.trim(ADMIN, "", "web")


def test_what_changes_or_reveals_is_told_without_what_is_secret(inside: Inside) -> None:
    inside.guest |= {"guest-exec": {"pid": 9}, "guest-file-open": 1, "guest-file-read": {"buf-b64": "aGk="}}
    inside.insides.set_password(ADMIN, "", "web", "root", "canary-1")
    assert inside.insides.execute(ADMIN, "", "web", ["/bin/login", "--key=canary-2"], "canary-3") == 9
    assert inside.insides.read_file(ADMIN, "", "web", "/etc/hostname", 1) == b"h"
    told = inside.told()
    assert told == [
        "admin set the password of root in the guest of web.",
        "admin ran '/bin/login' in the guest of web.",
        "admin read '/etc/hostname' in the guest of web.",
    ]


def test_members_may_set_passwords_and_only_admins_run_commands(inside: Inside) -> None:
    member = Actor("u", "mia", None, ((inside.project, Role.MEMBER),))
    inside.insides.set_password(member, "", inside.id, "root", "a better one")
    operator = Actor("u", "oscar", Role.OPERATOR)
    for actor in (member, operator):
        asks = (
            partial(inside.insides.execute, actor, "", inside.id, ["/bin/id"], ""),
            partial(inside.insides.result, actor, "", inside.id, 7),
            partial(inside.insides.read_file, actor, "", inside.id, "/etc/shadow", 10),
        )
        for ask in asks:
            with pytest.raises((Forbidden, NotFound)):
                ask()


def test_bad_input_asks_nobody(inside: Inside) -> None:
    before = inside.told()
    for user, password in (("", "x"), ("-x", "x"), ("a b", "x"), ("root", "a\nb"), ("root", "a:b")):
        with pytest.raises(InvalidInput):
            inside.insides.set_password(ADMIN, "", "web", user, password)
    for argv in ([], [""], ["x"] * 101, ["x", "y" * 5000]):
        with pytest.raises(InvalidInput):
            inside.insides.execute(ADMIN, "", "web", argv, "")
    with pytest.raises(InvalidInput):
        inside.insides.execute(ADMIN, "", "web", ["/bin/cat"], "x" * (1 << 17))
    with pytest.raises(InvalidInput):
        inside.insides.read_file(ADMIN, "", "web", "etc/passwd", 10)
    assert inside.told() == before


def test_a_guest_that_is_off_or_silent_or_refuses_says_what_to_do(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise HypervisorFailed("libvirt: The command guest-exec has been disabled for this instance.")

    with monkeypatch.context() as patched:
        patched.setattr(inside.hypervisor, "agent", refuse)
        with pytest.raises(GuestRefused, match="disabled") as refused:
            inside.insides.execute(ADMIN, "", "web", ["/bin/id"], "")
    assert "block-rpcs" in refused.value.hint
    inside.hypervisor.silent.add(inside.id)
    with pytest.raises(GuestSilent):
        inside.insides.filesystems(ADMIN, "", "web")
    inside.cloud.wait(inside.cloud.instances.stop(ADMIN, "", "web", force=True))
    with pytest.raises(WrongState, match="stopped"):
        inside.insides.set_password(ADMIN, "", "web", "root", "x")
