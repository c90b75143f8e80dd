"""The made-up cloud of the pictures in docs/pictures: three hosts, a shop, its tests, and an installation that runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests import builders
from tests.api.conftest import open_session

from zcloud.api.parts import ApiParts
from zcloud.base.ids import new_id
from zcloud.domain.claims import BYTES
from zcloud.domain.host import Accel
from zcloud.domain.install import InstallRequest
from zcloud.domain.instance import DiskRequest, Flavor, InstanceSpec, InstanceStatus, NicRequest, Power, Ready
from zcloud.domain.network import NetworkKind, NetworkScope
from zcloud.domain.operation import OperationStatus, StepRecord, StepStatus
from zcloud.domain.people import Actor, Role
from zcloud.domain.samples import pack
from zcloud.domain.schedule import SnapshotSchedule
from zcloud.domain.snapshot import Snapshot, SnapshotState
from zcloud.domain.storage import GIB, MIB, VolumeState
from zcloud.store import OBSERVER_LEASE, Store, Tx, Worker
from zcloud.store.operations import Due
from zcloud.workflows.instance_install import INSTANCE_INSTALL

HOSTS = {"alder": (32, 128), "birch": (32, 128), "cedar": (16, 64)}  # threads, GiB
FLAVORS = {"small": (1, 2), "medium": (2, 4), "large": (4, 8), "huge": (8, 16)}  # vCPUs, GiB
GUESTS = (  # name, host, flavor, image, tags, CPU load in percent
    ("shop-web-1", "alder", "medium", "debian-12", ("prod", "shop"), 34),
    ("shop-web-2", "birch", "medium", "debian-12", ("prod", "shop"), 31),
    ("shop-web-3", "cedar", "medium", "debian-12", ("prod", "shop"), 38),
    ("shop-db", "birch", "huge", "debian-12", ("prod", "shop"), 57),
    ("shop-db-replica", "alder", "huge", "debian-12", ("prod", "shop"), 22),
    ("mail", "alder", "medium", "debian-12", ("prod",), 6),
    ("git", "birch", "large", "ubuntu-24-04", ("prod",), 12),
    ("wiki", "cedar", "small", "debian-12", ("prod",), 3),
    ("monitoring", "cedar", "large", "rocky-9", ("prod",), 18),
    ("ci-1", "alder", "huge", "ubuntu-24-04", ("ci",), 68),
    ("ci-2", "birch", "huge", "ubuntu-24-04", ("ci",), 63),
    ("ci-3", "alder", "huge", "ubuntu-24-04", ("ci",), 0),
    ("accounting", "birch", "large", "windows-2022", ("prod",), 9),
    ("staging-web", "cedar", "medium", "debian-12", ("staging",), 2),
    ("staging-db", "cedar", "large", "debian-12", ("staging",), 4),
    ("sandbox-anna", "alder", "small", "rocky-9", ("lab",), 0),
    ("sandbox-boris", "alder", "small", "ubuntu-24-04", ("lab",), 11),
)
OFF = {"ci-3": InstanceStatus.STOPPED, "sandbox-anna": InstanceStatus.PAUSED}
DATA = {"shop-db": "shop-data", "shop-db-replica": "replica-data", "git": "repositories"}
TOLD = "Setting up openssh-server (1:9.2p1-2+deb12u7) ..."
_TICK, _TICKS = 30, 120
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Scene:
    """What the pictures show, by id."""

    admin: Actor
    token: str
    instances: dict[str, str] = field(default_factory=dict)


def build(store: Store, parts: ApiParts) -> Scene:
    """Fill an empty store."""
    scene = store.transact(_ground)
    for name, host, flavor, image, tags, _ in GUESTS:
        disks = (DiskRequest(200 * GIB, "bulk", DATA[name], filesystem="xfs", mount="/srv"),) if name in DATA else ()
        spec = InstanceSpec(
            name, image, flavor, nics=(NicRequest("office"),), host=host, tags=tags, disks=disks, pool="fast"
        )
        scene.instances[name] = parts.launch.launch(scene.admin, "default", spec)[0].id
    store.transact(lambda tx: _run_all(tx, scene))
    medium = InstanceSpec(
        "erp", "", "large", root_size=40 * GIB, install=InstallRequest("debian-12-netinst"), pool="fast",
        nics=(NicRequest("office"),), host="cedar", answers="d-i time/zone string UTC", tags=("prod",),
    )  # fmt: skip
    instance, operation = parts.launch.launch(scene.admin, "default", medium)
    scene.instances["erp"] = instance.id
    store.transact(lambda tx: _install(tx, instance.id, operation.id))
    store.transact(lambda tx: _protect(tx, scene))
    store.transact(lambda tx: _measure(tx, scene))
    return scene


def _ground(tx: Tx) -> Scene:
    now = tx.now
    tx.projects.add(builders.project(name="default"))
    user = tx.users.add(builders.admin(name="anna"))
    tx.workers.heartbeat(Worker("w", "node", 1, "worker", now, now))
    tx.settings.put(OBSERVER_LEASE, {"beaten_at": now.isoformat()})
    for name, (threads, memory) in HOSTS.items():
        inventory = {"cpus": threads, "memory": memory * GIB, "firmwares": ["bios", "uefi"]}
        made = builders.host(name=name, accel=Accel.KVM, accel_reason="", inventory=inventory, seen_at=now)
        tx.hosts.add(made)
        tx.claims.set_capacity(made.ref, made.capacity)
    pools = (("fast", "rbd", 4000, 2450), ("bulk", "nfs", 12000, 7900))
    for name, driver, total, free in pools:
        space = {"total": total * GIB, "available": free * GIB, "observed_at": now}
        pool = tx.pools.add(builders.pool(name=name, driver=driver, is_default=name == "fast", options={}, **space))
        tx.claims.set_capacity(pool.ref, {BYTES: total * GIB})
        for host in tx.hosts.all():
            tx.pool_hosts.note(pool.id, host.id, "")
    tx.networks.add(builders.network(name="office", cidr="10.20.0.0/22", gateway="10.20.0.1", is_default=False))
    tx.networks.add(builders.network(name="lab", kind=NetworkKind.NAT, scope=NetworkScope.SHARED,
                                     cidr="192.168.150.0/24", gateway="192.168.150.1"))  # fmt: skip
    for name, (vcpus, memory) in FLAVORS.items():
        tx.flavors.add(Flavor(name, vcpus, memory << 10, 20 * GIB))
    for name, os_id in (("debian-12", "debian12"), ("rocky-9", "rocky9"), ("ubuntu-24-04", "ubuntu24.04"),
                        ("windows-2022", "win2k22")):  # fmt: skip
        tx.images.add(builders.image(name=name, os_id=os_id, size=450 * MIB, created_at=now - 20 * _DAY))
    for name, os_id, size in (("debian-12-netinst", "debian12", 660), ("virtio-win", "virtio-win", 710)):
        tx.images.add(builders.image(name=name, os_id=os_id, format="iso", size=size * MIB, created_at=now - 9 * _DAY))
    return Scene(Actor(user.id, user.name, Role.ADMIN), open_session(tx, user))


def _run_all(tx: Tx, scene: Scene) -> None:
    """Let everything that was launched be there for some days."""
    for number, (name, *_) in enumerate(GUESTS):
        instance = tx.instances.get(scene.instances[name])
        made = tx.now - (3 + 7 * number % 90) * _DAY
        _end(tx, instance.operation_id or "", made)
        status = OFF.get(name, InstanceStatus.RUNNING)
        tx.instances.update(
            instance.id, status=status, incarnation=1, created_at=made, machine="pc-q35-7.2",
            ready=Ready.READY, started_at=tx.now - 3 * _DAY, hardware={"screen": "vnc"},
            desired=Power.STOPPED if status is InstanceStatus.STOPPED else Power.RUNNING,
        )  # fmt: skip
        for volume in tx.volumes.of_instance(instance.id):
            tx.volumes.update(volume.id, state=VolumeState.READY)


def _end(tx: Tx, operation_id: str, at: datetime) -> None:
    due = Due(operation_id, tx.operations.get(operation_id).epoch)
    tx.operations.take(due, "w")
    tx.operations.end(Due(due.id, due.epoch + 1), OperationStatus.SUCCEEDED)
    tx.operations.update(due.id, created_at=at, started_at=at, ended_at=at)


def _install(tx: Tx, instance_id: str, operation_id: str) -> None:
    taken = tx.operations.take(Due(operation_id, 0), "w")
    assert taken is not None
    began = tx.now - timedelta(minutes=7)
    tx.instances.update(instance_id, incarnation=1, hardware={"drive_since": 1, "screen": "vnc"})
    now = next(seq for seq, step in enumerate(INSTANCE_INSTALL.steps) if step.name == "install")
    steps = [
        _step(seq, step.name, step.title, now, began) for seq, step in enumerate(INSTANCE_INSTALL.steps[: now + 1])
    ]
    steps += [
        StepRecord(seq, step.name, step.title, StepStatus.PENDING, None, None, 0, 0, "")
        for seq, step in enumerate(INSTANCE_INSTALL.steps)
        if seq > now
    ]
    tx.operations.write_steps(Due(operation_id, 1), steps)
    tx.operations.update(operation_id, created_at=began, started_at=began)
    tx.instances.update(instance_id, created_at=began)


def _step(seq: int, name: str, title: str, now: int, began: datetime) -> StepRecord:
    start = began + timedelta(seconds=0.4 * seq)
    if seq == now:
        return StepRecord(seq, name, title, StepStatus.RUNNING, start, None, 0, 0, TOLD)
    return StepRecord(seq, name, title, StepStatus.DONE, start, start + timedelta(seconds=0.3), 0, 0, "")


def _protect(tx: Tx, scene: Scene) -> None:
    """Give the shop's database snapshots, by hand and by schedule."""
    id, home, now = scene.instances["shop-db"], tx.projects.resolve("default").id, tx.now
    nightly = tx.schedules.add(
        SnapshotSchedule(new_id(), "nightly", home, None, "prod", 0, "03:00", 7, now - timedelta(hours=7), "anna",
                         created_at=now - 30 * _DAY)
    )  # fmt: skip
    tx.schedules.add(
        SnapshotSchedule(new_id(), "shop", home, id, "", 6, "", 4, now - timedelta(hours=2), "anna",
                         created_at=now - 12 * _DAY)
    )  # fmt: skip
    taken = [("before-upgrade", now - 3.3 * _DAY, "anna")]
    taken += [(f"nightly-{at:%Y%m%d}-0300", at, nightly.maker) for at in (now - n * _DAY for n in (2, 1, 0.3))]
    before: str | None = None
    for name, at, by in taken:
        made = Snapshot(new_id(), id, name, before, SnapshotState.READY, quiesced=True, created_by=by, created_at=at)
        before = tx.snapshots.add(made).id
    trial = Snapshot(new_id(), id, "trial-of-16", None, SnapshotState.READY, quiesced=True, created_by="anna",
                     created_at=now - 2.6 * _DAY)  # fmt: skip
    first = next(each for each in tx.snapshots.of_instance(id) if each.name == "before-upgrade")
    tx.snapshots.add(replace(trial, parent_id=first.id))


