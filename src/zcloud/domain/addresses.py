"""The addresses that a guest is seen to have: by whom, when last, and how they differ from what it was given. Pure.

Three tell of them: its agent, the DHCP server's leases, and its host's neighbour table (what it has sent). What a guest
sends or says is its own word; nothing is decided by it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from zcloud.domain.network import Port

AGENT, LEASE, TRAFFIC = "agent", "lease", "traffic"
MAX_ADDRESSES = 64  # of one guest
_MAX_ROWS = 10_000
_REFRESH, _KEEP = timedelta(minutes=5), timedelta(hours=1)
_LINK_LOCAL = "fe80:"


def shown_address(given: Iterable[str], observed: Mapping[str, Any]) -> str:
    """Give the address at which people reach an instance: the first it was given, or else that it is seen with."""
    seen = (str(each["address"]) for each in observed.get("addresses") or ())
    return next((each for each in (*given, *seen) if each), "")


@dataclass(frozen=True, slots=True)
class Sight:
    """An address with the MAC that has it, as one source tells it; ``interface`` and ``prefix`` where it does."""

    mac: str
    address: str
    source: str
    at: datetime
    interface: str = ""
    prefix: int = 0


def parse_neighbours(text: bytes, now: datetime) -> list[Sight]:
    """Read the answer of ``ip -j -s neigh show`` (ip-neighbour(8)); ``confirmed`` is so many seconds ago."""
    rows = _rows(text)
    told = [each for each in rows if isinstance(each.get("confirmed"), int) and "FAILED" not in each.get("state", ())]
    sights = [
        _sight(each, "lladdr", "dst", TRAFFIC, now - timedelta(seconds=min(each["confirmed"], 1 << 30)))
        for each in told
    ]
    return [each for each in sights if each is not None]


def parse_leases(text: bytes, now: datetime) -> list[Sight]:
    """Read what libvirt's lease helper keeps of a network: the leases that are not over."""
    valid = [
        each for each in _rows(text) if isinstance(over := each.get("expiry-time"), int) and over > now.timestamp()
    ]
    sights = [_sight(each, "mac-address", "ip-address", LEASE, now) for each in valid]
    return [each for each in sights if each is not None]


def merge(before: Sequence[Mapping[str, Any]], sights: Iterable[Sight], now: datetime) -> list[dict[str, Any]]:
    """Give the addresses as they are to be recorded; equal to ``before`` where nothing is new but the time.

    An agent tells all that there is: what it does not tell any more, it does not have. The rest is forgotten an hour
    after it was last seen. Link-local addresses come last.
    """
    sights = list(sights)
    told = any(each.source == AGENT for each in sights)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for old in before[:MAX_ADDRESSES]:
        seen = {
            source: at
            for source, at in (old.get("seen") or {}).items()
            if not (told and source == AGENT) and now - datetime.fromisoformat(at) < _KEEP
        }
        found[old["mac"], old["address"]] = {**old, "seen": seen}
    known = {(old["mac"], old["address"]): old.get("seen") or {} for old in before}
    for each in sights:
        key = (each.mac, each.address)
        empty = {"interface": "", "mac": each.mac, "address": each.address, "prefix": 0, "seen": {}}
        entry = found.setdefault(key, empty)
        entry |= {"interface": each.interface or entry["interface"], "prefix": each.prefix or entry["prefix"]}
        last = known.get(key, {}).get(each.source)
        fresh = last is None or each.at - datetime.fromisoformat(last) >= _REFRESH
        entry["seen"] = {**entry["seen"], each.source: each.at.isoformat() if fresh else last}
    kept = [{**each, "seen": dict(sorted(each["seen"].items()))} for each in found.values() if each["seen"]]
    return sorted(kept, key=lambda each: each["address"].startswith(_LINK_LOCAL))[:MAX_ADDRESSES]


def differences(ports: Sequence[Port], seen: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how the addresses of a guest's NICs differ from those that zcloud gave them; nothing of a NIC not seen."""
    notes = []
    for port in ports:
        its = [each["address"] for each in seen if each["mac"] == port.mac]
        its = [each for each in its if not each.startswith(_LINK_LOCAL)]
        if not port.address or not its:
            continue
        if port.address not in its:
            notes.append(f"NIC {port.slot} was given {port.address}, but its guest uses {', '.join(its)}.")
        elif others := [each for each in its if each != port.address]:
            notes.append(f"NIC {port.slot} has {', '.join(others)} too, which zcloud did not give it.")
    return notes


def _rows(text: bytes) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text or b"[]")
    except (ValueError, RecursionError):
        return []
    return [each for each in rows[:_MAX_ROWS] if isinstance(each, dict)] if isinstance(rows, list) else []


def _sight(row: Mapping[str, Any], mac: str, address: str, source: str, at: datetime) -> Sight | None:
    try:
        plain = str(ipaddress.ip_address(str(row.get(address, ""))))
    except ValueError:
        return None
    return Sight(str(row.get(mac, "")).lower()[:17], plain, source, at) if row.get(mac) else None
