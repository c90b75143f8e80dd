"""Networks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import PlainTextResponse, Response

from zcloud.api import show
from zcloud.api.answers import accepted, answer, listing, nothing, one
from zcloud.api.params import RefPath, routes
from zcloud.api.parts import Calling
from zcloud.domain.network import AddressRange, NetworkKind
from zcloud.domain.records import RecordFormat
from zcloud.services.networks import NetworkSpec
from zcloud.wire.base import Listing
from zcloud.wire.networks import Network, NetworkChange, NetworkCreate, NetworkDetail, RangeRequest
from zcloud.wire.operations import Accepted

router = routes("networks")


@router.get("/networks", response_model=Listing[Network])
def list_networks(call: Calling) -> Response:
    """List the networks that the caller may use."""
    return listing(Network, call.parts.networks.all(call.actor), show.network)


@router.post("/networks", status_code=202, response_model=Accepted)
def create_network(call: Calling, body: NetworkCreate) -> Response:
    """Make a network on a host."""
    given: dict[str, Any] = {**dict(body), "kind": NetworkKind(body.kind), "ranges": _ranges(body.ranges)}
    return accepted(call, call.parts.networks.create(call.actor, NetworkSpec(**given))[1])


@router.get("/networks/{ref}", response_model=NetworkDetail)
def show_network(call: Calling, ref: RefPath) -> Response:
    """Show a network with its ports."""
    network, ports = call.parts.networks.show(call.actor, ref)
    detail = NetworkDetail(show.network(network), tuple(map(show.port, ports)))
    return answer(NetworkDetail, detail, etag=f'"{network.revision}"')


@router.patch("/networks/{ref}", response_model=Network)
def change_network(call: Calling, ref: RefPath, body: NetworkChange) -> Response:
    """Change a network's ranges, DNS servers or search domain."""
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "ranges" in changes:
        changes["ranges"] = _ranges(body.ranges)
    return one(Network, show.network(call.parts.networks.change(call.actor, ref, changes, call.revision)))


@router.delete("/networks/{ref}", status_code=202, response_model=Accepted)
def delete_network(call: Calling, ref: RefPath) -> Response:
    """Remove a network that has no ports."""
    return accepted(call, call.parts.networks.delete(call.actor, ref, call.revision))


@router.delete("/networks/{ref}/fences/{address}", status_code=204)
def unfence_address(call: Calling, ref: RefPath, address: RefPath) -> Response:
    """Let an address be given out again that was seen in use after a restore."""
    call.parts.networks.unfence(call.actor, ref, address)
    return nothing()


@router.get("/networks/{ref}/records", response_class=PlainTextResponse)
def export_records(
    call: Calling,
    ref: RefPath,
    form: Annotated[RecordFormat, Query(description="A hosts file, or a zone file's A records.")] = RecordFormat.HOSTS,
) -> Response:
    """Give the names on a network for a DNS server of one's own."""
    return PlainTextResponse(call.parts.networks.export_dns(call.actor, ref, form))


def _ranges(asked: tuple[RangeRequest, ...]) -> tuple[AddressRange, ...]:
    return tuple(AddressRange(**each.model_dump()) for each in asked)
