"""The part of ``ports.Hypervisor`` that brings disks of running domains to another place: libvirt's block copy.

https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainBlockCopy: QEMU copies what is there and writes what comes
to both places; at the pivot it goes on with the new one, and libvirt changes the definition of the domain, too.
"""

from __future__ import annotations

import libvirt

from zcloud.domain.errors import HypervisorFailed
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import MirrorJob

# A definition would have to outlive a job that is not transient; whoever begins one looks after it.
_HOW = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB


class Mirroring:
    """Calls on the jobs connection."""

    _jobs: Connection

    def begin_mirror(self, uuid: str, target: str, disk: str) -> None:
        """Begin to copy a disk to another place."""
        self._jobs.call(lambda raw: find_domain(raw, uuid).blockCopy(target, disk, None, _HOW))

    def mirror_job(self, uuid: str, target: str) -> MirrorJob:
        """Say how the mirror is."""
        return self._jobs.call(lambda raw: _look(find_domain(raw, uuid), target))

    def end_mirror(self, uuid: str, target: str, *, turn: bool) -> None:
        """Turn to the new place, or stay."""

        def end(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            job = _look(domain, target)
            if not job.active:
                return
            if turn and not job.ready:
                raise HypervisorFailed(f"The mirror of the disk {target} is not ready.")
            domain.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT if turn else 0)

        self._jobs.call(end)


def _look(domain: libvirt.virDomain, target: str) -> MirrorJob:
    if not domain.isActive():
        return MirrorJob(False)
    job = domain.blockJobInfo(target)
    if not job or job["type"] != libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COPY:
        return MirrorJob(False)
    disks = Domain.parse(domain.XMLDesc(0)).disks
    ready = any(each.target == target and each.mirror_ready == "yes" for each in disks)
    return MirrorJob(True, int(job["cur"]), int(job["end"]), ready)
