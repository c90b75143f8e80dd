"""The reference has everything that the code has, and stops at what is not documented."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import click
import pytest
from tools import reference, reference_faces
from tools.reference_text import Undocumented, page, table

import zcloud
from zcloud.api.access import ROUTES
from zcloud.cli.base import Noun, Tree
from zcloud.cli.tree import TREE
from zcloud.domain.driver import Option, OptionType
from zcloud.domain.errors import Refused
from zcloud.drivers import registry

SOURCES = Path(zcloud.__file__).parent


def codes() -> set[str]:
    """Give the code of every error class in the sources, wherever it is defined."""
    classes = (node for file in SOURCES.rglob("*.py") for node in ast.walk(ast.parse(file.read_text())))
    bodies = (node for each in classes if isinstance(each, ast.ClassDef) for node in each.body)
    assigned = (each for each in bodies if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "code")
    return {str(ast.literal_eval(each.value)) for each in assigned}


def test_every_error_of_the_sources_is_told() -> None:
    text = reference.errors()
    assert codes()
    assert [code for code in codes() if f"| `{code}` |" not in text] == []


def test_every_route_is_told() -> None:
    text = reference_faces.routes()
    assert [route for route in ROUTES if f"`{' '.join(route)}`" not in text] == []


def test_every_command_is_told() -> None:
    text = reference_faces.commands()
    assert [name for name in _names(TREE) if f"## zcloud {name}\n" not in text] == []


def _names(tree: Tree) -> Iterator[str]:
    """Give every command with the nouns before it."""
    for name, entry in tree.items():
        yield from (f"{name} {verb}" for verb in _names(entry.verbs)) if isinstance(entry, Noun) else [name]


def test_an_error_without_a_docstring_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Refused):
        kind: ClassVar = Refused.kind

    monkeypatch.setattr(reference, "all_errors", lambda: {"silent": Silent})
    with pytest.raises(Undocumented, match="Silent"):
        reference.errors()


def test_an_event_without_a_sentence_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "EVENT_KINDS", {"instance.odd": " "})
    with pytest.raises(Undocumented, match=r"instance\.odd"):
        reference.events()


def test_a_driver_option_without_a_meaning_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    info, _ = registry.storage_kinds()["directory"]
    kinds = {"directory": (info, (Option("odd", OptionType.TEXT, ""),))}
    monkeypatch.setattr(registry, "storage_kinds", lambda: kinds)
    with pytest.raises(Undocumented, match="odd"):
        reference.options()


def test_a_command_option_without_help_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.option("--odd")
    def list_odd(odd: str) -> None:
        """List."""

    group = click.Group("zcloud", {"list": list_odd}, help="A program.")
    monkeypatch.setattr(reference_faces, "program", lambda: group)
    with pytest.raises(Undocumented, match="--odd"):
        reference_faces.commands()


def test_a_route_without_a_docstring_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = {"paths": {"/v1/me": {"get": {"description": "", "responses": {}}}}, "components": {"schemas": {}}}
    monkeypatch.setattr(reference_faces, "description", lambda: tree)
    monkeypatch.setattr(reference_faces, "ROUTES", {("GET", "/v1/me"): ROUTES[("GET", "/v1/me")]})
    with pytest.raises(Undocumented, match="/v1/me"):
        reference_faces.routes()


def test_the_same_code_gives_the_same_pages() -> None:
    first = dict(reference.pages())
    reference_faces.description.cache_clear()
    assert dict(reference.pages()) == first


def test_a_cell_cannot_break_its_table() -> None:
    assert table(("A",), [("x | y\nz",)]).splitlines()[-1] == r"| x \| y z |"
    assert table(("A",), []) == ""
    assert page("T", "", "text").endswith("# T\n\ntext\n")
