"""Launch: from what is asked to an instance, its ports, volumes, claims and operation, in one transaction."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.attachment import Attachment, DiskBus, check_place
from zcloud.domain.claims import running_claims
from zcloud.domain.errors import InvalidInput, NotFound, WrongState
from zcloud.domain.guest import SECRETS, GuestSecrets
from zcloud.domain.hardware import check_hardware, settle
from zcloud.domain.image import Image, ImageState
from zcloud.domain.instance import (
    DiskRequest,
    Firmware,
    Instance,
    InstanceSpec,
    InstanceStatus,
    Power,
)
from zcloud.domain.names import check_name, check_tags
from zcloud.domain.network import MAX_NICS, Port, port_hostname
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Project, Role, Usage
from zcloud.domain.size import ask_size, check_size
from zcloud.domain.storage import GIB, MIB, TIB, Volume, VolumeRole, VolumeState
from zcloud.drivers import registry
from zcloud.drivers.guest.answers import check_answers
from zcloud.scheduler import Demand, Placement
from zcloud.scheduler.model import HostView
from zcloud.services import admission
from zcloud.services.asked import recall, seal, secrets_of, to_plain
from zcloud.services.context import Services, Subject, authorize, begin, resolve_project
from zcloud.services.customizing import check_told
from zcloud.services.media import check_bootable, check_source, find_disc, find_drivers
from zcloud.services.nics import add_port
from zcloud.services.profile import fit
from zcloud.services.rehearsing import rehearse
from zcloud.services.systems import Systems
from zcloud.store import Tx

MACHINE = "x86_64"  # what domains are defined for
MIN_DISK, MAX_DISK = MIB, 64 * TIB
MAX_DISKS = 16
MAX_READY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Sized:
    """A launch with its references resolved and its size known."""

    spec: InstanceSpec
    project: Project
    image: Image | None  # None: it is to be installed
    vcpus: int
    memory_mib: int
    root_size: int
    ssh_keys: tuple[str, ...]
    defaults: Mapping[str, Mapping[str, Any]]
    warnings: tuple[str, ...]
    drivers: Image | None
    cd: Image | None
    firmware: Firmware

    @property
    def base(self) -> Image | None:
        """Give what its system comes from: the image, or the medium; None: it comes from the network."""
        return self.image or (None if self.spec.install and self.spec.install.tree else self.cd)

    @property
    def disks(self) -> dict[str, int]:
        """Give the bytes needed per asked pool name."""
        need = Counter({self.spec.pool: self.root_size})
        for disk in self.spec.disks:
            need[disk.pool or self.spec.pool] += disk.size
        return dict(need)

    def demand(self) -> Demand:
        """Give what a host must have for it."""
        return Demand(
            vcpus=self.vcpus if self.spec.start else 0,
            memory_mib=self.memory_mib if self.spec.start else 0,
            firmware=self.firmware.value,
            disks=self.disks,
            networks=tuple(nic.network for nic in self.spec.nics),
            host=self.spec.host,
            hardware=settle(self.spec.hardware),
        )


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a launch would come to: where it would run, and the instance as it would be recorded, with what it has."""

    placement: Placement
    instance: Instance
    volumes: tuple[Volume, ...]
    ports: tuple[Port, ...]
    drivers: str  # the image in its CD drive
    answers: str  # the kind of its installer's answers


