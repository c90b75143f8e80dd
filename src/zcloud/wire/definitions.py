"""Definitions of domains."""

from __future__ import annotations

from dataclasses import dataclass

from zcloud.wire.base import Request, Text


class DefinitionChange(Request):
    """libvirt's XML as it is to be, whole."""

    xml: Text


@dataclass(frozen=True, slots=True)
class DefinitionPlan:
    """What would change, as a unified diff; ``at_next_start``: the present run goes on without it."""

    difference: str
    at_next_start: bool
