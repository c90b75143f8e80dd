"""What a form holds, read: numbers, sizes and lines, each refused in words that name the field."""

from __future__ import annotations

import re
from collections.abc import Mapping

from zcloud.domain.errors import InvalidInput
from zcloud.domain.storage import MIB

_SIZE = re.compile(r"(\d{1,7})(?:\.(\d{1,3}))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_LINE, _MAX_NUMBER = 255, 1 << 31


class Fields:
    """The fields of a form by name; a name may come more than once, and one that is not there is empty."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    def one(self, name: str) -> str:
        """Give a field's text without spaces around it."""
        return self._values[name][-1].strip() if self._values.get(name) else ""

    def all(self, name: str) -> list[str]:
        """Give every value that came by that name, in order."""
        return [each.strip() for each in self._values.get(name, ())]

    def rows(self, *names: str) -> list[tuple[str, ...]]:
        """Give what repeated fields say side by side; there are as many rows as the first of them has values."""
        columns = [self.all(name) for name in names]
        count = len(columns[0])
        return list(zip(*((column + [""] * count)[:count] for column in columns), strict=True))

    def on(self, name: str) -> bool:
        """Say whether a box is ticked."""
        return bool(self.one(name))

    def line(self, name: str) -> str:
        """Give a text of one line; raises InvalidInput."""
        return check_line(self.one(name), name)

    def words(self, name: str) -> tuple[str, ...]:
        """Give the words of a field, which commas and spaces part."""
        return tuple(check_line(each, name) for each in re.split(r"[\s,]+", self.one(name)) if each)

    def number(self, name: str) -> int:
        """Give a whole number, 0 where none is written; raises InvalidInput."""
        text = self.one(name)
        if not text:
            return 0
        if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > _MAX_NUMBER:
            raise InvalidInput(f"{text[:40]!r} is not a whole number.", field=name)
        return int(text)

    def size(self, name: str) -> int:
        """Give the bytes of a number of GiB such as ``1.5``, 0 where none is written; raises InvalidInput."""
        return parse_gib(self.one(name), name)


def parse_gib(text: str, field: str) -> int:
    """Give the bytes of a number of GiB, in whole MiB; raises InvalidInput."""
    if not text:
        return 0
    match = _SIZE.fullmatch(text.replace(",", "."))
    if match is None:
        raise InvalidInput(f"{text[:40]!r} is not a number of GiB.", hint="Write it like 20 or 1.5.", field=field)
    return round(float(match[0]) * 1024) * MIB


def check_line(text: str, field: str) -> str:
    """Give a text if it is one line of printable characters; raises InvalidInput."""
    if len(text) > _MAX_LINE or _CONTROL.search(text):
        raise InvalidInput(f"This has to be one line of at most {_MAX_LINE} characters.", field=field)
    return text
