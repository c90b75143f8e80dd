"""An instance's snapshots: the tree, taking one, going back to one, deleting one; what is lost is said before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from starlette.responses import RedirectResponse, Response

from zcloud.api.problems import STATUS
from zcloud.domain.errors import NotFound, Refused
from zcloud.domain.instance import RUNS
from zcloud.domain.operation import Operation
from zcloud.domain.snapshot import Snapshot
from zcloud.services.context import Window
from zcloud.services.instances import InstanceView
from zcloud.services.operations import OperationQuery
from zcloud.web.fields import Fields
from zcloud.web.guard import Visit, change, page

Do = Callable[[Visit, InstanceView], Operation]


def show_snapshots(visit: Visit) -> Response:
    """Show the tree, and what is done with it now."""
    return _show(visit, _found(visit))


def _show(visit: Visit, view: InstanceView, error: Refused | None = None) -> Response:
    tree = visit.parts.owner.snapshots.all(visit.actor, "", view.instance.id)
    operations = visit.parts.operations.page(visit.actor, OperationQuery(resource_id=view.instance.id), Window(limit=6))
    schedules = [each for each in visit.parts.owner.schedules.all(visit.actor, "") if each.covers(view.instance)]
    levels = branch_levels([snapshot for _, snapshot, _ in tree])
    response = visit.show(
        "instance_snapshots.html", STATUS[error.kind] if error else 200, view=view, address=view.address, error=error,
        rows=[(level, each, here) for level, (_, each, here) in zip(levels, tree, strict=True)],
        operations=operations.items, schedules=schedules, name=visit.field("name") if error else "",
        memory=bool(error and visit.field("memory")),
    )  # fmt: skip
    if error:
        response.headers["X-Zcloud-Error"] = error.code
    return response


def branch_levels(ordered: Sequence[Snapshot]) -> list[int]:
    """Give how far each is indented: only what branches off is, so that a long line stays one. Parents come first."""
    children = Counter(each.parent_id for each in ordered)
    seen, levels = Counter[str | None](), dict[str, int]()
    for each in ordered:
        seen[each.parent_id] += 1
        is_last = seen[each.parent_id] == children[each.parent_id]
        levels[each.id] = levels.get(each.parent_id or "", 0) + (not is_last)
    return [levels[each.id] for each in ordered]


def _ask(what: str, visit: Visit) -> Response:
    """Say what would be lost, and ask."""
    view, name = _found(visit), visit.request.path_params["snapshot"]
    tree = visit.parts.owner.snapshots.all(visit.actor, "", view.instance.id)
    snapshot = next((each for _, each, _ in tree if name in (each.id, each.name)), None)
    if snapshot is None:
        raise NotFound(f"The instance {view.instance.name} has no snapshot {name[:80]!r}.")
    had = [each for each in view.volumes if each.id in snapshot.disks]
    later = [each for each in view.volumes if each.id not in snapshot.disks]
    return visit.show(
        "snapshot_ask.html", what=what, view=view, it=snapshot, had=had, later=later,
        runs=view.instance.status in RUNS,
    )  # fmt: skip


def _does(work: Do, visit: Visit) -> Response:
    view = _found(visit)
    visit.note(f"instance {view.instance.name}")
    try:
        work(visit, view)
    except Refused as error:
        return _show(visit, view, error)
    return RedirectResponse(f"/instances/{view.instance.id}/snapshots", 303)


def _take(visit: Visit, view: InstanceView) -> Operation:
    fields = Fields(visit.form)
    create = visit.parts.owner.snapshots.create
    return create(visit.actor, "", view.instance.id, fields.line("name"), memory=fields.on("memory"))[1]


def _revert(visit: Visit, view: InstanceView) -> Operation:
    revert, snapshot = visit.parts.owner.snapshots.revert, visit.request.path_params["snapshot"]
    return revert(visit.actor, "", view.instance.id, snapshot, disks_only=Fields(visit.form).on("disks_only"))


def _delete(visit: Visit, view: InstanceView) -> Operation:
    return visit.parts.owner.snapshots.delete(visit.actor, "", view.instance.id, visit.request.path_params["snapshot"])


def _found(visit: Visit) -> InstanceView:
    return visit.parts.instances.show(visit.actor, "", visit.request.path_params["ref"])


_ALL, _API = "/instances/{ref}/snapshots", "/v1/instances/{ref}/snapshots"
_ONE = f"{_ALL}/{{snapshot}}"
ROUTES = (
    page(_ALL, f"GET {_API}", show_snapshots),
    change(_ALL, f"POST {_API}", partial(_does, _take)),
    page(f"{_ONE}/revert", f"POST {_API}/{{snapshot}}/revert", partial(_ask, "revert")),
    change(f"{_ONE}/revert", f"POST {_API}/{{snapshot}}/revert", partial(_does, _revert)),
    page(f"{_ONE}/delete", f"DELETE {_API}/{{snapshot}}", partial(_ask, "delete")),
    change(f"{_ONE}/delete", f"DELETE {_API}/{{snapshot}}", partial(_does, _delete)),
)
