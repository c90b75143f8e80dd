"""The size budgets count what they say."""

from __future__ import annotations

from tools.budgets import breaches


def found(source: str) -> list[tuple[int, str, int]]:
    return [(breach.line, breach.what, breach.has) for breach in breaches(source)]


def function(lines: int, docstring: str = "") -> str:
    return f"def f():\n{docstring}" + "    x = 1\n" * (lines - 1)


def test_small_code_is_within_every_budget() -> None:
    assert found(function(40)) == []
    assert found("x = 1\n" * 400) == []


def test_a_long_file_and_a_long_function_are_found() -> None:
    assert found("x = 1\n" * 401) == [(1, "lines of the file", 401)]
    assert found("\n" + function(41)) == [(2, "lines of f", 41)]


def test_docstrings_do_not_count() -> None:
    assert found(function(40, docstring='    """One.\n\n    Two.\n    """\n')) == []


def test_methods_are_counted_once_per_name() -> None:
    methods = "".join(f"    def m{number}(self): ...\n" for number in range(21))
    assert found(f"class C:\n{methods}") == [(1, "methods of class C", 21)]
    assert found("class C:\n" + "    def same(self): ...\n" * 21) == []


def test_parameters_are_counted_without_self() -> None:
    six = "a, b, /, c, *d, e, **f"
    assert found(f"def f({six}): ...") == []
    assert found(f"class C:\n    def f(self, {six}): ...") == []
    assert found(f"class C:\n    @classmethod\n    def f(cls, {six}): ...") == []
    assert found("def f(a, b, c, d, e, f, g): ...") == [(1, "parameters of f", 7)]
    assert found(f"class C:\n    @staticmethod\n    def f(z, {six}): ...") == [(3, "parameters of f", 7)]
