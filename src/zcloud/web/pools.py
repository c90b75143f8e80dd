"""Pools: the list, one with its volumes, making one, and how much more than there is may be promised."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from zcloud.domain.errors import ZcloudError
from zcloud.services.context import Window
from zcloud.services.operations import OperationQuery
from zcloud.services.pools import PoolSpec
from zcloud.web.guard import Visit, change, page

PER_PAGE = 50
_OPTIONS = ("path", "format", "preallocation")
_NEW = {"name": "", "host": "", "path": "", "format": "qcow2", "preallocation": "off", "overcommit": "2",
        "is_default": ""}  # fmt: skip


def list_pools(visit: Visit) -> Response:
    """List the pools, each with the bytes that are promised to volumes."""
    return visit.show("pools.html", rows=visit.parts.pools.all(visit.actor), hosts=_hosts(visit))


def show_pool(visit: Visit) -> Response:
    """Show a pool with a page of its volumes."""
    pool, promised = visit.parts.pools.show(visit.actor, _ref(visit))
    window = Window("name", visit.field("cursor") or None, PER_PAGE, count=True)
    operations = visit.parts.operations.page(visit.actor, OperationQuery(resource_id=pool.id), Window(limit=6))
    return visit.show(
        "pool.html",
        it=pool,
        promised=promised,
        hosts=_hosts(visit),
        volumes=visit.parts.devices.volumes.page(visit.actor, "", pool.id, window),
        operations=operations.items,
    )


def _hosts(visit: Visit) -> dict[str, str]:
    return {each.id: each.name for each in visit.parts.hosts.all(visit.actor)}


def _choices(visit: Visit) -> list[tuple[str, str]]:
    return [(name, name) for name in _hosts(visit).values()]


def ask_for_pool(visit: Visit) -> Response:
    """Ask what pool is to be made."""
    return visit.show("pool_new.html", given=_NEW, error=None, hosts=_choices(visit))


def add_pool(visit: Visit) -> Response:
    """Make a pool on a host."""
    try:
        spec = PoolSpec(
            name=visit.line("name"),
            host=visit.line("host", 80),
            options={name: visit.line(name, 2000) for name in _OPTIONS if visit.line(name, 2000)},
            overcommit=visit.ratio("overcommit", 2.0),
            is_default=bool(visit.field("is_default")),
        )
        pool, _ = visit.parts.pools.create(visit.actor, spec)
    except ZcloudError as error:
        return visit.ask_again("pool_new.html", error, given={**_NEW, **visit.given}, hosts=_choices(visit))
    return RedirectResponse(f"/pools/{pool.id}", 303)


def change_pool(visit: Visit) -> Response:
    """Change how much more than there is may be promised."""
    wanted = visit.ratio("overcommit", 2.0)
    visit.parts.pools.change(visit.actor, _ref(visit), visit.number("revision"), overcommit=wanted)
    return RedirectResponse(f"/pools/{_ref(visit)}", 303)


def delete_pool(visit: Visit) -> Response:
    """Remove a pool that has no volumes."""
    operation = visit.parts.pools.delete(visit.actor, _ref(visit))
    return RedirectResponse(f"/operations/{operation.id}", 303)


def _ref(visit: Visit) -> str:
    return str(visit.request.path_params["ref"])


ROUTES = (
    page("/pools", "GET /v1/pools", list_pools),
    page("/pools/new", "POST /v1/pools", ask_for_pool),
    change("/pools/new", "POST /v1/pools", add_pool),
    page("/pools/{ref}", "GET /v1/pools/{ref}", show_pool),
    change("/pools/{ref}/change", "PATCH /v1/pools/{ref}", change_pool),
    change("/pools/{ref}/delete", "DELETE /v1/pools/{ref}", delete_pool),
)
