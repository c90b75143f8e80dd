"""Bulk statistics records as ours (pure; virConnectGetAllDomainStats names the keys)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zcloud.hosts.libvirt.states import domain_state, state_reason
from zcloud.ports import DomainFacts, DomainOutline, DomainStats

_DISK = {
    "rd.bytes": "rd_bytes", "rd.reqs": "rd_reqs", "rd.times": "rd_times_ns",
    "wr.bytes": "wr_bytes", "wr.reqs": "wr_reqs", "wr.times": "wr_times_ns",
    "fl.reqs": "fl_reqs", "allocation": "allocation", "capacity": "capacity", "physical": "physical",
}  # fmt: skip
_NIC = {
    "rx.bytes": "rx_bytes", "rx.pkts": "rx_packets", "rx.errs": "rx_errors", "rx.drop": "rx_dropped",
    "tx.bytes": "tx_bytes", "tx.pkts": "tx_packets", "tx.errs": "tx_errors", "tx.drop": "tx_dropped",
}  # fmt: skip


def to_facts(uuid: str, name: str, record: Mapping[str, Any], *, persistent: bool) -> DomainFacts:
    """Give a domain's line in a listing."""
    state = domain_state(int(record.get("state.state", 0)))
    return DomainFacts(uuid, name, state, state_reason(state, int(record.get("state.reason", 0))), persistent)


def to_outline(uuid: str, name: str, record: Mapping[str, Any], *, persistent: bool) -> DomainOutline:
    """Give a domain's line in a listing, with its size; a busy domain's may be left out by libvirt, and is 0."""
    vcpus, memory = int(record.get("vcpu.current", 0)), int(record.get("balloon.current", 0))
    return DomainOutline(to_facts(uuid, name, record, persistent=persistent), vcpus, memory)


def to_stats(uuid: str, record: Mapping[str, Any]) -> DomainStats:
    """Give a domain's counters; a disk is named by its target, a NIC by its tap."""
    state = domain_state(int(record.get("state.state", 0)))
    return DomainStats(
        uuid=uuid,
        state=state,
        reason=state_reason(state, int(record.get("state.reason", 0))),
        cpu_time_ns=int(record.get("cpu.time", 0)),
        vcpus=int(record.get("vcpu.current", 0)),
        memory_kib=int(record.get("balloon.current", 0)),
        rss_kib=int(record.get("balloon.rss", 0)),
        disks=_devices(record, "block", _DISK),
        nics=_devices(record, "net", _NIC),
    )


def _devices(record: Mapping[str, Any], group: str, names: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Gather ``group.N.key`` values by each device's name; a backing file's entry counts for nothing."""
    devices: dict[str, dict[str, int]] = {}
    for index in range(int(record.get(f"{group}.count", 0))):
        start = f"{group}.{index}."
        name = record.get(f"{start}name")
        if name is None or name in devices:
            continue
        devices[name] = {
            ours: int(record[start + theirs]) for theirs, ours in names.items() if start + theirs in record
        }
    return devices
