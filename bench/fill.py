"""A store full of hosts and running instances, written directly through the store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tests import builders

from zcloud.base.clock import SystemClock
from zcloud.base.config import Config
from zcloud.domain.addresses import AGENT, Sight, merge
from zcloud.domain.host import Host
from zcloud.domain.image import Image
from zcloud.domain.instance import InstanceStatus, Power, Ready
from zcloud.domain.storage import GIB, VolumeRole
from zcloud.main.wiring import open_store
from zcloud.store import Tx
from zcloud.testing.cloud import IMAGE_BYTES, FakeCloud

HOSTS = 10
_BATCH = 500


def fill(config: Config, instances: int) -> None:
    """Bring the store to 10 hosts and so many running instances, each with a port, a root volume and a tag."""
    store = open_store(config, SystemClock())
    try:
        cloud = FakeCloud(store, config)
        if not cloud.read(lambda tx: tx.hosts.all()):
            for number in range(HOSTS):
                cloud.add_host(f"host-{number}", vcpus=512, memory_mib=1 << 20, address=f"10.{number}.0")
            store.transact(lambda tx: tx.images.add(_image()))
            (config.image_dir / f"{_image().digest}.qcow2").write_bytes(IMAGE_BYTES)
        present = cloud.read(lambda tx: tx.instances.page(limit=1, count=True).total) or 0
        for first in range(present, instances, _BATCH):
            numbers = range(first, min(first + _BATCH, instances))
            store.transact(lambda tx, numbers=numbers: _add_instances(tx, numbers))  # type: ignore[misc]
    finally:
        store.close()


def _image() -> Image:
    digest = hashlib.sha256(IMAGE_BYTES).hexdigest()
    least = {"virtual_size": 64 << 20, "min_disk": 64 << 20, "min_memory_mib": 64}
    return builders.image(name="tiny", digest=digest, size=len(IMAGE_BYTES), **least)


def _add_instances(tx: Tx, numbers: Sequence[int]) -> None:
    project, image = tx.projects.resolve("default"), tx.images.resolve("tiny")
    hosts: list[Host] = sorted(tx.hosts.all(), key=lambda each: each.name)
    pools = {each.host_id: each for each in tx.pools.all()}
    networks = {each.host_id: each for each in tx.networks.all()}
    for number in numbers:
        place, host = divmod(number, len(hosts))
        host_id, name = hosts[host].id, f"web-{number:05}"
        address = f"10.{host}.{place // 250}.{place % 250 + 2}"
        mac = f"52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        seen = merge([], [Sight(mac, address, AGENT, tx.now)], tx.now)
        instance = builders.instance(
            project.id, host_id, image.id, name=name, tags=("bench",), status=InstanceStatus.RUNNING,
            desired=Power.RUNNING, ready=Ready.READY, incarnation=1, observed={"addresses": seen},
        )  # fmt: skip
        tx.instances.add(instance)
        changes = {"mac": mac, "address": address, "hostname": f"{name}.default.x"}
        port = builders.port(instance.id, networks[host_id].id, **changes)
        tx.ports.add(port)
        root = builders.volume(
            project.id, pools[host_id].id, name=f"{name}-root", role=VolumeRole.ROOT, size=4 * GIB,
            image_id=image.id, instance_id=instance.id, slot=0,
        )  # fmt: skip
        tx.volumes.add(root)
