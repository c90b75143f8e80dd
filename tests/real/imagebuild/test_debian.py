"""An image built from Debian's packages boots by UEFI and does what its seed says; the demo boots one by BIOS."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import pycdlib
import pytest
from tests.real.imagebuild.qemu import console_until, disk_options, firmware_options

from zcloud.testing.images import built_image

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="building an image needs root"),
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed"),
]

META_DATA = "instance-id: i-4711\nlocal-hostname: orchid\n"
USER_DATA = """#cloud-config
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
      cloud-init status --long | sed 's/^/ci: /'
      echo "fact hostname: $(hostname)"
      echo "fact root: $(passwd -S root | cut -d' ' -f1,2)"
      echo "fact keys: $(ls /etc/ssh/ssh_host_*_key | wc -l)"
      echo "fact machine-id: $(wc -c < /etc/machine-id)"
      echo "fact root-mib: $(df --output=size -m / | tail -1)"
      echo "fact failed-units: $(systemctl --failed --plain --no-legend | wc -l)"
      systemctl --failed --plain --no-legend
      echo "fact resolver: $(readlink /etc/resolv.conf)"
      echo "fact user: $(id -un 1000)"
      echo "fact apt: $(grep -h URIs /etc/apt/sources.list.d/* | sort | tr '\\n' ' ')"
      echo "fact left: $(ls /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap 2>/dev/null | wc -l)"
      echo report-ends
      exec cat /root/report.log >/dev/ttyS0
"""


@pytest.fixture(scope="module")
def image() -> Path:
    return built_image("debian-12")


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for name, text in (("meta-data", META_DATA), ("user-data", USER_DATA)):
        content, short = text.encode(), name.replace("-", "").upper()
        disc.add_fp(io.BytesIO(content), len(content), f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    path = tmp_path / "seed.iso"
    disc.write(str(path))
    disc.close()
    return path


def test_built_image_applies_its_seed(image: Path, seed: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, disk, "4G"], check=True)
    disks = [*disk_options(disk, "qcow2"), *disk_options(seed, "raw", readonly=True)]
    said = console_until([*disks, *firmware_options("uefi")], "report-ends", 800)
    (tmp_path / "console.log").write_text(said)
    facts = dict(re.findall(r"^fact ([a-z-]+): (.*?)\s*$", said, re.MULTILINE))
    assert "ci: status: done" in said, "\n".join(line for line in said.splitlines() if line.startswith("ci:"))
    assert "ci: errors: []" in said or "ci: errors" not in said
    assert facts["hostname"] == "orchid"
    assert facts["root"] == "root L"
    assert int(facts["keys"]) >= 2
    assert facts["machine-id"] == "33"
    assert int(facts["root-mib"]) > 3700
    assert facts["failed-units"] == "0"
    assert facts["resolver"].endswith("systemd/resolve/stub-resolv.conf")
    assert facts["user"] == "debian"
    assert "deb.debian.org" in facts["apt"]
    assert facts["left"] == "0"
    assert "orchid login:" in said
