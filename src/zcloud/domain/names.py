"""Names that people give, and what they may look like."""

from __future__ import annotations

import re

from zcloud.domain.errors import InvalidInput

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TAG = re.compile(r"[\w][\w.:=/-]{0,62}")
_MAX_TAGS = 32


def check_name(value: str, what: str = "name") -> str:
    """Give ``value`` if it is a DNS label (RFC 1123: a-z, 0-9, hyphen inside; at most 63).

    Raises InvalidInput.
    """
    if not _LABEL.fullmatch(value):
        raise InvalidInput(
            f"The {what} {value[:80]!r} is not a DNS label.",
            hint="Use 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit.",
            field=what,
        )
    return value


def check_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Give the tags sorted and without repeats; raises InvalidInput."""
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise InvalidInput(
                f"The tag {tag[:80]!r} has characters that tags may not have, or is too long.",
                hint="Use at most 63 letters, digits and any of . : = / _ -",
                field="tags",
            )
    unique = tuple(sorted(set(tags)))
    if len(unique) > _MAX_TAGS:
        raise InvalidInput(f"There are {len(unique)} tags; at most {_MAX_TAGS} are allowed.", field="tags")
    return unique
