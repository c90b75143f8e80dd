"""The drawer of notices: what the person asked for and has ended, and what is in trouble; and which of it is new."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from zcloud.base.clock import SystemClock
from zcloud.domain.operation import ENDED
from zcloud.services.context import Window
from zcloud.services.instances import InstanceQuery
from zcloud.services.operations import OperationQuery
from zcloud.web.guard import Visit, change, page
from zcloud.web.instances import VIEWS
from zcloud.web.session import keep

SEEN = "zcloud-seen"
MOST = 12
_YEAR_S = 365 * 86400


def show(visit: Visit) -> Response:
    """Show what ended and what is in trouble, the newest first."""
    mine = OperationQuery(status=tuple(ENDED), actor=visit.actor.user_name)
    ended = visit.parts.operations.page(visit.actor, mine, Window(limit=MOST)).items
    ill = visit.parts.instances.page(visit.actor, InstanceQuery(status=VIEWS["problems"]), Window(limit=MOST)).items
    seen = _seen(visit.request.cookies.get(SEEN, ""))
    new = sum(1 for each in ended if each.ended_at and (seen is None or each.ended_at > seen))
    return visit.show("notices.html", ended=ended, ill=ill, new=new, seen=seen)


def mark_seen(visit: Visit) -> Response:
    """Remember until when this browser's person has looked."""
    response = Response(status_code=204)
    keep(response, visit.request, SEEN, SystemClock().now().isoformat(), _YEAR_S)
    return response


def _seen(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


ROUTES = (
    page("/notices", "GET /v1/operations", show),
    change("/notices/seen", "POST /v1/login", mark_seen),
)
