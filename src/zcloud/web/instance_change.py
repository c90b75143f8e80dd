"""What an owner changes of an instance: disks, NICs, size, name, choices, what its guest is told; and its XML."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.responses import RedirectResponse, Response

from zcloud.api.problems import STATUS
from zcloud.domain.customization import Customization, NewPassword
from zcloud.domain.errors import InvalidInput, Refused
from zcloud.domain.guest import GuestUser
from zcloud.domain.image import CD, Image, ImageState
from zcloud.domain.instance import NicRequest, OnBoot
from zcloud.domain.network import NetworkState
from zcloud.services.disks import DiskSpec, Parting
from zcloud.services.instances import InstanceView
from zcloud.services.sizes import SizeChange
from zcloud.services.volumes import Growth
from zcloud.web.fields import Fields, check_line
from zcloud.web.guard import Visit, change, page

_MIB, _MAX_LINES = 1 << 20, 64
Do = Callable[[Visit, InstanceView, Fields], object]


def show_changes(visit: Visit) -> Response:
    """Show what can be changed, each with a form of its own."""
    return _show(visit, _found(visit))


def _show(visit: Visit, view: InstanceView, error: Refused | None = None, told: str = "") -> Response:
    parts, actor = visit.parts, visit.actor
    networks = [each for each in parts.networks.all(actor) if each.state is NetworkState.READY]
    here = [each for each in networks if each.host_id in (None, view.instance.host_id)]
    response = visit.show(
        "instance_change.html", STATUS[error.kind] if error else 200, view=view, address=view.address, error=error,
        told=told, networks=here, discs=_discs(visit, view), flavors=parts.flavors.all(), choices=list(OnBoot),
    )  # fmt: skip
    if error:
        response.headers["X-Zcloud-Error"] = error.code
    return response


def _discs(visit: Visit, view: InstanceView) -> list[Image]:
    owners = (None, view.instance.project_id)
    images = visit.parts.images.all(visit.actor)
    return [it for it in images if it.format == CD and it.state is ImageState.READY and it.project_id in owners]


def _does(work: Do, visit: Visit) -> Response:
    """Do it and go where its steps are shown; what is refused is told above the forms."""
    view = _found(visit)
    visit.note(f"instance {view.instance.name}")
    try:
        told = work(visit, view, Fields(visit.form))
    except Refused as error:
        return _show(visit, view, error)
    if isinstance(told, str):
        return _show(visit, _found(visit), None, told)
    return RedirectResponse(f"/instances/{view.instance.id}", 303)


def _attach_disk(visit: Visit, view: InstanceView, given: Fields) -> object:
    spec = DiskSpec(given.line("volume"), given.size("size"), given.line("pool"), given.line("name"))
    return visit.parts.devices.disks.attach(visit.actor, "", view.instance.id, spec)


def _detach_disk(visit: Visit, view: InstanceView, given: Fields) -> object:
    how = Parting(force=given.on("force"), delete=given.on("delete"))
    return visit.parts.devices.disks.detach(visit.actor, "", view.instance.id, given.line("disk"), how)


def _grow_disk(visit: Visit, view: InstanceView, given: Fields) -> object:
    if given.line("disk") not in {each.id for each in view.volumes}:
        raise InvalidInput("The instance has no such disk.", field="disk")
    growth = Growth(given.size("size"))
    return visit.parts.devices.volumes.resize(visit.actor, "", given.line("disk"), growth)


def _insert(visit: Visit, view: InstanceView, given: Fields) -> object:
    return visit.parts.owner.media.insert(visit.actor, "", view.instance.id, given.line("image"))


def _eject(visit: Visit, view: InstanceView, given: Fields) -> object:
    return visit.parts.owner.media.eject(visit.actor, "", view.instance.id, given.line("drive"))


def _attach_nic(visit: Visit, view: InstanceView, given: Fields) -> object:
    asked = NicRequest(given.line("network"), given.line("address"))
    return visit.parts.devices.nics.attach(visit.actor, "", view.instance.id, asked)


def _detach_nic(visit: Visit, view: InstanceView, given: Fields) -> object:
    return visit.parts.devices.nics.detach(visit.actor, "", view.instance.id, given.line("nic"), 60)


def _link_nic(visit: Visit, view: InstanceView, given: Fields) -> object:
    return visit.parts.devices.nics.link(visit.actor, "", view.instance.id, given.line("nic"), given.on("up"))


def _resize(visit: Visit, view: InstanceView, given: Fields) -> object:
    vcpus, memory = given.number("vcpus"), given.size("memory") // _MIB
    size = {"flavor": given.line("flavor")} if given.line("flavor") else {"vcpus": vcpus, "memory_mib": memory}
    asked = SizeChange(**size, next_start=given.on("next_start"))
    return visit.parts.machines.sizes.resize(visit.actor, "", view.instance.id, asked)


def _rename(visit: Visit, view: InstanceView, given: Fields) -> object:
    name = given.line("name")
    return visit.parts.owner.naming.rename(visit.actor, "", view.instance.id, name, hostname=given.on("hostname"))


def _choose(visit: Visit, view: InstanceView, given: Fields) -> object:
    wanted = given.one("on_boot")
    if wanted not in list(OnBoot):
        raise InvalidInput(f"There is no such choice as {wanted[:20]!r}.", field="on_boot")
    changes: dict[str, Any] = {
        "protected": given.on("protected"), "on_boot": OnBoot(wanted), "tags": given.words("tags"),
    }  # fmt: skip
    return visit.parts.instances.change(visit.actor, "", view.instance.id, changes, None)


def _set_password(visit: Visit, view: InstanceView, given: Fields) -> str:
    user, password = given.line("user"), visit.field("password")
    if not password:
        raise InvalidInput("A password has at least one character.", field="password")
    visit.parts.owner.insides.set_password(visit.actor, "", view.instance.id, user, password)
    return f"The password of {user} was changed."


def _trim(visit: Visit, view: InstanceView, given: Fields) -> str:
    del given
    trimmed = visit.parts.owner.insides.trim(visit.actor, "", view.instance.id)
    freed = sum(each.bytes or 0 for each in trimmed)
    return f"{len(trimmed)} file systems gave {freed >> 20} MiB of unused blocks back."


def _customize(visit: Visit, view: InstanceView, given: Fields) -> object:
    user, keys, password = given.line("person"), given.one("keys").splitlines(), visit.field("password")
    sudo, lines = given.on("sudo"), given.one("commands").splitlines()
    if not user and (keys or password or sudo):
        raise InvalidInput("A key, a password and sudo are a user's.", hint="Name the user.", field="person")
    if len(keys) > _MAX_LINES or len(lines) > _MAX_LINES:
        raise InvalidInput(f"At most {_MAX_LINES} lines are taken.", field="commands")
    what = Customization(
        fresh=given.on("fresh"),
        hostname=given.line("hostname"),
        timezone=given.line("timezone"),
        users=(GuestUser(user, tuple(filter(None, map(str.strip, keys))), sudo=sudo),) if user else (),
        passwords=(NewPassword(user, password),) if password else (),
        serial_console=given.on("serial_console"),
        commands=tuple(check_line(each, "commands") for each in lines if each.strip()),
    )
    customize = visit.parts.owner.customizing.customize
    return customize(visit.actor, "", view.instance.id, what, network=given.on("network"))


def take_picture(visit: Visit) -> Response:
    """Give a picture of the screen as it is now."""
    picture = visit.parts.owner.screens.picture(visit.actor, "", visit.request.path_params["ref"])
    return Response(picture, media_type="image/png", headers={"Cache-Control": "no-store"})


def show_definition(visit: Visit) -> Response:
    """Show the domain's XML as its host has it; who may edits it there."""
    view = _found(visit)
    found = visit.parts.owner.definitions.show(visit.actor, "", view.instance.id)
    return visit.show(
        "definition.html", view=view, xml=found.xml, digest=found.digest, edit=None, error=None, address=view.address
    )