class Launch:
    """The service behind ``zcloud launch``."""

    def __init__(self, services: Services, systems: Systems | None = None) -> None:
        self._services, self._systems = services, systems

    def launch(self, actor: Actor, project: str, spec: InstanceSpec) -> tuple[Instance, Operation]:
        """Admit and record an instance; a worker makes it.

        Raises InvalidInput, InvalidCloudInit, NotFound, Forbidden, AlreadyExists, QuotaExceeded, NoRoom, NoAddress.
        """
        spec = check_spec(spec)
        if self._systems is not None:
            self._systems.load()  # not while a transaction waits for it
        return self._services.store.transact(lambda tx: self._record(tx, actor, project, spec))

    def explain(self, actor: Actor, project: str, spec: InstanceSpec) -> Rehearsal:
        """Say where it would run and why the other hosts would not take it; changes nothing. Raises as ``launch``."""
        spec = check_spec(spec)
        if self._systems is not None:
            self._systems.load()
        return rehearse(self._services.store, lambda tx: self._rehearse(tx, actor, project, spec))

    def again(self, actor: Actor, failed: Operation) -> Operation:
        """Admit once more an instance whose creation failed; it keeps its id. Raises WrongState, and as ``launch``."""

        def work(tx: Tx) -> Operation:
            instance = tx.instances.get(failed.resource_id)
            if instance.status is not InstanceStatus.ERROR or instance.incarnation > 1 or instance.operation_id:
                raise WrongState(f"The instance {instance.name} is {instance.status}; it was made meanwhile.")
            sealed = {kind: tx.secrets.get(f"instance.{kind}", instance.id) for kind in SECRETS}
            spec = recall(failed.args["asked"], GuestSecrets.unpack(sealed))
            spec = dataclasses.replace(spec, hardware=instance.options, firmware=instance.firmware)  # as it was born
            return self._record(tx, actor, instance.project_id, spec, instance)[1]

        return self._services.store.transact(work)

    def _rehearse(self, tx: Tx, actor: Actor, project: str, spec: InstanceSpec) -> Rehearsal:
        """Do all that a launch does."""
        sized = self._size(tx, actor, project, spec)
        placement = admission.choose(admission.snapshot(tx), sized.project.id, sized.demand())
        instance = self._record(tx, actor, project, spec)[0]
        volumes, ports = tx.volumes.of_instance(instance.id), tx.ports.of_instance(instance.id)
        answers = check_answers(spec.answers) or ""
        return Rehearsal(placement, instance, tuple(volumes), tuple(ports), _name(sized.drivers), answers)

    def _record(
        self, tx: Tx, actor: Actor, project: str, spec: InstanceSpec, failed: Instance | None = None
    ) -> tuple[Instance, Operation]:
        sized = self._size(tx, actor, project, spec)
        more = Usage(1, sized.vcpus, sized.memory_mib, sum(sized.disks.values()))
        if failed is not None:  # its record counts already
            more = Usage(0, 0, 0, more.volume_bytes)
        admission.check_quota(tx, sized.project, more)
        cloud = admission.snapshot(tx)
        host = admission.choose(cloud, sized.project.id, sized.demand()).candidates[0].host
        instance = self._keep(tx, self._instance(tx, actor, sized, host), failed)
        subject = Subject("instance", instance.id, instance.name, sized.project.id)
        verb = "install" if spec.install else "create"
        args = {"start": spec.start, "incarnation": 1, "asked": to_plain(spec), "media": _medium(sized)}
        operation = begin(tx, actor, verb, f"instance_{verb}_v1", subject, **args)
        tx.instances.lock(instance.id, operation.id)
        volumes = [tx.volumes.add(each) for each in self._volumes(tx, sized, host, instance.id, operation.id)]
        networks = [cloud.networks[host.networks[nic.network]] for nic in spec.nics]
        ports = [
            add_port(
                tx,
                instance,
                network,
                spec.nics[slot],
                slot,
                port_hostname(instance.name, slot, sized.project.name, self._services.zone),
            )
            for slot, network in enumerate(networks)
        ]
        # Built here as the worker will build it, so that nothing is admitted that cannot be made.
        check_told(tx, instance, list(zip(ports, networks, strict=True)), volumes, secrets_of(spec))
        claims = [admission.volume_claim(each.pool_id, each.id, each.size) for each in volumes]
        if spec.start:
            claims += running_claims(host.id, instance.id, sized.vcpus, sized.memory_mib)
        admission.take(tx, cloud, claims)
        seal(tx, instance.id, spec)
        self._warn(tx, sized, instance)
        return dataclasses.replace(instance, operation_id=operation.id), operation

    def _warn(self, tx: Tx, sized: Sized, instance: Instance) -> None:
        """Tell of sizes below what the system needs: osinfo's are an installer's, so they are no reason to refuse."""
        for told in sized.warnings:
            tx.events.add(
                "instance.small",
                resource_kind="instance",
                resource_id=instance.id,
                resource_name=instance.name,
                actor=instance.created_by,
                project_id=instance.project_id,
                message=told,
                data={"os_id": sized.base.os_id if sized.base else ""},
            )

    def _keep(self, tx: Tx, instance: Instance, failed: Instance | None) -> Instance:
        """Add the record, or let the failed one begin anew on the host that was chosen now."""
        if failed is None:
            return tx.instances.add(instance)
        return tx.instances.update(
            failed.id,
            host_id=instance.host_id,
            status=instance.status,
            desired=instance.desired,
            machine="",
            incarnation=0,
            error=None,
            hardware=instance.hardware,
            driver_image_id=instance.driver_image_id,
            cd_image_id=instance.cd_image_id,
        )

    def _size(self, tx: Tx, actor: Actor, project: str, spec: InstanceSpec) -> Sized:
        owner = resolve_project(tx, actor, project, Role.MEMBER)
        if spec.host:
            authorize(actor, None, Role.OPERATOR, "Pinning to a host")
        image = None if spec.install else _find_image(tx, spec.image, owner.id)
        medium = spec.install.media if spec.install else spec.cd
        cd = find_disc(tx, medium, owner.id, "install.media" if spec.install else "cd") if medium else None
        base = image or cd
        os_id = base.os_id if base else ""
        vcpus, memory_mib, root_size = spec.vcpus, spec.memory_mib, spec.root_size
        if spec.flavor:
            flavor = tx.flavors.get(spec.flavor)
            vcpus, memory_mib = vcpus or flavor.vcpus, memory_mib or flavor.memory_mib
            root_size = root_size or flavor.root_size
        if image is not None:
            root_size = max(root_size, image.min_disk) if not spec.root_size else spec.root_size
            root_size = root_size or image.virtual_size
        keys = tuple(_resolve_key(tx, actor, key) for key in spec.ssh_keys)
        root_size = max(root_size, 0)
        fitted = fit(spec, os_id, self._systems.find(os_id) if self._systems else None)
        small = self._systems.shortages(os_id, vcpus, memory_mib, root_size) if self._systems else ()
        drivers = find_drivers(tx, spec.driver_iso, owner.id, settle(fitted.spec.hardware).os)
        told = (*small, *fitted.warnings)
        sized = Sized(
            fitted.spec, owner, image, vcpus, memory_mib, root_size, keys, fitted.defaults, told, drivers, cd,
            fitted.firmware,
        )  # fmt: skip
        _check_size(sized)
        return sized

    def _instance(self, tx: Tx, actor: Actor, sized: Sized, host: HostView) -> Instance:
        spec, identity = sized.spec, new_id()
        return Instance(
            id=identity,
            name=spec.name,
            domain_name=f"{spec.name[:40]}-{identity[:8]}",
            project_id=sized.project.id,
            host_id=host.id,
            image_id=sized.image.id if sized.image else None,
            status=InstanceStatus.BUILDING,
            desired=Power.RUNNING if spec.start else Power.STOPPED,
            vcpus=sized.vcpus,
            memory_mib=sized.memory_mib,
            flavor=spec.flavor,
            firmware=sized.firmware,
            tags=spec.tags,
            protected=spec.protected,
            on_boot=spec.on_boot,
            created_by=actor.user_name,
            created_at=tx.now,
            updated_at=tx.now,
            driver_image_id=sized.drivers.id if sized.drivers else None,
            cd_image_id=sized.cd.id if sized.cd else None,
            hardware={"drive_since": 1} if sized.cd else {},
            options=dict(spec.hardware),
            max_vcpus=spec.max_vcpus,
            max_memory_mib=spec.max_memory_mib,
            guest=_guest(sized),
        )

    def _volumes(self, tx: Tx, sized: Sized, host: HostView, instance_id: str, operation_id: str) -> list[Volume]:
        spec = sized.spec
        root = DiskRequest(sized.root_size, spec.pool, f"{spec.name}-root")
        bus = DiskBus(settle(spec.hardware).disk_bus)
        pools = {each.id: each for each in tx.pools.all()}
        return [
            Volume(
                id=new_id(),
                name=disk.name or f"{spec.name}-data-{slot}",
                project_id=sized.project.id,
                pool_id=host.pools[disk.pool or spec.pool].id,
                role=VolumeRole.DATA if slot else VolumeRole.ROOT,
                size=registry.whole_size(pools[host.pools[disk.pool or spec.pool].id], disk.size),
                allocated=0,
                image_id=sized.image.id if sized.image and not slot else None,
                instance_id=instance_id,
                slot=slot,
                state=VolumeState.CREATING,
                operation_id=operation_id,
                created_at=tx.now,
                revision=1,
                attachment=Attachment(bus, limits=disk.limits, filesystem=disk.filesystem, mount=disk.mount),
            )
            for slot, disk in enumerate((root, *spec.disks))
        ]


