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
from zcloud.wire.pools import Pool, PoolChange, PoolCreate

router = routes("storage")


@router.get("/pools", response_model=Listing[Pool])
def list_pools(call: Calling) -> Response:
    """List all pools."""
    return listing(Pool, call.parts.pools.all(call.actor), lambda each: show.pool(*each))


@router.post("/pools", status_code=202, response_model=Accepted)
def create_pool(call: Calling, body: PoolCreate) -> Response:
    """Make a pool on a host."""
    return accepted(call, call.parts.pools.create(call.actor, PoolSpec(**body.model_dump()))[1])


@router.get("/pools/{ref}", response_model=Pool)
def show_pool(call: Calling, ref: RefPath) -> Response:
    """Show a pool."""
    return one(Pool, show.pool(*call.parts.pools.show(call.actor, ref)))


@router.patch("/pools/{ref}", response_model=Pool)
def change_pool(call: Calling, ref: RefPath, body: PoolChange) -> Response:
    """Change a pool's overcommit."""
    changed = call.parts.pools.change(call.actor, ref, body.overcommit, call.revision)
    return one(Pool, show.pool(*call.parts.pools.show(call.actor, changed.id)))


@router.delete("/pools/{ref}", status_code=202, response_model=Accepted)
def delete_pool(call: Calling, ref: RefPath) -> Response:
    """Remove a pool that has no volumes."""
    return accepted(call, call.parts.pools.delete(call.actor, ref, call.revision))
