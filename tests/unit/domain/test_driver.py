"""Options of drivers: what is taken as text, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from zcloud.domain.driver import Option, OptionType, check_options
from zcloud.domain.errors import InvalidInput

OPTIONS = (
    Option("mtu", OptionType.INTEGER, "MTU.", 1500),
    Option("quota", OptionType.SIZE, "Bytes.", 0),
    Option("direct", OptionType.BOOLEAN, "Direct.", True),
    Option("mode", OptionType.CHOICE, "Mode.", "auto", ("auto", "true", "7")),
    Option("path", OptionType.PATH, "Path.", "/"),
    Option("note", OptionType.TEXT, "Note.", ""),
)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("mtu", "9000", 9000),
        ("quota", "4G", 4 << 30),
        ("quota", "512MiB", 512 << 20),
        ("quota", "3tb", 3 << 40),
        ("quota", "1024", 1024),
        ("direct", "false", False),
        ("direct", "TRUE", True),
        ("mode", "true", "true"),
        ("mode", "7", "7"),
        ("path", "/srv", "/srv"),
        ("note", "42", "42"),
    ],
)
def test_text_is_read_as_the_option_s_type(name: str, text: str, value: object) -> None:
    read = check_options(OPTIONS, {name: text})[name]
    assert (read, type(read)) == (value, type(value))


WRONG: dict[str, tuple[Any, ...]] = {
    "mtu": ("", "x", "-1", "1.5", "9" * 40, "٤", True, -1, 1.5, []),
    "quota": ("", "G", "4X", "-4G", "4 G", "4G4G", "9" * 40 + "T", "999999999999999T", True),
    "direct": ("", "yes", "on", "1", 1, "no"),
    "mode": ("", "AUTO", 7, True),
    "path": ("srv", "/a/../b", 1),
    "note": (42,),
    "other": ("1",),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_everything_else_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInput):
        check_options(OPTIONS, {name: value})
