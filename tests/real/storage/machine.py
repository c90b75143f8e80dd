"""The nested host of the tests of storage: what namespaces cannot give (device-mapper, kernel NFS, mounts of disks)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zcloud.domain.errors import HostUnreachable
from zcloud.domain.host import HostKind
from zcloud.hosts.address import HostAddress
from zcloud.hosts.pool import HostPool
from zcloud.lab.hosts import wait_for
from zcloud.lab.nested import NestedHost
from zcloud.lab.nestedimage import NestedImage, nested_image
from zcloud.ports import HostLink

PACKAGES = (
    "busybox-static",
    "dnsmasq-base",
    "e2fsprogs",
    "fdisk",
    "iproute2",
    "iptables",
    "libvirt-clients",
    "libvirt-daemon-driver-qemu",
    "libvirt-daemon-system",
    "lvm2",
    "nfs-common",
    "nfs-kernel-server",
    "nftables",
    "qemu-system-x86",
    "qemu-utils",
    "thin-provisioning-tools",
    "xfsprogs",
)


def storage_image() -> NestedImage:
    """Give the machine's image, built when it is not cached."""
    return nested_image(PACKAGES)


@contextmanager
def linked(machine: NestedHost, directory: Path) -> Iterator[HostLink]:
    """Give zcloud's own link to the machine; ``directory`` is for its sockets."""
    pool = HostPool({"nested": address_of(machine)}.__getitem__, str(directory / "r"))
    try:
        wait_for(lambda: _answers(pool.link("nested")), 120, "zcloud reaches the machine")
        yield pool.link("nested")
    finally:
        pool.close()


def _answers(link: HostLink) -> bool:
    """Say whether the machine, which is slow after its boot, answers both ways."""
    with suppress(HostUnreachable):
        link.shell.run(["true"])
        return bool(link.hypervisor.capabilities_xml())
    return False


def address_of(machine: NestedHost) -> HostAddress:
    """Give how zcloud reaches the machine."""
    host_key = machine.run(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout.strip()
    return HostAddress(
        id="nested",
        kind=HostKind.SSH,
        address="127.0.0.1",
        port=machine.port,
        user="root",
        key_path=str(machine.key),
        host_key=" ".join(host_key.split()[:2]),
    )
