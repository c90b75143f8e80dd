"""What an owner does with instances, on real guests: one of BIOS and one of UEFI live through all of it."""

from __future__ import annotations

import base64
import contextlib
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.hosts.pools import watched_pool

from zcloud.domain.errors import GuestSilent, HostUnreachable, HypervisorFailed
from zcloud.domain.host import HostKind
from zcloud.domain.instance import Firmware, Instance, InstanceSpec, InstanceStatus, NicRequest, Ready
from zcloud.hosts.address import HostAddress
from zcloud.libvirtxml.domain import Domain
from zcloud.services.direct import Direct
from zcloud.services.lifecycle import Lifecycle
from zcloud.services.naming import Naming
from zcloud.services.screens import Screens
from zcloud.services.trash import Trash


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


class Inside:
    """Files of a guest's memory, by its agent."""

    def __init__(self, cloud: Cloud, instance_id: str) -> None:
        self._link = cloud.runtime.pool.link(cloud.instance(instance_id).host_id)
        self._id = instance_id

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        handle = self._call("guest-file-open", path=path, mode="w")
        self._call("guest-file-write", handle=handle, **{"buf-b64": base64.b64encode(text.encode()).decode()})
        self._call("guest-file-close", handle=handle)

    def read(self, path: str) -> str | None:
        """Give what is in a file; None where there is none."""
        try:
            handle = self._call("guest-file-open", path=path, mode="r")
        except HypervisorFailed:
            return None
        content = self._call("guest-file-read", handle=handle)
        self._call("guest-file-close", handle=handle)
        return base64.b64decode(content["buf-b64"]).decode()

    def keyboard_interrupts(self) -> int:
        """Give how often the keyboard controller has asked for attention."""
        lines = (self.read("/proc/interrupts") or "").splitlines()
        return sum(int(line.split()[1]) for line in lines if "i8042" in line)

    def set_clock_back(self) -> None:
        """Set the guest's clock to a day in 2020."""
        self._call("guest-exec", path="/bin/date", arg=["-s", "2020-01-01 00:00"])
        wait_for(lambda: self.clock_ahead_s() < -1e6, 30, "the old date")

    def clock_ahead_s(self) -> float:
        """Give by how much the guest's clock is ahead of ours."""
        return float(self._call("guest-get-time")) / 1e9 - time.time()

    def _call(self, command: str, **arguments: Any) -> Any:
        def ask() -> tuple[Any] | None:
            with contextlib.suppress(GuestSilent):
                return (self._link.hypervisor.agent(self._id, command, arguments),)
            return None

        return wait_for(ask, 30, "the agent's answer")[0]


def act(cloud: Cloud, ref: str, verb: str) -> None:
    """Ask for a verb and wait for its good end."""
    cloud.done(Lifecycle(cloud.runtime.services).act(ADMIN, "", ref, verb))


def nvram(cloud: Cloud, guest: Instance) -> str:
    """Give the digest of a guest's UEFI variables."""
    if guest.firmware is Firmware.BIOS:
        return ""
    path = Domain.parse(cloud.host.virsh("dumpxml", guest.id)).os.nvram
    return cloud.host.run(["sha256sum", str(path)]).stdout


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


def test_its_screen_is_reached_over_ssh_and_on_the_machine_itself(
    cloud: Cloud, guest: Instance, tmp_path: Path
) -> None:
    here = HostAddress("here", HostKind.LOCAL, libvirt_socket=str(cloud.host.libvirt_socket))
    with watched_pool({"here": here}, tmp_path / "r") as watched:
        for hypervisor in (cloud.runtime.pool.link(guest.host_id).hypervisor, watched.pool.link("here").hypervisor):
            first, second = hypervisor.open_screen(guest.id), hypervisor.open_screen(guest.id)
            for stream in (first, second):
                assert stream.read() == b"RFB 003.008\n"  # RFC 6143, 7.1.1
                stream.write(b"RFB 003.008\n")
                assert stream.read()[0] >= 1  # so many kinds of security
            reader = threading.Thread(target=first.read, daemon=True)
            reader.start()
            first.close()
            reader.join(20)
            assert not reader.is_alive()
            second.close()
            with pytest.raises(HostUnreachable):
                second.write(b"x")


