"""Snapshots that the server takes by itself: when, and how many are kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from zcloud.domain.errors import InvalidInput
from zcloud.domain.instance import Instance
from zcloud.domain.names import check_name, check_tags

MAX_KEPT = 24
LONGEST_H = 24 * 31
_AT = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class SnapshotSchedule:
    """A schedule of one instance, or of those of a project that have a ``tag``.

    Every ``every_h`` hours (0: daily at the time ``at``, HH:MM in UTC). Of its own snapshots of an instance the newest
    ``keep`` stay. ``skipped`` has the code of why an instance's last one could not be taken, by the instance's id.
    """

    id: str
    name: str
    project_id: str
    instance_id: str | None
    tag: str
    every_h: int
    at: str
    keep: int
    last_at: datetime | None
    created_by: str
    created_at: datetime
    skipped: Mapping[str, str] = field(default_factory=dict)

    def covers(self, instance: Instance) -> bool:
        """Say whether it takes snapshots of an instance."""
        if self.instance_id is not None:
            return self.instance_id == instance.id
        return self.project_id == instance.project_id and self.tag in instance.tags

    @property
    def maker(self) -> str:
        """Give who its snapshots say that they are by; no user can have such a name."""
        return f"schedule {self.name}"

    @property
    def due_at(self) -> datetime:
        """Give when the next round is, or was to be: what was missed is made up for once, by the next one."""
        before = self.last_at or self.created_at
        if self.every_h:
            span = timedelta(hours=self.every_h)
            return self.created_at + span * ((before - self.created_at) // span + 1)
        first = before.replace(hour=int(self.at[:2]), minute=int(self.at[3:]), second=0, microsecond=0)
        return first if first > before else first + timedelta(days=1)

    def snapshot_name(self, now: datetime) -> str:
        """Give the name of a snapshot that it takes now."""
        return f"{self.name}-{now:%Y%m%d-%H%M}"


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A schedule that is to be: of an instance (its name or id), or of a tag. Without a name it gets one."""

    name: str = ""
    instance: str = ""
    tag: str = ""
    every_h: int = 0
    at: str = ""
    keep: int = 7

    def check(self) -> None:
        """Raise InvalidInput where it makes no sense."""
        if bool(self.instance) == bool(self.tag):
            raise InvalidInput("Name an instance, or a tag that instances have.", field="instance")
        if self.tag:
            check_tags((self.tag,))
        if self.name:
            check_name(self.name, "schedule name")
        if len(self.name) > 40:  # the time is put behind it
            raise InvalidInput("The name of a schedule has at most 40 characters.", field="name")
        if bool(self.every_h) == bool(self.at) or not 0 <= self.every_h <= LONGEST_H:
            raise InvalidInput(
                f"Say every how many hours (1 to {LONGEST_H}), or at what time of the day (UTC).", field="every_h"
            )
        if self.at and not _AT.fullmatch(self.at):
            raise InvalidInput("The time of the day is HH:MM, from 00:00 to 23:59 UTC.", field="at")
        if not 1 <= self.keep <= MAX_KEPT:
            raise InvalidInput(f"1 to {MAX_KEPT} snapshots can be kept.", field="keep")
