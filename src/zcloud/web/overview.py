"""The first page: what there is, what is used, what runs now, and what is the matter."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.services.overview import Problem
from zcloud.web.guard import Visit, page

_PAGES = {"instance": "/instances/{}", "operation": "/operations/{}", "host": "/hosts/{}", "pool": "/pools/{}"}


def show_overview(visit: Visit) -> Response:
    """Show the whole cloud, as much of it as the person may see."""
    return visit.show("overview.html", it=visit.parts.whole.overview.read(visit.actor), path_of=path_of)


def path_of(problem: Problem) -> str:
    """Give the page of what a problem is about."""
    return _PAGES[problem.kind].format(problem.id)


ROUTES = (page("/overview", "GET /v1/instances", show_overview),)
