"""The backends that every driver is run on: a host in memory, and a namespace host over SSH."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.domain.host import HostKind
from zcloud.hosts.address import HostAddress
from zcloud.hosts.pool import HostPool
from zcloud.lab import gluster, iscsi
from zcloud.lab.ceph import Ceph, missing_programs
from zcloud.lab.hosts import Lab
from zcloud.ports import HostLink
from zcloud.testing.fakes import FakeLink

BRIDGES = b'[{"ifname": "br0", "flags": ["UP"], "linkinfo": {"info_kind": "bridge"}}]'


@pytest.fixture(scope="session")
def lab_link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostLink]:
    """Give a link by SSH to a namespace host with its own libvirt, network and file system."""
    if os.geteuid():
        pytest.skip("a namespace host needs root")
    with Lab(1) as lab:
        host = lab.hosts[0]
        address = HostAddress(
            id=host.name,
            kind=HostKind.SSH,
            address=host.address,
            port=host.ssh_port,
            user=host.ssh_user,
            key_path=str(host.ssh_key),
            host_key=host.host_key,
        )
        directory: Path = tmp_path_factory.mktemp("p")
        pool = HostPool({host.name: address}.__getitem__, str(directory / "r"))
        yield pool.link(host.name)
        pool.close()


@pytest.fixture(scope="session")
def ceph_pool() -> Iterator[tuple[str, str]]:
    """Give the monitors of a real cluster with the pool ``vms``, and the key of its user ``zcloud``."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Lab(0) as network, Ceph(network.gateway) as ceph:
        key = ceph.make_pool("vms", "zcloud")
        ceph.wait_for_room("vms")
        yield ceph.monitors, key


@pytest.fixture(scope="session")
def iscsi_target() -> Iterator[dict[str, str]]:
    """Give the options of a pool on a real target, the last of whose LUNs is not there yet."""
    if missing := iscsi.missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Lab(0) as network, iscsi.IscsiTarget(network.gateway) as target:
        for number, mib in enumerate((1, 1, 3, 4, 5, 9, 10), 1):
            target.make_lun(number, mib << 20)
        yield {**target.options, "luns": "1-8"}


@pytest.fixture(scope="session")
def gluster_volume() -> Iterator[dict[str, str]]:
    """Give the options of a pool on a real cluster."""
    if missing := gluster.missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with Lab(0) as network, gluster.Gluster(network.gateway) as cluster:
        cluster.make_volume("vms")
        yield {"server": cluster.address, "volume": "vms"}


@pytest.fixture
def fake_link() -> FakeLink:
    """Give a fresh host in memory, with a bridge."""
    link = FakeLink()
    link.shell.answers["ip -j -d link show"] = BRIDGES
    return link


@pytest.fixture(params=["fake", "lab"])
def link(request: pytest.FixtureRequest) -> HostLink:
    """Give each backend in turn."""
    found: HostLink = request.getfixturevalue(f"{request.param}_link")
    return found
