"""Seeds: what is written, what is refused, and that nothing hostile gets through."""

from __future__ import annotations

import base64
import dataclasses
import email
import struct
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from zcloud.domain.errors import InvalidCloudInit, InvalidInput
from zcloud.domain.guest import (
    GuestDisk,
    GuestNic,
    GuestOptions,
    GuestRoute,
    GuestSecrets,
    GuestSpec,
    GuestUser,
    parse_options,
)
from zcloud.drivers.guest.cloudinit import build_seed, ready_marker

HASH = "$6$salt$" + "a" * 86


def ssh_key(kind: str = "ssh-ed25519", comment: str = "me@here") -> str:
    """Give a well-formed public key line."""
    blob = struct.pack(">I", len(kind)) + kind.encode() + struct.pack(">I", 32) + b"k" * 32
    return f"{kind} {base64.b64encode(blob).decode()} {comment}"


def spec(**changes: Any) -> GuestSpec:
    """Give a small valid spec with ``changes``."""
    return dataclasses.replace(GuestSpec("i-1", "web"), **changes)


def config(seed: bytes) -> dict[str, Any]:
    """Give zcloud's own cloud-config of a seed."""
    text = seed.decode()
    if not text.startswith("#cloud-config\n"):
        part = email.message_from_string(text).get_payload(0)
        assert isinstance(part, email.message.Message)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        text = payload.decode()
    loaded = yaml.safe_load(text)
    assert isinstance(loaded, dict)
    return loaded


def owner_parts(seed: bytes) -> list[tuple[str, str, str | None]]:
    """Give type, text and Merge-Type of each part but the first."""
    leaves = [leaf for leaf in email.message_from_bytes(seed).walk() if not leaf.is_multipart()][1:]
    parts = []
    for leaf in leaves:
        payload = leaf.get_payload(decode=True)
        assert isinstance(payload, bytes)
        parts.append((leaf.get_content_type(), payload.decode(), leaf["Merge-Type"]))
    return parts


def test_a_small_seed_says_who_it_is() -> None:
    seed = build_seed(spec(fqdn="web.p.z", ssh_keys=(ssh_key(),)))
    assert yaml.safe_load(seed.meta_data) == {"instance-id": "i-1", "local-hostname": "web"}
    ours = config(seed.user_data)
    assert (ours["hostname"], ours["fqdn"]) == ("web", "web.p.z")
    assert ours["ssh_authorized_keys"] == [ssh_key()]
    assert ours["users"] == ["default"]
    assert ours["ssh_pwauth"] is False
    assert ours["final_message"] == ready_marker("i-1") == "zcloud-ready i-1"


def test_equal_specs_give_equal_seeds() -> None:
    same = spec(user_data="#cloud-config\npackages: [vim]\n")
    assert build_seed(same) == build_seed(dataclasses.replace(same))


def test_users_passwords_and_options() -> None:
    user = GuestUser("ann", (ssh_key(),), HASH, sudo=True, groups=("adm",))
    options = GuestOptions("de_DE.UTF-8", "Europe/Berlin", ("ntp.example", "192.0.2.1"), "http://p:3128", "http://p")
    seed = build_seed(spec(users=(user,), password_hash=HASH, root_password_hash=HASH, options=options))
    ours = config(seed.user_data)
    assert ours["users"][1]["hashed_passwd"] == HASH
    assert ours["users"][1]["lock_passwd"] is False
    assert ours["users"][1]["sudo"] == "ALL=(ALL) NOPASSWD:ALL"
    assert ours["password"] == HASH
    assert ours["chpasswd"]["users"] == [{"name": "root", "password": HASH, "type": "hash"}]
    assert ours["ntp"]["servers"] == ["ntp.example", "192.0.2.1"]
    assert ours["apt"]["http_proxy"] == "http://p:3128"
    assert ours["write_files"][0]["content"] == "proxy=http://p\n"
    assert (ours["locale"], ours["timezone"]) == ("de_DE.UTF-8", "Europe/Berlin")
    assert HASH not in repr(user)
    assert HASH not in repr(seed)


