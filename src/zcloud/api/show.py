"""From records to the API's shapes: plain copying, so that a list of thousands costs little."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from zcloud.domain import host as hosts
from zcloud.domain import image as images
from zcloud.domain import instance as instances
from zcloud.domain import network as networks
from zcloud.domain import operation as operations
from zcloud.domain import storage
from zcloud.domain.addresses import differences
from zcloud.domain.attachment import disk_target
from zcloud.domain.claims import BYTES, MEMORY_MIB, VCPUS
from zcloud.domain.foreign import ForeignDomain, Others
from zcloud.domain.hardware import settle, to_record
from zcloud.domain.pending import pending
from zcloud.domain.schedule import SnapshotSchedule
from zcloud.domain.snapshot import Snapshot
from zcloud.services import adoption as adopting
from zcloud.services import uploads
from zcloud.services.forgetting import LossPlan
from zcloud.services.hostdisks import DiskPlan, DiskView
from zcloud.services.instances import BriefView, InstanceView
from zcloud.wire import snapshots as wire_snapshots
from zcloud.wire.flavors import Flavor
from zcloud.wire.hostdisks import HostDisk, Preparation
from zcloud.wire.hosts import AdoptionPlan, EndedWork, Host, HostDomain, HostLoss, LostInstance, LostVolume
from zcloud.wire.images import Image, ImageSource, Upload
from zcloud.wire.instances import Instance, InstanceBrief, Nic, Pending, SeenAddress
from zcloud.wire.networks import Network, Port, Range
from zcloud.wire.operations import Operation, OperationError, Resource, Step
from zcloud.wire.pools import Pool, PoolHost
from zcloud.wire.volumes import Disk, DiskLimits, Volume

_SHOWN_SIZE = ("vcpus", "memory_mib")


def instance(view: InstanceView) -> Instance:
    """Show an instance with its names, NICs and disks."""
    it, names = view.instance, view.names
    return Instance(
        id=it.id, name=it.name, project=names.project, project_id=it.project_id, host=names.host, host_id=it.host_id,
        host_state=names.host_state, accel=names.accel, image=names.image, image_id=it.image_id,
        driver_iso=names.driver_iso, cd=names.cd,
        default_user=names.default_user, status=it.status, desired=it.desired, vcpus=it.vcpus,
        memory_mib=it.memory_mib, max_vcpus=it.max_vcpus, max_memory_mib=it.max_memory_mib,
        pending={name: Pending(**each) for name, each in pending(it).items()},
        hardware=to_record(settle(it.options)), defaults=reasons(it),
        flavor=it.flavor, firmware=it.firmware, machine=it.machine, screen=it.screen, tags=it.tags,
        protected=it.protected, on_boot=it.on_boot, incarnation=it.incarnation, ready=it.ready,
        ready_detail=it.ready_detail, ready_deadline=it.ready_deadline,
        saved_at=str(it.saved.get("at", "")), template=it.template, adopted=it.adopted,
        frozen_until=it.frozen_until if it.is_frozen else None,
        nics=tuple(nic(each, view.networks.get(each.network_id, "")) for each in view.ports),
        address=view.address,
        addresses=tuple(_seen(each, view.ports) for each in it.observed.get("addresses", ())),
        address_notes=tuple(differences(view.ports, it.observed.get("addresses", ()))),
        disks=tuple(disk(each) for each in view.disks),
        guest=it.guest.get("options", {}), observed=it.observed, error=_error(it.error),
        operation_id=it.operation_id, created_by=it.created_by, created_at=it.created_at, updated_at=it.updated_at,
        started_at=it.started_at, revision=it.revision,
    )  # fmt: skip


def reasons(it: instances.Instance) -> dict[str, str]:
    """Give why the hardware is as it is where nobody chose it, by option."""
    now, born = {**to_record(settle(it.options)), "firmware": it.firmware}, it.guest.get("defaults", {})
    return {name: each["why"] for name, each in born.items() if now.get(name) == each["value"]}


def brief(view: BriefView) -> InstanceBrief:
    """Show what a table shows of an instance: the size is what it has now."""
    it, names = view.instance, view.names
    waiting = pending(it)
    vcpus, memory_mib = (waiting[each]["now"] if each in waiting else getattr(it, each) for each in _SHOWN_SIZE)
    return InstanceBrief(
        it.id, it.name, names.project, names.host, names.host_state, names.accel, names.image, it.status.value,
        it.ready.value, vcpus, memory_mib, bool(waiting), it.address, it.created_at,
        it.shown == instances.TEMPLATE,
    )  # fmt: skip


def nic(it: networks.Port, network: str) -> Nic:
    """Show a NIC; its network is named."""
    link = "up" if it.link_up else "down"
    return Nic(it.id, it.slot, network, it.network_id, it.mac, it.address, it.hostname, link)


def _seen(it: Mapping[str, Any], ports: Sequence[networks.Port]) -> SeenAddress:
    port = next((each for each in ports if each.mac == it["mac"]), None)
    family = "ipv6" if ":" in it["address"] else "ipv4"
    given = port is not None and port.address == it["address"]
    slot = None if port is None else port.slot
    return SeenAddress(
        it["address"], it.get("prefix", 0), family, it["mac"], it.get("interface", ""), slot, given, it.get("seen", {})
    )


def disk(it: storage.Volume) -> Disk:
    """Show a volume as its instance has it."""
    plugged = it.attachment
    return Disk(
        id=it.id, slot=it.slot, name=it.name, role=it.role, pool_id=it.pool_id, size=it.size, allocated=it.allocated,
        state=it.state, bus=plugged.bus, target=disk_target(it.slot or 0, plugged.bus), serial=it.serial,
        read_only=plugged.read_only, limits=DiskLimits(**asdict(plugged.limits)),
        filesystem=plugged.filesystem, mount=plugged.mount, cache=plugged.cache, io=plugged.io, discard=plugged.discard,
        shared=plugged.shared,
    )  # fmt: skip


def snapshot(it: tuple[int, Snapshot, bool]) -> wire_snapshots.Snapshot:
    """Show a snapshot in its place in the tree."""
    depth, each, current = it
    return wire_snapshots.Snapshot(
        each.id, each.name, each.parent_id, depth, current, each.state, each.quiesced, each.disks, each.memory_bytes,
        each.created_by, each.created_at,
    )  # fmt: skip


def schedule(it: SnapshotSchedule) -> wire_snapshots.Schedule:
    """Show a schedule of snapshots."""
    return wire_snapshots.Schedule(
        it.id, it.name, it.project_id, it.instance_id, it.tag, it.every_h, it.at, it.keep, it.due_at, it.last_at,
        it.skipped, it.created_by, it.created_at,
    )  # fmt: skip


def flavor(it: instances.Flavor) -> Flavor:
    """Show a flavor."""
    return Flavor(it.name, it.vcpus, it.memory_mib, it.root_size)


def host(it: hosts.Host, others: Mapping[str, Others]) -> Host:
    """Show a host, with what domains that are not zcloud's take of it."""
    theirs = others.get(it.id, Others())
    capacity = it.capacity
    return Host(
        id=it.id, name=it.name, kind=it.kind, address=it.address, port=it.port, user=it.user, host_key=it.host_key,
        libvirt_socket=it.libvirt_socket, state=it.state, state_reason=it.state_reason, state_since=it.state_since,
        accel=it.accel, accel_reason=it.accel_reason, cpu_ratio=it.cpu_ratio, memory_ratio=it.memory_ratio,
        reserved_memory_mib=it.reserved_memory_mib, capacity_vcpus=capacity[VCPUS],
        capacity_memory_mib=capacity[MEMORY_MIB], others_domains=theirs.domains, others_vcpus=theirs.vcpus,
        others_memory_mib=theirs.memory_mib, inventory=it.inventory, zone=it.zone, labels=it.labels,
        seen_at=it.seen_at, operation_id=it.operation_id, created_at=it.created_at, revision=it.revision,
    )  # fmt: skip


