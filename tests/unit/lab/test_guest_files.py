"""The tiny guest's shell reads the seeds that zcloud writes (run with busybox, as in the guest)."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from zcloud.lab.tiny import _FILES, _applets

pytestmark = pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")

GUEST = Path(str(files("zcloud.lab").joinpath("guest")))
LONG_KEY = "ssh-ed25519 " + "A" * 68 + " somebody with a long name@host.example.org"


def flatten(text: str) -> list[str]:
    argv = ["busybox", "awk", "-f", str(GUEST / "flatten.awk")]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("options", [{}, {"sort_keys": False}, {"width": 1000}], ids=str)
def test_every_scalar_of_a_seed_gets_its_path(options: dict[str, Any]) -> None:
    seed = {
        "hostname": "one",
        "users": ["default", {"name": "ann", "ssh_authorized_keys": [LONG_KEY, "ssh-rsa B"]}],
        "runcmd": ["echo a: b", "true"],
        "final_message": "Done: 'really'",
    }
    assert sorted(flatten("#cloud-config\n" + yaml.safe_dump(seed, **options))) == sorted(
        [
            "hostname\tone",
            "users[]\tdefault",
            "users[].name\tann",
            f"users[].ssh_authorized_keys[]\t{LONG_KEY}",
            "users[].ssh_authorized_keys[]\tssh-rsa B",
            "runcmd[]\techo a: b",
            "runcmd[]\ttrue",
            "final_message\tDone: 'really'",
        ]
    )


@pytest.mark.parametrize("mac", ["52:54:00:12:34:56", "52:54:00:AA:bb:cc"])
def test_a_nic_finds_its_block_by_mac_whatever_the_order_of_keys(mac: str, tmp_path: Path) -> None:
    other = {"match": {"macaddress": "52:54:00:00:00:01"}, "dhcp4": True}
    wanted = {"addresses": ["10.0.0.5/24"], "match": {"macaddress": mac}}
    text = yaml.safe_dump({"version": 2, "ethernets": {"nic0": other, "nic1": wanted}})
    (tmp_path / "network-config").write_text("\n".join(flatten(text)) + "\n")

    script = '. "$1"; FLAT=$2; nic_block eth1 "$3"'
    argv = ["busybox", "sh", "-c", script, "sh", str(GUEST / "tiny.sh"), str(tmp_path), mac.lower()]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "ethernets.nic1\n"


@pytest.mark.parametrize("name", ["init", "tiny.sh", "hotplug", "udhcpc.sh", "shutdown"])
def test_the_scripts_are_valid_shell(name: str) -> None:
    subprocess.run(["busybox", "sh", "-n", GUEST / name], check=True)


def test_busybox_has_every_applet_that_the_guest_names() -> None:
    known = set(subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split())
    assert set(_applets()) <= known


def test_every_file_of_the_guest_is_packed() -> None:
    assert {path.name for path in GUEST.iterdir()} == {*_FILES, "applets"}
