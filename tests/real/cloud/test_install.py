"""A system is installed from a CD by an installer of our own: it takes its answers, fills the disk and reboots."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud

from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import InstanceSpec, InstanceStatus, NicRequest
from zcloud.drivers.guest.seed import build_volume
from zcloud.imagebuild.cache import DEFAULT_CACHE
from zcloud.imagebuild.kernel import fetch_kernel
from zcloud.imagebuild.packages import unpacked
from zcloud.lab.tiny import IMAGE_SIZE, tiny_initramfs
from zcloud.libvirtxml.domain import Domain

_INSTALLER = """#!/bin/sh
export PATH=/bin:/sbin
. /lib/tiny.sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
load_modules
while [ ! -b /dev/vda ]; do sleep 0.1; done
word=$(busybox sed -n 's/^d-i tiny.word string //p' /preseed.cfg)
echo "INSTALLER told $word by $(busybox cat /proc/cmdline)" >/dev/ttyS0
busybox zcat /disk.gz >/dev/vda
busybox sync
busybox reboot -f
"""


@pytest.fixture
def medium(tiny_image: Path, tmp_path: Path) -> Path:
    """Give a CD with the kernel of the tiny guest, and an installer that has its whole disk."""
    raw, kernel = tmp_path / "disk.raw", fetch_kernel()
    subprocess.run(["qemu-img", "convert", "-O", "raw", tiny_image, raw], check=True)
    archive = tiny_initramfs(kernel)
    archive.add_file("/init", _INSTALLER.encode(), 0o755)
    archive.add_file("/disk.gz", gzip.compress(raw.read_bytes(), 1))
    disc = tmp_path / "installer.iso"
    disc.write_bytes(build_volume("TINY", {"linux": kernel.vmlinuz.read_bytes(), "initrd.gz": archive.build_gzip()}))
    return disc


@pytest.fixture
def removed(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.done(cloud.instances.delete(ADMIN, "", "fresh"))


@pytest.mark.usefixtures("removed")
def test_a_guest_is_installed_and_then_boots_from_its_disk(cloud: Cloud, medium: Path) -> None:
    image = cloud.import_image("tiny-installer", medium)
    assert image.format == "iso"
    spec = InstanceSpec(
        name="fresh",
        image="",
        vcpus=1,
        memory_mib=512,
        root_size=IMAGE_SIZE + (64 << 20),
        nics=(NicRequest(""),),
        install=InstallRequest("tiny-installer", cmdline="tiny.extra=1"),
        answers="d-i tiny/word string quokka\n",
    )
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation, 180)
    link = cloud.runtime.pool.link(instance.host_id)
    now = cloud.instance("fresh")
    assert (now.status, now.incarnation, now.cd_image_id) == (InstanceStatus.RUNNING, 2, None)
    log = link.shell.read_file(f"{now.hardware['console_log']}.previous").decode(errors="replace")
    assert "INSTALLER told quokka" in log
    assert "auto=true priority=critical tiny.extra=1" in log
    domain = Domain.parse(link.hypervisor.domain_xml(instance.id, inactive=False) or "")
    assert (domain.os.kernel, domain.on_reboot) == (None, "restart")
    cloud.done(cloud.images.delete(ADMIN, image.id))  # nothing holds the medium any more
    cloud.ready("fresh")


@pytest.mark.skipif(not os.environ.get("ZCLOUD_DEBIAN_INSTALLER"), reason="scripts/soak runs Debian's own installer")
@pytest.mark.usefixtures("removed")
def test_debian_s_installer_takes_the_preseed_file(cloud: Cloud, tmp_path: Path) -> None:
    """As far as it comes without a mirror: what has the disks partitioned is a package that it downloads."""
    root = unpacked("debian-installer-12-netboot-amd64", DEFAULT_CACHE)
    netboot = root / "usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64"
    disc = tmp_path / "netboot.iso"
    disc.write_bytes(build_volume("D-I", {name: (netboot / name).read_bytes() for name in ("linux", "initrd.gz")}))
    cloud.import_image("debian-netboot", disc)
    told = "debconf-get debian-installer/locale"
    spec = InstanceSpec(
        name="fresh",
        image="",
        vcpus=1,
        memory_mib=1024,
        root_size=2 << 30,
        nics=(NicRequest(""),),
        install=InstallRequest("debian-netboot", within_s=900),
        answers="d-i debian-installer/locale string de_AT.UTF-8\n"
        f"d-i preseed/early_command string echo PRESEED $({told}) >/dev/console; sleep 3; reboot -f\n",
    )
    instance, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation, 900)
    link = cloud.runtime.pool.link(instance.host_id)
    log = link.shell.read_file(f"{cloud.instance('fresh').hardware['console_log']}.previous").decode(errors="replace")
    assert "PRESEED de_AT.UTF-8" in log
