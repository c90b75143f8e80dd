"""The script that customizes a system from within: what is refused, and that all of people's is quoted."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from zcloud.domain.customization import Customization, HostEntry, NewPassword, PlacedFile
from zcloud.domain.errors import InvalidInput
from zcloud.domain.guest import GuestDisk, GuestNic, GuestOptions, GuestSpec, GuestUser
from zcloud.drivers.guest.offline import at_birth, build_script, check_birth
from zcloud.drivers.guest.offlinechecks import MAX_BYTES

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone"
NIC = GuestNic("52:54:00:00:00:01", ("192.0.2.7/24",), "192.0.2.1", dns=("192.0.2.53",), search=("cloud.test",))
EVIL = "'; touch /tmp/owned; $(reboot) `reboot` \\"
FULL = Customization(
    fresh=True,
    hostname="web",
    fqdn="web.team.cloud.test",
    hosts=(HostEntry("192.0.2.9", ("db", "db.cloud.test")),),
    nics=(NIC, GuestNic("52:54:00:00:00:02")),
    timezone="Europe/Berlin",
    users=(GuestUser("ada", (KEY + EVIL,), sudo=True, groups=("adm",)), GuestUser("root", (KEY,))),
    passwords=(NewPassword("root", EVIL),),
    serial_console=True,
    files=(PlacedFile(f"/srv/{EVIL}".replace("/tmp/owned", "x"), b"\0\xffEND\n", 0o600),),
    commands=("echo 'one'; echo two\necho three",),
    ready_word="zcloud-ready 1",
)


def test_script_is_one_that_a_shell_can_read() -> None:
    script = build_script(FULL)
    subprocess.run(["sh", "-n"], input=script, check=True)
    text = script.decode()
    assert shlex.quote(f"root:{EVIL}") in text
    assert text.count("touch /tmp/owned") == text.count(shlex.quote(KEY + EVIL)) + 1


@pytest.mark.parametrize(
    "what",
    [
        Customization(),
        Customization(hostname="Web 1"),
        Customization(hostname="-rf"),
        Customization(fqdn="x; y"),
        Customization(hosts=(HostEntry("192.0.2.300", ("db",)),)),
        Customization(hosts=(HostEntry("192.0.2.3", ()),)),
        Customization(hosts=(HostEntry("192.0.2.3", ("a b",)),)),
        Customization(nics=(GuestNic("52:54:00:00:00:01\n"),)),
        Customization(timezone="../../etc/passwd"),
        Customization(users=(GuestUser("a b"),)),
        Customization(users=(GuestUser("root", ("no key",)),)),
        Customization(users=(GuestUser("root", password_hash="secret"),)),
        Customization(passwords=(NewPassword("root", "one\nroot:two"),)),
        Customization(passwords=(NewPassword("x:y", "one"),)),
        Customization(passwords=(NewPassword("root", ""),)),
        *(
            Customization(files=(PlacedFile(path, b""),))
            for path in ("", "etc/x", "/", "/etc/../x", "/etc//x", "/proc/x", "/x\n", "/" + "a" * 300)
        ),
        Customization(files=(PlacedFile("/x", b"a" * (MAX_BYTES + 1)),)),
        Customization(files=(PlacedFile("/x", b"", 0o10000),)),
        Customization(commands=("",)),
        Customization(commands=("a\0b",)),
    ],
)
def test_what_cannot_be_is_refused(what: Customization) -> None:
    with pytest.raises(InvalidInput) as refused:
        build_script(what)
    assert refused.value.details["field"]


def test_nothing_empty_shows() -> None:
    text = build_script(Customization(hostname="web")).decode()
    for word in ("ssh_host", "network:", "useradd", "grub", "zcloud-ready", "chpasswd", "zoneinfo"):
        assert word not in text


def test_a_machine_without_cloud_init_is_told_the_same() -> None:
    spec = GuestSpec("one", "web", ssh_keys=(KEY,), nics=(NIC,), options=GuestOptions(offline=True), commands=("true",))
    told = at_birth(spec, "debian")
    assert (told.fresh, told.hostname, told.nics, told.commands) == (True, "web", (NIC,), ("true",))
    assert told.users == (GuestUser("debian", (KEY,), sudo=True),)
    assert at_birth(spec, "").users == (GuestUser("root", (KEY,)),)
    check_birth(spec, "debian")


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("user_data", GuestSpec("one", "web", user_data="#cloud-config\n", options=GuestOptions(offline=True))),
        ("disks", GuestSpec("one", "web", disks=(GuestDisk("a", "ext4"),), options=GuestOptions(offline=True))),
        ("guest.packages", GuestSpec("one", "web", options=GuestOptions(offline=True, packages=("vim",)))),
        ("hardware.os", GuestSpec("one", "web", options=GuestOptions(offline=True), windows=True)),
    ],
)
def test_what_only_cloud_init_does_is_refused(field: str, spec: GuestSpec) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_birth(spec, "")
    assert refused.value.details["field"] == field
