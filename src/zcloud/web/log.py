"""What happened, and who asked for what: events and the audit log, the newest first."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from zcloud.domain.events import EVENT_KINDS
from zcloud.services.events import EventQuery
from zcloud.web.guard import Visit, page

PER_PAGE = 50
AREAS = tuple(sorted({kind.partition(".")[0] for kind in EVENT_KINDS}))


def list_events(visit: Visit) -> Response:
    """List events, the newest first: all, those of an area such as ``host``, or of one thing."""
    area, about = visit.line("area", 40), visit.line("about", 80)
    query = EventQuery((f"{area}.",) if area else (), about)
    found = visit.parts.events.newest(visit.actor, query, before=visit.number("cursor"), limit=PER_PAGE)
    return visit.show(
        "events.html", rows=found.items, areas=AREAS, area=area, about=about,
        older=_older(found.next_cursor, area=area, about=about),
    )  # fmt: skip


def list_audit(visit: Visit) -> Response:
    """List who asked for what, the newest first."""
    who = visit.line("who", 80)
    before = visit.number("cursor") or None
    found = visit.parts.audit.page(visit.actor, before=before, limit=PER_PAGE, user=who)
    return visit.show("audit.html", rows=found.items, who=who, older=_older(found.next_cursor, who=who))


def _older(cursor: str | None, **given: str) -> str:
    """Give the address of the next page, empty where there is none."""
    return "?" + urlencode({**given, "cursor": cursor}) if cursor else ""


ROUTES = (page("/events", "GET /v1/events", list_events), page("/audit", "GET /v1/audit", list_audit))
