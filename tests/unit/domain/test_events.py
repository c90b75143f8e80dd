"""Every kind of event in the code is in the table of kinds, and every entry of the table is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import zcloud
from zcloud.domain.events import EVENT_KINDS
from zcloud.domain.instance import Ready
from zcloud.domain.operation import OperationStatus

SOURCES = Path(zcloud.__file__).parent
WRITERS = ("services", "workflows", "operations", "observer", "backup")
FAMILIES = sorted({kind.partition(".")[0] for kind in EVENT_KINDS})
KIND = re.compile(rf"({'|'.join(FAMILIES)})\.[a-z_]+")
NOT_KINDS = {"instance.user_data", "instance.password_hash"}  # secrets are named likewise
COMPUTED = {f"instance.{state}" for state in (Ready.READY, Ready.FAILED)} | {
    f"operation.{status}" for status in (OperationStatus.WAITING, OperationStatus.BLOCKED)
}


def nodes() -> Iterator[ast.AST]:
    for package in WRITERS:
        for file in (SOURCES / package).rglob("*.py"):
            yield from ast.walk(ast.parse(file.read_text()))


def added() -> Iterator[str]:
    """Give the kinds that are given to ``tx.events.add`` as they are."""
    for node in nodes():
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("events.add") and node.args:
            kind = node.args[0]
            if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
                yield kind.value


def test_every_kind_in_the_code_is_in_the_table() -> None:
    strings = {node.value for node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    used = {each for each in strings if KIND.fullmatch(each)} - NOT_KINDS
    assert used | COMPUTED == set(EVENT_KINDS)


def test_every_kind_given_to_the_store_is_in_the_table() -> None:
    """A new family of kinds would escape the test above."""
    kinds = set(added())
    assert kinds
    assert kinds <= set(EVENT_KINDS)
