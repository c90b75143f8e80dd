"""Templates, and clones of instances: each with a name, addresses and an identity of its own, in one transaction."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from zcloud.base.ids import new_id
from zcloud.domain.claims import running_claims
from zcloud.domain.errors import InvalidInput, NotFound, WrongState
from zcloud.domain.guest import SECRETS, GuestSecrets
from zcloud.domain.hardware import check_hardware, settle
from zcloud.domain.instance import Instance, InstanceStatus, NicRequest, Power, Ready
from zcloud.domain.names import check_name
from zcloud.domain.network import MAX_NICS, Network, Port, port_hostname
from zcloud.domain.operation import Operation
from zcloud.domain.people import Actor, Project, Usage
from zcloud.domain.size import ask_size, check_size
from zcloud.domain.storage import TIB, Volume, VolumeState
from zcloud.drivers import registry
from zcloud.drivers.storage.base import Feature
from zcloud.scheduler import Demand
from zcloud.services import admission
from zcloud.services.context import Services, Subject, Window, begin, expect, visible_projects
from zcloud.services.customizing import check_told
from zcloud.services.instances import InstanceView, views
from zcloud.services.nics import add_port
from zcloud.services.owned import begin_verb, check_no_clones, check_state, find
from zcloud.services.rehearsing import rehearse
from zcloud.services.volumes import find_pool
from zcloud.store import InstanceFilter, Page, Tx

MAX_CLONES = 50
_KEPT_SECRETS = ("password_hash", "password")  # user data and commands were for the original's first boot
_KEPT_OPTIONS = ("locale", "timezone", "ntp", "apt_proxy", "dnf_proxy", "offline")


@dataclass(frozen=True, slots=True)
class CloneSpec:
    """Clones that are asked for, one per name; 0, empty and None are as the source has it.

    ``linked`` None: over a template's disks, else copies; those lie in ``pool``. Where pools copy snapshots, clones of
    any instance may be linked. ``nics`` are in place of the source's networks; of several clones the first gets the
    chosen address, the others those after it. Disks ``without`` stay behind.
    """

    names: tuple[str, ...]
    linked: bool | None = None
    flavor: str = ""
    vcpus: int = 0
    memory_mib: int = 0
    root_size: int = 0
    nics: tuple[NicRequest, ...] | None = None
    without: tuple[str, ...] = ()
    start: bool = True
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Cloned:
    """What was begun, and what is unwise about it."""

    operation: Operation
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CloneRehearsal:
    """What clones would come to: as they would be recorded, with what they have, and what is unwise about it."""

    source: Instance
    linked: bool
    clones: tuple[InstanceView, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateView:
    """A template, and how many disks of linked clones lie over it."""

    view: InstanceView
    over: int


class Cloning:
    """The service behind ``zcloud clone`` and ``zcloud instance template``."""

    def __init__(self, services: Services) -> None:
        self._store, self._zone = services.store, services.zone

    def clone(self, actor: Actor, project: str, ref: str, spec: CloneSpec) -> Cloned:
        """Clone an instance that is off, runs or is a template; all clones are made, or none.

        Raises WrongState, Busy, InvalidInput, AlreadyExists, NotFound, PoolCannot, PoolFull, NoRoom, NoAddress,
        QuotaExceeded.
        """
        _check(spec)

        def work(tx: Tx) -> Cloned:
            order = self._order(tx, actor, find(tx, actor, project, ref), spec)
            return Cloned(order.record(), tuple(order.warnings()))

        return self._store.transact(work)

    def explain(self, actor: Actor, project: str, ref: str, spec: CloneSpec) -> CloneRehearsal:
        """Say what clones would come to; changes nothing. Raises as ``clone``."""
        _check(spec)

        def work(tx: Tx) -> CloneRehearsal:
            source = find(tx, actor, project, ref)
            order = self._order(tx, actor, source, spec)
            made = tx.instances.many(order.record().args["clones"])
            linked = source.template if spec.linked is None else spec.linked
            clones = sorted(views(tx, list(made.values())), key=lambda each: spec.names.index(each.instance.name))
            return CloneRehearsal(source, linked, tuple(clones), tuple(order.warnings()))

        return rehearse(self._store, work)

    def may_link(self, actor: Actor, project: str, ref: str) -> bool:
        """Tell whether clones may be linked: over a template's disks, or over marks that pools keep."""
        with self._store.read() as tx:
            source = find(tx, actor, project, ref)
            disks = tx.volumes.of_instance(source.id)
            return source.template or (bool(disks) and _keep_marks(tx, disks))

    def templates(self, actor: Actor, window: Window) -> Page[TemplateView]:
        """List the templates that the actor may see."""
        with self._store.read() as tx:
            which = InstanceFilter(project_ids=visible_projects(actor), template=True)
            page = tx.instances.page(which, **window.arguments())
            shown = list(views(tx, page.items))
            disks = {volume.id: view.instance.id for view in shown for volume in view.volumes}
            over = Counter(disks[each.parent_id or ""] for each in tx.volumes.over(disks))
            found = tuple(TemplateView(view, over[view.instance.id]) for view in shown)
            return Page(found, page.next_cursor, page.total)

    def _order(self, tx: Tx, actor: Actor, source: Instance, spec: CloneSpec) -> _Order:
        check_state(source, "clone")
        return _Order(tx, actor, source, _settle(tx, source, spec), self._zone)

    def template(self, actor: Actor, project: str, ref: str, *, on: bool, revision: int | None = None) -> Operation:
        """Make a template of an instance that is off, or an instance of a template that nothing lies over.

        Raises WrongState, InUse, Busy, RevisionMismatch.
        """

        def work(tx: Tx) -> Operation:
            instance = find(tx, actor, project, ref)
            expect(instance, revision)
            check_state(instance, "template")
            if instance.template is on:
                raise WrongState(f"The instance {instance.name} is {'a template already' if on else 'no template'}.")
            if not on:
                check_no_clones(tx, instance)
            return begin_verb(tx, actor, instance, "template", on=on)

        return self._store.transact(work)


