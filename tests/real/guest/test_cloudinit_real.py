"""Seeds, judged by cloud-init itself: schema, merging of parts, and network renderers.

Its package is unpacked with the Python packages it needs, never installed: on a real machine it would act at the next
start.
"""

from __future__ import annotations

import base64
import functools
import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from zcloud.domain.guest import GuestDisk, GuestNic, GuestOptions, GuestRoute, GuestSpec, GuestUser
from zcloud.drivers.guest.cloudinit import SeedFiles, build_seed
from zcloud.imagebuild.cache import DEFAULT_CACHE
from zcloud.imagebuild.packages import unpacked

PACKAGES = (
    *("cloud-init", "python3-configobj", "python3-jinja2", "python3-markupsafe", "python3-jsonpatch"),
    *("python3-json-pointer", "python3-jsonschema", "python3-attr", "python3-pyrsistent", "python3-oauthlib"),
    *("python3-requests", "python3-urllib3", "python3-idna", "python3-certifi", "python3-chardet", "python3-six"),
    *("python3-serial", "python3-yaml", "python3-netifaces"),
)
CLOUD_INIT = "import sys; from cloudinit.cmd.main import main; sys.exit(main(sys.argv))"
HASH = "$6$salt$" + "a" * 86
BLOB = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + b"k" * 32
KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()} me@here"
NIC = GuestNic(
    "52:54:00:00:00:01",
    ("192.0.2.7/24",),
    "192.0.2.1",
    dns=("192.0.2.1",),
    search=("p.z",),
    routes=(GuestRoute("198.51.100.0/24", "192.0.2.9"),),
)
OPTIONS = GuestOptions(
    "en_US.UTF-8",
    "Europe/Berlin",
    ("ntp.example",),
    "http://p:3128",
    "http://p:3128",
    ("nginx", "vim=2:9.0"),
    True,
    True,
)
DISKS = (GuestDisk("0123456789abcdef0123", "ext4", "/srv/data"), GuestDisk("1123456789abcdef0123", "xfs"))

# What cloud-init does with user data: its own processor and its own handler for cloud-config parts.
MERGE = """
import sys, yaml
from cloudinit import helpers, user_data, handlers
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.settings import PER_INSTANCE
paths = helpers.Paths({"cloud_dir": sys.argv[1], "run_dir": sys.argv[1]})
message = user_data.UserDataProcessor(paths).process(sys.stdin.buffer.read())
handler = CloudConfigPartHandler(paths)
handler.handle_part(None, "__begin__", None, None, PER_INSTANCE, {})
def walk(data, name, payload, headers):
    if headers["Content-Type"] == "text/cloud-config":
        handler.handle_part(None, headers["Content-Type"], name, payload, PER_INSTANCE, headers)
handlers.walk(message, walk, data=None)
print(yaml.safe_dump(handler.cloud_buf))
"""


def seed(user_data: str = "") -> SeedFiles:
    """Give a seed that uses everything."""
    user = GuestUser("ann", (KEY,), HASH, sudo=True, groups=("adm",))
    return build_seed(
        GuestSpec(
            *("i-1", "web", "web.p.z", (KEY,), HASH, HASH, (user,), (NIC,), DISKS, OPTIONS, user_data),
            commands=("echo 'first' > /run/first",),
        )
    )


@functools.cache
def modules() -> str:
    """Give the path of cloud-init's modules and of what they need."""
    paths = (unpacked(package, DEFAULT_CACHE) / "usr/lib/python3/dist-packages" for package in PACKAGES)
    return ":".join(map(str, paths))


def python(code: str, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program with cloud-init's modules, on the distribution's Python."""
    return subprocess.run(
        ["/usr/bin/python3", "-c", code, *arguments],
        input=given,
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": modules()},
    )


def cloud_init(*arguments: str) -> str:
    """Run cloud-init and give what it prints."""
    done = python(CLOUD_INIT, *arguments)
    told = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, told
    return told


def merged(user_data: str, tmp_path: Path) -> dict[str, Any]:
    """Give the cloud-config that cloud-init makes of a seed's user data."""
    done = python(MERGE, str(tmp_path), given=seed(user_data).user_data)
    assert done.returncode == 0, done.stderr.decode()
    config = yaml.safe_load(done.stdout)
    assert isinstance(config, dict)
    return config


def test_our_part_passes_the_schema(tmp_path: Path) -> None:
    file = tmp_path / "user-data"
    file.write_bytes(seed().user_data)
    assert "Valid" in cloud_init("schema", "--config-file", str(file))


def test_the_owner_adds_and_cannot_drop_by_accident(tmp_path: Path) -> None:
    owner = (
        "#cloud-config\npackages: [git]\nusers: [carol]\nssh_authorized_keys: [more]\nhostname: other\ntimezone: UTC\n"
    )
    config = merged(owner + "chpasswd: {users: [{name: x, type: RANDOM}]}\nruncmd: [ls]\n", tmp_path)
    assert config["users"][0] == "default"
    assert config["users"][1]["name"] == "ann"
    assert config["users"][2] == "carol"
    assert config["ssh_authorized_keys"] == [KEY, "more"]
    assert config["hostname"] == "web"
    assert config["timezone"] == "UTC"
    assert [each["name"] for each in config["chpasswd"]["users"]] == ["root", "x"]
    assert config["runcmd"] == ["echo 'first' > /run/first", "ls"]
    assert config["packages"] == ["nginx", "vim=2:9.0", "git"]
    assert config["mounts"][0][1] == "/srv/data"


@pytest.mark.parametrize("how", ["dict(recurse_array)+list(append)", "dict(no_replace)+list(append)+str()"])
def test_the_usual_merge_how_keeps_our_keys(how: str, tmp_path: Path) -> None:
    config = merged(f"#cloud-config\nmerge_how: {how!r}\nssh_authorized_keys: [more]\n", tmp_path)
    assert KEY in config["ssh_authorized_keys"]


def test_a_script_leaves_our_config_alone(tmp_path: Path) -> None:
    assert merged("#!/bin/sh\nls\n", tmp_path)["ssh_authorized_keys"] == [KEY]


@pytest.mark.parametrize(
    ("renderer", "distro", "gateway"),
    [
        ("netplan", "ubuntu", "via: 192.0.2.1"),
        ("eni", "debian", "default gw 192.0.2.1"),
        ("networkd", "debian", "Gateway=192.0.2.1"),
        ("sysconfig", "centos", "GATEWAY=192.0.2.1"),
        ("network-manager", "centos", "route1=0.0.0.0/0,192.0.2.1"),
    ],
)
def test_every_renderer_takes_the_network(renderer: str, distro: str, gateway: str, tmp_path: Path) -> None:
    source, target = tmp_path / "network-config", tmp_path / "out"
    source.write_bytes(seed().network_config)
    where = ["-p", str(source), "-k", "yaml", "-d", str(target), "-D", distro, "-O", renderer]
    cloud_init("devel", "net-convert", *where, "-m", "eth7,52:54:00:00:00:01")
    written = "\n".join(path.read_text() for path in target.rglob("*") if path.is_file())
    for wanted in (gateway, "192.0.2.7", "p.z"):
        assert wanted in written
