"""Placement itself: filter, weigh, rank."""

from __future__ import annotations

from collections.abc import Iterable

from zcloud.scheduler.filters import FILTERS
from zcloud.scheduler.model import Candidate, Demand, HostView, Placement, Refusal
from zcloud.scheduler.weighers import WEIGHERS


def place(hosts: Iterable[HostView], demand: Demand) -> Placement:
    """Rank the hosts that can take ``demand``, best first, and give each other one its first reason.

    The ranking is total: equal scores are ordered by name, so the same snapshot gives the same answer.
    """
    candidates: list[Candidate] = []
    refusals: list[Refusal] = []
    for host in hosts:
        refusal = refuse(host, demand)
        if refusal is None:
            candidates.append(weigh(host, demand))
        else:
            refusals.append(refusal)
    candidates.sort(key=lambda each: (-each.score, each.host.name))
    refusals.sort(key=lambda each: each.host)
    return Placement(tuple(candidates), tuple(refusals))


def refuse(host: HostView, demand: Demand) -> Refusal | None:
    """Give the first filter's refusal, or None where the host fits."""
    for each in FILTERS:
        refusal = each(host, demand)
        if refusal is not None:
            return refusal
    return None


def weigh(host: HostView, demand: Demand) -> Candidate:
    """Give a host that fits its score."""
    parts = {name: weight * weigher(host, demand) for name, (weight, weigher) in WEIGHERS.items()}
    return Candidate(host, sum(parts.values()), parts)