def host_domain(it: ForeignDomain) -> HostDomain:
    """Show a domain that is nobody's instance."""
    return HostDomain(it.uuid, it.name, it.state, it.persistent, it.vcpus, it.memory_mib, it.seen_at)


def adoption(it: adopting.AdoptionPlan) -> AdoptionPlan:
    """Show what adopting a domain would record."""
    of = it.adoption
    return AdoptionPlan(
        uuid=of.uuid, name=it.name, domain=of.name, host=it.host, project=it.project, runs=it.runs, room=it.room,
        vcpus=of.vcpus, max_vcpus=of.max_vcpus, memory_mib=of.memory_mib, max_memory_mib=of.max_memory_mib,
        firmware=of.firmware, machine=of.machine, screen=of.screen, agent=of.agent,
        disks=tuple(asdict(each) for each in of.disks), nics=tuple(asdict(each) for each in of.nics),
        unmapped=of.unmapped,
    )  # fmt: skip


def loss(it: LossPlan) -> HostLoss:
    """Show what goes with a lost host."""
    there, project, claimed = it.there, it.projects, it.claimed
    return HostLoss(
        host=it.host.name, since=it.since, reason=it.host.state_reason,
        instances=tuple(
            LostInstance(each.id, each.name, project[each.project_id], each.status, each.protected)
            for each in there.instances
        ),
        volumes=tuple(
            LostVolume(each.id, each.name, project[each.project_id], each.size, each.instance_id)
            for each in there.volumes
        ),
        pools=tuple(each.name for each in there.pools), networks=tuple(each.name for each in there.networks),
        operations=tuple(EndedWork(each.id, each.verb, each.resource_name) for each in there.operations),
        claimed_vcpus=claimed[VCPUS], claimed_memory_mib=claimed[MEMORY_MIB], claimed_bytes=claimed[BYTES],
    )  # fmt: skip


