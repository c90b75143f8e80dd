"""Domains that run on a host and are nobody's instance: what is known of them, and what adopting one would record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from zcloud.domain.instance import Firmware

OFF_STATES = frozenset({"shutoff", "crashed"})
"""libvirt's states of a domain that takes neither CPU nor memory of its host."""


@dataclass(frozen=True, slots=True)
class ForeignDomain:
    """A domain that no record knows, as its host's listing shows it."""

    id: str  # of host and domain: two hosts may have domains of the same uuid
    host_id: str
    uuid: str
    name: str
    state: str  # libvirt's
    persistent: bool
    vcpus: int
    memory_mib: int
    seen_at: datetime  # when it was first seen

    @property
    def runs(self) -> bool:
        """Say whether it takes CPU and memory now."""
        return self.state not in OFF_STATES


def foreign_id(host_id: str, uuid: str) -> str:
    """Give the id of a host's domain among all hosts' foreign domains."""
    return f"{host_id}.{uuid}"


@dataclass(frozen=True, slots=True)
class Others:
    """What running domains that are not zcloud's take of a host."""

    domains: int = 0
    vcpus: int = 0
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class ForeignDisk:
    """A disk that is used where it is; zcloud neither changes nor removes it. ``size`` in bytes, 0: not known."""

    target: str
    device: str  # disk, cdrom, floppy or lun
    bus: str
    type: str  # libvirt's: file, block, network, volume, ...
    format: str
    source: str
    read_only: bool
    size: int = 0


@dataclass(frozen=True, slots=True)
class ForeignNic:
    """A NIC that stays as it is; ``network`` is the zcloud network that it is plugged into (empty: none of ours)."""

    mac: str
    type: str
    source: str
    model: str
    network: str = ""
    network_id: str = ""


@dataclass(frozen=True, slots=True)
class Adoption:
    """A domain as its definition tells it, and in words what zcloud has no record for; memory in MiB."""

    uuid: str
    name: str
    vcpus: int
    max_vcpus: int
    memory_mib: int
    max_memory_mib: int
    firmware: Firmware
    machine: str
    screen: str  # as ``Hardware.screen``
    nvram: str  # the file of its UEFI variables; empty: it has none of its own
    agent: bool
    disks: tuple[ForeignDisk, ...]
    nics: tuple[ForeignNic, ...]
    unmapped: tuple[str, ...]

    def beside(self, holders: Mapping[str, str]) -> Adoption:
        """Give it with a sentence for each NIC whose MAC an instance of ``holders`` (by MAC) has, or another NIC."""
        told = [
            f"The NIC {mac} has the MAC of the instance {holders[mac]}; on one network they would disturb each other."
            for mac in dict.fromkeys(each.mac for each in self.nics)
            if mac in holders
        ]
        twice = [
            f"Two of its NICs have the MAC {mac}."
            for mac, times in Counter(each.mac for each in self.nics if each.mac).items()
            if times > 1
        ]
        return replace(self, unmapped=(*told, *twice, *self.unmapped))

    def to_record(self) -> dict[str, Any]:
        """Give what an adopted instance keeps of it beyond the fields of every instance."""
        return {
            "disks": [asdict(each) for each in self.disks],
            "nics": [asdict(each) for each in self.nics],
            "nvram": self.nvram,
            "agent": self.agent,
            "unmapped": list(self.unmapped),
        }

    def to_changes(self, hardware: Mapping[str, Any]) -> dict[str, Any]:
        """Give the fields of its instance that follow its definition; ``hardware`` is what the record keeps so far."""
        before = hardware.get("adopted") or {}
        sizes = {(each["target"], each["source"]): each["size"] for each in before.get("disks", ())}
        kept = {**before, **self.to_record()}
        for disk in kept["disks"]:  # a definition does not tell them
            disk["size"] = disk["size"] or sizes.get((disk["target"], disk["source"]), 0)
        return {
            "vcpus": self.vcpus,
            "max_vcpus": self.max_vcpus,
            "memory_mib": self.memory_mib,
            "max_memory_mib": self.max_memory_mib,
            "firmware": self.firmware,
            "machine": self.machine,
            "options": {"screen": self.screen},
            "hardware": {**hardware, "adopted": kept},
        }
