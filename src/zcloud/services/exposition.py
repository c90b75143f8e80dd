"""Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_LABEL = 128  # characters of a label's value; names of zcloud are shorter, those of others are cut
_LINES = 2000  # of one piece


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, ``gauge`` or ``counter``, what it says, and its labels."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()

    def at(self, *values: str) -> str:
        """Give a series' name, with a value for each label."""
        return f"{self.name}{label_set(self.labels, values)}"


Series = tuple[str, float]  # as ``Family.at`` names it, and its value


def label_set(names: Iterable[str], values: Iterable[str]) -> str:
    """Give labels in braces, escaped; nothing for none."""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def render(family: Family, all_series: Iterable[Series]) -> Iterator[str]:
    """Give a metric in pieces of bounded size; nothing where it has no series."""
    series = iter(all_series)
    heading = f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
    lines = [f"{name} {value}\n" for name, value in islice(series, _LINES)]
    while lines:
        yield heading + "".join(lines)
        heading, lines = "", [f"{name} {value}\n" for name, value in islice(series, _LINES)]


def _escaped(value: str) -> str:
    return value[:MAX_LABEL].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
