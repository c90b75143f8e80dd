"""What an owner does with instances, on real guests: one of BIOS and one of UEFI live through all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for

from zcloud.domain.instance import Firmware, Instance, InstanceSpec, NicRequest, Ready
from zcloud.libvirtxml.domain import Domain


@pytest.fixture(scope="module", params=list(Firmware))
def guest(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Instance]:
    """Give an instance whose guest is ready."""
    spec = InstanceSpec(
        name=f"owned-{request.param}",
        image="tiny",
        vcpus=1,
        memory_mib=256,  # what GRUB needs under UEFI
        firmware=request.param,
        nics=(NicRequest(""),),
    )
    made, operation = cloud.launch.launch(ADMIN, "", spec)
    cloud.done(operation)
    wait_for(lambda: cloud.instance(made.id).ready is Ready.READY, 180, "readiness")
    yield cloud.instance(made.id)
    cloud.done(cloud.instances.delete(ADMIN, "", made.id))


def test_its_screen_is_a_socket_that_only_root_and_qemu_reach(cloud: Cloud, guest: Instance) -> None:
    domain = Domain.parse(cloud.host.virsh("dumpxml", guest.id))
    (screen,) = domain.graphics
    assert (screen.type, screen.port, [each.type for each in screen.listens]) == ("vnc", None, ["socket"])
    socket = screen.listens[0].socket
    assert socket is not None
    directory = socket.rpartition("/")[0]
    assert cloud.host.run(["test", "-S", socket]).returncode == 0
    mode, owner = cloud.host.run(["stat", "-c", "%a %U", directory]).stdout.split()
    assert mode.endswith("0")
    assert owner in ("libvirt-qemu", "qemu", "root")