def _measure(tx: Tx, scene: Scene) -> None:
    """Give an hour of samples."""
    of_host = {
        host.id: [each for each in GUESTS if each[1] == host.name and each[0] not in OFF] for host in tx.hosts.all()
    }
    for host in tx.hosts.all():
        threads, memory = HOSTS[host.name]
        busy = sum(FLAVORS[each[2]][0] * each[5] / 100 for each in of_host[host.id]) / threads
        for tick in range(_TICKS):
            at, whole = tx.now - timedelta(seconds=_TICK * (_TICKS - 1 - tick)), tick * _TICK * 1e9 * threads
            worked = int(_waves(tick, threads) * 1e9 * threads * busy)
            rows = [_row(scene, tick, number, each) for number, each in enumerate(of_host[host.id])]
            own = {"id": host.id, "user_ns": worked, "system_ns": 0, "iowait_ns": 0,
                   "idle_ns": int(whole) - worked, "memory_kib": memory << 20,
                   "available_kib": int(memory * 0.55) << 20}  # fmt: skip
            tx.samples.add(host.id, at, pack([*rows, own]))


def _waves(tick: int, number: int, period: int = 17) -> float:
    """Give seconds of a clock that goes at 0.6 to 1.4 times the speed of others, in waves."""
    slow, fast = (0.25, period * _TICK / 3), (0.15, period * _TICK / 11)
    at = tick * _TICK
    return at + sum(part * span * (1 - math.cos(at / span + number)) for part, span in (slow, fast))


def _row(
    scene: Scene, tick: int, number: int, guest: tuple[str, str, str, str, tuple[str, ...], int]
) -> Mapping[str, Any]:
    name, _, flavor, _, _, load = guest
    vcpus, memory = FLAVORS[flavor]

    def grown(rate: float, period: int = 17) -> int:
        return int(rate * (_waves(tick, number, period) + 1000))

    return {
        "id": scene.instances[name], "vcpus": vcpus, "cpu_ns": grown(vcpus * load / 100 * 1e9),
        "memory_kib": memory << 20, "rss_kib": int((memory << 20) * (0.45 + load / 220)),
        "disks": {"vda": {"rd_bytes": grown(load * 30e3, 23), "wr_bytes": grown(load * 55e3, 11), "rd_reqs": 0,
                          "wr_reqs": 0}},
        "nics": {"0": {"rx_bytes": grown(load * 42e3, 13), "tx_bytes": grown(load * 95e3, 19)}},
    }  # fmt: skip
