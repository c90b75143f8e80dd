"""Checks how large the source's files, classes and functions are; prints every breach, ends with 1."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 40
CLASS_METHODS = 20
PARAMETERS = 6

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that is larger than allowed."""

    line: int
    what: str
    has: int
    allowed: int

    def __str__(self) -> str:
        return f"{self.line}: {self.what}: {self.has} (allowed: {self.allowed})"


def breaches(source: str) -> Iterator[Breach]:
    """Give every breach in one file's text."""
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        yield Breach(1, "lines of the file", lines, FILE_LINES)
    tree = ast.parse(source)
    methods = {child for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for child in node.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            count = len({child.name for child in node.body if isinstance(child, _Function)})
            if count > CLASS_METHODS:
                yield Breach(node.lineno, f"methods of class {node.name}", count, CLASS_METHODS)
        elif isinstance(node, _Function):
            yield from _function_breaches(node, is_method=node in methods)


def _function_breaches(node: _Function, *, is_method: bool) -> Iterator[Breach]:
    lines = _code_lines(node)
    if lines > FUNCTION_LINES:
        yield Breach(node.lineno, f"lines of {node.name}", lines, FUNCTION_LINES)
    count = _parameters(node, is_method=is_method)
    if count > PARAMETERS:
        yield Breach(node.lineno, f"parameters of {node.name}", count, PARAMETERS)


def _code_lines(node: _Function) -> int:
    """Count from ``def`` to the end, without the docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None and first.end_lineno is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def _parameters(node: _Function, *, is_method: bool) -> int:
    """Count the parameters that a caller gives (``self`` and ``cls`` are not)."""
    arguments = node.args
    names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in node.decorator_list)
    return sum(name is not None for name in names) - (is_method and not static)


def main() -> int:
    """Check the directories named (``src`` if none is) and give the exit status."""
    roots = [Path(name) for name in sys.argv[1:] or ("src",)]
    found = 0
    for path in sorted(file for root in roots for file in root.rglob("*.py")):
        for breach in breaches(path.read_text(encoding="utf-8")):
            print(f"{path}:{breach}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
