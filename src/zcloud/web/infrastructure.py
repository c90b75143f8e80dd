"""Pools, and networks, as lists."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.web import hosts, images
from zcloud.web.guard import Visit, page


def list_pools(visit: Visit) -> Response:
    """List the pools, each with the bytes that are promised to volumes."""
    return visit.show("pools.html", rows=visit.parts.pools.all(visit.actor))


def list_networks(visit: Visit) -> Response:
    """List the networks that the person may use."""
    return visit.show("networks.html", rows=visit.parts.networks.all(visit.actor))


ROUTES = (
    *hosts.ROUTES,
    *images.ROUTES,
    page("/pools", "GET /v1/pools", list_pools),
    page("/networks", "GET /v1/networks", list_networks),
)
