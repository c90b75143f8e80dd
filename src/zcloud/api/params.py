"""Parameters that many routes take, bounded as the bodies are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from zcloud.api.guard import GuardedRoute
from zcloud.services.context import Window
from zcloud.wire.base import LINE_PATTERN, REF_PATTERN

RefPath = Annotated[str, Path(min_length=1, max_length=80, pattern=REF_PATTERN, description="A name or an id.")]
IdPath = Annotated[str, Path(min_length=1, max_length=80, pattern=REF_PATTERN, description="An id.")]
_OPTIONAL_REF = r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$"
RefQuery = Annotated[str, Query(max_length=80, pattern=_OPTIONAL_REF, description="A name or an id; empty: any.")]
Project = Annotated[
    str,
    Query(max_length=80, pattern=_OPTIONAL_REF, description="The project's name or id, where a thing is named."),
]
LineQuery = Annotated[str, Query(max_length=255, pattern=LINE_PATTERN)]
Offset = Annotated[int, Query(ge=0, le=1 << 60, description="Bytes that are there already.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Cursor = Annotated[str | None, Query(max_length=1000, description="next_cursor of the part before.")]
Sort = Annotated[str, Query(max_length=40, pattern=r"^-?[a-z_]*$", description="A field; with - before it backwards.")]
Count = Annotated[bool, Query(description="Count all, too.")]


async def _window(sort: Sort = "", cursor: Cursor = None, limit: Limit = 50, count: Count = False) -> Window:
    return Window(sort, cursor, limit, count)


Part = Annotated[Window, Depends(_window)]


def routes(tag: str, prefix: str = "/v1") -> APIRouter:
    """Give a router for a group of nouns; every route of it is guarded."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=GuardedRoute,
        generate_unique_id_function=lambda route: route.name,
    )
