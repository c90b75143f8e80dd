"""The one tree of errors a person can meet.

Every class has a stable ``code`` (part of the API) and a ``kind`` that the faces map to their own
language (an HTTP status, an exit code). An error says what happened (``message``), what was left or
undone (``left``) and what to do about it (``hint``). ``Refused`` means that nothing was changed;
``Failed`` means that something was tried and undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What sort of error it is, for whoever maps it to a status or an exit code."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    TOO_LARGE = "too_large"
    MISMATCH = "mismatch"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


_BY_CODE: dict[str, type[ZcloudError]] = {}


class ZcloudError(Exception):
    """Base of all errors that reach a person.

    ``message`` says what happened, ``left`` what was left or undone, ``hint`` what to do;
    ``details`` are plain JSON values for programs (field names, limits, reasons per host).
    """

    code: ClassVar[str] = "internal"
    kind: ClassVar[Kind] = Kind.INTERNAL
    default_left: ClassVar[str] = ""
    default_hint: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            return
        known = _BY_CODE.get(cls.code)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"error code {cls.code!r} is used twice")
        _BY_CODE[cls.code] = cls

    def __init__(self, message: str, *, left: str = "", hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.left = left or self.default_left
        self.hint = hint or self.default_hint
        self.details: Mapping[str, Any] = details

    def to_record(self) -> dict[str, Any]:
        """Give the error as plain JSON values (the operation's row keeps it so)."""
        return {
            "code": self.code,
            "message": self.message,
            "left": self.left,
            "hint": self.hint,
            "details": dict(self.details),
        }


def from_record(record: Mapping[str, Any]) -> ZcloudError:
    """Build the error that ``to_record`` described; an unknown code becomes ``Internal``."""
    cls = _BY_CODE.get(str(record.get("code")), Internal)
    return cls(
        str(record.get("message", "")),
        left=str(record.get("left", "")),
        hint=str(record.get("hint", "")),
        **dict(record.get("details") or {}),
    )


def all_errors() -> dict[str, type[ZcloudError]]:
    """Give every error class by its code (the reference is generated from it)."""
    return dict(sorted(_BY_CODE.items()))


class Internal(ZcloudError):
    """zcloud met something that it did not expect: a defect of zcloud."""

    code = "internal"
    default_hint = "Report it with the request id and the server's log."


class Refused(ZcloudError):
    """Nothing was changed: the request could not be admitted."""

    default_left = "Nothing was changed."


class Failed(ZcloudError):
    """It was tried, did not work, and what had been done was undone."""

    default_left = "What had been done was undone."
