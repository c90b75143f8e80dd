"""A change that the server accepted: an operation works on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from zcloud.client.errors import Record, failed
from zcloud.client.http import Http

if TYPE_CHECKING:
    from zcloud.client.types import Accepted, Operation, Resource

T = TypeVar("T")

Progress = Callable[[Record], None]


def quiet(_operation: Record) -> None:
    """Show nothing."""


class Change(Generic[T]):
    """What was asked for and is being done. It goes on whether somebody waits or not."""

    def __init__(self, http: Http, accepted: Accepted) -> None:
        self._http = http
        self.operation: Operation = accepted["operation"]
        self.resource: Resource = accepted["resource"]

    @property
    def id(self) -> str:
        """Give the operation's id."""
        return self.operation["id"]

    def wait(self, progress: Progress = quiet, *, timeout_s: float = float("inf")) -> Operation:
        """Wait for the end and give the operation; ``progress`` gets it with its steps whenever they changed.

        Raises ApiError: that of an operation that failed or was cancelled, or ``wait_timeout`` after ``timeout_s``.
        """
        ended = self._http.wait(self.id, progress, step_s=1 if progress is not quiet else 30, timeout_s=timeout_s)
        self.operation = cast("Operation", ended)
        if ended["status"] != "succeeded":
            raise failed(ended)
        return self.operation

    def result(self, progress: Progress = quiet, *, timeout_s: float = float("inf")) -> T:
        """Wait as ``wait`` does, and give the thing as it is then; ApiError ``not_found`` after a deletion."""
        self.wait(progress, timeout_s=timeout_s)
        found: Any = self._http.get(self.resource["url"])
        return cast("T", found)
