"""How a driver says what it can do: one ``INFO`` record and its ``OPTIONS``. The reference is generated from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from zcloud.domain.errors import InvalidInput


class OptionType(StrEnum):
    """The type of an option's value."""

    TEXT = "text"
    PATH = "path"
    INTEGER = "integer"
    SIZE = "size"  # bytes
    BOOLEAN = "boolean"
    CHOICE = "choice"
    SECRET = "secret"  # noqa: S105 - kept sealed, shown nowhere


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a driver; ``default`` None means that it must be given, and ``pattern`` describes a text whole."""

    name: str
    type: OptionType
    doc: str
    default: Any = None
    choices: tuple[str, ...] = ()
    pattern: str = ""


_SECRET = re.compile(r"[\x21-\x7e]{0,512}")
_TRUTH = {"true": True, "false": False}
_INTEGER = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)(?:i?B)?", re.IGNORECASE)
_MOST = 1 << 60
_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_PYTHON_TYPE = {OptionType.INTEGER: int, OptionType.SIZE: int, OptionType.BOOLEAN: bool}


def check_options(options: tuple[Option, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values with the defaults filled in; raises InvalidInput (unknown, missing, of the wrong type).

    A number, size or truth value may come as text, as people type it: ``1500``, ``4G``, ``true``.
    """
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            raise InvalidInput(f"There is no option {name[:60]!r}.", hint=f"Known: {', '.join(known)}.", field=name)
    result: dict[str, Any] = {}
    for option in options:
        value = given.get(option.name, option.default)
        if value is None:
            raise InvalidInput(f"The option {option.name!r} is missing: {option.doc}", field=option.name)
        value = _from_text(option.type, value) if isinstance(value, str) else value
        _check_value(option, value)
        result[option.name] = value
    return result


def without_secrets(options: tuple[Option, ...], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Give the values that may be seen, and those of secrets that are set."""
    secret = {option.name for option in options if option.type is OptionType.SECRET}
    hidden = {name: value for name, value in values.items() if name in secret and value}
    return {name: value for name, value in values.items() if name not in secret}, hidden


def _from_text(kind: OptionType, text: str) -> bool | int | str:
    """Give the value that a text is for a type, or the text where it is none."""
    if kind is OptionType.BOOLEAN:
        return _TRUTH.get(text.lower(), text)
    if kind is OptionType.INTEGER and _INTEGER.fullmatch(text):
        return int(text)
    size = _SIZE.fullmatch(text) if kind is OptionType.SIZE else None
    number = int(size[1]) << _SHIFTS[size[2].upper()] if size else _MOST
    return number if number < _MOST else text


def _check_value(option: Option, value: Any) -> None:
    wanted = _PYTHON_TYPE.get(option.type, str)
    wrong = not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))
    if wrong or (option.choices and value not in option.choices):
        expected = " or ".join(option.choices) or option.type.value
        raise InvalidInput(f"The option {option.name!r} must be {expected}.", field=option.name)
    if option.type is OptionType.PATH and (
        not value.startswith("/") or ".." in value.split("/") or "\0" in value or "//" in value
    ):
        raise InvalidInput(f"The option {option.name!r} must be an absolute, plain path.", field=option.name)
    if option.type is OptionType.SECRET and not _SECRET.fullmatch(value):
        raise InvalidInput(f"The secret {option.name!r} is not one line of at most 512 characters.", field=option.name)
    if option.pattern and re.fullmatch(option.pattern, value) is None:
        raise InvalidInput(f"The option {option.name!r} cannot be {value[:80]!r}: {option.doc}", field=option.name)
    if wanted is int and value < 0:
        raise InvalidInput(f"The option {option.name!r} must not be negative.", field=option.name)
