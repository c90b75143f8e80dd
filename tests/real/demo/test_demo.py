"""scripts/demo as a newcomer meets it: a copy of the checkout, nothing but the two documented commands.

It uses the machine's own libvirt, as the demo does, and is skipped where a demo is already there.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.imagebuild.facts import FACTS, check_facts

from zcloud.imagebuild.build import find_recipe
from zcloud.testing.images import keep_image

ROOT = Path(__file__).resolve().parents[3]
POOL = Path("/var/lib/libvirt/images/zcloud-demo")


class Newcomer:
    """Somebody with a fresh clone and a home of their own."""

    def __init__(self, clone: Path, home: Path) -> None:
        self.clone = clone
        self.built = False  # the image, as the official one could not be had
        self.environment = {**os.environ, "HOME": str(home)}
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "VIRTUAL_ENV", "PYTHONPATH"):
            self.environment.pop(name, None)

    def run(self, *argv: str, timeout: float = 2400) -> str:
        """Run a command in the clone, insist that it succeeds, and give what it printed."""
        done = subprocess.run(
            argv, cwd=self.clone, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def zcloud(self, *words: str) -> str:
        """Run a zcloud command."""
        return self.run(str(self.clone / ".venv/bin/zcloud"), *words)

    def guest(self, command: str) -> str:
        """Run a command in the guest."""
        key = self.clone / ".state/demo/id_ed25519"
        return self.zcloud("ssh", "-i", str(key), "demo", "--", command).strip()


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """Give a newcomer; whatever the tests leave is cleaned away."""
    if os.geteuid() != 0:
        pytest.skip("the demo needs root")
    if POOL.exists() or (ROOT / ".state/demo").exists():
        pytest.skip("a demo is on this machine already: scripts/demo --clean")
    base = tmp_path_factory.mktemp("newcomer")
    clone, home = base / "zcloud", base / "home"
    home.mkdir()
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    one = Newcomer(clone, home)
    yield one
    if (clone / ".state/demo").exists():
        subprocess.run(["scripts/demo", "--clean"], cwd=clone, env=one.environment, check=False)


def test_one_command_makes_a_cloud(newcomer: Newcomer) -> None:
    told = newcomer.run("scripts/demo")
    assert "demo is running and ready on this machine" in told
    for line in (
        "its address",
        "zcloud ssh",
        "zcloud console demo",
        "in a browser",
        "first login",
        "instance demo, until its guest",
    ):
        assert line in told
    newcomer.built = "building one from the distribution's packages" in told
    if newcomer.built:
        (image,) = (newcomer.clone / ".state/demo/data/images").glob("*.qcow2")
        keep_image("debian-12", image)


def test_again_redoes_nothing(newcomer: Newcomer) -> None:
    told = newcomer.run("scripts/demo")
    parts = [line for line in told.splitlines() if line.startswith("  ") and ":" in line.split("  ")[1]]
    assert sum(line.endswith(": is there") for line in parts) == 11


def test_cloud_init_was_applied_exactly(newcomer: Newcomer) -> None:
    assert newcomer.guest("hostname -f") == "demo.default.cloud.internal"
    assert newcomer.guest("cloud-init status") == "status: done"
    key = (newcomer.clone / ".state/demo/id_ed25519.pub").read_text().split()[1]
    assert newcomer.guest("cut -d' ' -f2 ~/.ssh/authorized_keys") == key
    assert newcomer.guest("sudo -n id -u") == "0"
    assert "192.168.150.1" in newcomer.guest("resolvectl dns")
    assert "cloud.internal" in newcomer.guest("resolvectl domain")
    assert newcomer.guest("ip -4 -br addr show scope global").split()[2].startswith("192.168.150.2/24")
    assert newcomer.guest("ip route show default").startswith("default via 192.168.150.1")


def test_its_system_is_as_it_was_built(newcomer: Newcomer) -> None:
    """Nothing of the build is left in it, and all of it works."""
    if not newcomer.built:
        pytest.skip("the demo took the official image")
    said = newcomer.guest(f"sudo -n sh -c {shlex.quote(FACTS)}")
    check_facts(said, find_recipe("debian-12"), 3700)


def test_its_guest_formatted_its_data_disk(newcomer: Newcomer) -> None:
    """In its place, and known to the guest by its id."""
    assert newcomer.guest("findmnt -n -o FSTYPE /srv/data") == "ext4"
    assert "/dev/disk/by-id/virtio-" in newcomer.guest("grep /srv/data /etc/fstab")
    assert "at /srv/data" in newcomer.zcloud("instance", "show", "demo")


def test_the_guest_goes_down_when_asked(newcomer: Newcomer) -> None:
    newcomer.zcloud("stop", "demo")
    assert "stopped" in newcomer.zcloud("list")


def test_clean_leaves_the_machine_as_it_was(newcomer: Newcomer) -> None:
    assert "Everything is removed" in newcomer.run("scripts/demo", "--clean")
    assert not POOL.exists()
    assert not (newcomer.clone / ".state/demo").exists()
