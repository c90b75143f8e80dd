"""The configuration as a file for people: every key, what it means, and its default, taken from ``config``."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

from zcloud.base.config import Config

_HEAD = """\
# The configuration of zcloud. Every key stands here at its default, as a comment; a key that is left out has it.
# Sizes are bytes, times are seconds unless a key's name says otherwise. Changes need: systemctl restart zcloud
"""


def example() -> str:
    """Give a TOML file with every key of ``Config`` commented out at its default."""
    hints = get_type_hints(Config)
    tables = [each.name for each in dataclasses.fields(Config) if dataclasses.is_dataclass(hints[each.name])]
    parts = [_HEAD, *_lines(Config, skip=tables)]
    for name in tables:
        cls = hints[name]
        parts += ["", f"# {inspect.getdoc(cls)}", f"[{name}]", *_lines(cls)]
    return "\n".join(parts) + "\n"


def meanings(cls: type[Any]) -> dict[str, str]:
    """Give the comment at the end of each field's line: a key is documented where it is defined."""
    lines = inspect.getsource(cls).splitlines()
    (tree,) = ast.parse("\n".join(lines)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.end_lineno:
            found[node.target.id] = lines[node.end_lineno - 1][node.end_col_offset or 0 :].partition("#")[2].strip()
    return found


def _lines(cls: type[Any], skip: tuple[str, ...] | list[str] = ()) -> Iterator[str]:
    told = meanings(cls)
    for each in dataclasses.fields(cls):
        if each.name not in skip:
            yield f"#{each.name} = {as_toml(each.default)}  # {told[each.name]}"


def as_toml(value: Any) -> str:
    """Give a default as TOML, whose booleans, numbers, texts and lists are those of JSON."""
    return json.dumps(str(value) if isinstance(value, Path) else value)
