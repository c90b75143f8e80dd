"""How a person likes to see the list of instances: columns and saved filters, kept by the browser; and loads."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from zcloud.domain.errors import InvalidInput
from zcloud.domain.samples import Rates
from zcloud.web.guard import Visit, change, page
from zcloud.web.session import keep

COLUMNS = {
    "tags": "Tags", "address": "Address", "host": "Host", "project": "Project", "image": "Image", "vcpus": "vCPU",
    "memory": "GiB", "cpu": "CPU load", "used": "Memory used", "age": "Age",
}  # fmt: skip
PLAIN = ("tags", "address", "host", "vcpus", "memory", "cpu", "used", "age")
COLUMNS_COOKIE, FILTERS_COOKIE = "zcloud-columns", "zcloud-filters"
MAX_FILTERS, MAX_IDS = 8, 200
_YEAR_S, _MAX_COOKIE, _POINTS = 365 * 86400, 3000, 24


class Filter(NamedTuple):
    """A filter that was saved under a name."""

    name: str
    q: str


def columns(request: Request) -> tuple[str, ...]:
    """Give the columns that the person chose, in the order of the table."""
    kept = request.cookies.get(COLUMNS_COOKIE, "")
    return tuple(name for name in COLUMNS if name in kept.split(".")) if kept else PLAIN


def filters(request: Request) -> list[Filter]:
    """Give the filters that the person saved; what is no such list is none."""
    try:
        kept = json.loads(unquote(request.cookies.get(FILTERS_COOKIE, "[]")))
        return [Filter(str(name)[:40], str(q)[:255]) for name, q in kept][:MAX_FILTERS]
    except (ValueError, TypeError):
        return []


def choose_columns(visit: Visit) -> Response:
    """Keep which columns are shown; none at all are the usual ones."""
    wanted = [name for name in COLUMNS if name in visit.form.get("column", ())]
    response = _back(visit.field("q"))
    keep(response, visit.request, COLUMNS_COOKIE, "" if visit.field("plain") else ".".join(wanted), _YEAR_S)
    return response


def save_filter(visit: Visit) -> Response:
    """Keep the filter under a name, or forget the one of that name; raises InvalidInput."""
    name, q = visit.line("name", 40), visit.line("q")
    kept = [each for each in filters(visit.request) if each.name != name]
    if not visit.field("forget"):
        if not name or not q:
            raise InvalidInput("A filter has a name and says something.", field="name")
        kept.append(Filter(name, q))
    text = quote(json.dumps(kept, ensure_ascii=False))
    if len(kept) > MAX_FILTERS or len(text) > _MAX_COOKIE:
        raise InvalidInput(f"At most {MAX_FILTERS} short filters are kept.", hint="Forget one first.", field="name")
    response = _back("" if visit.field("forget") else q)
    keep(response, visit.request, FILTERS_COOKIE, text, _YEAR_S)
    return response


def show_loads(visit: Visit) -> Response:
    """Give the lines of CPU (percent) and memory (share of what it was given, percent) of some instances by id."""
    ids = visit.request.query_params.getlist("id")[:MAX_IDS]
    found = visit.parts.instances.loads(visit.actor, ids)
    return JSONResponse({id: _lines(rates) for id, rates in found.items() if rates})


def _lines(rates: list[Rates]) -> dict[str, list[int]]:
    thinned = rates[-_POINTS:]
    used = [round(100 * each.resident / each.memory) if each.memory else 0 for each in thinned]
    return {"cpu": [round(each.cpu) for each in thinned], "used": used}


def _back(q: str) -> Response:
    return RedirectResponse("/instances" + (f"?{urlencode({'q': q})}" if q else ""), 303)


ROUTES = (
    page("/instances/loads", "GET /v1/instances", show_loads),
    change("/instances/columns", "GET /v1/instances", choose_columns),
    change("/instances/filters", "GET /v1/instances", save_filter),
)
