"""An instance that somebody wants to do something with: found, in the right state, and locked by the operation."""

from __future__ import annotations

from typing import Any

from zcloud.domain.errors import InstanceAdopted, InUse, InvalidInput, NotFound, WrongState
from zcloud.domain.instance import TAKES_OWNING, VERBS, Instance, InstanceStatus
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Subject, authorize, begin, resolve_project
from zcloud.store import Tx

MAX_DEADLINE_S = 3600

_HINTS = {
    InstanceStatus.SAVED: "Let it go on: `zcloud instance restore {name}`. Or forget its memory: "
    "`zcloud instance discard-saved {name}`.",
    InstanceStatus.TRASHED: "Bring it back first: `zcloud trash restore {name}`.",
    InstanceStatus.PAUSED: "Let it go on first: `zcloud instance resume {name}`.",
}


def find(tx: Tx, actor: Actor, project: str, ref: str, needed: Role = Role.MEMBER) -> Instance:
    """Give the instance of that name in the project, or of that id; raises NotFound, Forbidden."""
    by_id = tx.instances.many([ref]).get(ref)
    if by_id is not None:
        authorize(actor, by_id.project_id, needed, f"The instance {ref!r}")
        return by_id
    owner = resolve_project(tx, actor, project, needed)
    found = tx.instances.find(ref, owner.id)
    if found is None:
        raise NotFound(f"There is no instance {ref[:80]!r} in the project {owner.name}.", hint="See `zcloud list`.")
    return found


def begin_verb(tx: Tx, actor: Actor, instance: Instance, verb: str, **args: Any) -> Operation:
    """Record the operation ``instance_VERB_v1`` and give it the instance; raises Busy."""
    subject = Subject("instance", instance.id, instance.name, instance.project_id)
    operation = begin(tx, actor, verb, f"instance_{verb}_v1", subject, **args)
    tx.instances.lock(instance.id, operation.id)
    return operation


_OF_TEMPLATES = frozenset({"clone", "template", "trash", "untrash", "delete"})
_WHILE_FROZEN = frozenset({"thaw", "reset", "rename", "trash", "delete"})


def check_state(instance: Instance, verb: str) -> None:
    """Go on only where the verb (one of ``VERBS``) starts from what the instance is now.

    Where an operation works on it, what it is says little: ``begin_verb`` refuses then. Raises WrongState,
    InstanceAdopted.
    """
    if instance.adopted and verb in TAKES_OWNING:
        raise InstanceAdopted(
            f"The instance {instance.name} was adopted: its domain and its disks are not zcloud's, and it cannot be "
            f"{VERBS[verb].done} here.",
            hint=f"Change it with the tools that made it; `zcloud forget {instance.name}` lets it go.",
        )
    if instance.template and verb not in _OF_TEMPLATES:
        raise WrongState(
            f"The instance {instance.name} is a template: it never runs or changes, and cannot be {VERBS[verb].done}.",
            hint=f"Clone it (`zcloud clone {instance.name} NAME`), or make it an instance again: "
            f"`zcloud instance template {instance.name} --undo`.",
        )
    if instance.operation_id is None and instance.status not in VERBS[verb].starts_from:
        raise WrongState(
            f"The instance {instance.name} is {instance.status}; it cannot be {VERBS[verb].done} now.",
            hint=_HINTS.get(instance.status, "").format(name=instance.trash.get("name", instance.name)),
            status=instance.status.value,
        )
    if instance.is_frozen and verb not in _WHILE_FROZEN:
        raise WrongState(
            f"The file systems of {instance.name} are frozen until {instance.frozen_until:%H:%M:%S} UTC.",
            hint=f"Thaw them first: `zcloud instance thaw {instance.name}`.",
        )
    if instance.status is InstanceStatus.ERROR and verb not in ("delete", "trash") and not instance.machine:
        raise WrongState(
            f"The instance {instance.name} was never made.",
            hint=f"Retry its creation (`zcloud operation retry`), or delete it: `zcloud delete {instance.name}`.",
        )


def check_no_clones(tx: Tx, instance: Instance) -> None:
    """Go on only where no linked clone's disks lie over the instance's; raises InUse naming some."""
    over = tx.volumes.over([each.id for each in tx.volumes.of_instance(instance.id)])
    if over:
        names = sorted({each.name for each in over})
        raise InUse(
            f"Disks of linked clones lie over those of {instance.name}: {', '.join(names[:5])}.",
            hint="Delete these clones first, for good.",
        )


def check_deadline(deadline_s: int) -> None:
    """Go on only with a deadline for guests that makes sense; raises InvalidInput."""
    if not 1 <= deadline_s <= MAX_DEADLINE_S:
        raise InvalidInput(f"The deadline must be 1 to {MAX_DEADLINE_S} seconds.", field="deadline_s")
