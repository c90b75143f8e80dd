"""Definitions of domains, for operators."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from zcloud.api.answers import accepted, answer
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Call, Calling
from zcloud.domain.errors import RevisionMismatch
from zcloud.wire.definitions import DefinitionChange, DefinitionPlan
from zcloud.wire.operations import Accepted

router = routes("instances")

_TAG = re.compile(r'"([0-9a-f]{64})"')
Live = Annotated[bool, Query(description="What runs, instead of what is defined.")]
DryRun = Annotated[bool, Query(description="Only show the difference; change nothing.")]


@router.get(
    "/instances/{ref}/xml",
    response_class=Response,
    responses={200: {"content": {"application/xml": {}}, "description": "libvirt's XML, without secrets."}},
)
def show_definition(call: Calling, ref: RefPath, project: Project = "", live: Live = False) -> Response:
    """Show an instance's libvirt XML, as its host has it now."""
    found = call.parts.owner.definitions.show(call.actor, project, ref, live=live)
    headers = {"cache-control": "no-store"} if live else {"cache-control": "no-store", "etag": f'"{found.digest}"'}
    return Response(found.xml, media_type="application/xml", headers=headers)


@router.put(
    "/instances/{ref}/xml",
    status_code=202,
    response_model=Accepted,
    responses={200: {"model": DefinitionPlan, "description": "With dry_run, or where nothing changes."}},
)
def change_definition(
    call: Calling, ref: RefPath, body: DefinitionChange, project: Project = "", dry_run: DryRun = False
) -> Response:
    """Change an instance's libvirt XML, as far as zcloud's records do not rest on it."""
    edit = call.parts.owner.definitions.edit
    made = edit(call.actor, project, ref, body.xml, digest=_digest(call), dry_run=dry_run)
    if made.operation is None:
        return answer(DefinitionPlan, DefinitionPlan(made.difference, made.at_next_start))
    return accepted(call, made.operation)


def _digest(call: Call) -> str | None:
    """Give the definition that If-Match asks for (None: any); raises RevisionMismatch for a tag not of ours."""
    wanted = call.request.headers.get("if-match", "*").strip()
    if wanted == "*":
        return None
    match = _TAG.fullmatch(wanted)
    if match is None:
        raise RevisionMismatch("If-Match is not an ETag that zcloud gave for a definition.")
    return match[1]
