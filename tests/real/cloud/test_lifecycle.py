"""What an owner does with instances, on real guests: one of BIOS and one of UEFI live through all of it."""

from __future__ import annotations

import base64
import contextlib
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.hosts.pools import watched_pool

from zcloud.domain.errors import GuestSilent, HostUnreachable, HypervisorFailed
from zcloud.domain.host import HostKind
from zcloud.domain.instance import Firmware, Instance, InstanceStatus, Ready
from zcloud.hosts.address import HostAddress
from zcloud.libvirtxml.domain import Domain
from zcloud.services.direct import Direct
from zcloud.services.lifecycle import Lifecycle
from zcloud.services.screens import Screens


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


def nvram(cloud: Cloud, owned: Instance) -> str:
    """Give the digest of a guest's UEFI variables."""
    if owned.firmware is Firmware.BIOS:
        return ""
    path = Domain.parse(cloud.host.virsh("dumpxml", owned.id)).os.nvram
    return cloud.host.run(["sha256sum", str(path)]).stdout


def test_its_screen_is_a_socket_that_only_root_and_qemu_reach(cloud: Cloud, owned: Instance) -> None:
    domain = Domain.parse(cloud.host.virsh("dumpxml", owned.id))
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
    cloud: Cloud, owned: Instance, tmp_path: Path
) -> None:
    here = HostAddress("here", HostKind.LOCAL, libvirt_socket=str(cloud.host.libvirt_socket))
    with watched_pool({"here": here}, tmp_path / "r") as watched:
        for hypervisor in (cloud.runtime.pool.link(owned.host_id).hypervisor, watched.pool.link("here").hypervisor):
            first, second = hypervisor.open_screen(owned.id), hypervisor.open_screen(owned.id)
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


def test_its_screen_is_seen_and_its_keys_are_pressed(cloud: Cloud, owned: Instance) -> None:
    direct = Direct(cloud.runtime.pool.link)
    screens, shell = Screens(cloud.runtime.services, direct), Inside(cloud, owned.id)
    picture = screens.picture(ADMIN, "", owned.id)
    width, height = struct.unpack(">II", picture[16:24])
    assert width >= 320
    assert height >= 200
    before = shell.keyboard_interrupts()
    screens.press(ADMIN, "", owned.id, text="zcloud was here\n")
    wait_for(lambda: shell.keyboard_interrupts() > before, 30, "a key")


def test_pause_reset_save_and_restore(cloud: Cloud, owned: Instance) -> None:
    """A number in the guest's memory tells what kept it: pause and save do, a reset does not."""
    shell = Inside(cloud, owned.id)
    shell.write("/run/number", "41")
    shell.set_clock_back()
    act(cloud, owned.id, "pause")
    assert cloud.host.virsh("domstate", owned.id, "--reason").strip() == "paused (user)"
    act(cloud, owned.id, "resume")
    assert shell.read("/run/number") == "41"
    assert abs(shell.clock_ahead_s()) < 60  # a guest that was held is told the time
    variables, incarnation = nvram(cloud, owned), cloud.instance(owned.id).incarnation
    shell.set_clock_back()
    act(cloud, owned.id, "save")
    held = cloud.instance(owned.id)
    assert (held.status, held.ready) == (InstanceStatus.SAVED, Ready.READY)
    assert cloud.host.virsh("domstate", owned.id).strip() == "shut off"
    act(cloud, owned.id, "restore")
    assert shell.read("/run/number") == "41"
    assert abs(shell.clock_ahead_s()) < 60
    now = cloud.instance(owned.id)
    assert (now.status, now.incarnation, now.saved) == (InstanceStatus.RUNNING, incarnation + 1, {})
    assert nvram(cloud, owned) == variables
    assert Domain.parse(cloud.host.virsh("dumpxml", owned.id)).mark.incarnation == incarnation + 1
    for verb in ("pause", "save", "restore"):
        act(cloud, owned.id, verb)
    assert (cloud.instance(owned.id).status, cloud.host.virsh("domstate", owned.id).strip()) == ("paused", "paused")
    act(cloud, owned.id, "resume")
    assert shell.read("/run/number") == "41"
    incarnation += 1
    act(cloud, owned.id, "reset")
    wait_for(lambda: cloud.instance(owned.id).ready is Ready.READY, 90, "readiness after the reset")
    assert shell.read("/run/number") is None
    assert cloud.instance(owned.id).incarnation == incarnation + 1
