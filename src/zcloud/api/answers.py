"""Answers: a shape of ``wire``, written once, with the headers that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter
from starlette.responses import Response

from zcloud.api import show
from zcloud.api.parts import Call
from zcloud.domain.operation import Operation
from zcloud.services.context import Page
from zcloud.wire import operations as wire
from zcloud.wire.base import Listing
from zcloud.wire.operations import Accepted

T = TypeVar("T")


def answer(shape: Any, value: Any, status: int = 200, **headers: str) -> Response:
    """Write a value of a shape; it is not validated again."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(_adapter(shape).dump_json(value), status, named, "application/json")


def one(shape: Any, value: Any) -> Response:
    """Answer a single thing, with its revision as ETag."""
    return answer(shape, value, etag=f'"{value.revision}"')


def listing(shape: Any, items: Iterable[T], convert: Callable[[T], Any]) -> Response:
    """Answer a whole list."""
    return answer(Listing[shape], Listing(tuple(map(convert, items))))


def paged(shape: Any, page: Page[T], convert: Callable[[T], Any]) -> Response:
    """Answer part of a list, with the cursor of the next part."""
    return answer(Listing[shape], Listing(tuple(map(convert, page.items)), page.next_cursor, page.total))


def created(call: Call, shape: Any, value: Any, location: str) -> Response:
    """Answer that a thing was made, and where it is."""
    call.note(location)
    headers = {"location": location}
    if hasattr(value, "revision"):
        headers["etag"] = f'"{value.revision}"'
    return answer(shape, value, 201, **headers)


def accepted(call: Call, operation: Operation, warnings: Iterable[str] = ()) -> Response:
    """Answer that an operation does it, and what is unwise about it."""
    told = show.operation(operation)
    call.note(told.resource.url)
    return answer(
        Accepted, Accepted(told, told.resource, tuple(warnings)), 202, location=f"/v1/operations/{operation.id}"
    )


def begun(operations: Iterable[Operation]) -> Response:
    """Answer that several operations do it: all of them, in the order in which they were recorded."""
    return answer(Listing[wire.Operation], Listing(tuple(map(show.operation, operations))), 202)


def nothing() -> Response:
    """Answer that it is done."""
    return Response(status_code=204)


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
