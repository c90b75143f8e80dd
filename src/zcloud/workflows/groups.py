"""Start and stop a group: its members one after another, each by an operation of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NamedTuple

from zcloud.domain.errors import GroupIncomplete, OperationCancelled, ZcloudError
from zcloud.domain.group import Member, Part, Progress, plan_start, plan_stop
from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.domain.operation import ENDED, Operation, OperationStatus
from zcloud.operations.model import Step, Waiting, Workflow
from zcloud.store import Tx
from zcloud.workflows.context import Run

POLL = timedelta(seconds=1)  # readiness and delays; the end of a member's operation wakes us


class _Seen(NamedTuple):
    members: list[Member]
    instances: dict[str, Instance]
    parts: dict[str, Operation]  # by instance id

    @property
    def as_parts(self) -> dict[str, Part]:
        """Give the parts as the plans take them."""
        return {
            id: Part(each.status in ENDED, each.status in ENDED and each.status is not OperationStatus.SUCCEEDED)
            for id, each in self.parts.items()
        }


def _look(run: Run) -> _Seen:
    def work(tx: Tx) -> _Seen:
        members = tx.groups.members([run.resource_id])
        instances = tx.instances.many([each.instance_id for each in members])
        there = [each for each in members if instances[each.instance_id].status is not InstanceStatus.TRASHED]
        parts = {each.resource_id: each for each in tx.operations.children(run.operation.id)}
        return _Seen(there, instances, parts)

    return run.read(work)


def _starting(run: Run, seen: _Seen) -> Progress:
    return plan_start(seen.members, seen.instances, seen.as_parts, run.now())


def _stopping(_run: Run, seen: _Seen) -> Progress:
    return plan_stop(seen.members, seen.instances, seen.as_parts)


def start_members(run: Run) -> None:
    """Start what is to start now, and wait for as long as anything is under way."""
    seen = _look(run)
    progress = _starting(run, seen)
    for each in progress.begin:
        run.members.start(run.operation, each)
    _wait(run, seen, progress, "started")


def stop_members(run: Run) -> None:
    """Stop what is to stop now, and wait for as long as anything is under way."""
    seen = _look(run)
    progress = _stopping(run, seen)
    for each in progress.begin:
        run.members.stop(run.operation, each)
    _wait(run, seen, progress, "stopped")


def _wait(run: Run, seen: _Seen, progress: Progress, done: str) -> None:
    under_way = progress.begin + progress.coming
    names = _names(under_way, seen.instances)
    run.control.progress(progress.done, len(seen.members), names)
    if under_way:
        raise Waiting(f"Being {done}: {names}.", run.now() + POLL)


def _check(run: Run, plan: Callable[[Run, _Seen], Progress], done: str) -> None:
    """Say what came of it; raises GroupIncomplete."""
    seen = _look(run)
    progress = plan(run, seen)
    if not progress.failed:
        return
    left = f"{progress.done} of {len(seen.members)} are {done}, and stay so."
    if progress.held:
        left += f" Not {done} because of that: {_names(progress.held, seen.instances)}."
    raise GroupIncomplete(
        f"These could not be {done}: {'; '.join(_reason(each, seen) for each in progress.failed)}.",
        left=left,
        hint="See to them one by one (`zcloud show NAME`), then ask for the group again: what is done is kept.",
        failed=[seen.instances[each].name for each in progress.failed],
    )


def _reason(instance_id: str, seen: _Seen) -> str:
    instance, part = seen.instances[instance_id], seen.parts.get(instance_id)
    if part is not None and part.error is not None:
        why = str(part.error.get("message", "")).rstrip(".")
    else:
        why = instance.ready_detail.splitlines()[0].rstrip(".") if instance.ready_detail else f"it is {instance.status}"
    return f"{instance.name} ({why})"


def _names(ids: tuple[str, ...], instances: Mapping[str, Instance]) -> str:
    return ", ".join(instances[each].name for each in ids)


def _ended(run: Run, tx: Tx) -> None:
    del run, tx


def _failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    del run, tx
    if isinstance(error, OperationCancelled):
        error.left = "What had been begun for its members goes on, and the others stay as they are."


GROUP_START = Workflow(
    name="group_start_v1",
    title="Start a group",
    steps=(
        Step("members", "Start the members in their order", start_members),
        Step("check", "See that all are there", lambda run: _check(run, _starting, "started")),
    ),
    succeed=_ended,
    fail=_failed,
)

GROUP_STOP = Workflow(
    name="group_stop_v1",
    title="Stop a group",
    steps=(
        Step("members", "Stop the members, the last first", stop_members),
        Step("check", "See that all are off", lambda run: _check(run, _stopping, "stopped")),
    ),
    succeed=_ended,
    fail=_failed,
)
