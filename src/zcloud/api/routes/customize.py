"""The system on an instance's disk, changed while it is off."""

from __future__ import annotations

from starlette.responses import Response

from zcloud.api.answers import accepted
from zcloud.api.params import Project, RefPath, routes
from zcloud.api.parts import Calling
from zcloud.domain.customization import Customization, HostEntry, NewPassword, PlacedFile
from zcloud.domain.guest import GuestUser
from zcloud.wire.customize import InstanceCustomize
from zcloud.wire.operations import Accepted

router = routes("instances")


@router.post("/instances/{ref}/customize", status_code=202, response_model=Accepted)
def customize_instance(call: Calling, ref: RefPath, body: InstanceCustomize, project: Project = "") -> Response:
    """Change the system on a stopped instance's root disk: names, network, users, files, commands."""
    customize = call.parts.owner.customizing.customize
    return accepted(
        call, customize(call.actor, project, ref, _asked(body), network=body.network, revision=call.revision)
    )


def _asked(body: InstanceCustomize) -> Customization:
    return Customization(
        fresh=body.fresh,
        hostname=body.hostname,
        hosts=tuple(HostEntry(each.address, each.names) for each in body.hosts),
        timezone=body.timezone,
        users=tuple(
            GuestUser(each.name, each.ssh_keys, each.password_hash, each.sudo, each.shell, each.groups)
            for each in body.users
        ),
        passwords=tuple(NewPassword(each.name, each.password) for each in body.users if each.password),
        serial_console=body.serial_console,
        files=tuple(PlacedFile(each.path, each.content, int(each.mode, 8)) for each in body.files),
        commands=body.commands,
    )
