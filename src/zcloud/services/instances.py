"""What an owner does with instances that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from zcloud.domain.addresses import shown_address
from zcloud.domain.errors import InvalidInput, NotFound, Protected
from zcloud.domain.host import HostState
from zcloud.domain.instance import Instance, InstanceBrief, InstanceStatus, Power
from zcloud.domain.names import check_tags
from zcloud.domain.network import Port
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Role
from zcloud.domain.samples import Rates
from zcloud.domain.size import wanted_size
from zcloud.domain.storage import Volume
from zcloud.services import admission
from zcloud.services.context import (
    Services,
    Window,
    expect,
    resolve_project,
    visible_projects,
)
from zcloud.services.owned import begin_verb, check_deadline, check_no_clones, check_state, find
from zcloud.services.starting import begin_start
from zcloud.services.usage import InstanceUsage, read_many, read_usage
from zcloud.store import ImageFilter, InstanceFilter, Page, Tx


class Names(NamedTuple):
    """What an instance's project, host and image are called and are like."""

    project: str
    host: str
    host_state: str
    accel: str
    image: str
    default_user: str
    driver_iso: str = ""
    cd: str = ""


@dataclass(frozen=True, slots=True)
class InstanceView:
    """An instance with the names and things that people want to see with it."""

    instance: Instance
    names: Names
    ports: tuple[Port, ...]
    networks: dict[str, str]  # names by id
    volumes: tuple[Volume, ...]
    shared: tuple[Volume, ...] = ()  # those that it reads beside others

    @property
    def disks(self) -> tuple[Volume, ...]:
        """Give all volumes that it has, its own ones first."""
        return self.volumes + self.shared

    @property
    def address(self) -> str:
        """Give the address at which people reach it."""
        return shown_address((each.address for each in self.ports), self.instance.observed)


@dataclass(frozen=True, slots=True)
class BriefView:
    """What a table shows of an instance, with its names."""

    instance: InstanceBrief
    names: Names


@dataclass(frozen=True, slots=True)
class InstanceQuery:
    """Which instances; empty is all. ``host`` and ``image`` are names or ids.

    ``inserted``: only those with the image of this id in a CD drive.
    """

    project: str = ""
    status: tuple[InstanceStatus, ...] = ()
    tags: tuple[str, ...] = ()
    host: str = ""
    image: str = ""
    search: str = ""
    template: bool | None = None  # only templates, or only others
    inserted: str = ""


