"""Hosts' own disks: the list, and one made a place for pools once its plan was seen. The host is asked."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response

from zcloud.domain.errors import InvalidInput, ZcloudError
from zcloud.domain.hostdisk import PLACES, FileSystem, Wish
from zcloud.web.guard import Visit, change, page


def list_disks(visit: Visit) -> Response:
    """List a host's disks as they are now."""
    host = visit.parts.hosts.show(visit.actor, _part(visit, "ref"))
    return visit.show("host_disks.html", host=host, rows=visit.parts.devices.host_disks.all(visit.actor, host.id))


def plan_preparation(visit: Visit) -> Response:
    """Ask how a disk is to be prepared, and show what that would do; nothing is changed."""
    host, disk = visit.parts.hosts.show(visit.actor, _part(visit, "ref")), _part(visit, "disk")
    given = {name: visit.field(name) for name in ("mount", "filesystem", "erase")}
    shown: dict[str, Any] = {"host": host, "disk": disk, "kinds": [(each.value, each.value) for each in FileSystem]}
    if not given["mount"]:
        given["mount"] = f"{PLACES}/{disk.lower()}"
        return visit.show("host_disk.html", given=given, plan=None, error=None, **shown)
    try:
        plan = visit.parts.devices.host_disks.plan(visit.actor, host.id, disk, _wish(visit))
    except ZcloudError as error:
        return visit.ask_again("host_disk.html", error, given=given, plan=None, **shown)
    return visit.show("host_disk.html", given=given, plan=plan, error=None, **shown)


def prepare(visit: Visit) -> Response:
    """Begin what the plan said."""
    ref, disk, digest = _part(visit, "ref"), _part(visit, "disk"), visit.line("digest", 64)
    operation = visit.parts.devices.host_disks.prepare(visit.actor, ref, disk, _wish(visit), digest)
    return RedirectResponse(f"/operations/{operation.id}", 303)


def release(visit: Visit) -> Response:
    """Unmount a disk that was prepared, for good."""
    operation = visit.parts.devices.host_disks.release(visit.actor, _part(visit, "ref"), visit.line("mount"))
    return RedirectResponse(f"/operations/{operation.id}", 303)


def _wish(visit: Visit) -> Wish:
    kind = visit.line("filesystem") or FileSystem.EXT4.value
    if kind not in tuple(FileSystem):
        raise InvalidInput(f"zcloud makes no file system {kind[:40]!r}.", field="filesystem")
    return Wish(visit.line("mount"), FileSystem(kind), bool(visit.field("erase")))


def _part(visit: Visit, name: str) -> str:
    return str(visit.request.path_params[name])


_ONE = "/hosts/{ref}/disks"
ROUTES = (
    page(_ONE, "GET /v1/hosts/{ref}/disks", list_disks),
    change(f"{_ONE}/release", "POST /v1/hosts/{ref}/disks/release", release),
    page(f"{_ONE}/{{disk}}", "GET /v1/hosts/{ref}/disks/{disk}/preparation", plan_preparation),
    change(f"{_ONE}/{{disk}}/prepare", "POST /v1/hosts/{ref}/disks/{disk}/prepare", prepare),
)
