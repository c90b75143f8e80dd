"""Pools: the list, one with its volumes, making one, and how much more than there is may be promised."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import RedirectResponse, Response

from zcloud.domain.driver import Option, OptionType
from zcloud.domain.errors import ZcloudError
from zcloud.services.context import Window
from zcloud.services.operations import OperationQuery
from zcloud.services.pools import PoolSpec
from zcloud.web.fields import Fields
from zcloud.web.guard import Visit, change, page

PER_PAGE = 50
_FIRST = "directory"
_NEW = {"name": "", "host": "", "overcommit": "2", "is_default": ""}


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
        grows=visit.parts.pools.kinds()[pool.driver].grows,
        hosts=_hosts(visit),
        joins=visit.parts.pools.joins(visit.actor).get(pool.id, []),
        volumes=visit.parts.devices.volumes.page(visit.actor, "", pool.id, window),
        operations=operations.items,
    )


def _hosts(visit: Visit) -> dict[str, str]:
    return {each.id: each.name for each in visit.parts.hosts.all(visit.actor)}


def _choices(visit: Visit) -> list[tuple[str, str]]:
    return [(name, name) for name in _hosts(visit).values()]


def ask_for_pool(visit: Visit) -> Response:
    """Ask what pool is to be made; each kind has a form of its own."""
    return visit.show("pool_new.html", error=None, hosts=_choices(visit), **_kind(visit, {}))


def _kind(visit: Visit, given: dict[str, str]) -> dict[str, Any]:
    """Give the kind that is asked for with its options, and what is filled in; a secret is never given back."""
    kinds = visit.parts.pools.kinds()
    kind = visit.field("kind") if visit.field("kind") in kinds else _FIRST
    options = kinds[kind].options
    filled = {each.name: _text(each.default) for each in options} | given
    shown = {name: "" if _is_secret(options, name) else value for name, value in filled.items()}
    chosen = visit.form.get("hosts", ())
    return {"kinds": kinds, "kind": kind, "given": {**_NEW, **shown}, "chosen": chosen}


def _is_secret(options: Iterable[Option], name: str) -> bool:
    return any(each.name == name and each.type is OptionType.SECRET for each in options)


def _text(default: Any) -> str:
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def add_pool(visit: Visit) -> Response:
    """Make a pool on a host, or on all of those that share it."""
    asked = _kind(visit, visit.given)
    kind = asked["kinds"][asked["kind"]]
    try:
        spec = PoolSpec(
            name=visit.line("name"),
            driver=asked["kind"],
            host="" if kind.shared else visit.line("host", 80),
            hosts=tuple(visit.form.get("hosts", ())) if kind.shared else (),
            options={each.name: text for each in kind.options if (text := visit.line(each.name, 2000))},
            overcommit=visit.ratio("overcommit", 2.0),
            is_default=bool(visit.field("is_default")),
        )
        pool, _ = visit.parts.pools.create(visit.actor, spec)
    except ZcloudError as error:
        return visit.ask_again("pool_new.html", error, hosts=_choices(visit), **asked)
    return RedirectResponse(f"/pools/{pool.id}", 303)


def change_pool(visit: Visit) -> Response:
    """Change how much more than there is may be promised."""
    wanted = visit.ratio("overcommit", 2.0)
    visit.parts.pools.change(visit.actor, _ref(visit), visit.number("revision"), overcommit=wanted)
    return RedirectResponse(f"/pools/{_ref(visit)}", 303)


def drain_pool(visit: Visit) -> Response:
    """Let it take no new volumes, or let it again."""
    visit.parts.pools.change(visit.actor, _ref(visit), None, draining=bool(visit.field("on")))
    return RedirectResponse(f"/pools/{_ref(visit)}", 303)


def refresh_pool(visit: Visit) -> Response:
    """Look at a pool now; its page shows how it goes."""
    visit.parts.pools.refresh(visit.actor, _ref(visit))
    return RedirectResponse(f"/pools/{_ref(visit)}", 303)


def grow_pool(visit: Visit) -> Response:
    """Make the pool itself larger; its page shows how it goes."""
    visit.parts.pools.grow(visit.actor, _ref(visit), Fields(visit.form).size("size"))
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
    change("/pools/{ref}/drain", "PATCH /v1/pools/{ref}", drain_pool),
    change("/pools/{ref}/refresh", "POST /v1/pools/{ref}/refresh", refresh_pool),
    change("/pools/{ref}/grow", "POST /v1/pools/{ref}/grow", grow_pool),
    change("/pools/{ref}/delete", "DELETE /v1/pools/{ref}", delete_pool),
)
