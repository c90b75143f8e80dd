"""Operating systems and what they need."""

from __future__ import annotations

import dataclasses

from starlette.responses import Response

from zcloud.api.answers import answer, listing
from zcloud.api.params import RefPath, routes
from zcloud.api.parts import Calling
from zcloud.wire.base import Listing
from zcloud.wire.systems import System

router = routes("os")


@router.get("/os", response_model=Listing[System])
def list_systems(call: Calling) -> Response:
    """List the operating systems that are known."""
    return listing(System, call.parts.known.systems.all(), lambda it: System(**dataclasses.asdict(it)))


@router.get("/os/{ref}", response_model=System)
def show_system(call: Calling, ref: RefPath) -> Response:
    """Show an operating system."""
    return answer(System, System(**dataclasses.asdict(call.parts.known.systems.show(ref))))