def pool(it: storage.Pool, promised: int, joins: Iterable[storage.PoolHost] = ()) -> Pool:
    """Show a pool with the bytes promised to volumes, and how it is on the hosts that share it."""
    return Pool(
        id=it.id, name=it.name, driver=it.driver, host_id=it.host_id, options=it.options, overcommit=it.overcommit,
        state=it.state, total=it.total, available=it.available, promised=promised, promisable=it.capacity[BYTES],
        observed_at=it.observed_at, is_default=it.is_default, operation_id=it.operation_id,
        created_at=it.created_at, revision=it.revision, only_hosts=it.hosts, draining=it.draining, filling=it.filling,
        warning=it.warning, joined=tuple(PoolHost(each.host_id, each.state, each.reason, each.since) for each in joins),
    )  # fmt: skip


def volume(it: storage.Volume, readers: Mapping[str, Sequence[str]]) -> Volume:
    """Show a volume; ``readers`` are the instances that share volumes, by volume id."""
    return Volume(
        id=it.id, name=it.name, project_id=it.project_id, pool_id=it.pool_id, role=it.role, size=it.size,
        allocated=it.allocated, image_id=it.image_id, parent_id=it.parent_id,
        instance_id=it.instance_id, slot=it.slot, state=it.state,
        readers=tuple(readers.get(it.id, ())),
        operation_id=it.operation_id, created_at=it.created_at, revision=it.revision,
    )  # fmt: skip


def network(it: networks.Network) -> Network:
    """Show a network."""
    return Network(
        id=it.id, name=it.name, kind=it.kind, scope=it.scope, host_id=it.host_id, project_id=it.project_id,
        cidr=it.cidr, gateway=it.gateway, dns=it.dns, search=it.search,
        ranges=tuple(Range(each.first, each.last, each.reserved, each.comment) for each in it.ranges),
        options=it.options, state=it.state, is_default=it.is_default, operation_id=it.operation_id,
        created_at=it.created_at, revision=it.revision,
    )  # fmt: skip


