"""From records to the domain's plan: what the compute design is told."""

from __future__ import annotations

from typing import Any

from zcloud.domain.errors import WrongState
from zcloud.domain.hardware import settle
from zcloud.domain.host import Host
from zcloud.domain.instance import Firmware, Instance
from zcloud.domain.plug import DiskPlug
from zcloud.domain.size import wanted_size
from zcloud.domain.storage import Pool, Volume
from zcloud.drivers.compute.design import DomainPlan, UefiFirmware
from zcloud.workflows.context import Run, Whole, base_image

LOG_DIR = "/var/log/libvirt/qemu"
TPM_DIR = "/var/lib/libvirt/swtpm"


def seed_name(instance: Instance) -> str:
    """Give the name of the guest's seed among its pool's artifacts."""
    return f"{instance.id}.seed.iso"


def kernel_name(instance: Instance) -> str:
    """Give the name of its installer's kernel among its pool's artifacts."""
    return f"{instance.id}.kernel"


def initrd_name(instance: Instance) -> str:
    """Give the name of its installer's initrd among its pool's artifacts."""
    return f"{instance.id}.initrd"


def nvram_name(instance: Instance) -> str:
    """Give the name of the instance's UEFI variables among its pool's artifacts."""
    return f"{instance.id}.nvram.fd"


def nvram_copy_name(instance: Instance, snapshot_id: str) -> str:
    """Give the name of a snapshot's copy of the instance's UEFI variables among its pool's artifacts."""
    return f"{instance.id}.{snapshot_id}.nvram.fd"


def saved_name(instance: Instance) -> str:
    """Give the name of the file of the instance's saved memory among its pool's artifacts."""
    return f"{instance.id}.saved"


def memory_name(instance: Instance, snapshot_id: str) -> str:
    """Give the name of the file of a snapshot's memory among its pool's artifacts."""
    return f"{instance.id}.{snapshot_id}.memory"


def tpm_directory(instance: Instance) -> str:
    """Give where libvirt keeps the state of the instance's TPM on the host; it goes with the instance."""
    return f"{TPM_DIR}/{instance.id}"


def console_log(instance: Instance) -> str:
    """Give the path of the serial console's log on the host; virtlogd writes and rotates it."""
    return f"{LOG_DIR}/{instance.domain_name}.console.log"


def logs(instance: Instance) -> list[str]:
    """Give every log that libvirt and virtlogd may keep of the instance on its host."""
    base, console = f"{LOG_DIR}/{instance.domain_name}.log", console_log(instance)
    rotated = [f"{log}.{number}" for log in (base, console) for number in range(3)]
    return [base, console, f"{console}.previous", *rotated]


def plan_domain(run: Run, whole: Whole, host: Host, project: str, incarnation: int) -> DomainPlan:
    """Give the plan of a domain that is born now on ``host``."""
    instance = whole.instance
    storage = run.storage(whole.home, host.id)
    return DomainPlan(
        instance_id=instance.id,
        domain_name=instance.domain_name,
        instance_name=instance.name,
        project=project,
        incarnation=incarnation,
        title=f"{instance.name} ({project})",
        size=wanted_size(instance),
        accel=host.accel,
        machine=instance.machine or known(host, "machine"),
        uefi=_uefi(host, instance, storage.artifact_path(nvram_name(instance))),
        disks=tuple(plug_disk(run, whole, each, pool) for each, pool in whole.disks),
        seed="" if instance.offline else storage.artifact_path(seed_name(instance)),
        drivers=storage.base_source(base_image(whole.drivers)) if whole.drivers else None,
        cd=storage.base_source(base_image(whole.cd)) if whole.cd else None,
        nics=tuple(run.network(network, host.id).plug(port) for port, network in whole.ports),
        console_log=console_log(instance),
        hardware=settle(instance.options),
        free_page_reporting=bool(host.inventory.get("free_page_reporting", True)),
    )


def plug_disk(run: Run, whole: Whole, volume: Volume, pool: Pool) -> DiskPlug:
    """Give how a volume of the instance is plugged in."""
    source = run.storage(pool, whole.instance.host_id).disk_source(whole.volume_spec(volume))
    return DiskPlug(source=source, slot=volume.slot or 0, attachment=volume.attachment)


def _uefi(host: Host, instance: Instance, nvram: str) -> UefiFirmware | None:
    if instance.firmware is Firmware.BIOS:
        return None
    secure = settle(instance.options).secure_boot
    image = known(host, "uefi_secure" if secure else "uefi")
    return UefiFirmware(loader=image["loader"], nvram_template=image["nvram_template"], nvram=nvram, secure_boot=secure)


def known(host: Host, key: str) -> Any:
    """Give what the host's inventory tells; raises WrongState where it does not."""
    value = host.inventory.get(key)
    if not value:
        raise WrongState(
            f"The inventory of the host {host.name} does not tell its {key}.",
            hint=f"Look at `zcloud host show {host.name}` and run `zcloud host refresh {host.name}`.",
        )
    return value