class Instances:
    """The service behind ``zcloud instance`` and its short forms."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def page(self, actor: Actor, query: InstanceQuery, window: Window) -> Page[InstanceView]:
        """List what the actor may see, in one project or in all of them; no host is asked."""
        with self._store.read() as tx:
            page = tx.instances.page(_which(tx, actor, query), **window.arguments())
            return Page(tuple(views(tx, page.items)), page.next_cursor, page.total)

    def briefs(self, actor: Actor, query: InstanceQuery, window: Window) -> Page[BriefView]:
        """List the same, as much of each as a table shows."""
        with self._store.read() as tx:
            page = tx.briefs.page(_which(tx, actor, query), **window.arguments())
            names = _names(tx, page.items)
            return Page(tuple(BriefView(each, names(each)) for each in page.items), page.next_cursor, page.total)

    def show(self, actor: Actor, project: str, ref: str) -> InstanceView:
        """Give one instance by name or id; raises NotFound."""
        with self._store.read() as tx:
            return next(iter(views(tx, [find(tx, actor, project, ref, Role.VIEWER)])))

    def names(self, actor: Actor, ids: Iterable[str]) -> dict[str, str]:
        """Give the names of those of the instances that the actor may see, by id."""
        visible = visible_projects(actor)
        with self._store.read() as tx:
            found = tx.instances.many(ids).values()
            return {each.id: each.name for each in found if visible is None or each.project_id in visible}

    def for_console_log(self, actor: Actor, project: str, ref: str) -> Instance:
        """Give the instance whose console log is to be read: what guests write there is its members' only."""
        with self._store.read() as tx:
            return find(tx, actor, project, ref, Role.MEMBER)

    def usage(self, actor: Actor, project: str, ref: str) -> InstanceUsage:
        """Give the latest rates of CPU, memory, disks and network, and the last hour's; raises NotFound."""
        with self._store.read() as tx:
            return read_usage(tx, find(tx, actor, project, ref, Role.VIEWER))

    def loads(self, actor: Actor, ids: Iterable[str]) -> dict[str, list[Rates]]:
        """Give the last hour's rates of those of the instances that the actor may see; the others are left out."""
        visible = visible_projects(actor)
        with self._store.read() as tx:
            found = tx.instances.many(ids).values()
            return read_many(tx, [each for each in found if visible is None or each.project_id in visible])

    def start(self, actor: Actor, project: str, ref: str, revision: int | None = None) -> Operation:
        """Admit a start: room on its host is claimed now. Raises WrongState, Busy, NoRoom, QuotaExceeded."""
        return self._store.transact(lambda tx: begin_start(tx, actor, find(tx, actor, project, ref), revision))

    def stop(
        self,
        actor: Actor,
        project: str,
        ref: str,
        *,
        force: bool = False,
        deadline_s: int = 90,
        revision: int | None = None,
    ) -> Operation:
        """Ask the guest to shut down, or take the power with ``force``. Raises WrongState, Busy, RevisionMismatch."""

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            return admit_stop(tx, actor, instance, force=force, deadline_s=deadline_s)

        return self._store.transact(work)

    def restart(
        self,
        actor: Actor,
        project: str,
        ref: str,
        *,
        force: bool = False,
        deadline_s: int = 90,
        revision: int | None = None,
    ) -> Operation:
        """Stop and start again, as a new incarnation with what was pending. Raises WrongState, Busy, NoRoom, …"""

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            return admit_restart(tx, actor, instance, force=force, deadline_s=deadline_s)

        return self._store.transact(work)

    def delete(
        self, actor: Actor, project: str, ref: str, keep: Iterable[str] = (), *, revision: int | None = None
    ) -> Operation:
        """Delete an instance for good, and its disks but those to ``keep`` (names, ids, or ``all``).

        Raises Protected, Busy, WrongState, RevisionMismatch, InvalidInput (no such disk).
        """
        wanted = tuple(keep)

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            return admit_delete(tx, actor, instance, wanted)

        return self._store.transact(work)

    def change(self, actor: Actor, project: str, ref: str, changes: dict[str, Any], revision: int | None) -> Instance:
        """Change ``protected``, ``on_boot`` or ``tags``; raises RevisionMismatch."""

        def work(tx: Tx) -> Instance:
            return admit_change(tx, actor, find(tx, actor, project, ref), changes, revision)

        return self._store.transact(work)


def admit_stop(tx: Tx, actor: Actor, instance: Instance, *, force: bool = False, deadline_s: int = 90) -> Operation:
    """Record that an instance is stopped. Raises InvalidInput (the deadline), WrongState, Busy."""
    check_deadline(deadline_s)
    check_state(instance, "stop")
    operation = begin_verb(tx, actor, instance, "stop", force=force, deadline_s=deadline_s)
    tx.instances.update(instance.id, status=InstanceStatus.STOPPING, desired=Power.STOPPED, down_with="", bump=True)
    return operation


def admit_restart(tx: Tx, actor: Actor, instance: Instance, *, force: bool = False, deadline_s: int = 90) -> Operation:
    """Record that an instance is stopped and started again. Raises InvalidInput, WrongState, Busy, NoRoom."""
    check_deadline(deadline_s)
    check_state(instance, "restart")
    admission.grow(tx, instance, wanted_size(instance))
    run = instance.incarnation + 1
    operation = begin_verb(tx, actor, instance, "restart", force=force, deadline_s=deadline_s, incarnation=run)
    tx.instances.update(instance.id, status=InstanceStatus.RESTARTING, desired=Power.RUNNING, bump=True)
    return operation


def admit_change(tx: Tx, actor: Actor, instance: Instance, changes: dict[str, Any], revision: int | None) -> Instance:
    """Change ``protected``, ``on_boot`` or ``tags``, and tell it; raises InvalidInput, RevisionMismatch."""
    if "tags" in changes:
        changes["tags"] = check_tags(tuple(changes["tags"]))
    changed = tx.instances.update(instance.id, expect_revision=revision, bump=True, **changes)
    told = ", ".join(f"{key} = {value}" for key, value in changes.items())
    tx.events.add(
        "instance.changed",
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        actor=actor.user_name,
        message=f"{instance.name}: {told}",
        data={},
    )
    return changed