def _guest(sized: Sized) -> dict[str, Any]:
    return {
        "ssh_keys": list(sized.ssh_keys),
        "options": dict(sized.spec.guest),
        "ready_within_s": sized.spec.ready_within_s,
        "defaults": {name: dict(each) for name, each in sized.defaults.items()},
        "warnings": list(sized.warnings),
    }


def check_spec(spec: InstanceSpec) -> InstanceSpec:
    """Give the spec in its normal form; raises InvalidInput for whatever needs no look at the store."""
    check_name(spec.name)
    check_source(spec)
    for disk in spec.disks:
        if not MIN_DISK <= disk.size <= MAX_DISK:
            raise InvalidInput(f"A disk of {disk.size} bytes is out of bounds.", field="disks")
        if disk.name:
            check_name(disk.name, "disk name")
        if disk.mount and not disk.filesystem:
            raise InvalidInput("A disk without a file system cannot be mounted.", field="disks")
        disk.limits.check()
    if len(spec.nics) > MAX_NICS or len(spec.disks) > MAX_DISKS:
        raise InvalidInput(f"At most {MAX_NICS} NICs and {MAX_DISKS} data disks are allowed.", field="nics")
    if not 10 <= spec.ready_within_s <= MAX_READY_S:
        raise InvalidInput(f"ready_within_s must be 10 to {MAX_READY_S} seconds.", field="ready_within_s")
    return dataclasses.replace(spec, tags=check_tags(spec.tags))