def test_packages_commands_and_disks() -> None:
    options = GuestOptions(packages=("nginx=1.2", "@web"), package_upgrade=True)
    disks = (
        GuestDisk("b" * 20, "xfs", "/srv/data/deep"),
        GuestDisk("c" * 20, "ext4", "/srv/data"),
        GuestDisk("d", "ext4"),
    )
    owner = "#cloud-config\nruncmd: [last]\nfs_setup: []\n"
    ours = config(build_seed(spec(options=options, disks=disks, commands=("a 'b'\n", "c"), user_data=owner)).user_data)
    assert (ours["packages"], ours["package_update"], ours["package_upgrade"]) == (["nginx=1.2", "@web"], True, True)
    assert ours["runcmd"] == ["a 'b'\n", "c"]
    assert [each["device"] for each in ours["fs_setup"]] == [f"/dev/disk/by-id/virtio-{each.serial}" for each in disks]
    assert not any(each["overwrite"] for each in ours["fs_setup"])
    assert [each[1:4] for each in ours["mounts"]] == [
        ["/srv/data", "ext4", "defaults,nofail"],
        ["/srv/data/deep", "xfs", "defaults,nofail"],
    ]


def test_the_owners_word_counts_for_updates() -> None:
    owner = "#cloud-config\npackage_update: false\n"
    seed = build_seed(spec(options=GuestOptions(packages=("vim",)), user_data=owner))
    assert "package_update" not in config(seed.user_data)


def test_secrets_are_packed_and_shown_by_nothing() -> None:
    secrets = GuestSecrets("#!x", commands=("hide\nme", "it's"))
    assert secrets.pack().keys() == {"user_data", "commands"}
    assert GuestSecrets.unpack({**secrets.pack(), "password": None}) == secrets
    assert "hide" not in repr(secrets) + repr(spec(commands=secrets.commands))


def test_network_is_matched_by_mac() -> None:
    static = GuestNic(
        "52:54:00:00:00:01",
        ("192.0.2.7/24", "2001:db8::7/64"),
        "192.0.2.1",
        "fe80::1",
        ("192.0.2.1",),
        ("p.z",),
        9000,
        (GuestRoute("198.51.100.0/24", "192.0.2.9", 50),),
    )
    network = yaml.safe_load(build_seed(spec(nics=(static, GuestNic("52:54:00:00:00:02")))).network_config)
    first, second = network["ethernets"].values()
    assert network["version"] == 2
    assert first["match"] == {"macaddress": "52:54:00:00:00:01"}
    assert "set-name" not in first
    assert first["routes"] == [
        {"to": "0.0.0.0/0", "via": "192.0.2.1"},
        {"to": "::/0", "via": "fe80::1"},
        {"to": "198.51.100.0/24", "via": "192.0.2.9", "metric": 50},
    ]
    assert first["nameservers"] == {"addresses": ["192.0.2.1"], "search": ["p.z"]}
    assert (first["mtu"], first["dhcp4"]) == (9000, False)
    assert second == {"match": {"macaddress": "52:54:00:00:00:02"}, "dhcp4": True, "dhcp6": False}


def test_a_mac_that_yaml_would_take_for_a_number_stays_text() -> None:
    network = yaml.safe_load(build_seed(spec(nics=(GuestNic("52:54:00:11:22:33"),))).network_config)
    assert network["ethernets"]["nic0"]["match"]["macaddress"] == "52:54:00:11:22:33"


