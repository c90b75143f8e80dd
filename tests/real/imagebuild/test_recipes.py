"""An image built from packages boots by UEFI; the demo boots Debian's by BIOS and looks at what it is like inside.

Images that ``ZCLOUD_RECIPES`` names, as ``scripts/soak`` does, also do what their seed says and let their user in.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import textwrap
from pathlib import Path

import pycdlib
import pytest
from tests.real.imagebuild.facts import FACTS, check_facts
from tests.real.imagebuild.qemu import console_until, disk_options, firmware_options, ssh_options

from zcloud.imagebuild.build import find_recipe
from zcloud.testing.images import built_image

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="building an image needs root"),
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed"),
]

RECIPES = os.environ.get("ZCLOUD_RECIPES", "").split()
META_DATA = "instance-id: i-4711\nlocal-hostname: orchid\n"
USER_DATA = """#cloud-config
ssh_authorized_keys: ["{key}"]
runcmd:
  - [systemd-run, --no-block, /root/report]
write_files:
  - path: /root/report
    permissions: "0755"
    content: |
      #!/bin/sh
      cloud-init status --wait >/dev/null
      exec >/root/report.log 2>&1  # the login prompt hangs up whoever holds the console open
      echo
{facts}      echo report-ends
      exec cat /root/report.log >/dev/ttyS0
"""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def seed(key: Path, tmp_path: Path) -> Path:
    user_data = USER_DATA.replace("{key}", key.with_suffix(".pub").read_text().strip())
    user_data = user_data.replace("{facts}", textwrap.indent(FACTS, " " * 6))
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for name, text in (("meta-data", META_DATA), ("user-data", user_data)):
        content, short = text.encode(), name.replace("-", "").upper()
        disc.add_fp(io.BytesIO(content), len(content), f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    path = tmp_path / "seed.iso"
    disc.write(str(path))
    disc.close()
    return path


def test_debian_s_image_boots_by_uefi() -> None:
    base = built_image("debian-12")
    console_until([*disk_options(base, "qcow2"), *firmware_options("uefi")], ("Welcome to ", "Mounted "), 600)


@pytest.mark.skipif(not RECIPES, reason="ZCLOUD_RECIPES names no recipe")
@pytest.mark.parametrize("name", RECIPES or ["none"])
def test_built_image_applies_its_seed_and_lets_its_user_in(name: str, key: Path, seed: Path, tmp_path: Path) -> None:
    recipe, disk, port = find_recipe(name), tmp_path / "disk.qcow2", _free_port()
    base = built_image(name)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, disk, "4G"], check=True)
    disks = [*disk_options(disk, "qcow2"), *disk_options(seed, "raw", readonly=True)]
    options = [*disks, *firmware_options("uefi"), *ssh_options(port)]
    greetings: list[str] = []
    wanted = ("report-ends", "orchid login:")
    said = console_until(options, wanted, 1200, lambda: greetings.append(_log_in(recipe.default_user, key, port)))
    (tmp_path / "console.log").write_text(said)
    check_facts(said, recipe, 3700)
    assert greetings == [f"{recipe.default_user} on orchid\n"]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _log_in(user: str, key: Path, port: int) -> str:
    trust = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "ConnectTimeout=60")
    options = [word for each in trust for word in ("-o", each)]
    command = 'echo "$(id -un) on $(hostname)"'
    return subprocess.run(
        ["ssh", "-i", key, *options, "-p", str(port), f"{user}@127.0.0.1", command],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
