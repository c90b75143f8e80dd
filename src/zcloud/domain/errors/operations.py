"""How an operation ends otherwise than well, and a configuration that no server starts with."""

from __future__ import annotations

from zcloud.domain.errors.base import Failed, Kind, Refused


class OperationCancelled(Failed):
    """The operation was cancelled on request, and what it had done was undone."""

    code = "operation_cancelled"
    kind = Kind.CONFLICT


class DeadlineExceeded(Failed):
    """It took longer than its deadline."""

    code = "deadline_exceeded"
    kind = Kind.UNAVAILABLE


class GroupIncomplete(Failed):
    """Some of a group's instances did not get where the others wait for them to be."""

    code = "group_incomplete"
    kind = Kind.CONFLICT


class Superseded(Failed):
    """Another worker has taken this operation over; this one must not touch anything any more."""

    code = "superseded"
    kind = Kind.CONFLICT


class ConfigInvalid(Refused):
    """The configuration cannot be used; the server does not start with it."""

    code = "config_invalid"
    kind = Kind.INVALID
