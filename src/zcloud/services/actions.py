"""One verb for many instances: those of a filter or of a list, each with an operation or a refusal of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zcloud.domain.errors import InvalidInput, Refused, ZcloudError
from zcloud.domain.instance import Instance
from zcloud.domain.names import check_tags
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.services.context import Services, Window, resolve_project
from zcloud.services.instances import InstanceQuery, Instances, admit_change, admit_restart, admit_stop
from zcloud.services.lifecycle import ADMIT, Admit
from zcloud.services.owned import check_state, find
from zcloud.services.starting import begin_start
from zcloud.services.trash import Trash
from zcloud.store import Store, Tx

MAX_INSTANCES = 200

Do = Callable[[Tx, Actor, Instance], Operation | None]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which instances: ``names`` (or ids), or those of a query; ``everything`` has to be said where neither is."""

    query: InstanceQuery
    names: tuple[str, ...] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """A verb with its arguments: of a stop or restart ``force`` and ``deadline_s``, of a delete ``purge``,
    of a tag or untag ``tags``."""

    verb: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of them: an operation, a refusal, or neither, where it was done at once or only rehearsed."""

    id: str
    name: str
    operation: Operation | None = None
    refusal: ZcloudError | None = None


class Actions:
    """The service behind ``zcloud stop --tag web`` and its like."""

    def __init__(self, services: Services) -> None:
        self._store: Store = services.store
        self._instances, self._trash = Instances(services), Trash(services)

    def act(self, actor: Actor, selection: Selection, action: Action, *, dry_run: bool = False) -> list[Outcome]:
        """Do it to each by itself; ``dry_run`` says what would become of each and changes nothing.

        Raises InvalidInput: nothing is selected, more than ``MAX_INSTANCES`` are, or arguments do not fit the verb.
        """
        work = self._work(action)
        if selection.query.project:
            with self._store.read() as tx:
                resolve_project(tx, actor, selection.query.project, Role.MEMBER)
        return [self._one(actor, selection.query.project, ref, work, dry_run) for ref in self._refs(actor, selection)]

    def _refs(self, actor: Actor, selection: Selection) -> list[str]:
        query = selection.query
        if selection.names:
            found = list(dict.fromkeys(selection.names))
        else:
            narrowed = query.status or query.tags or query.host or query.image or query.search
            if not (narrowed or selection.everything):
                raise InvalidInput("Say which instances: names, a filter, or all of them.", field="which")
            page = self._instances.page(actor, query, Window(limit=MAX_INSTANCES + 1))
            found = [view.instance.id for view in page.items]
        if len(found) > MAX_INSTANCES:
            raise InvalidInput(
                f"More than {MAX_INSTANCES} instances are selected.", hint="Narrow the filter.", field="which"
            )
        return found

    def _one(self, actor: Actor, project: str, ref: str, work: Do, dry_run: bool) -> Outcome:
        seen: list[Instance] = []

        def do(tx: Tx) -> Operation | None:
            seen[:] = [find(tx, actor, project, ref)]
            operation = work(tx, actor, seen[0])
            if dry_run:
                raise _Rehearsed
            return operation

        try:
            operation = self._store.transact(do)
        except _Rehearsed:
            return Outcome(seen[0].id, seen[0].name)
        except Refused as error:
            return Outcome(seen[0].id if seen else "", seen[0].name if seen else ref, refusal=error)
        return Outcome(seen[0].id, seen[0].name, operation)

    def _work(self, action: Action) -> Do:
        """Give what is done to each; raises InvalidInput for arguments that the verb does not take."""
        takes = _TAKES.get(action.verb, frozenset())
        given = {name: value for name, value in action.arguments.items() if value not in (None, ())}
        surplus = sorted(given.keys() - takes)
        if surplus:
            raise InvalidInput(f"The verb {action.verb} takes no {', '.join(surplus)}.", field="arguments")
        tags = set(check_tags(given.get("tags", ())))
        if "tags" in takes and not tags:
            raise InvalidInput("Say which tags.", field="arguments.tags")
        verbs: dict[str, Do] = {
            "start": begin_start,
            "stop": lambda tx, actor, each: admit_stop(tx, actor, each, **given),
            "restart": lambda tx, actor, each: admit_restart(tx, actor, each, **given),
            "delete": lambda tx, actor, each: self._trash.admit(tx, actor, each, **given),
            "tag": lambda tx, actor, each: _retag(tx, actor, each, set(each.tags) | tags),
            "untag": lambda tx, actor, each: _retag(tx, actor, each, set(each.tags) - tags),
            **{verb: _checked(verb, admit) for verb, admit in ADMIT.items()},
        }
        return verbs[action.verb]


_HOW = frozenset({"force", "deadline_s"})
_TAKES: Mapping[str, frozenset[str]] = {
    "stop": _HOW,
    "restart": _HOW,
    "delete": frozenset({"purge"}),
    "tag": frozenset({"tags"}),
    "untag": frozenset({"tags"}),
}


class _Rehearsed(Exception):
    """Ends the transaction of a dry run: nothing of it is kept."""


def _checked(verb: str, admit: Admit) -> Do:
    def work(tx: Tx, actor: Actor, instance: Instance) -> Operation:
        check_state(instance, verb)
        return admit(tx, actor, instance)

    return work


def _retag(tx: Tx, actor: Actor, instance: Instance, tags: set[str]) -> None:
    if tags != set(instance.tags):
        admit_change(tx, actor, instance, {"tags": tuple(sorted(tags))}, None)
