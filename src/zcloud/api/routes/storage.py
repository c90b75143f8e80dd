"""Pools."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, listing, one
from zcloud.api.params import RefPath, routes
from zcloud.api.parts import Calling
from zcloud.services.pools import PoolSpec
from zcloud.wire.base import Listing
from zcloud.wire.operations import Accepted
from zcloud.wire.pools import Pool, PoolChange, PoolCreate, PoolGrow

router = routes("storage")


@router.get("/pools", response_model=Listing[Pool])
def list_pools(call: Calling) -> Response:
    """List all pools."""
    joins = call.parts.pools.joins(call.actor)
    return listing(Pool, call.parts.pools.all(call.actor), lambda each: show.pool(*each, joins.get(each[0].id, ())))


@router.post("/pools", status_code=202, response_model=Accepted)
def create_pool(call: Calling, body: PoolCreate) -> Response:
    """Make a pool on a host, or one that hosts share."""
    wanted = body.model_dump() | {"hosts": tuple(body.hosts)}
    return accepted(call, call.parts.pools.create(call.actor, PoolSpec(**wanted))[1])


@router.get("/pools/{ref}", response_model=Pool)
def show_pool(call: Calling, ref: RefPath) -> Response:
    """Show a pool."""
    return _one(call, ref)


@router.patch("/pools/{ref}", response_model=Pool)
def change_pool(call: Calling, ref: RefPath, body: PoolChange) -> Response:
    """Change a pool's overcommit, or whether it takes new volumes."""
    changes = body.model_dump(exclude_none=True)
    return _one(call, call.parts.pools.change(call.actor, ref, call.revision, **changes).id)


@router.post("/pools/{ref}/refresh", status_code=202, response_model=Accepted)
def refresh_pool(call: Calling, ref: RefPath) -> Response:
    """Look at a pool now: join it where it is not, and measure it."""
    return accepted(call, call.parts.pools.refresh(call.actor, ref))


@router.post("/pools/{ref}/grow", status_code=202, response_model=Accepted)
def grow_pool(call: Calling, ref: RefPath, body: PoolGrow) -> Response:
    """Make the pool itself larger, of what is free where it lies."""
    return accepted(call, call.parts.pools.grow(call.actor, ref, body.size))


@router.delete("/pools/{ref}", status_code=202, response_model=Accepted)
def delete_pool(call: Calling, ref: RefPath) -> Response:
    """Remove a pool that has no volumes."""
    return accepted(call, call.parts.pools.delete(call.actor, ref, call.revision))


def _one(call: Calling, ref: str) -> Response:
    pool, promised = call.parts.pools.show(call.actor, ref)
    return one(Pool, show.pool(pool, promised, call.parts.pools.joins(call.actor).get(pool.id, ())))
