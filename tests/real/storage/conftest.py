"""One nested host for all tests of storage: booted once, with three empty disks; a group on the first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.storage.machine import linked, storage_image
from tests.real.storage.nfs import serving

from zcloud.lab.nested import NestedHost
from zcloud.ports import HostLink

DISKS = (("vdb", "6G"), ("vdc", "2G"), ("vdd", "2G"))


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NestedHost]:
    """Give the machine; its disks are /dev/vdb (6 GiB), /dev/vdc and /dev/vdd (2 GiB)."""
    if os.geteuid():
        pytest.skip("a nested host needs root")
    directory, devices = tmp_path_factory.mktemp("disks"), []
    for name, size in DISKS:
        path = directory / f"{name}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), size], check=True)
        drive = f"file={path},if=none,id={name},cache=unsafe,discard=unmap"
        devices += ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial={name}"]
    with NestedHost(storage_image(), devices=devices) as host:
        yield host


@pytest.fixture(scope="session")
def nested_link(machine: NestedHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostLink]:
    """Give the link to it that zcloud itself has: by SSH, with the closed list of commands."""
    directory: Path = tmp_path_factory.mktemp("l")
    with linked(machine, directory) as link:
        yield link


@pytest.fixture(scope="session")
def server(machine: NestedHost) -> Iterator[NestedHost]:
    """Give the machine with an NFS server."""
    with serving(machine) as host:
        yield host
