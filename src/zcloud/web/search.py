"""Search over everything that a person may see: one bounded question a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from zcloud.services.context import Window
from zcloud.services.instances import InstanceQuery
from zcloud.web.guard import Visit, page
from zcloud.web.render import may

MOST, OF_FEW = 6, 20  # of instances; of kinds of which there are few
_LONGEST = 255


class Hit(NamedTuple):
    """A thing that was found: its name, what else is known of it, its page, and its status ("" for none)."""

    name: str
    more: str
    path: str
    status: str = ""


class Group(NamedTuple):
    """What was found of a kind."""

    title: str
    icon: str
    hits: list[Hit]


def search(visit: Visit) -> Response:
    """Show what fits; only that where the field in the head of a page asks."""
    text = " ".join(visit.field("q").split())[:_LONGEST]
    template = "found.html" if "hx-request" in visit.request.headers else "search.html"
    return visit.show(template, q=text, groups=list(find(visit, text)) if text else [])


def find(visit: Visit, text: str) -> Iterator[Group]:
    """Give what fits, by kind; kinds of which nothing does, or which the person may not see, are left out."""
    for title, icon, like, look in _KINDS:
        hits = look(visit, text)[:OF_FEW] if may(visit.actor, like) else []
        if hits:
            yield Group(title, icon, hits)


def _instances(visit: Visit, text: str) -> list[Hit]:
    found = visit.parts.instances.page(visit.actor, InstanceQuery(search=text), Window("name", limit=MOST + 1))
    hits = [
        Hit(each.instance.name, each.names.host, f"/instances/{each.instance.id}", each.instance.shown)
        for each in found.items
    ]
    more = Hit("", "…", "/instances?" + urlencode({"q": text}))
    return [*hits[:MOST], more] if len(hits) > MOST else hits


def _hosts(visit: Visit, text: str) -> list[Hit]:
    found = visit.parts.hosts.all(visit.actor)
    return [Hit(it.name, it.address, f"/hosts/{it.id}", it.state) for it in found if _fits(text, it.name, it.address)]


def _pools(visit: Visit, text: str) -> list[Hit]:
    found = visit.parts.pools.all(visit.actor)
    return [Hit(it.name, it.driver, f"/pools/{it.id}", it.state) for it, _ in found if _fits(text, it.name)]


def _images(visit: Visit, text: str) -> list[Hit]:
    found = visit.parts.images.all(visit.actor)
    return [Hit(it.name, it.os_id, f"/images/{it.id}", it.state) for it in found if _fits(text, it.name, it.os_id)]


def _networks(visit: Visit, text: str) -> list[Hit]:
    found = visit.parts.networks.all(visit.actor)
    wanted = ((it, it.cidr or "") for it in found)
    return [Hit(it.name, cidr, f"/networks/{it.id}", it.state) for it, cidr in wanted if _fits(text, it.name, cidr)]


def _projects(visit: Visit, text: str) -> list[Hit]:
    found = visit.parts.people.projects(visit.actor)
    return [Hit(it.name, it.description, f"/projects/{it.id}") for it in found if _fits(text, it.name, it.description)]


def _users(visit: Visit, text: str) -> list[Hit]:
    found = visit.parts.people.users(visit.actor)
    return [Hit(it.name, it.role or "", f"/users/{it.id}") for it in found if _fits(text, it.name)]


def _fits(text: str, *values: str | None) -> bool:
    return any(text.lower() in (each or "").lower() for each in values)


_KINDS: tuple[tuple[str, str, str, Callable[[Visit, str], list[Hit]]], ...] = (
    ("Instances", "monitor", "GET /v1/instances", _instances),
    ("Hosts", "server", "GET /v1/hosts", _hosts),
    ("Pools", "database", "GET /v1/pools", _pools),
    ("Images", "disc-3", "GET /v1/images", _images),
    ("Networks", "network", "GET /v1/networks", _networks),
    ("Projects", "layers", "GET /v1/projects", _projects),
    ("Users", "users", "GET /v1/users", _users),
)

ROUTES = (page("/search", "GET /v1/instances", search),)