def _check(spec: CloneSpec) -> None:
    if not 1 <= len(spec.names) <= MAX_CLONES or len(set(spec.names)) < len(spec.names):
        raise InvalidInput(f"Give 1 to {MAX_CLONES} different names.", field="names")
    for name in spec.names:
        check_name(name)
    if len(spec.nics or ()) > MAX_NICS:
        raise InvalidInput(f"At most {MAX_NICS} NICs are allowed.", field="nics")


def _settle(tx: Tx, source: Instance, spec: CloneSpec) -> CloneSpec:
    """Fill in what was left open; raises InvalidInput, WrongState, NotFound."""
    linked = source.template and not spec.pool if spec.linked is None else spec.linked
    if linked and spec.pool:
        raise InvalidInput("A linked clone's disks lie where the template's do.", field="pool")
    flavor = tx.flavors.get(spec.flavor) if spec.flavor else None
    vcpus = spec.vcpus or (flavor.vcpus if flavor else source.vcpus)
    memory_mib = spec.memory_mib or (flavor.memory_mib if flavor else source.memory_mib)
    size = ask_size(vcpus, memory_mib, _most(source.max_vcpus, vcpus), _most(source.max_memory_mib, memory_mib))
    check_size(size, tx.images.get(source.image_id).min_memory_mib if source.image_id else 0)
    check_hardware(settle(source.options), size, source.firmware)
    nics = spec.nics
    if nics is None:
        nics = tuple(NicRequest(each.network_id) for each in tx.ports.of_instance(source.id))
    if len(spec.names) > 1 and any(each.mac for each in nics):
        raise InvalidInput("A MAC address can be chosen for one clone only.", field="nics")
    return replace(spec, linked=linked, vcpus=vcpus, memory_mib=memory_mib, nics=nics)


def _most(most: int, least: int) -> int:
    return max(most, least) if most else 0


