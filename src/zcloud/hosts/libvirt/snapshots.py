"""The part of ``ports.Hypervisor`` that marks the images of running domains: QEMU's own commands, through libvirt.

https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html (blockdev-snapshot-internal-sync, transaction). libvirt 9
takes snapshots of a running guest into new files only, and cannot go back to these; within the image QEMU does both.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import libvirt
import libvirt_qemu

from zcloud.domain.errors import HypervisorFailed
from zcloud.hosts.libvirt.connection import Connection
from zcloud.hosts.libvirt.domains import find_domain

_TAKE, _DROP = "blockdev-snapshot-internal-sync", "blockdev-snapshot-delete-internal-sync"


class Snapshots:
    """Calls on the jobs connection."""

    _jobs: Connection

    def snapshot_disks(self, uuid: str, paths: Collection[str], name: str) -> None:
        """Mark the images at one moment."""

        def take(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            nodes = [node for node, names in _images(domain, paths) if name not in names]
            actions = [{"type": _TAKE, "data": {"device": node, "name": name}} for node in nodes]
            if actions:
                _ask(domain, "transaction", {"actions": actions})

        self._jobs.call(take)

    def drop_disk_snapshots(self, uuid: str, paths: Collection[str], name: str) -> None:
        """Forget the marks."""

        def drop(raw: libvirt.virConnect) -> None:
            domain = find_domain(raw, uuid)
            for node, names in _images(domain, paths):
                if name in names:
                    _ask(domain, _DROP, {"device": node, "name": name})

        self._jobs.call(drop)


def _images(domain: libvirt.virDomain, paths: Collection[str]) -> list[tuple[str, set[str]]]:
    """Give QEMU's names of the images, each with the snapshots in it; raises HypervisorFailed where one is not open."""
    inserted = [each["inserted"] for each in _ask(domain, "query-block", {}) if each.get("inserted")]
    known = {each["file"]: each for each in inserted}
    if missing := sorted(set(paths) - known.keys()):
        raise HypervisorFailed(f"QEMU does not have {missing[0]} open.")
    return [
        (str(known[path]["node-name"]), {each["name"] for each in known[path]["image"].get("snapshots", ())})
        for path in paths
    ]


def _ask(domain: libvirt.virDomain, command: str, arguments: Mapping[str, Any]) -> Any:
    request = json.dumps({"execute": command, "arguments": arguments})
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, request, 0))
    if "error" in answer:
        raise HypervisorFailed(f"QEMU: {str(answer['error'].get('desc'))[:300]}.")
    return answer["return"]
