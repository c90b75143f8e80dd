"""nftables in memory: tables, sets and elements of the scripts that zcloud writes. Rules are taken, not judged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from zcloud.testing.fakedisk import FakeError

_ELEMENT = re.compile(r'(add|delete) element (\w+ \w+) (\w+) \{ "([\w-]+)"((?: \. \S+)*)(?: comment "([^"]*)")? \}')
_TABLE = re.compile(r"(add|delete|flush) table (\w+ \w+)")
_IN_TABLE = re.compile(r"add (set|chain|rule) (\w+ \w+) (\w+)(.*)")
_LOOK = re.compile(r"list chain (\w+ \w+) (\w+)")

Key = tuple[str, ...]
Sets = dict[str, dict[Key, str]]
Rules = tuple[tuple[str, str], ...]  # chain and rule


class FakeNft:
    """``nft -f -`` and ``nft -j list table``: a script is applied whole or not at all."""

    def __init__(self) -> None:
        self.tables: dict[str, Sets] = {}
        self.rules: dict[str, Rules] = {}

    def apply(self, script: str) -> bytes:
        """Apply a script, and give what its ``list chain`` prints."""
        lines = [line for line in script.splitlines() if line]
        self._change([line for line in lines if not _LOOK.fullmatch(line)])
        looks = [match.groups() for line in lines if (match := _LOOK.fullmatch(line))]
        found = [rule for table, chain in looks for where, rule in self._rules(table) if where == chain]
        return "".join(f"\t\t{rule}\n" for rule in found).encode()

    def _change(self, lines: list[str]) -> None:
        undo: list[tuple[dict[Any, Any], Any, Any]] = []
        try:
            for line in lines:
                undo.extend(self._apply_line(line))
        except FakeError:
            for mapping, key, older in reversed(undo):
                if older is None:
                    mapping.pop(key, None)
                else:
                    mapping[key] = older
            raise

    def listing(self, table: str) -> bytes:
        """Give a table as ``nft -j list table`` does."""
        family, _, name = table.partition(" ")
        sets = [
            {"set": {"family": family, "name": each, "table": name, "elem": _elements(elements)}}
            for each, elements in self._table(table).items()
        ]
        rules = [{"rule": {"family": family, "table": name, "chain": chain}} for chain, _ in self._rules(table)]
        return json.dumps({"nftables": [{"metainfo": {"json_schema_version": 1}}, *sets, *rules]}).encode()

    def _apply_line(self, line: str) -> Iterator[tuple[dict[Any, Any], Any, Any]]:
        """Apply one command and give what it changed, before each change."""
        if match := _ELEMENT.fullmatch(line):
            yield from self._change_element(*match.groups())
        elif match := _TABLE.fullmatch(line):
            verb, table = match.groups()
            if verb != "add":
                yield self.rules, table, self._rules(table)
                self.rules[table] = ()
            if verb == "delete":
                yield self.tables, table, self.tables[table]
                del self.tables[table]
            elif table not in self.tables:
                yield self.tables, table, None
                self.tables[table] = {}
        elif match := _IN_TABLE.match(line):
            kind, table, name, rest = match.groups()
            if kind == "set" and name not in self._table(table):
                yield self.tables[table], name, None
                self.tables[table][name] = {}
            elif kind == "rule":
                yield self.rules, table, self._rules(table)
                self.rules[table] = (*self._rules(table), (name, rest.strip()))
        else:
            raise FakeError(f"Error: syntax error: {line}")

    def _change_element(
        self, verb: str, table: str, name: str, tap: str, rest: str, comment: str | None
    ) -> Iterator[tuple[dict[Any, Any], Any, Any]]:
        elements = self._table(table).get(name)
        key = (tap, *rest.split(" . ")[1:])
        if elements is None or (verb == "delete" and key not in elements):
            raise FakeError("Error: Could not process rule: No such file or directory")
        yield elements, key, elements.get(key)
        if verb == "delete":
            del elements[key]
        else:
            elements.setdefault(key, comment or "")

    def _rules(self, table: str) -> Rules:
        self._table(table)
        return self.rules.get(table, ())

    def _table(self, table: str) -> Sets:
        if table not in self.tables:
            raise FakeError("Error: No such file or directory")
        return self.tables[table]


def _elements(elements: dict[Key, str]) -> list[object]:
    found: list[object] = []
    for key, comment in elements.items():
        value: object = {"concat": list(key)} if len(key) > 1 else key[0]
        found.append({"elem": {"val": value, "comment": comment}} if comment else value)
    return found
