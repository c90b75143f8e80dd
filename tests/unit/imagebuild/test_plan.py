"""What building an image runs and writes."""

from __future__ import annotations

import json

import pytest

from zcloud.imagebuild import plan
from zcloud.imagebuild.recipes import RECIPES, Recipe, Source

PLACES = plan.Places("/build/tree", "/build dir/kernel-img.conf", "/keys/debian.gpg")
LISTING = """http://mirror.example.org/debian/
http://mirror.example.org/debian/
http://mirror.example.org/debian-security/
https://packages.example.com/apt/
copy:///usr/local/debian
file:/var/local/ubuntu
E: something that is not an address
"""


def recipe() -> Recipe:
    return RECIPES["debian-12"]


def test_this_machines_mirrors_are_read_by_archive() -> None:
    assert plan.machine_mirrors(LISTING) == {
        "debian": "http://mirror.example.org/debian",
        "debian-security": "http://mirror.example.org/debian-security",
        "apt": "https://packages.example.com/apt",
    }


def test_sources_come_from_the_machines_mirror_or_else_the_default() -> None:
    machine = {"debian": "http://near/debian"}
    assert plan.choose_sources(recipe(), "", machine) == (
        Source("http://near/debian", "bookworm"),
        Source("http://near/debian", "bookworm-updates"),
        Source("http://deb.debian.org/debian-security", "bookworm-security"),
    )


def test_a_named_mirror_wins_for_the_main_archive() -> None:
    chosen = plan.choose_sources(recipe(), "http://mine/debian/", {"debian": "http://near/debian"})
    assert {source.mirror for source in chosen[:2]} == {"http://mine/debian"}
    assert chosen[2].mirror == "http://deb.debian.org/debian-security"


def test_packages_are_got_with_the_archives_keys_and_without_a_shell_string() -> None:
    argv = plan.mmdebstrap_argv(recipe(), recipe().sources, PLACES)
    assert argv[0] == "mmdebstrap"
    assert "--keyring=/keys/debian.gpg" in argv
    assert "--essential-hook=upload '/build dir/kernel-img.conf' /etc/kernel-img.conf" in argv
    assert argv[argv.index("bookworm") :] == (
        "bookworm",
        "/build/tree",
        "deb http://deb.debian.org/debian bookworm main",
        "deb http://deb.debian.org/debian bookworm-updates main",
        "deb http://deb.debian.org/debian-security bookworm-security main",
    )
    assert not any("insecure" in word or "trusted=yes" in word for word in argv)


@pytest.mark.parametrize("name", RECIPES)
def test_every_system_gets_what_a_cloud_guest_needs(name: str) -> None:
    wanted = {"cloud-init", "qemu-guest-agent", "openssh-server", "netplan.io", "cloud-guest-utils", "sudo"}
    assert set(RECIPES[name].packages) > wanted
    assert RECIPES[name].family in {"debian", "ubuntu"}
    assert any(package.startswith("linux-image-") for package in RECIPES[name].packages)


@pytest.mark.parametrize("name", RECIPES)
def test_files_of_the_image(name: str) -> None:
    files = plan.image_files(RECIPES[name], "0f4b1f63-6f2d")
    assert files["etc/machine-id"] == ""
    assert files["etc/fstab"].startswith("UUID=0f4b1f63-6f2d / ext4 ")
    grub = files["boot/grub/grub.cfg"]
    assert "linux$bits /boot/vmlinuz root=UUID=0f4b1f63-6f2d ro console=tty0 console=ttyS0,115200" in grub
    assert "initrd$bits /boot/initrd.img.old" in grub
    cloud = json.loads(files["etc/cloud/cloud.cfg.d/90_image.cfg"].split("\n", 1)[1])
    assert cloud["datasource_list"][0] == "NoCloud"
    assert len(cloud["datasource_list"]) > 2


def test_the_image_keeps_the_distributions_own_mirrors() -> None:
    text = plan.image_files(recipe(), "id")["etc/apt/sources.list.d/debian.sources"]
    assert text.count("Types: deb\n") == 2
    assert "URIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\n" in text
    assert "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" in text


def test_keys_from_a_mirror_are_believed_only_with_their_checksum() -> None:
    keyring = RECIPES["ubuntu-24.04"].keyring
    download, unpack = plan.keyring_argvs(keyring, "http://mine/ubuntu", "/w/k.deb", "/w/keys")
    assert download[2] == f"http://mine/ubuntu/{keyring.pool_file}"
    assert download[-1] == f"SHA256:{keyring.sha256}"
    assert len(keyring.sha256) == 64
    assert unpack == ("dpkg-deb", "-x", "/w/k.deb", "/w/keys")