BAD_SPECS = [
    ("instance_id", {"instance_id": "i-1\nusers: []"}),
    ("instance_id", {"instance_id": ""}),
    ("hostname", {"hostname": "web\nfqdn: x"}),
    ("hostname", {"hostname": "-web"}),
    ("hostname", {"hostname": "web; reboot"}),
    ("fqdn", {"fqdn": "web..z"}),
    ("fqdn", {"fqdn": "a." * 127 + "a"}),
    ("ssh_keys[0]", {"ssh_keys": (ssh_key() + "\nssh-rsa AAAA",)}),
    ("ssh_keys[0]", {"ssh_keys": ('command="x" ' + ssh_key(),)}),
    ("ssh_keys[0]", {"ssh_keys": (ssh_key().replace("ssh-ed25519 ", "ssh-rsa "),)}),
    ("ssh_keys[0]", {"ssh_keys": ("ssh-ed25519 !!!!",)}),
    ("ssh_keys[0]", {"ssh_keys": ("ssh-ed25519",)}),
    ("ssh_keys[1]", {"ssh_keys": (ssh_key(), "ssh-dss AAAA")}),
    ("ssh_keys[0]", {"ssh_keys": (ssh_key(comment="c\u2028"),)}),
    ("password_hash", {"password_hash": "secret"}),
    ("password_hash", {"password_hash": HASH + "\n"}),
    ("root_password_hash", {"root_password_hash": "$1$x$" + "a" * 22}),
    ("users[0].name", {"users": (GuestUser("ann:x"),)}),
    ("users[0].name", {"users": (GuestUser("root"),)}),
    ("users[0].name", {"users": (GuestUser("default"),)}),
    ("users[0].shell", {"users": (GuestUser("ann", shell="/bin/sh\n"),)}),
    ("users[0].groups[0]", {"users": (GuestUser("ann", groups=("adm,sudo",)),)}),
    ("users[0].password_hash", {"users": (GuestUser("ann", password_hash="x"),)}),
    ("users", {"users": (GuestUser("ann"), GuestUser("ann"))}),
    ("nics[0].mac", {"nics": (GuestNic("52:54:00:00:00:0G"),)}),
    ("nics[0].mac", {"nics": (GuestNic("53:54:00:00:00:01"),)}),
    ("nics", {"nics": (GuestNic("52:54:00:00:00:01"), GuestNic("52:54:00:00:00:01"))}),
    ("nics[0]", {"nics": (GuestNic("52:54:00:00:00:01", ("192.0.2.300/24",)),)}),
    ("nics[0].addresses", {"nics": (GuestNic("52:54:00:00:00:01", ("192.0.2.3",)),)}),
    ("nics[0]", {"nics": (GuestNic("52:54:00:00:00:01", ("192.0.2.3/24",), "198.51.100.1"),)}),
    ("nics[0]", {"nics": (GuestNic("52:54:00:00:00:01", ("192.0.2.3/24",), "192.0.2.3"),)}),
    ("nics[0]", {"nics": (GuestNic("52:54:00:00:00:01", ("192.0.2.3/24",), "fe80::1"),)}),
    ("nics[0]", {"nics": (GuestNic("52:54:00:00:00:01", dns=("dns.example",)),)}),
    ("nics[0].search[0]", {"nics": (GuestNic("52:54:00:00:00:01", search=("a b",)),)}),
    ("nics[0].mtu", {"nics": (GuestNic("52:54:00:00:00:01", mtu=100),)}),
    ("nics[0]", {"nics": (GuestNic("52:54:00:00:00:01", routes=(GuestRoute("::/0", "192.0.2.1"),)),)}),
    ("guest.packages[0]", {"options": GuestOptions(packages=("-oDir::Etc=/tmp",))}),
    ("guest.packages[1]", {"options": GuestOptions(packages=("vim", "a b"))}),
    ("commands[0]", {"commands": (" \n",)}),
    ("commands[1]", {"commands": ("ls", "ls\x1b[2J")}),
    ("disks[0].serial", {"disks": (GuestDisk("../sda", "ext4"),)}),
    ("disks[0].filesystem", {"disks": (GuestDisk("s", "vfat"),)}),
    ("disks[0].mount", {"disks": (GuestDisk("s", "ext4", "srv"),)}),
    ("disks[0].mount", {"disks": (GuestDisk("s", "ext4", "/"),)}),
    ("disks[0].mount", {"disks": (GuestDisk("s", "ext4", "/usr"),)}),
    ("disks[0].mount", {"disks": (GuestDisk("s", "ext4", "/proc/sys"),)}),
    ("disks[0].mount", {"disks": (GuestDisk("s", "ext4", "/srv/../etc"),)}),
    ("disks[0].mount", {"disks": (GuestDisk("s", "ext4", "/srv/a b"),)}),
    ("disks", {"disks": (GuestDisk("s", "ext4", "/srv/a"), GuestDisk("t", "ext4", "/srv/a"))}),
    ("disks", {"disks": (GuestDisk("s", "ext4"),), "windows": True}),
    ("commands", {"commands": ("dir",), "windows": True}),
    ("guest.package_update", {"options": GuestOptions(package_update=True), "windows": True}),
    ("guest.locale", {"options": GuestOptions(locale="en_US\nx")}),
    ("guest.timezone", {"options": GuestOptions(timezone="../../etc/passwd")}),
    ("guest.ntp[0]", {"options": GuestOptions(ntp=("a b",))}),
    ("guest.apt_proxy", {"options": GuestOptions(apt_proxy='http://p";reboot;"')}),
    ("guest.apt_proxy", {"options": GuestOptions(apt_proxy="http://me:pw@p:1")}),
    ("guest.apt_proxy", {"options": GuestOptions(apt_proxy="file:///etc")}),
    ("guest.dnf_proxy", {"options": GuestOptions(dnf_proxy="http://p:99999")}),
    ("guest.dnf_proxy", {"options": GuestOptions(dnf_proxy="http://p\nplugins=1")}),
]


