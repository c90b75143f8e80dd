"""Operations, events and the audit log."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from zcloud.api import show
from zcloud.api.answers import accepted, answer, paged
from zcloud.api.params import IdPath, Limit, LineQuery, Part, RefQuery, routes
from zcloud.api.parts import Calling
from zcloud.api.streams import first_seq, show_event, stream_events, wait_for_end
from zcloud.domain.operation import OperationStatus
from zcloud.services.events import EventQuery
from zcloud.services.operations import OperationQuery
from zcloud.wire.audit import AuditEntry
from zcloud.wire.base import Listing
from zcloud.wire.events import Event
from zcloud.wire.operations import Accepted, Operation

router = routes("operations")

MAX_WAIT_S = 60
Statuses = Annotated[tuple[OperationStatus, ...], Query(max_length=8, description="Only in these states.")]
Seq = Annotated[int, Query(ge=0, le=1 << 53)]
Kinds = Annotated[tuple[LineQuery, ...], Query(max_length=32, description="Only these; instance. means all of them.")]


@router.get("/operations", response_model=Listing[Operation])
def list_operations(
    call: Calling,
    part: Part,
    status: Statuses = (),
    kind: RefQuery = "",
    resource: RefQuery = "",
    actor: RefQuery = "",
) -> Response:
    """List the operations that the caller may see, newest first."""
    query = OperationQuery(status=status, resource_kind=kind, resource_id=resource, actor=actor)
    return paged(Operation, call.parts.operations.page(call.actor, query, part), show.operation)


@router.get("/operations/{id}", response_model=Operation)
async def show_operation(
    call: Calling,
    id: IdPath,
    wait: Annotated[int, Query(ge=0, le=MAX_WAIT_S, description="Wait so many seconds for its end.")] = 0,
) -> Response:
    """Show an operation with its steps, at once or at its end."""
    return answer(Operation, show.operation(await wait_for_end(call, id, wait)))


@router.post("/operations/{id}/cancel", status_code=202, response_model=Accepted)
def cancel_operation(call: Calling, id: IdPath) -> Response:
    """Ask an operation to stop at its next step and to undo what it did."""
    return accepted(call, call.parts.operations.cancel(call.actor, id))


@router.post("/operations/{id}/retry", status_code=202, response_model=Accepted)
def retry_operation(call: Calling, id: IdPath) -> Response:
    """Wake an operation that waits for its host."""
    return accepted(call, call.parts.operations.retry(call.actor, id))


@router.get(
    "/events",
    response_model=Listing[Event],
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def list_events(
    call: Calling,
    after: Seq | None = None,
    limit: Limit = 100,
    kind: Kinds = (),
    resource: RefQuery = "",
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """List events after a number or, with ``Accept: text/event-stream``, follow them from ``Last-Event-ID`` on."""
    query = EventQuery(kind, resource)
    if "text/event-stream" in accept:
        stream = stream_events(call, query, *await first_seq(call, after))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
    page = await run_in_threadpool(call.parts.events.page, call.actor, after or 0, query, limit)
    return paged(Event, page, show_event)


@router.get("/audit", response_model=Listing[AuditEntry])
def list_audit(call: Calling, cursor: Seq | None = None, limit: Limit = 100, actor: RefQuery = "") -> Response:
    """List who asked for what, newest first."""
    page = call.parts.audit.page(call.actor, before=cursor, limit=limit, user=actor)
    return paged(AuditEntry, page, lambda each: AuditEntry(**dataclasses.asdict(each)))
