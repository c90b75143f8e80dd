"""Domains that others defined on a real host: adopted, used and forgotten, with not a byte of them changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, wait_for
from tests.real.lab.guests import domain_xml
from tests.real.lab.test_lab import SEED

from zcloud.domain.errors import InstanceAdopted
from zcloud.domain.instance import Instance, InstanceStatus, Ready
from zcloud.drivers.guest.seed import build_iso
from zcloud.observer.foreign import ForeignWatch
from zcloud.services.adoption import Adopting, AdoptionPlan
from zcloud.services.context import Window
from zcloud.services.definitions import Definitions
from zcloud.services.direct import Direct
from zcloud.services.insides import Insides
from zcloud.services.lifecycle import Lifecycle
from zcloud.services.screens import Screens
from zcloud.services.trash import Trash

SCREEN = "<graphics type='vnc' autoport='yes' listen='127.0.0.1'/><video><model type='vga'/></video></devices>"
IMAGES = "/var/lib/libvirt/images"


class Theirs:
    """A domain that zcloud did not make, and the services that meet it."""

    def __init__(self, cloud: Cloud, image: Path, name: str, *, uefi: bool) -> None:
        self.cloud, self.host, self.name = cloud, cloud.host, name
        pool, services = cloud.runtime.pool, cloud.runtime.services
        self.direct = Direct(pool.link)
        self.adopting, self.services = Adopting(services, self.direct), services
        images = self.host.path(IMAGES)
        (images / f"{name}.qcow2").write_bytes(image.read_bytes())
        (images / f"{name}.iso").write_bytes(build_iso(SEED))
        self.host.run(
            ["virsh", "-q", "define", "/dev/stdin"], stdin=domain_xml(name, uefi).replace("</devices>", SCREEN)
        )
        self.uuid = self.host.virsh("domuuid", name).strip()

    def start(self) -> None:
        self.host.virsh("start", self.name)

    def off(self) -> None:
        self.host.run(["virsh", "destroy", self.name], check=False)

    def state(self) -> dict[str, str]:
        """Give the definition, autostart, and what its files are, as digests."""
        files = [f"{IMAGES}/{self.name}.qcow2", f"{IMAGES}/{self.name}.iso"]
        nvram = f"/var/lib/libvirt/qemu/nvram/{self.name}_VARS.fd"
        found = {"xml": self.host.virsh("dumpxml", "--inactive", self.name)}
        for file in [*files, nvram]:
            path = self.host.path(file)
            found[file] = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
        found["autostart"] = str(self.host.path(f"/etc/libvirt/qemu/autostart/{self.name}.xml").is_symlink())
        return found

    def seen(self) -> bool:
        listed = self.adopting.page(ADMIN, "alpha", Window()).items
        return any(each.uuid == self.uuid for each in listed)

    def plan(self) -> AdoptionPlan:
        wait_for(self.seen, 30, "the observer's look")
        return self.adopting.plan(ADMIN, "alpha", self.name)

    def plan_running(self) -> AdoptionPlan:
        """Give the plan of a look that was made after its start, not between its definition and that."""
        return wait_for(lambda: plan if (plan := self.plan()).runs else None, 30, "a look at it running")

    def adopt(self) -> Instance:
        host = self.cloud.hosts.show(ADMIN, "alpha")
        ForeignWatch(self.cloud.runtime.store).run(host.id, self.cloud.runtime.pool.link(host.id))
        self.cloud.done(self.adopting.adopt(ADMIN, "alpha", self.uuid)[1])
        return self.record()

    def record(self) -> Instance:
        return self.cloud.instance(self.uuid)

    def forget(self) -> None:
        self.adopting.forget(ADMIN, "", self.uuid)

    def look_inside(self) -> None:
        """Use whatever only looks at a running guest."""
        assert Screens(self.services, self.direct).picture(ADMIN, "", self.uuid).startswith(b"\x89PNG")
        assert "<domstatus" not in Definitions(self.services, self.direct).show(ADMIN, "", self.uuid, live=True).xml
        Insides(self.services, self.direct).filesystems(ADMIN, "", self.uuid)
        link = self.cloud.runtime.pool.link(self.record().host_id)
        console = link.hypervisor.open_console(self.uuid)
        console.write(b"\n")
        console.close()
        screen = link.hypervisor.open_screen(self.uuid)  # it listens on TCP, for its host alone
        assert screen.read() == b"RFB 003.008\n"
        screen.close()
        wait_for(lambda: self.cloud.instances.usage(ADMIN, "", self.uuid).now, 30, "two samples of its counters")


@pytest.mark.parametrize("uefi", [False, True], ids=["bios", "uefi"])
def test_adopted_used_and_forgotten(cloud: Cloud, tiny_image: Path, uefi: bool) -> None:
    theirs = Theirs(cloud, tiny_image, f"theirs-{'uefi' if uefi else 'bios'}", uefi=uefi)
    try:
        theirs.start()  # once, so that UEFI variables are there
        plan = theirs.plan_running()
        assert {each.target for each in plan.adoption.disks} == {"vda", "vdb"}
        assert any("br0" in each for each in plan.adoption.unmapped)
        theirs.off()
        before = theirs.state()
        assert bool(before[f"/var/lib/libvirt/qemu/nvram/{theirs.name}_VARS.fd"]) is uefi

        adopted = theirs.adopt()  # off: nothing of it may change at all
        assert adopted.status is InstanceStatus.STOPPED
        assert all(each["size"] for each in adopted.adopted["disks"])
        Definitions(theirs.services, theirs.direct).show(ADMIN, "", theirs.uuid)
        with pytest.raises(InstanceAdopted):
            Trash(theirs.services).delete(ADMIN, "", theirs.uuid, purge=True)
        theirs.forget()
        assert theirs.state() == before

        theirs.adopt()
        cloud.done(cloud.instances.start(ADMIN, "", theirs.uuid))
        ready = wait_for(lambda: theirs.record() if theirs.record().ready is Ready.READY else None, 180, "its agent")
        assert ready.incarnation == 1
        theirs.look_inside()
        for verb, status in (("pause", InstanceStatus.PAUSED), ("resume", InstanceStatus.RUNNING)):
            cloud.done(Lifecycle(theirs.services).act(ADMIN, "", theirs.uuid, verb))
            assert theirs.record().status is status
        theirs.forget()
        assert theirs.host.virsh("domstate", theirs.name).strip() == "running"
        again = theirs.adopt()  # while it runs
        assert (again.status, again.incarnation) == (InstanceStatus.RUNNING, 1)
        cloud.done(cloud.instances.stop(ADMIN, "", theirs.uuid, force=True))
        assert theirs.record().status is InstanceStatus.STOPPED
        theirs.forget()
        assert theirs.state()["xml"] == before["xml"]
        assert theirs.state()["autostart"] == before["autostart"]
    finally:
        theirs.off()
        theirs.host.run(["virsh", "undefine", theirs.name, "--nvram"], check=False)
