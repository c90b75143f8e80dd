"""All pages of the console, as routes that are served beside the API's."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from zcloud.web import (
    account,
    assets,
    cloning,
    infrastructure,
    instance_change,
    instances,
    launch,
    log,
    moving,
    notices,
    operations,
    overview,
    people,
    reports,
    schedules,
    search,
    session,
    settings,
    snapshots,
    views,
)


class _FrontDoor(Route):
    """The server's root for who asks for HTML; others get what the API says there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match browsers only."""
        accepted = next((value for name, value in scope.get("headers", ()) if name == b"accept"), b"")
        return super().matches(scope) if b"text/html" in accepted else (Match.NONE, {})


async def _enter(request: Request) -> RedirectResponse:
    del request
    return RedirectResponse("/overview", 303)


PAGES = (
    _FrontDoor("/", _enter, methods=["GET"]),
    *session.ROUTES,
    *account.ROUTES,
    *people.ROUTES,
    *settings.ROUTES,
    *overview.ROUTES,
    *views.ROUTES,
    *search.ROUTES,
    *notices.ROUTES,
    *reports.ROUTES,
    *instances.ROUTES,
    *instance_change.ROUTES,
    *snapshots.ROUTES,
    *schedules.ROUTES,
    *cloning.ROUTES,
    *moving.ROUTES,
    *launch.ROUTES,
    *operations.ROUTES,
    *log.ROUTES,
    *infrastructure.ROUTES,
    *assets.ROUTES,
)
