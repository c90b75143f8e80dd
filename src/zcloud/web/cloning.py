"""Clones and templates: the clone page says what will happen before it does; the library of templates."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from starlette.responses import RedirectResponse, Response

from zcloud.api.problems import STATUS
from zcloud.domain.errors import InvalidInput, Refused, ZcloudError
from zcloud.domain.instance import NicRequest
from zcloud.domain.network import NetworkState
from zcloud.domain.storage import MIB
from zcloud.services.cloning import MAX_CLONES, CloneRehearsal, CloneSpec
from zcloud.services.context import Window
from zcloud.services.instances import InstanceView
from zcloud.web.fields import Fields, check_line
from zcloud.web.guard import Visit, change, page, rehearse
from zcloud.web.wish import NIC_FIELDS, Same, amount, as_json, nic_text

PER_PAGE = 50
_HOW = {"": None, "linked": True, "full": False}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the page says beside its form."""

    same: Same | None = None
    rehearsal: CloneRehearsal | None = None
    error: ZcloudError | None = None


def show_form(visit: Visit) -> Response:
    """Show the page as most people want it: one clone, as its original is."""
    return _form(visit, _found(visit), {}, Plan())


def plan(visit: Visit) -> Response:
    """Say what would come of it; nothing is changed."""
    view, same = _found(visit), None
    try:
        spec = read_clones(Fields(visit.form), view)
        same = same_clones(view.instance.name, spec)
        found = Plan(same, visit.parts.owner.cloning.explain(visit.actor, "", view.instance.id, spec))
    except Refused as error:
        found = Plan(same, None, error)
    return visit.show("clone_plan.html", view=view, plan=found)


def clone(visit: Visit) -> Response:
    """Clone it, and go where the steps are shown; what is refused comes back with the form as it was filled in."""
    view = _found(visit)
    visit.note(f"instance {view.instance.name}")
    try:
        spec = read_clones(Fields(visit.form), view)
        made = visit.parts.owner.cloning.clone(visit.actor, "", view.instance.id, spec)
    except Refused as error:
        response = _form(visit, view, dict(visit.form), Plan(error=error))
        response.headers["X-Zcloud-Error"] = error.code
        return response
    return RedirectResponse(f"/operations/{made.operation.id}", 303)


def read_clones(given: Fields, view: InstanceView) -> CloneSpec:
    """Read a clone page; what is left as the original has it is left open. Raises InvalidInput naming the field."""
    name, count, how = given.line("name"), given.number("count") or 1, given.one("how")
    if count > MAX_CLONES:
        raise InvalidInput(f"At most {MAX_CLONES} clones are made at once.", field="count")
    if how not in _HOW:
        raise InvalidInput(f"There is no such choice as {how[:20]!r}.", field="how")
    nics = tuple(
        NicRequest(check_line(network, "nic_network"), check_line(address, "nic_address"))
        for network, address in given.rows(*NIC_FIELDS)
    )
    return CloneSpec(
        names=(name,) if count == 1 else tuple(f"{name}-{number}" for number in range(1, count + 1)),
        linked=_HOW[how],
        flavor=given.line("flavor"),
        vcpus=given.number("vcpus"),
        memory_mib=given.size("memory") // MIB,
        root_size=given.size("root"),
        nics=None if [tuple(row) for row in given.rows(*NIC_FIELDS)] == _own_nics(view) else nics,
        without=tuple(each.name for each in view.volumes if each.slot and each.name not in given.all("disk")),
        start=not given.on("stopped"),
        pool=given.line("pool"),
    )


