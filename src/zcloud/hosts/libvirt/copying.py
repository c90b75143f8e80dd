"""The part of ``ports.Hypervisor`` that copies disks of running domains: libvirt's backup job in push mode.

https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainBackupBegin: QEMU keeps what the guest overwrites until it
is copied, so the chain of the domain's own disks is not touched, and a job that breaks off leaves nothing there.
"""

from __future__ import annotations

from collections.abc import Mapping

import libvirt

from zcloud.domain.plug import DiskKind, DiskSource
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain
from zcloud.libvirtxml.backup import Backup
from zcloud.libvirtxml.domain import Domain
from zcloud.ports import CopyJob

_LAST = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED


class Copying:
    """Calls on the jobs connection."""

    _jobs: Connection

    def begin_copy(self, uuid: str, copies: Mapping[str, DiskSource]) -> None:
        """Begin to copy disks of a running domain."""

        def begin(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            domain.backupBegin(_design(domain.XMLDesc(0), copies), None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)

        self._jobs.call(begin)

    def copy_job(self, uuid: str) -> CopyJob:
        """Say how the copy is."""

        def look(raw: libvirt.virConnect) -> CopyJob:
            domain = find_domain(raw, uuid)
            job = domain.jobStats(0)
            if job.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP:
                return CopyJob(True, int(job.get("disk_processed", 0)), int(job.get("disk_total", 0)))
            last = domain.jobStats(_LAST)
            ours = last.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP
            return CopyJob(False, succeeded=ours and last.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED)

        return self._jobs.call(look)

    def abort_copy(self, uuid: str) -> None:
        """Break a copy off."""

        def abort(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            if domain.isActive() and domain.jobStats(0).get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP:
                domain.abortJob()

        self._jobs.call(abort)


def _design(xml: str, copies: Mapping[str, DiskSource]) -> str:
    """Give the job: libvirt would copy every disk that is not named."""
    backup = Backup.create()
    backup.mode = "push"
    for disk in Domain.parse(xml).disks:
        copy = copies.get(disk.target or "")
        each = backup.disks.add()
        each.name, each.backup = disk.target, copy is not None
        if copy is not None:
            each.type, each.format = copy.kind.value, copy.format.value
            block = copy.kind is DiskKind.BLOCK
            each.target, each.device = (None, copy.path) if block else (copy.path, None)
    return backup.to_xml()
