"""What browsers report that the policy of our pages has refused: an attack, or a mistake of ours."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/csp-report"
_LARGEST, _A_MINUTE = 8 << 10, 20  # anybody may send one
_SHOWN = ("effective-directive", "blocked-uri", "document-uri", "source-file", "line-number")
_log = logging.getLogger(__name__)


class Budget:
    """So many a minute, and no more."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute, self._minute, self._spent = a_minute, 0, 0

    def spend(self, now_s: float) -> bool:
        """Take one and say whether it was left."""
        minute = int(now_s // 60)
        if minute != self._minute:
            self._minute, self._spent = minute, 0
        self._spent += 1
        return self._spent <= self._a_minute


_budget = Budget(_A_MINUTE)


async def take(request: Request) -> Response:
    """Log a report of at most 8 KiB; what comes too often is dropped."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            return Response(status_code=413)
    told = parse_report(body)
    if told and _budget.spend(time.monotonic()):
        _log.warning("a page was refused something by its policy: %s", told)
    return Response(status_code=204)


def parse_report(body: bytes) -> str:
    """Give what a report says in one safe line; "" where it is none."""
    try:
        report: Any = json.loads(body)["csp-report"]
        shown = {name: str(report[name])[:200] for name in _SHOWN if name in report}
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return json.dumps(shown) if shown else ""


ROUTES = (Route(PATH, take, methods=["POST"]),)