@pytest.mark.parametrize(("field", "changes"), BAD_SPECS)
def test_hostile_values_are_refused_by_name(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        build_seed(spec(**changes))
    assert caught.value.details["field"] == field


def test_a_password_given_for_a_hash_is_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        build_seed(spec(password_hash="hunter2"))
    assert "hunter2" not in str(caught.value.to_record())


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_no_text_escapes_its_field(name: str, comment: str) -> None:
    try:
        seed = build_seed(spec(hostname=name, ssh_keys=(ssh_key(comment=comment),)))
    except InvalidInput:
        return
    ours = config(seed.user_data)
    assert ours["hostname"] == name
    assert ours["ssh_authorized_keys"] == [ssh_key(comment=comment)]
    assert yaml.safe_load(seed.meta_data) == {"instance-id": "i-1", "local-hostname": name}


# -- the owner's user data ---------------------------------------------------------------------


def test_cloud_config_is_merged_behind_ours() -> None:
    text = "#cloud-config\nusers: [carol]\nssh_authorized_keys: [x]\ntimezone: UTC\n"
    seed = build_seed(spec(user_data=text, ssh_keys=(ssh_key(),), options=GuestOptions(timezone="Asia/Tokyo")))
    ours = config(seed.user_data)
    assert ours["users"] == ["default"]
    assert "timezone" not in ours
    assert owner_parts(seed.user_data) == [
        ("text/cloud-config", text, "dict(no_replace,recurse_list)+list(append)+str()")
    ]


def test_the_ready_marker_survives_the_owners_final_message() -> None:
    seed = build_seed(spec(user_data="#cloud-config\nfinal_message: hello\n"))
    assert config(seed.user_data)["final_message"] == "hello\nzcloud-ready i-1"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("#!/bin/sh\necho hi\n", "text/x-shellscript"),
        ("#cloud-boothook\n#!/bin/sh\ntrue\n", "text/cloud-boothook"),
        ("#include\nhttps://example.org/x\n", "text/x-include-url"),
        ("#include-once\nhttps://example.org/x\n", "text/x-include-once-url"),
        ("## template: jinja\n#cloud-config\nruncmd: [echo {{ v1.region }}]\n", "text/jinja2"),
        ("#part-handler\n", "text/part-handler"),
    ],
)
def test_each_form_becomes_a_part(text: str, kind: str) -> None:
    parts = owner_parts(build_seed(spec(user_data=text)).user_data)
    assert [(part[0], part[1]) for part in parts] == [(kind, text)]


def test_windows_line_ends_are_mended() -> None:
    parts = owner_parts(build_seed(spec(user_data="#!/bin/sh\r\nls\r\n")).user_data)
    assert parts[0][1] == "#!/bin/sh\nls\n"


def test_multi_part_is_taken_apart_and_each_part_checked() -> None:
    text = (
        'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n\n'
        '--b\nContent-Type: text/cloud-config\nContent-Disposition: attachment; filename="c.yaml"\n\n'
        "packages: [vim]\n"
        "--b\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\nIyEvYmluL3NoCmxzCg==\n"
        "--b\nContent-Type: text/plain\n\n#cloud-config\nruncmd: [ls]\n--b--\n"
    )
    parts = owner_parts(build_seed(spec(user_data=text)).user_data)
    assert [part[0] for part in parts] == ["text/cloud-config", "text/x-shellscript", "text/cloud-config"]
    assert parts[1][1] == "#!/bin/sh\nls\n"
    with pytest.raises(InvalidCloudInit, match="Line 1"):
        build_seed(spec(user_data=text.replace("[vim]", "vim")))


