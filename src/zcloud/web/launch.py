"""The launch page: what is asked for, where it would run and why, and the same as a command and a call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

from starlette.responses import RedirectResponse, Response

from zcloud.api.problems import STATUS
from zcloud.base.ids import new_id
from zcloud.domain.errors import Refused, ZcloudError
from zcloud.domain.image import CD, Image, ImageState
from zcloud.domain.instance import Flavor, Power
from zcloud.domain.network import NetworkState
from zcloud.domain.people import Project, Role
from zcloud.services.launch import Rehearsal
from zcloud.services.media import DRIVERS
from zcloud.web.fields import Fields
from zcloud.web.guard import Visit, change, page, rehearse
from zcloud.web.projects import writable
from zcloud.web.wish import DISK_FIELDS, FILE_SYSTEMS, INSTALL, MAX_COUNT, NIC_FIELDS, Same, Wish, read_wish, same

_ROOMY_MIB = 1024
UNNAMED = "NAME"


class Claim(NamedTuple):
    """How much of something is claimed already, how much more would be, and of how much; ``used`` None: of the rest."""

    name: str
    used: int | None
    more: int
    total: int
    is_bytes: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What the page says beside its form: either a rehearsal or why there is none, and the same in other words."""

    wish: Wish | None = None
    rehearsal: Rehearsal | None = None
    error: ZcloudError | None = None

    @property
    def same(self) -> Same | None:
        """Give the command and the call; None where the form cannot be read."""
        return same(self.wish) if self.wish else None

    @property
    def claims(self) -> list[Claim]:
        """Give what would be claimed, of the host and of each pool."""
        return _claims(self.rehearsal) if self.rehearsal else []


def show_form(visit: Visit) -> Response:
    """Show the page with what the address says, and else with what most people want."""
    query = visit.request.query_params
    return _form(visit, {name: query.getlist(name) for name in query}, Plan())


def plan(visit: Visit) -> Response:
    """Say where it would run, what it would claim, and how to ask for it otherwise; nothing is changed."""
    return visit.show("launch_plan.html", plan=_plan(visit))


def launch(visit: Visit) -> Response:
    """Launch it, and go where its steps are shown; what is refused comes back with the form as it was filled in."""
    wish: Wish | None = None
    begun = list[str]()
    try:
        wish = read_wish(Fields(visit.form))
        for spec in wish.each():
            visit.note(f"instance {spec.name}")
            begun.append(visit.parts.launch.launch(visit.actor, wish.project, spec)[0].id)
    except Refused as error:
        if wish and begun:
            error.left = f"Launched before it: {', '.join(wish.names[: len(begun)])}."
        response = _form(visit, dict(visit.form), Plan(wish, None, error), STATUS[error.kind])
        response.headers["X-Zcloud-Error"] = error.code
        return response
    return RedirectResponse(f"/instances/{begun[0]}" if len(begun) == 1 else "/operations?view=unfinished", 303)


def _plan(visit: Visit) -> Plan:
    """Rehearse what the form says; where it has no name yet, one that nothing else has stands for it."""
    wish: Wish | None = None
    named = visit.field("name").strip()
    try:
        wish = read_wish(Fields({**visit.form, "name": [named or UNNAMED]}))
        spec = wish.spec if named else replace(wish.spec, name=f"unnamed-{new_id()[:8]}")
        return Plan(wish, visit.parts.launch.explain(visit.actor, wish.project, spec))
    except Refused as error:
        return Plan(wish, None, error)


def _claims(rehearsal: Rehearsal) -> list[Claim]:
    host, instance = rehearsal.placement.candidates[0].host, rehearsal.instance
    runs = instance.desired is Power.RUNNING
    disks = Counter[str]()
    for volume in rehearsal.volumes:
        disks[volume.pool_id] += volume.size
    pools = [(host.pools[id], more) for id, more in disks.items()]
    return [
        Claim("vCPU", host.vcpus_used, instance.vcpus * runs, host.vcpus, is_bytes=False),
        Claim("Memory", host.memory_used_mib << 20, (instance.memory_mib * runs) << 20, host.memory_mib << 20),
        *(Claim(pool.name, None, more, pool.unclaimed) for pool, more in pools),
    ]


def _form(visit: Visit, values: dict[str, list[str]], plan: Plan, status: int = 200) -> Response:
    parts, actor = visit.parts, visit.actor
    projects = writable(visit)
    project = next((each for each in projects if each.name in values.get("project", ())), None)
    images, media = _images(visit, project or (projects[0] if len(projects) == 1 else None))
    flavors = sorted(parts.flavors.all(), key=lambda each: (each.memory_mib, each.vcpus, each.name))
    keys = parts.people.keys(actor)
    networks = [each for each in parts.networks.all(actor) if each.state is NetworkState.READY]
    names = list(dict.fromkeys(each.name for each in sorted(networks, key=lambda each: not each.is_default)))
    chosen = {
        "count": ["1"],
        "source": ["image" if images or not media else INSTALL],
        "image": [each.name for each in images[:1]],
        "flavor": [each.name for each in _fitting(flavors, images)[:1]],
        "nic_network": names[:1],
        "nic_address": [""],
        "key": [each.name for each in keys],
    }
    given = Fields(chosen | values)
    return visit.show(
        "launch.html", status, plan=plan, given=given, nics=given.rows(*NIC_FIELDS), disks=given.rows(*DISK_FIELDS),
        projects=projects, images=images, media=media, flavors=flavors, keys=keys, networks=names, pools=_pools(visit),
        hosts=_hosts(visit), systems=FILE_SYSTEMS, most=MAX_COUNT,
    )  # fmt: skip


def _images(visit: Visit, project: Project | None) -> tuple[list[Image], list[Image]]:
    """Give the images that can be booted, and the CDs that something can be installed from."""
    owners = (None, project.id) if project else (None,)
    images = visit.parts.images.all(visit.actor)
    ready = [each for each in images if each.state is ImageState.READY and each.project_id in owners]
    return [each for each in ready if each.format != CD], [
        each for each in ready if each.format == CD and each.os_id != DRIVERS
    ]


def _fitting(flavors: list[Flavor], images: list[Image]) -> list[Flavor]:
    """Give the flavors in which the first image has room, the smallest first, but roomy ones before others."""
    least = max(_ROOMY_MIB, images[0].min_memory_mib if images else 0)
    return sorted(flavors, key=lambda each: each.memory_mib < least)


def _pools(visit: Visit) -> list[str]:
    if not _looks(visit):
        return []
    return sorted({pool.name for pool, _ in visit.parts.pools.all(visit.actor)})


def _hosts(visit: Visit) -> list[str]:
    """Give the hosts that it can be pinned to; that is the operators'."""
    role = visit.actor.role
    return [each.name for each in visit.parts.hosts.all(visit.actor)] if role and role.includes(Role.OPERATOR) else []


def _looks(visit: Visit) -> bool:
    return visit.actor.role is not None


ROUTES = (
    page("/launch", "POST /v1/instances", show_form),
    rehearse("/launch/plan", "POST /v1/instances", plan),
    change("/launch", "POST /v1/instances", launch),
)