class _Order:
    """All records of the clones, in one transaction."""

    def __init__(self, tx: Tx, actor: Actor, source: Instance, spec: CloneSpec, zone: str) -> None:
        self._tx, self._actor, self._source, self._spec, self._zone = tx, actor, source, spec, zone
        self._owner: Project = tx.projects.get(source.project_id)
        disks = tx.volumes.of_instance(source.id)
        unknown = set(spec.without) - {name for each in disks for name in (each.name, each.id)}
        if unknown:
            raise NotFound(f"The instance {source.name} has no disk {min(unknown)[:80]!r}.")
        self._left = [each for each in disks if {each.name, each.id} & set(spec.without)]
        self._disks = [each for each in disks if each not in self._left]
        self._pool = find_pool(tx, spec.pool, source.host_id) if spec.pool else None
        if any(not each.slot for each in self._left):
            raise InvalidInput("A clone needs the root disk.", field="without")
        self._marked = self._is_marked()

    def record(self) -> Operation:
        """Record everything, and what makes it."""
        tx, spec, source = self._tx, self._spec, self._source
        self._check_disks()
        clones = [self._instance(name) for name in spec.names]
        args = {"clones": [each.id for each in clones], "linked": spec.linked, "start": spec.start, "incarnation": 1}
        args["marked"] = self._marked
        subject = Subject("instance", source.id, source.name, source.project_id)
        operation = begin(tx, self._actor, "clone", "instance_clone_v1", subject, **args)
        if not source.template:  # nobody changes a template, so that many may clone it at once
            tx.instances.lock(source.id, operation.id)
            for volume in self._disks:
                tx.volumes.lock(volume.id, operation.id)
        for number, clone in enumerate(clones):
            self._admit(number, clone, operation)
        return operation

    def warnings(self) -> Iterator[str]:
        """Tell what the clones will miss."""
        for disk in self._left:
            if disk.attachment.mount:
                yield (
                    f"{disk.name} is not cloned along, but the guest's fstab names it for {disk.attachment.mount}: "
                    "without `nofail` there its boot waits for that disk."
                )
            else:
                yield f"{disk.name} is not cloned along; see that the guest's fstab does not name it."
        for disk in self._tx.readers.of_instance(self._source.id):
            yield f"{disk.name} is shared, and no clone has it: attach it there, too, where the guest's fstab names it."
        if self._source.options.get("tpm", "off") != "off":
            yield "A clone's TPM is a new one: what the guest sealed with the original's cannot be opened."

    def _check_disks(self) -> None:
        feature = Feature.COPY_ON_WRITE if self._spec.linked else Feature.COPY
        live = not self._spec.linked and not self._marked and self._source.status is not InstanceStatus.STOPPED
        if self._spec.linked and not self._marked and not self._source.template:
            raise WrongState(
                f"{self._source.name} is no template; its disks change under whatever would lie over them.",
                hint=f"Make it one (`zcloud instance template {self._source.name}`), or ask for a full clone.",
            )
        for volume in self._disks:
            if live:
                pool = self._pool or self._tx.pools.get(volume.pool_id)
                registry.check_feature(
                    pool, Feature.COPY_LIVE, "copies of disks while their guest runs (stop it first)"
                )
                registry.check_whole(pool, volume)
            if self._stays(volume):
                registry.check_feature(self._tx.pools.get(volume.pool_id), feature, "clones")
            elif self._pool:
                volume.attachment.check_direct(direct_io=registry.has_direct_io(self._pool))
            if volume.state is not VolumeState.READY:
                raise WrongState(f"The volume {volume.name} is {volume.state}.")
        root = next((each for each in self._disks if not each.slot), None)
        if root is None:
            raise WrongState(f"The instance {self._source.name} has no root disk.")
        if self._spec.root_size and not root.size <= self._spec.root_size <= 64 * TIB:
            raise InvalidInput(f"The root disk of a clone has {root.size} bytes at least.", field="root_size")

    def _is_marked(self) -> bool:
        """Tell whether the pools mark the disks as they are at one moment, and make the clones' of that."""
        source = self._source
        if source.template or (source.status is InstanceStatus.STOPPED and not self._spec.linked):
            return False
        return all(map(self._stays, self._disks)) and _keep_marks(self._tx, self._disks)

    def _stays(self, volume: Volume) -> bool:
        """Tell whether the copy of a disk lies in the same pool."""
        return self._pool is None or self._pool.id == volume.pool_id

    def _admit(self, number: int, clone: Instance, operation: Operation) -> None:
        """Record a clone with its disks and ports, and claim what it takes."""
        tx, spec = self._tx, self._spec
        volumes = [self._volume(each, clone, operation) for each in self._disks]
        usage = Usage(1, clone.vcpus, clone.memory_mib, sum(each.size for each in volumes))
        admission.check_quota(tx, self._owner, usage)
        cloud = admission.snapshot(tx)
        pools: dict[str, int] = {}
        for each in volumes:
            pools[each.pool_id] = pools.get(each.pool_id, 0) + each.size
        demand = Demand(
            vcpus=clone.vcpus if spec.start else 0,
            memory_mib=clone.memory_mib if spec.start else 0,
            firmware=clone.firmware.value,
            disks=pools,
            networks=tuple(each.network for each in spec.nics or ()),
            host=clone.host_id,
            hardware=settle(clone.options),
        )
        host = admission.choose(cloud.only(clone.host_id), clone.project_id, demand).candidates[0].host
        tx.instances.add(clone)
        tx.instances.lock(clone.id, operation.id)
        for each in volumes:
            tx.volumes.add(each)
        networks = [cloud.networks[host.networks[each.network]] for each in spec.nics or ()]
        ports = [self._port(number, slot, clone, network) for slot, network in enumerate(networks)]
        self._prepare(clone, list(zip(ports, networks, strict=True)), volumes)
        claims = [admission.volume_claim(each.pool_id, each.id, each.size) for each in volumes]
        if spec.start:
            claims += running_claims(clone.host_id, clone.id, clone.vcpus, clone.memory_mib)
        admission.take(tx, cloud, claims)

    def _prepare(self, clone: Instance, nics: list[tuple[Port, Network]], volumes: list[Volume]) -> None:
        """Seal what the guest is told again, and see that its seed can be made."""
        tx = self._tx
        sealed = {
            kind: tx.secrets.get(f"instance.{kind}", self._source.id) for kind in SECRETS if kind in _KEPT_SECRETS
        }
        secrets = GuestSecrets.unpack(sealed)
        check_told(tx, clone, nics, volumes, secrets)
        for kind, value in secrets.pack().items():
            tx.secrets.put(f"instance.{kind}", clone.id, value)

    def _port(self, number: int, slot: int, clone: Instance, network: Network) -> Port:
        asked = (self._spec.nics or ())[slot]
        if asked.address and number:
            try:
                asked = replace(asked, address=str(ipaddress.IPv4Address(asked.address) + number))
            except ValueError as error:
                raise InvalidInput(f"{asked.address[:60]!r} is not an IPv4 address.", field="nics") from error
        hostname = port_hostname(clone.name, slot, self._owner.name, self._zone)
        return add_port(self._tx, clone, network, asked, slot, hostname)

    def _instance(self, name: str) -> Instance:
        source, spec, identity, now = self._source, self._spec, new_id(), self._tx.now
        options = {key: value for key, value in source.guest.get("options", {}).items() if key in _KEPT_OPTIONS}
        origin = {"id": source.id, "name": source.name, "linked": spec.linked}
        here = all(self._stays(each) for each in self._disks if not each.slot)  # CDs lie in the root disk's pool
        as_large = (spec.vcpus, spec.memory_mib) == (source.vcpus, source.memory_mib)
        return replace(
            source,
            id=identity,
            name=name,
            domain_name=f"{name[:40]}-{identity[:8]}",
            status=InstanceStatus.BUILDING,
            desired=Power.RUNNING if spec.start else Power.STOPPED,
            vcpus=spec.vcpus,
            memory_mib=spec.memory_mib,
            max_vcpus=_most(source.max_vcpus, spec.vcpus),
            max_memory_mib=_most(source.max_memory_mib, spec.memory_mib),
            flavor=spec.flavor or (source.flavor if as_large else ""),
            protected=False,
            incarnation=0,
            revision=1,
            ready=Ready.NONE,
            ready_detail="",
            ready_deadline=None,
            observed={},
            error=None,
            operation_id=None,
            created_by=self._actor.user_name,
            created_at=now,
            updated_at=now,
            started_at=None,
            driver_image_id=source.driver_image_id if here else None,
            cd_image_id=source.cd_image_id if here else None,
            hardware={},
            guest={**source.guest, "options": options, "clone_of": origin},
            live={},
            frozen_until=None,
            down_with="",
        )

    def _volume(self, origin: Volume, clone: Instance, operation: Operation) -> Volume:
        spec, source = self._spec, self._source
        grown = spec.root_size if not origin.slot and spec.root_size else origin.size
        pool = self._pool or self._tx.pools.get(origin.pool_id)
        apart = not spec.linked and (self._marked or source.status is InstanceStatus.STOPPED)  # else it is copied flat
        return replace(
            origin,
            id=new_id(),
            name=f"{clone.name}-data-{origin.slot}" if origin.slot else f"{clone.name}-root",
            size=registry.whole_size(pool, grown),
            allocated=0,
            pool_id=pool.id,
            image_id=origin.image_id if apart and self._stays(origin) else None,
            parent_id=origin.id if spec.linked and not self._marked else None,  # a mark's pool keeps what it needs
            instance_id=clone.id,
            state=VolumeState.CREATING,
            operation_id=operation.id,
            created_at=self._tx.now,
            revision=1,
            attachment=replace(origin.attachment, serial=origin.serial),  # its fstab may name the disk so
        )


def _keep_marks(tx: Tx, volumes: Iterable[Volume]) -> bool:
    """Tell whether the pools of all these volumes can make others of what a mark has, and keep what those need."""
    return all(registry.can(tx.pools.get(each.pool_id), Feature.COPY_SNAPSHOT) for each in volumes)
