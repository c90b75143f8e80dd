"""How an allowed command is described: its words, flags, options and operands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """A value that a regular expression describes whole."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Path:
    """An absolute, normalised path below an allowed root, after ``prefix``.

    ``place`` accepts a root itself, ``facts`` the readable files of /proc, /sys and /etc named above; with ``within``
    the path must lie below that directory, whatever the roots are. ``before`` describes what else may come before it.
    What ``besides`` describes whole is fine as it is.
    """

    prefix: str = ""
    before: str = ""
    place: bool = False
    facts: bool = False
    within: str = ""
    besides: str = ""


Kind = Text | Path
Kinds = Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Form:
    """One allowed command: its fixed beginning, then flags and options in any order, then operands.

    ``options`` take a value as their next argument. ``required`` names options that must be there, ``again`` those that
    may be there twice; the last ``optional`` operands may be absent. ``fed`` commands read standard input; ``script``
    means that it is an nft script and is checked too.
    """

    words: str
    flags: frozenset[str] = frozenset()
    options: Kinds = field(default_factory=dict)
    operands: tuple[Kind, ...] = ()
    optional: int = 0
    required: tuple[str, ...] = ()
    script: bool = False
    fed: bool = False
    again: frozenset[str] = frozenset()


def flags(*names: str) -> frozenset[str]:
    """Give a set of flags."""
    return frozenset(names)