def port(it: networks.Port) -> Port:
    """Show a port."""
    return Port(it.id, it.instance_id, it.network_id, it.slot, it.mac, it.address, it.hostname, it.created_at)


def image(it: images.Image) -> Image:
    """Show an image."""
    return Image(
        id=it.id, name=it.name, project_id=it.project_id, state=it.state, digest=it.digest, format=it.format,
        size=it.size, virtual_size=it.virtual_size, os_id=it.os_id, default_user=it.default_user,
        min_memory_mib=it.min_memory_mib, min_disk=it.min_disk, source=_source(it.source), error=_error(it.error),
        operation_id=it.operation_id, created_at=it.created_at, revision=it.revision,
    )  # fmt: skip


def _source(it: Mapping[str, Any]) -> ImageSource:
    url = urlsplit(str(it.get("url", "")))
    address = url._replace(query="", fragment="").geturl()
    size, verified_by = int(it.get("size", 0)), str(it.get("verified_by", ""))
    return ImageSource(str(it.get("kind", "")), address, it.get("checksum", ""), size, verified_by)


def host_disk(view: DiskView) -> HostDisk:
    """Show a disk of a host."""
    it = view.disk
    return HostDisk(
        name=it.name, path=it.path, size=it.size, model=it.model, serial=it.serial, wwn=it.wwn,
        transport=it.transport, rotational=it.rotational, read_only=it.read_only, content=it.content, uses=it.uses,
        pools=view.pools, system=it.is_system, prepared=view.prepared,
    )  # fmt: skip


def preparation(plan: DiskPlan) -> Preparation:
    """Show what preparing a disk would do."""
    it, wish = plan.disk, plan.wish
    return Preparation(
        host=plan.host.name, disk=it.name, size=it.size, model=it.model, serial=it.serial, mount=wish.mount,
        filesystem=wish.filesystem, lost=plan.lost, commands=plan.commands, digest=it.digest,
    )  # fmt: skip


def upload(it: uploads.Upload, piece_max: int) -> Upload:
    """Show an unfinished upload."""
    return Upload(
        id=it.image.id, name=it.image.name, project_id=it.image.project_id, size=it.size, offset=it.offset,
        tail_sha256=it.tail_sha256, piece_max=piece_max, created_at=it.image.created_at, received_at=it.received_at,
        expires_at=it.expires_at,
    )  # fmt: skip


def operation(it: operations.Operation) -> Operation:
    """Show an operation with its steps."""
    return Operation(
        id=it.id, verb=it.verb, status=it.status, resource=resource(it.resource_kind, it.resource_id, it.resource_name),
        project_id=it.project_id, actor=it.actor, steps=tuple(_step(each) for each in it.steps),
        error=_error(it.error), may_cancel=it.may_cancel, cancel_requested=it.cancel_requested,
        wait_reason=it.wait_reason, request_id=it.request_id, parent_id=it.parent_id, created_at=it.created_at,
        started_at=it.started_at, ended_at=it.ended_at,
    )  # fmt: skip


def resource(kind: str, id: str, name: str) -> Resource:
    """Show what an operation is about."""
    return Resource(kind, id, name, f"/v1/{kind}s/{id}")


def _step(it: operations.StepRecord) -> Step:
    return Step(it.seq, it.name, it.title, it.status, it.started_at, it.ended_at, it.done, it.total, it.detail)


def _error(it: Mapping[str, Any] | None) -> OperationError | None:
    if it is None:
        return None
    code, message, left, hint = (str(it.get(name, "")) for name in ("code", "message", "left", "hint"))
    return OperationError(code, message, left, hint, it.get("details") or {})
