"""Errors as RFC 9457 problems. The one place that knows HTTP's statuses."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from zcloud.domain.errors import Internal, InvalidInput, Kind, NotFound, Refused, ZcloudError
from zcloud.wire.problems import Problem

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION: 412,
    Kind.TOO_LARGE: 413,
    Kind.MISMATCH: 422,
    Kind.THROTTLED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.INTERNAL: 500,
}
MAX_FIELDS = 20
_log = logging.getLogger(__name__)


class MethodNotAllowed(Refused):
    """The path is there, but not with this method."""

    code = "method_not_allowed"
    kind = Kind.INVALID


class ProblemResponse(Response):
    """A problem; ``code`` is what the audit log keeps."""

    def __init__(self, error: ZcloudError, status: int, request_id: str, headers: Mapping[str, str]) -> None:
        self.code = error.code
        problem = Problem(
            type=f"urn:zcloud:error:{error.code}",
            title=error.code.replace("_", " ").capitalize(),
            status=status,
            code=error.code,
            detail=error.message,
            left=error.left,
            hint=error.hint,
            request_id=request_id,
            details=error.details,
        )
        super().__init__(_adapter().dump_json(problem), status, dict(headers), MEDIA_TYPE)


def problem_response(error: Exception, request_id: str) -> ProblemResponse:
    """Give the answer for any error; what is not zcloud's own is logged and told as ``internal``, without its text."""
    known = translate(error)
    if known.kind is Kind.INTERNAL:
        _log.error("request %s failed", request_id, exc_info=error)
    status, headers = STATUS[known.kind], dict[str, str]()
    if isinstance(known, MethodNotAllowed) and isinstance(error, HTTPException):
        status, headers = 405, dict(error.headers or {})
    if known.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_s" in known.details:
        headers["Retry-After"] = str(known.details["retry_after_s"])
    return ProblemResponse(known, status, request_id, headers)


def translate(error: Exception) -> ZcloudError:
    """Give any error as one of zcloud's own; what is not is told as ``internal``, without its text."""
    if isinstance(error, ZcloudError):
        return error
    if isinstance(error.__cause__, ZcloudError):  # what the body's reading raised, in FastAPI's wrapping
        return error.__cause__
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors())
    if isinstance(error, HTTPException) and error.status_code == 405:
        return MethodNotAllowed("The path does not take this method.")
    if isinstance(error, HTTPException) and error.status_code == 404:
        return NotFound("There is no such path.", hint="GET /v1/openapi.json has all paths.")
    if isinstance(error, HTTPException | ClientDisconnect):
        return InvalidInput("The request's body cannot be read.", hint="Send JSON with its Content-Type.")
    return Internal("zcloud met something that it did not expect.", left="Look at the thing before trying again.")


def _invalid(errors: Sequence[Mapping[str, Any]]) -> InvalidInput:
    """Name the fields and what is wrong with them, and never what was sent."""
    fields = [
        {"field": ".".join(str(part)[:40] for part in each["loc"][1:8]), "problem": str(each["msg"])[:200]}
        for each in errors[:MAX_FIELDS]
    ]
    told = "; ".join(f"{each['field'] or 'the body'}: {each['problem']}" for each in fields[:3])
    return InvalidInput(f"The request is not valid: {told}.", fields=fields)


@cache
def _adapter() -> TypeAdapter[Problem]:
    return TypeAdapter(Problem)