def test_an_empty_cloud_config_adds_nothing() -> None:
    assert build_seed(spec(user_data="#cloud-config\n# nothing\n")) == build_seed(spec())
    assert build_seed(spec(user_data=" \n")) == build_seed(spec())


BAD_USER_DATA = [
    ("hello", 1, "does not know"),
    (" #cloud-config\n", 1, "does not know"),
    ("#cloud-config-archive\n- x\n", None, "could drop"),
    ("#cloud-config-jsonp\n[]", None, "could drop"),
    ("H4sIAAAA", None, "compressed"),
    ("#cloud-config\n- a\n", 2, "mapping"),
    ("#cloud-config\nusers: root\n", 2, "users has to be a list"),
    ("#cloud-config\nx: 1\nssh_authorized_keys: key\n", 3, "a list"),
    ("#cloud-config\npackage_update: maybe\n", 2, "true or false"),
    ("#cloud-config\nhostname: 12\n", 2, "a text"),
    ("#cloud-config\nx: 1\nx: 2\n", 3, "twice"),
    ("#cloud-config\n1: 2\n", 2, "not a text"),
    ("#cloud-config\nx: [1\n", 3, "','"),
    ("#cloud-config\nx: &a [1]\ny: [*a, *a]\n", 3, "aliases"),
    ("#cloud-config\na: &a {x: 1}\nb: {<<: *a}\n", 3, "aliases"),
    ("#cloud-config\nx: !!python/object/apply:os.system [ls]\n", 2, "tag"),
    ("#cloud-config\nx: !mine 1\n", 2, "tag"),
    ("#cloud-config\nx: " + "[" * 30000, 0, "deeply"),
    ("#cloud-config\n---\na: 1\n---\nb: 1\n", 4, "document"),
    ("#!/bin/sh\necho \x00\n", 2, "U+0000"),
    ("#!/bin/sh\necho \ud800\n", 2, "U+D800"),
    ("#!/bin/sh\n" + "x" * 65536, None, "64 KiB"),
    ("Content-Type: text/cloud-config\n\nx: 1\n", None, "taken apart"),
    ("Content-Type: multipart/mixed\n\n--b\n\nx\n", None, "taken apart"),
    ("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\nx\n--b--\n", None, "type"),
]


@pytest.mark.parametrize(("text", "line", "words"), BAD_USER_DATA)
def test_bad_user_data_is_refused_with_its_line(text: str, line: int | None, words: str) -> None:
    with pytest.raises(InvalidCloudInit) as caught:
        build_seed(spec(user_data=text))
    assert caught.value.details["field"] == "user_data"
    assert caught.value.details.get("line") == line
    assert words in caught.value.message


@given(st.sampled_from(["#cloud-config\n", "#!", "Content-Type: multipart/mixed; boundary=b\n\n--b\n", ""]), st.text())
def test_any_user_data_is_taken_or_refused(start: str, rest: str) -> None:
    try:
        seed = build_seed(spec(user_data=start + rest, ssh_keys=(ssh_key(),)))
    except InvalidCloudInit:
        return
    assert config(seed.user_data)["ssh_authorized_keys"] == [ssh_key()]


# -- the owner's options -----------------------------------------------------------------------


def test_options_come_from_a_plain_mapping() -> None:
    assert parse_options({"timezone": "UTC", "ntp": ["a.b"]}) == GuestOptions(timezone="UTC", ntp=("a.b",))


@pytest.mark.parametrize(
    "raw", [{"colour": "red"}, {"timezone": 3}, {"ntp": "a.b"}, {"ntp": [1]}, {"package_update": "yes"}]
)
def test_odd_options_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_options(raw)
    assert caught.value.details["field"] == f"guest.{next(iter(raw))}"


def test_a_clone_gets_a_machine_id_of_its_own_once() -> None:
    (line,) = config(build_seed(spec(cloned=True)).user_data)["bootcmd"]
    assert line.startswith("cloud-init-per instance ")
    assert "systemd-machine-id-setup" in line
    assert "bootcmd" not in config(build_seed(spec()).user_data)
