"""What is on a host and looks like ours, but no record knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class OrphanKind(StrEnum):
    """What kind of thing it is."""

    DOMAIN = "domain"
    VOLUME = "volume"
    ARTIFACT = "artifact"
    TAP = "tap"


@dataclass(frozen=True, slots=True, order=True)
class Orphan:
    """One thing: its kind, its name, and where it is (a pool's or a network's name; empty: on the host)."""

    kind: OrphanKind
    name: str
    place: str = ""

    def to_json(self) -> dict[str, str]:
        """Give it as plain values."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Orphan:
        """Take it from plain values."""
        return cls(OrphanKind(values["kind"]), str(values["name"]), str(values["place"]))


def orphans_key(host_id: str) -> str:
    """Give the setting under which a host's orphans are kept."""
    return f"orphans.{host_id}"