def admit_delete(tx: Tx, actor: Actor, instance: Instance, keep: tuple[str, ...]) -> Operation:
    """Record that an instance is deleted for good. Raises Protected, Busy, WrongState, InvalidInput (no such disk)."""
    if instance.protected:
        raise Protected(f"The instance {instance.name} is protected against deletion.")
    check_state(instance, "delete")
    check_no_clones(tx, instance)
    kept = _kept(tx.volumes.of_instance(instance.id), keep)
    operation = begin_verb(tx, actor, instance, "delete", keep=kept)
    for volume in tx.volumes.of_instance(instance.id):
        tx.volumes.lock(volume.id, operation.id)
    tx.instances.update(instance.id, status=InstanceStatus.DELETING, desired=Power.STOPPED, bump=True)
    return operation


def _visible_image(tx: Tx, visible: set[str] | None, ref: str) -> str:
    """Give the id of an image of that name or id; those of other projects are as if they were not there."""
    for image in tx.images.page(ImageFilter(project_ids=visible), limit=1000).items:
        if ref in (image.id, image.name):
            return image.id
    raise NotFound(f"There is no image {ref!r}.")


def _kept(volumes: list[Volume], wanted: tuple[str, ...]) -> list[str]:
    if "all" in wanted:
        return [each.id for each in volumes]
    known = {key: each.id for each in volumes for key in (each.id, each.name)}
    for name in wanted:
        if name not in known:
            raise InvalidInput(f"The instance has no disk {name[:80]!r}.", field="keep")
    return sorted({known[name] for name in wanted})


def views(tx: Tx, instances: Iterable[Instance]) -> Iterable[InstanceView]:
    """Give instances with what people want to see with them, in a handful of queries for all."""
    rows = list(instances)
    ids = [each.id for each in rows]
    names = _names(tx, rows)
    ports, volumes, shared = tx.ports.for_instances(ids), tx.volumes.for_instances(ids), tx.readers.for_instances(ids)
    networks = {key: each.name for key, each in tx.networks.many(_network_ids(ports.values())).items()}
    for each in rows:
        yield InstanceView(
            instance=each,
            names=names(each),
            ports=tuple(ports.get(each.id, ())),
            networks=networks,
            volumes=tuple(volumes.get(each.id, ())),
            shared=tuple(shared.get(each.id, ())),
        )


def _names(tx: Tx, rows: Sequence[Instance | InstanceBrief]) -> Callable[[Instance | InstanceBrief], Names]:
    """Give what tells the names of each of the instances, from three queries for all."""
    projects = tx.projects.many({each.project_id for each in rows})
    hosts = tx.hosts.many({each.host_id for each in rows})
    images = tx.images.many({id for each in rows for id in (each.image_id, *_discs(each)) if id})

    def names(each: Instance | InstanceBrief) -> Names:
        host, image = hosts[each.host_id], images.get(each.image_id or "")
        state = host.state if host.state in (HostState.LOST, HostState.DEGRADED) else HostState.UP
        project = projects[each.project_id].name
        name, user = (image.name, image.default_user) if image else ("", "")  # else it was adopted, or installed
        discs = [images[id].name if id in images else "" for id in _discs(each)]
        return Names(project, host.name, state.value, host.accel.value, name, user, *discs)

    return names


def _discs(instance: Instance | InstanceBrief) -> tuple[str | None, ...]:
    """Give the images in its drives, as ``Names`` has them; no table shows them."""
    return (instance.driver_image_id, instance.cd_image_id) if isinstance(instance, Instance) else ()


def _which(tx: Tx, actor: Actor, query: InstanceQuery) -> InstanceFilter:
    visible = visible_projects(actor)
    if query.project:
        visible = {resolve_project(tx, actor, query.project, Role.VIEWER).id}
    return InstanceFilter(
        project_ids=visible,
        status=query.status,
        tags=query.tags,
        host_id=tx.hosts.resolve(query.host).id if query.host else None,
        image_id=_visible_image(tx, visible, query.image) if query.image else None,
        search=query.search,
        template=query.template,
        inserted_id=query.inserted or None,
    )


def _network_ids(ports: Iterable[Iterable[Port]]) -> set[str]:
    return {port.network_id for group in ports for port in group}
