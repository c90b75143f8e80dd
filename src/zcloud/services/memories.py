"""What a snapshot's memory fits: the run of then, by what people call its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from zcloud.domain.errors import WrongState
from zcloud.domain.instance import Instance
from zcloud.domain.pending import as_started
from zcloud.domain.snapshot import Snapshot
from zcloud.services.lifecycle import room_for_memory
from zcloud.store import Tx


def admit_memory(tx: Tx, instance: Instance) -> tuple[str, int, dict[str, Any]]:
    """Give the pool that memory goes to, the most bytes that it takes, and what is known of it beforehand.

    Raises WrongState, PoolFull.
    """
    if "small_files" in instance.hardware:
        raise WrongState(
            f"The root disk of {instance.name} was moved while it ran, and its small files have not followed yet.",
            hint=f"Restart it first: `zcloud restart {instance.name}`; or take a snapshot without memory.",
        )
    pool, room = room_for_memory(tx, instance, hint="Take a snapshot without memory")
    live = {**as_started(instance), **instance.live}
    fits = _parts(tx, instance, live, instance.incarnation)
    return pool.id, room, {"bytes": room, "fits": fits, "ready": instance.ready.value == "ready"}


def check_fits(tx: Tx, instance: Instance, snapshot: Snapshot) -> None:
    """Let memory go on only where the next run has all that the run of then had; raises WrongState naming what not."""
    then: Mapping[str, Any] = snapshot.memory["fits"]
    now = _parts(tx, instance, as_started(instance), instance.incarnation + 1)
    changed = [what for what, value in then.items() if now.get(what) != value]
    if changed:
        raise WrongState(
            f"The memory of the snapshot {snapshot.name} does not fit {instance.name} any more: "
            f"{' and '.join(changed)} changed since.",
            hint=f"Change it back, or go back to the disks: `zcloud snapshot revert {instance.name} {snapshot.name} "
            "--disks-only`.",
            changed=changed,
        )


def _parts(tx: Tx, instance: Instance, live: Mapping[str, Any], incarnation: int) -> dict[str, Any]:
    """Give the parts of a run as plain values, which are compared after they were stored."""
    host, ports = tx.hosts.get(instance.host_id), tx.ports.of_instance(instance.id)
    volumes = [*tx.volumes.of_instance(instance.id), *tx.readers.of_instance(instance.id)]
    drive = bool(instance.drive_since) and incarnation >= instance.drive_since
    return {
        "its size": [live[name] for name in ("vcpus", "memory_mib", "max_vcpus", "max_memory_mib")],
        "its machine type": live["machine"],
        "its hardware": live["hardware"],
        "its disks": sorted([each.id, each.slot, asdict(each.attachment)] for each in volumes),
        "its NICs": sorted([each.id, each.slot, each.address, each.link_up] for each in ports),
        "the CDs in its drives": [instance.cd_image_id, instance.driver_image_id, drive],
        "what runs CPUs on its host": host.accel.value,
        "its host's CPU": host.inventory.get("cpu_model"),
    }
