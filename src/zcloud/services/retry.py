"""Ask again for what failed or was cancelled: the same verb with the same arguments, admitted anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from zcloud.domain.errors import WrongState
from zcloud.domain.image import ImageState
from zcloud.domain.network import NetworkState
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.domain.people import Actor
from zcloud.domain.storage import PoolState, VolumeState
from zcloud.services.context import Services, Subject, begin
from zcloud.services.disks import Disks
from zcloud.services.hardware import HardwareChange, HardwareService
from zcloud.services.instances import Instances
from zcloud.services.launch import Launch
from zcloud.services.lifecycle import ADMIT, Lifecycle
from zcloud.services.media import Media
from zcloud.services.moving import Moving
from zcloud.services.naming import Naming
from zcloud.services.nics import Nics
from zcloud.services.sizes import SizeChange, Sizes
from zcloud.services.trash import Trash
from zcloud.services.volumes import Volumes
from zcloud.store import Tx

# What a thing is while the operation works on it; a host's state is the observer's.
_STATES: dict[tuple[str, str], Any] = {
    ("pool", "create"): PoolState.CREATING,
    ("pool", "delete"): PoolState.DELETING,
    ("network", "create"): NetworkState.CREATING,
    ("network", "delete"): NetworkState.DELETING,
    ("volume", "delete"): VolumeState.DELETING,
    ("image", "import"): ImageState.IMPORTING,
    ("image", "delete"): ImageState.DELETING,
}


class Retry:
    """What ``zcloud operation retry`` does with an operation that has ended."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._launch, self._instances = Launch(services), Instances(services)
        self._sizes, self._hardware = Sizes(services), HardwareService(services)
        self._lifecycle, self._naming, self._trash = Lifecycle(services), Naming(services), Trash(services)
        self._disks, self._volumes, self._nics = Disks(services), Volumes(services), Nics(services)
        self._media = Media(services)
        self._moving = Moving(services)

    def again(self, actor: Actor, old: Operation) -> Operation:
        """Give the new operation; raises WrongState where there is nothing to repeat, and what the verb raises."""
        if old.status is OperationStatus.SUCCEEDED:
            raise WrongState("The operation has succeeded; there is nothing to repeat.")
        verbs: dict[str, Callable[[], Operation]] = {
            "create": lambda: self._launch.again(actor, old),
            "install": lambda: self._launch.again(actor, old),
            "start": lambda: self._instances.start(actor, "", old.resource_id),
            "stop": lambda: self._instances.stop(actor, "", old.resource_id, **_stopping(old)),
            "restart": lambda: self._instances.restart(actor, "", old.resource_id, **_stopping(old)),
            "hardware": lambda: self._hardware.change(actor, "", old.resource_id, HardwareChange(**old.args["asked"])),
            "resize": lambda: self._sizes.resize(actor, "", old.resource_id, SizeChange(**old.args["asked"])),
            "delete": lambda: self._instances.delete(actor, "", old.resource_id, old.args.get("keep", ())),
            "trash": lambda: self._trash.delete(actor, "", old.resource_id),
            "untrash": lambda: self._trash.restore(actor, "", old.resource_id, old.args["name"]),
            "rename": lambda: self._naming.rename(
                actor, "", old.resource_id, old.args["name"], hostname=old.args["hostname"]
            ),
        }
        verbs |= {verb: partial(self._lifecycle.act, actor, "", old.resource_id, verb) for verb in ADMIT}
        verbs |= {verb: partial(self._media.again, actor, old) for verb in ("insert", "eject")}
        disks = ("attach_disk", "detach_disk", "limit_disk")
        verbs |= {f"{verb}_nic": partial(self._nics.again, actor, old) for verb in ("attach", "detach", "link")}
        verbs |= {verb: partial(self._disks.again, actor, old) for verb in disks}
        if old.verb == "move":
            new = self._moving.again(actor, old)
        elif old.resource_kind == "instance":
            if old.verb not in verbs:
                raise WrongState(f"An operation {old.verb} cannot be repeated as it was; ask for it anew.")
            new = verbs[old.verb]()
        elif old.resource_kind == "volume" and old.verb != "delete":  # what it had claimed was given back
            new = self._volumes.again(actor, old)
        else:
            new = self._store.transact(lambda tx: _repeat(tx, actor, old))
        return self._store.transact(lambda tx: tx.operations.update(new.id, retry_of=old.id))


def _stopping(old: Operation) -> dict[str, Any]:
    return {"force": bool(old.args["force"]), "deadline_s": int(old.args["deadline_s"])}


def _repeat(tx: Tx, actor: Actor, old: Operation) -> Operation:
    """Record the operation once more, as it was."""
    repositories = {
        "group": tx.groups,
        "host": tx.hosts,
        "pool": tx.pools,
        "network": tx.networks,
        "volume": tx.volumes,
        "image": tx.images,
    }
    things: Any = repositories[old.resource_kind]
    thing = things.get(old.resource_id)
    if old.resource_kind == "image" and old.verb == "import" and thing.source["kind"] == "upload":
        raise WrongState(
            f"What was uploaded for the image {thing.name} is gone.", hint="Delete the image and import it again."
        )
    subject = Subject(old.resource_kind, thing.id, thing.name, old.project_id)
    new = begin(tx, actor, old.verb, old.workflow, subject, **old.args)
    things.lock(thing.id, new.id)
    state = _STATES.get((old.resource_kind, old.verb))
    if state is not None:
        things.update(thing.id, state=state)
    return new
