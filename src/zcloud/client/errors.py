"""The one exception of the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Record = dict[str, Any]


class ApiError(Exception):
    """What went wrong: a refusal of the server, an operation that failed, or a server that cannot be reached.

    ``status`` is the HTTP status, or 0 where there was no answer (or the operation failed after its request had
    been accepted). ``problem`` is the whole problem document (RFC 9457). ``str(error)`` says what happened.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP status {status}"))
        self.status = status
        self.problem = problem

    def __getitem__(self, name: str) -> str:
        """Give a text member of the problem, or an empty text."""
        return str(self.problem.get(name) or "")

    @property
    def code(self) -> str:
        """Give the stable code that programs go by (docs/reference/errors.md), such as ``no_room``."""
        return self["code"]

    @property
    def hint(self) -> str:
        """Give what to do about it."""
        return self["hint"]

    @property
    def left(self) -> str:
        """Give what was changed and not undone; empty where nothing was."""
        return self["left"]

    @property
    def request_id(self) -> str:
        """Give the request's id, to be named in a report and found in the server's log."""
        return self["request_id"]

    @property
    def operation_id(self) -> str:
        """Give the operation that failed, where it is one."""
        return self["operation_id"]

    @property
    def details(self) -> Mapping[str, Any]:
        """Give the values for programs: limits, fields, each host's reason."""
        found = self.problem.get("details")
        return found if isinstance(found, dict) else self.problem


def failed(operation: Mapping[str, Any]) -> ApiError:
    """Give the error of an operation that ended failed or cancelled."""
    error = operation.get("error") or {}
    told = error.get("message") or f"The operation {operation['id']} ended {operation['status']}."
    problem = {
        "code": error.get("code") or f"operation_{operation['status']}",
        "detail": told,
        "left": error.get("left", ""),
        "hint": error.get("hint", ""),
        "details": error.get("details") or {},
        "request_id": operation.get("request_id", ""),
        "operation_id": operation["id"],
    }
    return ApiError(0, problem)