def test_its_screen_is_seen_and_its_keys_are_pressed(cloud: Cloud, guest: Instance) -> None:
    direct = Direct(lambda host_id: cloud.runtime.pool.link(host_id).hypervisor)
    screens, shell = Screens(cloud.runtime.services, direct), Inside(cloud, guest.id)
    picture = screens.picture(ADMIN, "", guest.id)
    width, height = struct.unpack(">II", picture[16:24])
    assert width >= 320
    assert height >= 200
    before = shell.keyboard_interrupts()
    screens.press(ADMIN, "", guest.id, text="zcloud was here\n")
    wait_for(lambda: shell.keyboard_interrupts() > before, 30, "a key")


def test_pause_reset_save_and_restore(cloud: Cloud, guest: Instance) -> None:
    """A number in the guest's memory tells what kept it: pause and save do, a reset does not."""
    shell = Inside(cloud, guest.id)
    shell.write("/run/number", "41")
    shell.set_clock_back()
    act(cloud, guest.id, "pause")
    assert cloud.host.virsh("domstate", guest.id, "--reason").strip() == "paused (user)"
    act(cloud, guest.id, "resume")
    assert shell.read("/run/number") == "41"
    assert abs(shell.clock_ahead_s()) < 60  # a guest that was held is told the time
    variables = nvram(cloud, guest)
    act(cloud, guest.id, "save")
    held = cloud.instance(guest.id)
    assert (held.status, held.ready) == (InstanceStatus.SAVED, Ready.READY)
    assert cloud.host.virsh("domstate", guest.id).strip() == "shut off"
    act(cloud, guest.id, "restore")
    assert shell.read("/run/number") == "41"
    now = cloud.instance(guest.id)
    assert (now.status, now.incarnation, now.saved) == (InstanceStatus.RUNNING, 2, {})
    assert nvram(cloud, guest) == variables
    assert Domain.parse(cloud.host.virsh("dumpxml", guest.id)).mark.incarnation == 2
    act(cloud, guest.id, "reset")
    wait_for(lambda: cloud.instance(guest.id).ready is Ready.READY, 90, "readiness after the reset")
    assert shell.read("/run/number") is None
    assert cloud.instance(guest.id).incarnation == 2


def test_rename_trash_and_the_way_back(cloud: Cloud, guest: Instance) -> None:
    """Names reach the network's DNS; what comes back from the trash boots with its variables and its address."""
    services = cloud.runtime.services
    naming, trash = Naming(services), Trash(services)
    network = f"zc-{cloud.networks.show(ADMIN, 'nat')[0].id[:8]}"
    address = cloud.instances.show(ADMIN, "", guest.id).ports[0].address
    name = f"shop-{guest.firmware}"
    cloud.done(naming.rename(ADMIN, "", guest.id, name, hostname=True))
    assert f"<hostname>{name}.default.cloud.internal</hostname>" in cloud.host.virsh("net-dumpxml", network)
    assert cloud.host.virsh("domname", guest.id).strip() == guest.domain_name
    variables = nvram(cloud, guest)
    cloud.done(trash.delete(ADMIN, "", name))
    assert cloud.instance(guest.id).status is InstanceStatus.TRASHED
    assert cloud.host.virsh("domstate", guest.id).strip() == "shut off"
    assert name not in cloud.host.virsh("net-dumpxml", network)
    assert nvram(cloud, guest) == variables
    cloud.done(trash.restore(ADMIN, "", name))
    cloud.done(cloud.instances.start(ADMIN, "", name))
    ready = wait_for(lambda: _ready(cloud, guest.id), 90, "readiness after the trash")
    assert address in {each["address"] for each in ready.observed["addresses"]}
    assert Inside(cloud, guest.id).read("/proc/sys/kernel/hostname") == f"{name}\n"


def _ready(cloud: Cloud, ref: str) -> Instance | None:
    instance = cloud.instance(ref)
    return instance if instance.ready is Ready.READY else None
