"""What commands print: tables and sheets for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import click

from zcloud.cli.settings import App
from zcloud.cli.text import _, plain
from zcloud.client import Record

_GOOD, _BAD, _UNDER_WAY = "\x1b[32m", "\x1b[31m", "\x1b[33m"
_COLOURS = {
    **dict.fromkeys(("running", "ready", "up", "succeeded", "ok", "kvm"), _GOOD),
    **dict.fromkeys(("error", "failed", "lost", "missing", "blocked"), _BAD),
    **dict.fromkeys(
        ("building", "starting", "stopping", "restarting", "deleting", "saving", "waiting", "importing", "creating",
         "adding", "unknown", "degraded", "undoing", "tcg", "paused"),
        _UNDER_WAY,
    ),
}  # fmt: skip
_END = "\x1b[0m"
_GAP = "  "


class Column(NamedTuple):
    """A table's column: its title, and how its text comes from a record."""

    title: str
    value: str | Callable[[Record], object]
    wide: bool = False  # only with -o wide
    right: bool = False

    def text(self, record: Record) -> str:
        """Give the cell of a record."""
        found = record.get(self.value) if isinstance(self.value, str) else self.value(record)
        if isinstance(found, (list, tuple)):
            found = ",".join(map(str, found))
        elif isinstance(found, bool):
            found = _("yes") if found else ""
        return plain(found)


def show_rows(app: App, records: Iterable[Record], columns: Sequence[Column], *, empty: str = "") -> None:
    """Print a list; ``empty`` is what people are told of an empty one."""
    rows = list(records)
    if not app.for_people:
        show_data(app, rows)
        return
    if not rows:
        if empty and not app.quiet:
            click.echo(plain(empty), err=True)
        return
    shown = [each for each in columns if app.output == "wide" or not each.wide]
    if app.quiet:
        lines = [shown[0].text(row) for row in rows]
    else:
        titles = [_(each.title) for each in shown]
        lines = table([titles, *([each.text(row) for each in shown] for row in rows)], [each.right for each in shown])
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def show_record(app: App, record: Record, columns: Sequence[Column]) -> None:
    """Print one thing: a line for each column that is not empty."""
    if not app.for_people:
        show_data(app, record)
        return
    pairs = [(_(each.title), each.text(record)) for each in columns if app.output == "wide" or not each.wide]
    rows = [[f"{title.capitalize()}:", text] for title, text in pairs if text]
    click.echo("\n".join(table(rows, [False, False], heading=False)))


def show_data(app: App, value: Any) -> None:
    """Print a value for programs; JSON is plain ASCII, so nothing in it can steer a terminal."""
    click.echo(_yaml(value).rstrip() if app.output == "yaml" else _json(value))


def say(app: App, text: str) -> None:
    """Tell a person what was done; silent with --quiet and for programs."""
    if not app.quiet and app.for_people:
        click.echo(text)


def note(app: App, text: str) -> None:
    """Tell a person something beside the result, on stderr."""
    if not app.quiet:
        click.echo(text, err=True)


def table(rows: Sequence[Sequence[str]], right: Sequence[bool], *, heading: bool = True) -> list[str]:
    """Give aligned lines; on a terminal states are coloured and the heading is bold."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        cells = []
        for cell, wide, to_right in zip(row, widths, right, strict=True):
            space = " " * (wide - width(cell))
            painted = _paint(cell, bold=heading and number == 0) if colour else cell
            cells.append(space + painted if to_right else painted + space)
        lines.append(_GAP.join(cells).rstrip())
    return lines


def width(text: str) -> int:
    """Give the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _paint(cell: str, *, bold: bool) -> str:
    if bold:
        return f"\x1b[1m{cell}{_END}"
    colour = _COLOURS.get(cell.partition(" ")[0])
    return f"{colour}{cell}{_END}" if colour else cell


def _json(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, indent=2)
    # A record per line: long lists are written four times as fast, and `grep` and `diff` work on them.
    return "[\n" + ",\n".join(map(json.dumps, value)) + "\n]" if value else "[]"


def _yaml(value: Any) -> str:
    try:
        import yaml  # noqa: PLC0415 - an optional package, and slow to import
    except ImportError:
        raise click.UsageError(_("-o yaml needs the Python package PyYAML; use -o json, or install it.")) from None
    return str(yaml.safe_dump(value, sort_keys=False))
