"""An instance's screen and keyboard."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.api.answers import nothing
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.wire.instances import KeysRequest

router = routes("instances")


@router.get(
    "/instances/{ref}/screenshot",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "The screen."}},
)
def show_screenshot(call: Calling, ref: RefPath, project: Project = "") -> Response:
    """Give a picture of an instance's screen, as its host shows it now; at most one a second."""
    picture = call.parts.owner.screens.picture(call.actor, project, ref)
    return Response(picture, media_type="image/png", headers={"cache-control": "no-store"})


@router.post("/instances/{ref}/keys", status_code=204, response_class=Response)
def press_keys(call: Calling, ref: RefPath, body: KeysRequest, project: Project = "") -> Response:
    """Press keys of an instance's keyboard, or type a text as on a US keyboard."""
    call.parts.owner.screens.press(call.actor, project, ref, keys=body.keys, text=body.text)
    return nothing()
