"""Disks moved to another pool: the page says what will happen before it does, and how to ask for it otherwise."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.responses import RedirectResponse, Response

from zcloud.api.problems import STATUS
from zcloud.domain.errors import Refused
from zcloud.domain.instance import RUNS
from zcloud.domain.operation import Operation
from zcloud.domain.storage import Volume
from zcloud.web.fields import Fields
from zcloud.web.guard import Visit, change, page, rehearse
from zcloud.web.wish import Same, as_json


@dataclass(frozen=True, slots=True)
class Moved:
    """What is moved: a volume, or an instance with all its disks. ``owner`` has them, and perhaps runs."""

    kind: str
    id: str
    name: str
    volumes: tuple[Volume, ...]
    owner: str
    runs: bool
    host_id: str | None

    @property
    def path(self) -> str:
        """Give the path of its page, which is that of the API, too."""
        return f"/{self.kind}s/{self.id}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the page says beside its form."""

    pool: str = ""
    same: Same | None = None
    operation: Operation | None = None
    error: Refused | None = None


Find = Callable[[Visit], Moved]


def find_instance(visit: Visit) -> Moved:
    """Give an instance with all its disks."""
    view = visit.parts.instances.show(visit.actor, "", visit.request.path_params["ref"])
    it = view.instance
    return Moved("instance", it.id, it.name, tuple(view.volumes), it.name, it.status in RUNS, it.host_id)


def find_volume(visit: Visit) -> Moved:
    """Give a volume, whether an instance has it or not."""
    it = visit.parts.devices.volumes.show(visit.actor, "", visit.request.path_params["ref"])
    if not it.instance_id:
        return Moved("volume", it.id, it.name, (it,), "", runs=False, host_id=None)
    owner = visit.parts.instances.show(visit.actor, "", it.instance_id).instance
    return Moved("volume", it.id, it.name, (it,), owner.name, owner.status in RUNS, owner.host_id)


def show_form(find: Find, visit: Visit) -> Response:
    """Ask which pool it is to lie in."""
    return _form(visit, find(visit), Plan())


def plan(find: Find, visit: Visit) -> Response:
    """Say what would come of it; nothing is changed."""
    it, pool, moving = find(visit), Fields(visit.form).line("pool"), visit.parts.devices.moving
    explain = moving.explain_volume if it.kind == "volume" else moving.explain_instance
    found = Plan()
    if pool:
        try:
            found = Plan(pool, same_move(it, pool), explain(visit.actor, it.id, pool))
        except Refused as error:
            found = Plan(pool, same_move(it, pool), None, error)
    return visit.show("move_plan.html", it=it, plan=found)


def move(find: Find, visit: Visit) -> Response:
    """Move it, and go where the steps are shown; what is refused comes back with the form."""
    it, pool, moving = find(visit), Fields(visit.form).line("pool"), visit.parts.devices.moving
    visit.note(f"{it.kind} {it.name}")
    begin = moving.move_volume if it.kind == "volume" else moving.move_instance
    try:
        operation = begin(visit.actor, "", it.id, pool)
    except Refused as error:
        response = _form(visit, it, Plan(pool, error=error))
        response.headers["X-Zcloud-Error"] = error.code
        return response
    return RedirectResponse(f"/operations/{operation.id}", 303)


def same_move(it: Moved, pool: str) -> Same:
    """Give the command and the call that ask for the same."""
    return Same(f"zcloud {it.kind} move {shlex.quote(it.name)} --pool {shlex.quote(pool)}", as_json({"pool": pool}))


def _form(visit: Visit, it: Moved, plan: Plan) -> Response:
    return visit.show(
        "move.html", STATUS[plan.error.kind] if plan.error else 200, it=it, plan=plan, pools=_pools(visit, it)
    )


def _pools(visit: Visit, it: Moved) -> list[str]:
    """Give the pools that it can go to; they are told to who looks at everything, others write a name."""
    if not visit.actor.role:
        return []
    pools = {pool.id: pool for pool, _ in visit.parts.pools.all(visit.actor)}
    hosts = {it.host_id, *(pools[each.pool_id].host_id for each in it.volumes)} - {None}
    here = {each.pool_id for each in it.volumes}
    return sorted(
        each.name
        for each in pools.values()
        if each.takes and here != {each.id}
        and all(each.belongs_to(host_id) for host_id in hosts if host_id)
    )  # fmt: skip


ROUTES = tuple(
    route
    for kind, find in (("volumes", find_volume), ("instances", find_instance))
    for path, like in [(f"/{kind}/{{ref}}/move", f"POST /v1/{kind}/{{ref}}/move")]
    for route in (
        page(path, like, partial(show_form, find)),
        rehearse(f"{path}/plan", like, partial(plan, find)),
        change(path, like, partial(move, find)),
    )
)