def _check_size(sized: Sized) -> None:
    spec = sized.spec
    size = ask_size(sized.vcpus, sized.memory_mib, spec.max_vcpus, spec.max_memory_mib)
    check_size(size, sized.base.min_memory_mib if sized.base else 0)
    hardware = settle(spec.hardware)
    check_hardware(hardware, size, sized.firmware)
    check_place(len(spec.disks), DiskBus(hardware.disk_bus))
    if sized.image is None:
        if not MIN_DISK <= sized.root_size <= MAX_DISK:
            raise InvalidInput("Say how large the disk is on which it is installed.", field="root_size")
        if spec.guest.get("offline"):
            raise InvalidInput(
                "A disk on which a system is yet to be installed is not customized.", field="guest.offline"
            )
        return
    smallest = max(sized.image.virtual_size, sized.image.min_disk)
    if not smallest <= sized.root_size <= MAX_DISK:
        raise InvalidInput(
            f"A root disk of {sized.root_size} bytes is out of bounds: the image {sized.image.name} needs {smallest}.",
            hint=f"Ask for at least {-(-smallest // GIB)} GiB.",
            field="root_size",
        )


def _find_image(tx: Tx, name_or_id: str, project_id: str) -> Image:
    image = tx.images.resolve(name_or_id, project_id)
    if image.state is not ImageState.READY:
        raise InvalidInput(f"The image {image.name} is {image.state}, not ready.", field="image")
    if (machine := image.source.get("arch", MACHINE)) != MACHINE:
        raise InvalidInput(f"The image {image.name} is for {machine}; instances are {MACHINE}.", field="image")
    check_bootable(image)
    return image


def _medium(sized: Sized) -> str:
    install = sized.spec.install
    return install.tree if install and install.tree else _name(sized.cd)


def _name(image: Image | None) -> str:
    return image.name if image else ""


def _resolve_key(tx: Tx, actor: Actor, key: str) -> str:
    if " " in key:
        return key
    stored = tx.ssh_keys.find(actor.user_id, key)
    if stored is None:
        raise NotFound(f"You have no SSH key named {key[:60]!r}.", hint="Add it: `zcloud key add NAME FILE`.")
    return stored.public_key