def same_clones(source: str, spec: CloneSpec) -> Same:
    """Give the command and the call that ask for the same; what is as it is anyway is left out."""
    said: dict[str, Any] = {
        "linked": spec.linked, "flavor": spec.flavor, "vcpus": spec.vcpus, "memory_mib": spec.memory_mib,
        "root_size": spec.root_size, "without": list(spec.without), "pool": spec.pool,
    }  # fmt: skip
    body = {
        "names": list(spec.names),
        **{name: value for name, value in said.items() if value not in (None, "", 0, [])},
    }
    if spec.linked is False:
        body["linked"] = False
    if spec.nics is not None:
        body["nics"] = [
            {"network": each.network, **({"address": each.address} if each.address else {})} for each in spec.nics
        ]
    if not spec.start:
        body["start"] = False
    texts: dict[str, list[Any]] = {
        "flavor": [spec.flavor], "vcpus": [spec.vcpus], "memory": [amount(spec.memory_mib * MIB)],
        "disk-size": [amount(spec.root_size)], "network": [nic_text(each) for each in spec.nics or ()],
        "without": list(spec.without), "pool": [spec.pool],
    }  # fmt: skip
    words = [f"zcloud clone {' '.join(shlex.quote(each) for each in (source, *spec.names))}"]
    words += {None: [], True: ["--linked"], False: ["--full"]}[spec.linked]
    words += [f"--{name} {shlex.quote(str(each))}" for name, values in texts.items() for each in values if each]
    return Same(" \\\n  ".join([*words, *(["--no-start"] if not spec.start else [])]), as_json(body))


def _own_nics(view: InstanceView) -> list[tuple[str, ...]]:
    return [(view.networks.get(each.network_id, each.network_id), "") for each in view.ports]


def _form(visit: Visit, view: InstanceView, values: dict[str, list[str]], plan: Plan) -> Response:
    parts, own = visit.parts, _own_nics(view)
    networks = [each for each in parts.networks.all(visit.actor) if each.state is NetworkState.READY]
    pools = [pool for pool, _ in parts.pools.all(visit.actor)] if visit.actor.role else []
    here = [each.name for each in networks if each.host_id in (None, view.instance.host_id)]
    chosen = {
        "name": [f"{view.instance.name[:55]}-clone"], "count": ["1"],
        "nic_network": [network for network, _ in own], "nic_address": [address for _, address in own],
        "disk": [each.name for each in view.volumes],
    }  # fmt: skip
    if values:  # a box that is not ticked does not come
        chosen["disk"] = []
    given = Fields(chosen | values)
    return visit.show(
        "clone.html", STATUS[plan.error.kind] if plan.error else 200, view=view, plan=plan, given=given,
        nics=given.rows(*NIC_FIELDS), networks=list(dict.fromkeys(here)), flavors=parts.flavors.all(), most=MAX_CLONES,
        may_link=parts.owner.cloning.may_link(visit.actor, "", view.instance.id),
        pools=sorted(each.name for each in pools if each.takes and each.belongs_to(view.instance.host_id)),
    )  # fmt: skip


def turn(visit: Visit) -> Response:
    """Make a template of an instance, or an instance of a template."""
    ref = visit.request.path_params["ref"]
    operation = visit.parts.owner.cloning.template(visit.actor, "", ref, on=bool(visit.field("on")))
    return RedirectResponse(f"/instances/{operation.resource_id}", 303)


def list_templates(visit: Visit) -> Response:
    """List the templates, a page at a time."""
    window = Window("name", visit.field("cursor") or None, PER_PAGE, count=True)
    found = visit.parts.owner.cloning.templates(visit.actor, window)
    return visit.show("templates.html", rows=found.items, total=found.total or 0, next_cursor=found.next_cursor)


def _found(visit: Visit) -> InstanceView:
    return visit.parts.instances.show(visit.actor, "", visit.request.path_params["ref"])


_ONE, _LIKE = "/instances/{ref}", "POST /v1/instances/{ref}/clone"
ROUTES = (
    page("/templates", "GET /v1/instances", list_templates),
    page(f"{_ONE}/clone", _LIKE, show_form),
    rehearse(f"{_ONE}/clone/plan", _LIKE, plan),
    change(f"{_ONE}/clone", _LIKE, clone),
    change(f"{_ONE}/template", "POST /v1/instances/{ref}/template", turn),
)
