"""What waits for a guest's next start, and what only one that is off can have: all of it in one start.

Edited while it runs, given another size and name, put into the trash and taken back, given disks; then started.
"""

from __future__ import annotations

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud
from tests.real.cloud.insides import Inside
from tests.real.cloud.test_lifecycle import nvram

from zcloud.domain.attachment import Attachment, DiskBus
from zcloud.domain.errors import InvalidXml, RevisionMismatch, WrongState
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.operation import OperationStatus
from zcloud.domain.pending import pending
from zcloud.libvirtxml.domain import Domain
from zcloud.services.definitions import Definitions
from zcloud.services.direct import Direct
from zcloud.services.disks import Disks, DiskSpec
from zcloud.services.naming import Naming
from zcloud.services.sizes import SizeChange, Sizes
from zcloud.services.trash import Trash

MIB = 1 << 20


def test_all_that_waited_is_there_after_a_start(cloud: Cloud, owned: Instance) -> None:
    naming, trash = Naming(cloud.runtime.services), Trash(cloud.runtime.services)
    network = f"zc-{cloud.networks.show(ADMIN, 'nat')[0].id[:8]}"
    address = cloud.instances.show(ADMIN, "", owned.id).ports[0].address
    _edit_while_it_runs(cloud, owned)
    change = SizeChange(vcpus=1, memory_mib=384, max_memory_mib=0, next_start=True)
    cloud.done(Sizes(cloud.runtime.services).resize(ADMIN, "", owned.id, change))
    assert pending(cloud.instance(owned.id))["memory_mib"]["next"] == 384
    name = f"shop-{owned.firmware}"
    cloud.done(naming.rename(ADMIN, "", owned.id, name, hostname=True))
    assert f"<hostname>{name}.default.cloud.internal</hostname>" in cloud.host.virsh("net-dumpxml", network)
    assert cloud.host.virsh("domname", owned.id).strip() == owned.domain_name
    with pytest.raises(WrongState, match="runs"):
        Disks(cloud.runtime.services).attach(ADMIN, "", owned.id, _by_sata())

    variables = nvram(cloud, owned)
    cloud.done(trash.delete(ADMIN, "", name))
    assert cloud.instance(owned.id).status is InstanceStatus.TRASHED
    assert cloud.host.virsh("domstate", owned.id).strip() == "shut off"
    assert name not in cloud.host.virsh("net-dumpxml", network)
    assert nvram(cloud, owned) == variables
    cloud.done(trash.restore(ADMIN, "", name))
    for disk in (_by_sata(), DiskSpec(size=32 * MIB, attachment=Attachment(serial="cold"))):
        cloud.done(Disks(cloud.runtime.services).attach(ADMIN, "", owned.id, disk)[1])
    before = cloud.instance(owned.id).incarnation
    cloud.done(cloud.instances.start(ADMIN, "", name))

    now = cloud.ready(owned.id)
    assert (now.incarnation, pending(now)) == (before + 1, {})
    assert address in {each["address"] for each in now.observed["addresses"]}
    live = cloud.host.virsh("dumpxml", owned.id)
    assert "<on_crash>restart" in live
    assert "sata" in [each.bus for each in Domain.parse(live).disks if each.device == "disk"]
    inside = Inside(cloud.host, owned.id)
    assert (inside.sh("hostname"), inside.sh("grep -c ^processor /proc/cpuinfo")) == (name, "1")
    assert inside.sh(f"cat /sys/block/{inside.disk('cold')}/size") == str(32 * MIB // 512)
    # Without room to grow, Linux keeps no 64 MiB of bounce buffers for memory above 4 GiB.
    assert 384 - 64 < int(inside.sh("awk '/MemTotal/ { print $2 }' /proc/meminfo")) >> 10 <= 384
    assert "definition_changed_at" not in now.observed  # all of it was ours


def _by_sata() -> DiskSpec:
    """Give a disk that no running guest can have."""
    return DiskSpec(size=16 * MIB, attachment=Attachment(DiskBus.SATA))


def _edit_while_it_runs(cloud: Cloud, owned: Instance) -> None:
    """What is harmless is shown as a difference, and defined; what is not is refused, and so is an old look."""
    definitions = Definitions(cloud.runtime.services, Direct(cloud.runtime.pool.link))
    shown = definitions.show(ADMIN, "", owned.id)
    for hostile, why in (
        (shown.xml.replace("</devices>", "<hostdev mode='subsystem' type='usb'/></devices>"), "hostdev"),
        (shown.xml.replace("type='socket'", "type='address' address='0.0.0.0'"), "graphics"),
        (shown.xml.replace("</domain>", ""), r"\w"),
    ):
        assert hostile != shown.xml
        with pytest.raises(InvalidXml, match=why):
            definitions.edit(ADMIN, "", owned.id, hostile)
    wrong = definitions.edit(ADMIN, "", owned.id, shown.xml.replace("<on_crash>destroy", "<on_crash>explode"))
    assert wrong.operation is not None
    refused = cloud.ended(wrong.operation)
    assert refused.status is OperationStatus.FAILED  # libvirt knows no such action
    assert definitions.show(ADMIN, "", owned.id) == shown
    edited = shown.xml.replace("<on_crash>destroy", "<on_crash>restart")
    edit = definitions.edit(ADMIN, "", owned.id, edited, digest=shown.digest)
    assert "+  <on_crash>restart</on_crash>" in edit.difference.splitlines()
    assert edit.at_next_start
    assert edit.operation is not None
    cloud.done(edit.operation)
    assert "<on_crash>restart" in definitions.show(ADMIN, "", owned.id).xml
    assert "<on_crash>restart" not in definitions.show(ADMIN, "", owned.id, live=True).xml
    with pytest.raises(RevisionMismatch):
        definitions.edit(ADMIN, "", owned.id, shown.xml, digest=shown.digest)
