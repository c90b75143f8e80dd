"""Hosts: the list, one with all that is known of it, adding one, and what others made on it."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response

from zcloud.domain.errors import ZcloudError
from zcloud.domain.host import Host, HostKind
from zcloud.domain.people import Actor
from zcloud.services.context import Window
from zcloud.services.hosts import HostSpec
from zcloud.services.instances import InstanceQuery
from zcloud.services.operations import OperationQuery
from zcloud.web.guard import Visit, change, page
from zcloud.web.render import may

_SHOWN = 20
_NEW = {"name": "", "kind": "ssh", "address": "", "port": "22", "user": "root", "libvirt_socket": "",
        "cpu_ratio": "4", "memory_ratio": "1", "reserved_memory_mib": "1024"}  # fmt: skip


def list_hosts(visit: Visit) -> Response:
    """List the hosts, each with what is claimed of it."""
    hosts = visit.parts.hosts
    return visit.show("hosts.html", rows=hosts.all(visit.actor), claimed=hosts.claimed())


def show_host(visit: Visit) -> Response:
    """Show a host: what it has, what is claimed of it, and what was done with it. It is not asked."""
    parts, actor = visit.parts, visit.actor
    host = parts.hosts.show(actor, _ref(visit))
    shared = (None, host.id)
    return visit.show(
        "host.html",
        it=host,
        claimed=parts.hosts.claimed().get(host.id, {}),
        others=parts.hosts.others().get(host.id),
        instances=parts.instances.page(actor, InstanceQuery(host=host.id), Window(limit=_SHOWN, count=True)),
        pools=[each for each in parts.pools.all(actor) if each[0].host_id in shared],
        networks=[each for each in parts.networks.all(actor) if each.host_id in shared],
        operations=parts.operations.page(actor, OperationQuery(resource_id=host.id), Window(limit=6)).items,
        events=parts.events.latest(actor, host.id, 8),
        **_strangers(visit, actor, host),
    )


def _strangers(visit: Visit, actor: Actor, host: Host) -> dict[str, Any]:
    """Give what is on a host and not ours; a person who may not know of it is shown none."""
    if not may(actor, "GET /v1/hosts/{ref}/domains"):
        return {"domains": (), "orphans": (), "next_cursor": None}
    window = Window(cursor=visit.field("cursor") or None, limit=_SHOWN)
    found = visit.parts.owner.adopting.page(actor, host.id, window)
    orphans = visit.parts.hosts.orphans(actor, host.id)
    return {"domains": found.items, "orphans": orphans, "next_cursor": found.next_cursor}


def ask_for_host(visit: Visit) -> Response:
    """Ask which machine is to be a host."""
    return visit.show("host_new.html", given=_NEW, error=None)


def add_host(visit: Visit) -> Response:
    """Add a host; one by SSH shows its key next, on its page."""
    try:
        spec = HostSpec(
            name=visit.line("name"),
            kind=HostKind.LOCAL if visit.field("kind") == "local" else HostKind.SSH,
            address=visit.line("address"),
            port=visit.number("port", 22),
            user=visit.line("user") or "root",
            libvirt_socket=visit.line("libvirt_socket"),
            cpu_ratio=visit.ratio("cpu_ratio", 4.0),
            memory_ratio=visit.ratio("memory_ratio"),
            reserved_memory_mib=visit.number("reserved_memory_mib", 1024),
        )
        host, _ = visit.parts.hosts.add(visit.actor, spec)
    except ZcloudError as error:
        return visit.ask_again("host_new.html", error, given={**_NEW, **visit.given})
    return RedirectResponse(f"/hosts/{host.id}", 303)


def approve_host(visit: Visit) -> Response:
    """Pin the key with the fingerprint that the person has compared."""
    visit.parts.hosts.approve(visit.actor, _ref(visit), visit.field("fingerprint"))
    return _back(visit)


def refresh_host(visit: Visit) -> Response:
    """Read the inventory again and repeat the KVM probe."""
    visit.parts.hosts.refresh(visit.actor, _ref(visit))
    return _back(visit)


def change_host(visit: Visit) -> Response:
    """Change overcommit and reserved memory."""
    changes = {
        "cpu_ratio": visit.ratio("cpu_ratio", 4.0),
        "memory_ratio": visit.ratio("memory_ratio"),
        "reserved_memory_mib": visit.number("reserved_memory_mib", 1024),
    }
    visit.parts.hosts.change(visit.actor, _ref(visit), changes, visit.number("revision"))
    return _back(visit)


def remove_host(visit: Visit) -> Response:
    """Forget a host that has nothing of ours any more."""
    operation = visit.parts.hosts.remove(visit.actor, _ref(visit))
    return RedirectResponse(f"/operations/{operation.id}", 303)


def plan_forgetting(visit: Visit) -> Response:
    """Show what goes with a lost host; nothing is changed."""
    return visit.show("loss.html", it=visit.parts.hosts.forgetting.plan(visit.actor, _ref(visit)))


def forget_host(visit: Visit) -> Response:
    """Forget a lost host with all that only it had."""
    operation = visit.parts.hosts.forgetting.forget(visit.actor, _ref(visit), visit.number("revision"))
    return RedirectResponse(f"/operations/{operation.id}", 303)


def stop_guests(visit: Visit) -> Response:
    """Shut all guests of a host down, until its next boot."""
    visit.parts.guests.stop(visit.actor, _ref(visit), visit.number("deadline_s", 90))
    return RedirectResponse("/operations?view=unfinished", 303)


def start_guests(visit: Visit) -> Response:
    """Start all guests that went down with a host."""
    visit.parts.guests.start(visit.actor, _ref(visit))
    return RedirectResponse("/operations?view=unfinished", 303)


def plan_adoption(visit: Visit) -> Response:
    """Show what adopting a domain would record; its host is asked, nothing is changed."""
    given = {"name": visit.line("name"), "project": visit.line("project")}
    plan = visit.parts.owner.adopting.plan(visit.actor, _ref(visit), _domain(visit), **given)
    return visit.show("adoption.html", it=plan, ref=_ref(visit))


def adopt(visit: Visit) -> Response:
    """Take a domain over as an instance."""
    given = {"name": visit.line("name"), "project": visit.line("project")}
    instance, _ = visit.parts.owner.adopting.adopt(visit.actor, _ref(visit), _domain(visit), **given)
    return RedirectResponse(f"/instances/{instance.id}", 303)


def _ref(visit: Visit) -> str:
    return str(visit.request.path_params["ref"])


def _domain(visit: Visit) -> str:
    return str(visit.request.path_params["domain"])


def _back(visit: Visit) -> Response:
    return RedirectResponse(f"/hosts/{_ref(visit)}", 303)


_ONE = "/hosts/{ref}"
ROUTES = (
    page("/hosts", "GET /v1/hosts", list_hosts),
    page("/hosts/new", "POST /v1/hosts", ask_for_host),
    change("/hosts/new", "POST /v1/hosts", add_host),
    page(_ONE, "GET /v1/hosts/{ref}", show_host),
    change(f"{_ONE}/approve", "POST /v1/hosts/{ref}/approve", approve_host),
    change(f"{_ONE}/refresh", "POST /v1/hosts/{ref}/refresh", refresh_host),
    change(f"{_ONE}/change", "PATCH /v1/hosts/{ref}", change_host),
    change(f"{_ONE}/delete", "DELETE /v1/hosts/{ref}", remove_host),
    page(f"{_ONE}/loss", "GET /v1/hosts/{ref}/loss", plan_forgetting),
    change(f"{_ONE}/forget", "POST /v1/hosts/{ref}/forget", forget_host),
    change(f"{_ONE}/guests/stop", "POST /v1/hosts/{ref}/guests/stop", stop_guests),
    change(f"{_ONE}/guests/start", "POST /v1/hosts/{ref}/guests/start", start_guests),
    page(f"{_ONE}/domains/{{domain}}", "GET /v1/hosts/{ref}/domains/{domain}/adoption", plan_adoption),
    change(f"{_ONE}/domains/{{domain}}/adopt", "POST /v1/hosts/{ref}/domains/{domain}/adopt", adopt),
)
