"""Volumes of all pools: the list, one of them with what can be done with it, and making one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from zcloud.api.problems import STATUS
from zcloud.domain.attachment import Attachment
from zcloud.domain.errors import Refused, WrongState
from zcloud.domain.storage import Volume
from zcloud.services.context import Window
from zcloud.services.disks import DiskSpec, Parting
from zcloud.services.operations import OperationQuery
from zcloud.services.volumes import Growth, VolumeSpec
from zcloud.web.fields import Fields
from zcloud.web.guard import Visit, change, page
from zcloud.web.projects import writable

PER_PAGE = 50
Do = Callable[[Visit, Volume, Fields], object]


def list_volumes(visit: Visit) -> Response:
    """List volumes a page at a time, of one pool or of all, perhaps only those that no instance has."""
    pool, free, sort = visit.field("pool"), visit.field("free"), visit.field("sort") or "name"
    window = Window(sort, visit.field("cursor") or None, PER_PAGE, count=True)
    found = visit.parts.devices.volumes.page(visit.actor, "", pool, window, free=bool(free))
    readers = visit.parts.devices.volumes.readers(found.items)
    having = {each.instance_id for each in found.items if each.instance_id}
    owners = visit.parts.instances.names(visit.actor, having.union(*readers.values()))

    def link(**more: str) -> str:
        given = {"pool": pool, "free": free, "sort": sort, **more}
        return "?" + urlencode({name: value for name, value in given.items() if value})

    return visit.show(
        "volumes.html", rows=found.items, total=found.total or 0, next_cursor=found.next_cursor, pools=_pools(visit),
        pool=pool, free=free, owners=owners, readers=readers, link=link,
    )  # fmt: skip


def show_volume(visit: Visit) -> Response:
    """Show a volume, and what can be done with it."""
    return _show(visit, _found(visit))


def _show(visit: Visit, volume: Volume, error: Refused | None = None) -> Response:
    operations = visit.parts.operations.page(visit.actor, OperationQuery(resource_id=volume.id), Window(limit=6))
    readers = visit.parts.devices.volumes.readers([volume]).get(volume.id, [])
    held = visit.parts.instances.names(visit.actor, readers or [volume.instance_id or ""])
    response = visit.show(
        "volume.html", STATUS[error.kind] if error else 200, it=volume, error=error,
        owner=held.get(volume.instance_id or ""), readers={each: held.get(each, each) for each in readers},
        pools=_pools(visit), operations=operations.items,
    )  # fmt: skip
    if error:
        response.headers["X-Zcloud-Error"] = error.code
    return response


def ask_for_volume(visit: Visit) -> Response:
    """Ask what volume is to be made."""
    return visit.show("volume_new.html", given={"size": "10"}, error=None, **_choices(visit))


def add_volume(visit: Visit) -> Response:
    """Make a volume that no instance has yet."""
    given = Fields(visit.form)
    try:
        spec = VolumeSpec(given.line("name"), given.size("size"), given.line("pool"))
        volume, _ = visit.parts.devices.volumes.create(visit.actor, given.line("project"), spec)
    except Refused as error:
        return visit.ask_again("volume_new.html", error, given=visit.given, **_choices(visit))
    return RedirectResponse(f"/volumes/{volume.id}", 303)


def _choices(visit: Visit) -> dict[str, Any]:
    return {"pools": sorted(set(_pools(visit).values())), "projects": [each.name for each in writable(visit)]}


def _pools(visit: Visit) -> dict[str, str]:
    """Give the names of pools by id; they are told to who looks at everything."""
    return {pool.id: pool.name for pool, _ in visit.parts.pools.all(visit.actor)} if visit.actor.role else {}


def _does(work: Do, visit: Visit) -> Response:
    """Do it and come back; what is refused is told above the forms. A volume that came of it is gone to."""
    volume = _found(visit)
    visit.note(f"volume {volume.name}")
    try:
        made = work(visit, volume, Fields(visit.form))
    except Refused as error:
        return _show(visit, volume, error)
    return RedirectResponse(f"/volumes/{made.id if isinstance(made, Volume) else volume.id}", 303)


def _rename(visit: Visit, volume: Volume, given: Fields) -> object:
    visit.parts.devices.volumes.rename(visit.actor, "", volume.id, given.line("name"), None)
    return None


def _grow(visit: Visit, volume: Volume, given: Fields) -> object:
    growth = Growth(given.size("size"), given.on("filesystems"))
    return visit.parts.devices.volumes.resize(visit.actor, "", volume.id, growth)


def _clone(visit: Visit, volume: Volume, given: Fields) -> object:
    spec = VolumeSpec(given.line("name"), given.size("size"))
    return visit.parts.devices.volumes.clone(visit.actor, "", volume.id, spec)[0]


def _attach(visit: Visit, volume: Volume, given: Fields) -> object:
    owner = visit.parts.instances.show(visit.actor, volume.project_id, given.line("instance")).instance
    shared = given.on("shared")
    how = Attachment(read_only=shared, shared=shared)
    return visit.parts.devices.disks.attach(visit.actor, "", owner.id, DiskSpec(volume.id, attachment=how))[1]


def _detach(visit: Visit, volume: Volume, given: Fields) -> object:
    instance_id = given.line("reader") or volume.instance_id
    if not instance_id:
        raise WrongState(f"No instance has {volume.name}.")
    how = Parting(force=given.on("force"))
    return visit.parts.devices.disks.detach(visit.actor, "", instance_id, volume.id, how)


def _delete(visit: Visit, volume: Volume, given: Fields) -> object:
    del given
    return visit.parts.devices.volumes.delete(visit.actor, "", volume.id)


def _found(visit: Visit) -> Volume:
    return visit.parts.devices.volumes.show(visit.actor, "", visit.request.path_params["ref"])


_ONE, _API = "/volumes/{ref}", "/v1/volumes/{ref}"
_FORMS: tuple[tuple[str, str, Do], ...] = (
    ("rename", f"PATCH {_API}", _rename),
    ("grow", f"POST {_API}/resize", _grow),
    ("clone", f"POST {_API}/clone", _clone),
    ("attach", "POST /v1/instances/{ref}/disks", _attach),
    ("detach", "DELETE /v1/instances/{ref}/disks/{disk}", _detach),
    ("delete", f"DELETE {_API}", _delete),
)
ROUTES = (
    page("/volumes", "GET /v1/volumes", list_volumes),
    page("/volumes/new", "POST /v1/volumes", ask_for_volume),
    change("/volumes/new", "POST /v1/volumes", add_volume),
    page(_ONE, f"GET {_API}", show_volume),
    *(change(f"{_ONE}/{path}", like, partial(_does, work)) for path, like, work in _FORMS),
)
