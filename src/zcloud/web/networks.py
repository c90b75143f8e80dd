"""Networks: the list, one with the map of its addresses, making one, and what of it is kept back."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import PlainTextResponse, RedirectResponse, Response

from zcloud.domain.errors import InvalidInput, ZcloudError
from zcloud.domain.network import AddressRange, Network, NetworkKind
from zcloud.domain.records import RecordFormat
from zcloud.services.context import Window
from zcloud.services.networks import NetworkSpec
from zcloud.services.operations import OperationQuery
from zcloud.web.guard import Visit, change, page
from zcloud.web.render import may

_NEW = {"kind": "nat", "name": "", "host": "", "cidr": "192.168.150.0/24", "gateway": "", "dns": "", "search": "",
        "project": "", "bridge": "br0", "isolation": "auto", "is_default": ""}  # fmt: skip


def list_networks(visit: Visit) -> Response:
    """List the networks that the person may use."""
    return visit.show("networks.html", rows=visit.parts.networks.all(visit.actor), hosts=_hosts(visit))


def show_network(visit: Visit) -> Response:
    """Show a network with the map of its addresses."""
    network, found = visit.parts.networks.addresses(visit.actor, _ref(visit), visit.number("piece"))
    operations = visit.parts.operations.page(visit.actor, OperationQuery(resource_id=network.id), Window(limit=6))
    return visit.show("network.html", it=network, map=found, hosts=_hosts(visit), operations=operations.items)


def _hosts(visit: Visit) -> dict[str, str]:
    """Give the names of hosts, of which only some people may know."""
    if not may(visit.actor, "GET /v1/hosts"):
        return {}
    return {each.id: each.name for each in visit.parts.hosts.all(visit.actor)}


def _choices(visit: Visit) -> list[tuple[str, str]]:
    return [(name, name) for name in _hosts(visit).values()]


def ask_for_network(visit: Visit) -> Response:
    """Ask what network is to be made."""
    return visit.show("network_new.html", given=_NEW, error=None, hosts=_choices(visit))


def add_network(visit: Visit) -> Response:
    """Make a network on a host."""
    try:
        network, _ = visit.parts.networks.create(visit.actor, _spec(visit))
    except ZcloudError as error:
        return visit.ask_again("network_new.html", error, given={**_NEW, **visit.given}, hosts=_choices(visit))
    return RedirectResponse(f"/networks/{network.id}", 303)


def _spec(visit: Visit) -> NetworkSpec:
    kind = visit.field("kind")
    if kind not in list(NetworkKind):
        raise InvalidInput(f"There is no kind of network {kind[:40]!r}.", field="kind")
    options = {"isolation": visit.line("isolation", 40) or "auto"}
    if kind == NetworkKind.BRIDGE:
        options["bridge"] = visit.line("bridge", 40)
    return NetworkSpec(
        name=visit.line("name"),
        kind=NetworkKind(kind),
        host=visit.line("host", 80),
        project=visit.line("project", 80),
        cidr=visit.line("cidr", 18),
        gateway=visit.line("gateway", 45),
        dns=_words(visit, "dns"),
        search=visit.line("search"),
        options=options,
        is_default=bool(visit.field("is_default")),
    )


def _words(visit: Visit, name: str) -> tuple[str, ...]:
    return tuple(visit.line(name).replace(",", " ").split())


def change_network(visit: Visit) -> Response:
    """Change the DNS servers and the search domain."""
    changes = {"dns": _words(visit, "dns"), "search": visit.line("search")}
    visit.parts.networks.change(visit.actor, _ref(visit), changes, visit.number("revision"))
    return _back(visit)


def add_range(visit: Visit) -> Response:
    """Keep a range of addresses back, or let addresses be given out from one."""
    first = visit.line("first", 45)
    wanted = AddressRange(
        first, visit.line("last", 45) or first, reserved=visit.field("reserved") != "", comment=visit.line("comment")
    )
    return _with_ranges(visit, lambda network: (*network.ranges, wanted))


def remove_range(visit: Visit) -> Response:
    """Take a range away; what is given out of it stays."""
    gone = (visit.field("first"), visit.field("last"))
    return _with_ranges(
        visit, lambda network: tuple(each for each in network.ranges if (each.first, each.last) != gone)
    )


def _with_ranges(visit: Visit, ranges: Callable[[Network], tuple[AddressRange, ...]]) -> Response:
    network, _ = visit.parts.networks.show(visit.actor, _ref(visit))
    changes = {"ranges": ranges(network)}
    visit.parts.networks.change(visit.actor, network.id, changes, visit.number("revision"))
    return _back(visit)


def unfence(visit: Visit) -> Response:
    """Let an address be given out again that was seen in use."""
    visit.parts.networks.unfence(visit.actor, _ref(visit), visit.field("address"))
    return _back(visit)


def delete_network(visit: Visit) -> Response:
    """Remove a network that has no ports."""
    operation = visit.parts.networks.delete(visit.actor, _ref(visit))
    return RedirectResponse(f"/operations/{operation.id}", 303)


def export_records(visit: Visit) -> Response:
    """Give the names on a network for a DNS server of one's own."""
    form = visit.field("form") or RecordFormat.HOSTS.value
    if form not in list(RecordFormat):
        raise InvalidInput(f"There is no form {form[:40]!r}.", field="form")
    return PlainTextResponse(visit.parts.networks.export_dns(visit.actor, _ref(visit), RecordFormat(form)))


def _ref(visit: Visit) -> str:
    return str(visit.request.path_params["ref"])


def _back(visit: Visit) -> Response:
    return RedirectResponse(f"/networks/{_ref(visit)}", 303)


_ONE = "/networks/{ref}"
ROUTES = (
    page("/networks", "GET /v1/networks", list_networks),
    page("/networks/new", "POST /v1/networks", ask_for_network),
    change("/networks/new", "POST /v1/networks", add_network),
    page(_ONE, "GET /v1/networks/{ref}", show_network),
    page(f"{_ONE}/records", "GET /v1/networks/{ref}/records", export_records),
    change(f"{_ONE}/change", "PATCH /v1/networks/{ref}", change_network),
    change(f"{_ONE}/ranges/add", "PATCH /v1/networks/{ref}", add_range),
    change(f"{_ONE}/ranges/remove", "PATCH /v1/networks/{ref}", remove_range),
    change(f"{_ONE}/unfence", "DELETE /v1/networks/{ref}/fences/{address}", unfence),
    change(f"{_ONE}/delete", "DELETE /v1/networks/{ref}", delete_network),
)
