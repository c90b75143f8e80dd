"""Records for tests: valid ones, with whatever a test wants to be different."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from zcloud.base.ids import new_id, new_mac
from zcloud.domain.foreign import ForeignDomain, foreign_id
from zcloud.domain.host import Accel, Host, HostKind, HostState
from zcloud.domain.image import Image, ImageState
from zcloud.domain.instance import Firmware, Instance, InstanceStatus, OnBoot, Power, Ready
from zcloud.domain.network import Network, NetworkKind, NetworkScope, NetworkState, Port, tap_name
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.people import Project, Quota, Role, User
from zcloud.domain.storage import GIB, Pool, PoolState, Volume, VolumeRole, VolumeState

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def _short(id: str) -> str:
    return id[:8]


def user(**changes: Any) -> User:
    """An enabled user without a role of its own."""
    id = changes.pop("id", new_id())
    record = User(id, f"user-{_short(id)}", None, False, "$argon2id$", NOW, 1)
    return replace(record, **changes)


def admin(**changes: Any) -> User:
    """An admin."""
    return user(role=Role.ADMIN, **changes)


def project(**changes: Any) -> Project:
    """A project without limits."""
    id = changes.pop("id", new_id())
    return replace(Project(id, f"project-{_short(id)}", "", Quota(), NOW, 1), **changes)


def host(**changes: Any) -> Host:
    """A host that is up."""
    id = changes.pop("id", new_id())
    record = Host(
        id=id, name=f"host-{_short(id)}", kind=HostKind.LOCAL, address="", port=22, user="", host_key="",
        libvirt_socket="/run/libvirt/libvirt-sock", state=HostState.UP, state_reason="", state_since=NOW,
        accel=Accel.TCG, accel_reason="no /dev/kvm", cpu_ratio=4.0, memory_ratio=1.0, reserved_memory_mib=512,
        inventory={"cpus": 8}, seen_at=NOW, operation_id=None, created_at=NOW, revision=1,
    )  # fmt: skip
    return replace(record, **changes)


def pool(**changes: Any) -> Pool:
    """A directory pool of 100 GiB, shared by all hosts."""
    id = changes.pop("id", new_id())
    record = Pool(
        id=id, name=f"pool-{_short(id)}", driver="directory", host_id=None, options={"path": "/srv/pool"},
        overcommit=1.0, state=PoolState.READY, total=100 * GIB, available=100 * GIB, observed_at=NOW, is_default=True,
        operation_id=None, created_at=NOW, revision=1,
    )  # fmt: skip
    return replace(record, **changes)


def network(**changes: Any) -> Network:
    """A bridge network for everybody."""
    id = changes.pop("id", new_id())
    record = Network(
        id=id, name=f"network-{_short(id)}", kind=NetworkKind.BRIDGE, scope=NetworkScope.SHARED, host_id=None,
        project_id=None, cidr="10.9.0.0/16", gateway="10.9.0.1", dns=("10.9.0.1",), search="", ranges=(), options={},
        state=NetworkState.READY, is_default=True, operation_id=None, created_at=NOW, revision=1,
    )  # fmt: skip
    return replace(record, **changes)


def image(**changes: Any) -> Image:
    """A ready image for everybody."""
    id = changes.pop("id", new_id())
    record = Image(
        id=id, name=f"image-{_short(id)}", project_id=None, state=ImageState.READY, digest="0" * 64, format="qcow2",
        size=GIB, virtual_size=2 * GIB, os_id="debian12", default_user="debian", min_memory_mib=256, min_disk=GIB,
        source={"kind": "upload"}, error=None, operation_id=None, created_at=NOW, revision=1,
    )  # fmt: skip
    return replace(record, **changes)


def instance(project_id: str, host_id: str, image_id: str | None, **changes: Any) -> Instance:
    """A stopped instance of 1 vCPU and 512 MiB."""
    id = changes.pop("id", new_id())
    record = Instance(
        id=id, name=f"instance-{_short(id)}", domain_name=f"zc-{id}", project_id=project_id, host_id=host_id,
        image_id=image_id, status=InstanceStatus.STOPPED, desired=Power.STOPPED, vcpus=1, memory_mib=512,
        flavor="small", firmware=Firmware.BIOS, machine="pc-q35-7.2", tags=(), protected=False,
        on_boot=OnBoot.LAST, incarnation=0, revision=1,
        ready=Ready.NONE, ready_detail="", ready_deadline=None, observed={}, error=None,
        operation_id=None, created_by="admin", created_at=NOW, updated_at=NOW, started_at=None,
    )  # fmt: skip
    return replace(record, **changes)


def foreign(host_id: str, **changes: Any) -> ForeignDomain:
    """A running domain of 2 vCPUs and 1 GiB that is nobody's instance."""
    uuid = changes.pop("uuid", new_id())
    record = ForeignDomain(
        foreign_id(host_id, uuid), host_id, uuid, f"vm-{_short(uuid)}", "running", True, 2, 1024, NOW
    )
    return replace(record, **changes)


def volume(project_id: str, pool_id: str, **changes: Any) -> Volume:
    """A ready data volume of 1 GiB."""
    id = changes.pop("id", new_id())
    record = Volume(
        id=id, name=f"volume-{_short(id)}", project_id=project_id, pool_id=pool_id, role=VolumeRole.DATA, size=GIB,
        allocated=0, image_id=None, instance_id=None, slot=None, state=VolumeState.READY, operation_id=None,
        created_at=NOW, revision=1,
    )  # fmt: skip
    return replace(record, **changes)


def port(instance_id: str, network_id: str, **changes: Any) -> Port:
    """A port in slot 0 with an address of the network of ``network()``."""
    id = changes.pop("id", new_id())
    record = Port(
        id=id, instance_id=instance_id, network_id=network_id, slot=0, mac=new_mac(), address="10.9.0.2",
        tap=tap_name(id), hostname="", created_at=NOW,
    )  # fmt: skip
    return replace(record, **changes)


def operation(**changes: Any) -> Operation:
    """A queued operation."""
    record = Operation(
        id=new_id(), workflow="instance_create_v1", verb="create", resource_kind="instance", resource_id=new_id(),
        resource_name="web", project_id=None, actor="admin", args={}, status=OperationStatus.QUEUED, steps=(),
        error=None, cancel_requested=False, may_cancel=True, epoch=0, worker_id=None, wake_at=None, wait_reason="",
        retry_of=None, request_id="", created_at=NOW, started_at=None, ended_at=None,
    )  # fmt: skip
    return replace(record, **changes)
