"""The part of ``ports.Hypervisor`` that keeps the memory of running domains (``ports.MemoryControl``).

https://libvirt.org/formatsnapshot.html: a snapshot of the memory alone, of which libvirt remembers nothing. Its file is
one of ``virDomainSave``, restored as these are. It notes that the domain was held.
"""

from __future__ import annotations

import libvirt

from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain
from zcloud.libvirtxml.domain import Domain
from zcloud.libvirtxml.snapshot import DomainSnapshot


class Memory:
    """Calls on the jobs connection."""

    _jobs: Connection

    def snapshot_memory(self, uuid: str, path: str) -> None:
        """Write the memory of a held domain to a file."""

        def write(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            design = _design(domain.XMLDesc(0), path)
            domain.snapshotCreateXML(design, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA)

        self._jobs.call(write)

    def abort_memory(self, uuid: str) -> None:
        """Break a writing off."""

        def abort(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            job = domain.jobStats(0) if domain.isActive() else {}
            if job.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT:
                domain.abortJob()

        self._jobs.call(abort)


def _design(xml: str, path: str) -> str:
    """Give the snapshot: libvirt would take every disk that is not named."""
    snapshot = DomainSnapshot.create()
    snapshot.memory, snapshot.memory_file = "external", path
    for disk in Domain.parse(xml).disks:
        each = snapshot.disks.add()
        each.name, each.snapshot = disk.target, "no"
    return snapshot.to_xml()
