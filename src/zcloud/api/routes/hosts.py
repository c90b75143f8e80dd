"""Hosts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body
from starlette.responses import Response

from zcloud.api import show
from zcloud.api.answers import accepted, answer, begun, listing, one, paged
from zcloud.api.params import Part, Project, RefPath, RefQuery, routes
from zcloud.api.parts import Calling
from zcloud.domain.host import HostKind
from zcloud.services.hosts import HostSpec
from zcloud.wire.base import Listing
from zcloud.wire.hosts import (
    AdoptionPlan,
    AdoptRequest,
    GuestsStop,
    Host,
    HostApproval,
    HostChange,
    HostCreate,
    HostDomain,
    HostLoss,
    Orphan,
)
from zcloud.wire.operations import Accepted, Operation

router = routes("hosts")
Stopping = Annotated[GuestsStop, Body()]
Adopt = Annotated[AdoptRequest, Body()]
_GENTLY, _AS_IT_IS = GuestsStop(), AdoptRequest()  # what a request without a body asks for


@router.get("/hosts", response_model=Listing[Host])
def list_hosts(call: Calling) -> Response:
    """List all hosts."""
    hosts = call.parts.hosts
    others = hosts.others()
    return listing(Host, hosts.all(call.actor), lambda each: show.host(each, others))


@router.post("/hosts", status_code=202, response_model=Accepted)
def create_host(call: Calling, body: HostCreate) -> Response:
    """Add a host: this machine, or one by SSH."""
    spec = HostSpec(**{**body.model_dump(), "kind": HostKind(body.kind)})
    return accepted(call, call.parts.hosts.add(call.actor, spec)[1])


@router.get("/hosts/{ref}", response_model=Host)
def show_host(call: Calling, ref: RefPath) -> Response:
    """Show a host with its inventory."""
    hosts = call.parts.hosts
    return one(Host, show.host(hosts.show(call.actor, ref), hosts.others()))


@router.patch("/hosts/{ref}", response_model=Host)
def change_host(call: Calling, ref: RefPath, body: HostChange) -> Response:
    """Change a host's overcommit ratios and reserved memory."""
    changes = body.model_dump(exclude_unset=True)
    hosts = call.parts.hosts
    return one(Host, show.host(hosts.change(call.actor, ref, changes, call.revision), hosts.others()))


@router.delete("/hosts/{ref}", status_code=202, response_model=Accepted)
def delete_host(call: Calling, ref: RefPath) -> Response:
    """Forget a host that has no instances."""
    return accepted(call, call.parts.hosts.remove(call.actor, ref, call.revision))


@router.get("/hosts/{ref}/loss", response_model=HostLoss, responses={409: {"description": "It is not lost."}})
def plan_forgetting(call: Calling, ref: RefPath) -> Response:
    """Say what goes with a lost host when it is forgotten; nothing is changed."""
    return answer(HostLoss, show.loss(call.parts.hosts.forgetting.plan(call.actor, ref)))


@router.post("/hosts/{ref}/forget", status_code=202, response_model=Accepted)
def forget_host(call: Calling, ref: RefPath) -> Response:
    """Forget a lost host with its instances, volumes, pools and networks."""
    return accepted(call, call.parts.hosts.forgetting.forget(call.actor, ref, call.revision))


@router.post("/hosts/{ref}/approve", status_code=202, response_model=Accepted)
def approve_host(call: Calling, ref: RefPath, body: HostApproval) -> Response:
    """Pin the SSH key that the host showed, and take the host in."""
    return accepted(call, call.parts.hosts.approve(call.actor, ref, body.fingerprint))


@router.post("/hosts/{ref}/refresh", status_code=202, response_model=Accepted)
def refresh_host(call: Calling, ref: RefPath) -> Response:
    """Read a host's inventory again and repeat the KVM probe."""
    return accepted(call, call.parts.hosts.refresh(call.actor, ref))


@router.get("/hosts/{ref}/orphans", response_model=Listing[Orphan])
def list_orphans(call: Calling, ref: RefPath) -> Response:
    """List what is on a host and looks like zcloud's, but no record knows."""
    found = call.parts.hosts.orphans(call.actor, ref)
    return listing(Orphan, found, lambda each: Orphan(each.kind, each.name, each.place))


@router.get("/hosts/{ref}/domains", response_model=Listing[HostDomain])
def list_domains(call: Calling, ref: RefPath, part: Part) -> Response:
    """List the domains on a host that are nobody's instance, as the observer saw them."""
    return paged(HostDomain, call.parts.owner.adopting.page(call.actor, ref, part), show.host_domain)


@router.get("/hosts/{ref}/domains/{domain}/adoption", response_model=AdoptionPlan)
def plan_adoption(call: Calling, ref: RefPath, domain: RefPath, name: RefQuery = "", project: Project = "") -> Response:
    """Say what adopting a domain would record, as it is defined now; nothing is changed."""
    plan = call.parts.owner.adopting.plan(call.actor, ref, domain, name=name, project=project)
    return answer(AdoptionPlan, show.adoption(plan))


@router.post("/hosts/{ref}/domains/{domain}/adopt", status_code=202, response_model=Accepted)
def adopt_domain(call: Calling, ref: RefPath, domain: RefPath, body: Adopt = _AS_IT_IS) -> Response:
    """Take a domain over as an instance; nothing is changed on its host."""
    made = call.parts.owner.adopting.adopt(call.actor, ref, domain, name=body.name, project=body.project)
    return accepted(call, made[1])


@router.post("/hosts/{ref}/guests/stop", status_code=202, response_model=Listing[Operation])
def stop_guests(call: Calling, ref: RefPath, body: Stopping = _GENTLY) -> Response:
    """Ask all guests of a host to shut down; they run again after its next boot, but for those that are to stay off."""
    return begun(call.parts.guests.stop(call.actor, ref, body.deadline_s, in_order=body.in_order))


@router.post("/hosts/{ref}/guests/start", status_code=202, response_model=Listing[Operation])
def start_guests(call: Calling, ref: RefPath) -> Response:
    """Start all guests that were stopped with a host or went down with it."""
    return begun(call.parts.guests.start(call.actor, ref))