def edit_definition(visit: Visit) -> Response:
    """Show what an edit would change, and make it once that was seen."""
    view, given = _found(visit), Fields(visit.form)
    xml, digest = given.one("xml").replace("\r\n", "\n"), given.line("digest")
    edit = partial(visit.parts.owner.definitions.edit, visit.actor, "", view.instance.id, xml, digest=digest)
    try:
        made = edit(dry_run=not given.on("apply"))
    except Refused as error:
        return visit.ask_again(
            "definition.html", error, view=view, xml=xml, digest=digest, edit=None, address=view.address
        )
    if made.operation is not None:
        return RedirectResponse(f"/instances/{view.instance.id}", 303)
    return visit.show("definition.html", view=view, xml=xml, digest=digest, edit=made, error=None, address=view.address)


def _found(visit: Visit) -> InstanceView:
    return visit.parts.instances.show(visit.actor, "", visit.request.path_params["ref"])


_ONE, _API = "/instances/{ref}", "/v1/instances/{ref}"
_FORMS: tuple[tuple[str, str, Do], ...] = (
    ("disks/attach", f"POST {_API}/disks", _attach_disk),
    ("disks/detach", f"DELETE {_API}/disks/{{disk}}", _detach_disk),
    ("disks/grow", "POST /v1/volumes/{ref}/resize", _grow_disk),
    ("cd/insert", f"POST {_API}/insert", _insert),
    ("cd/eject", f"POST {_API}/eject", _eject),
    ("nics/attach", f"POST {_API}/nics", _attach_nic),
    ("nics/detach", f"DELETE {_API}/nics/{{nic}}", _detach_nic),
    ("nics/link", f"PATCH {_API}/nics/{{nic}}", _link_nic),
    ("resize", f"POST {_API}/resize", _resize),
    ("rename", f"POST {_API}/rename", _rename),
    ("choices", f"PATCH {_API}", _choose),
    ("guest/password", f"POST {_API}/guest/password", _set_password),
    ("customize", f"POST {_API}/customize", _customize),
    ("guest/trim", f"POST {_API}/guest/trim", _trim),
)
ROUTES = (
    page(f"{_ONE}/change", f"PATCH {_API}", show_changes),
    *(change(f"{_ONE}/{path}", like, partial(_does, work)) for path, like, work in _FORMS),
    page(f"{_ONE}/screenshot", f"GET {_API}/screenshot", take_picture),
    page(f"{_ONE}/xml", f"GET {_API}/xml", show_definition),
    change(f"{_ONE}/xml", f"PUT {_API}/xml", edit_definition),
)
