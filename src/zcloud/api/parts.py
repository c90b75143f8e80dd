"""What the API is made of, and one call to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from starlette.routing import WebSocketRoute

from zcloud.domain.errors import RevisionMismatch
from zcloud.domain.instance import Instance
from zcloud.domain.people import Actor
from zcloud.services.actions import Actions
from zcloud.services.adoption import Adopting
from zcloud.services.arrivals import ArrivalLimits, Arrivals
from zcloud.services.audit import Audit
from zcloud.services.catalogue import Catalogue
from zcloud.services.cloning import Cloning
from zcloud.services.context import Services
from zcloud.services.customizing import Customizing
from zcloud.services.definitions import Definitions
from zcloud.services.direct import Direct
from zcloud.services.disks import Disks
from zcloud.services.events import Events
from zcloud.services.flavors import Flavors
from zcloud.services.freezing import Freezing
from zcloud.services.groups import Groups
from zcloud.services.guests import Guests
from zcloud.services.hardware import HardwareService
from zcloud.services.health import Health, Patience
from zcloud.services.hostdisks import HostDisks
from zcloud.services.hosts import Hosts
from zcloud.services.idempotency import Idempotency
from zcloud.services.images import Images
from zcloud.services.insides import Insides
from zcloud.services.instances import Instances
from zcloud.services.launch import Launch
from zcloud.services.lifecycle import Lifecycle
from zcloud.services.maintenance import Maintenance
from zcloud.services.media import Media
from zcloud.services.metrics import Metrics, MetricsOptions
from zcloud.services.moving import Moving
from zcloud.services.naming import Naming
from zcloud.services.networks import Networks
from zcloud.services.nics import Nics
from zcloud.services.operations import Operations
from zcloud.services.overview import Overviews
from zcloud.services.people import People
from zcloud.services.pools import Pools
from zcloud.services.reconcile import Reconcile
from zcloud.services.schedules import Schedules
from zcloud.services.screens import Screens
from zcloud.services.secondfactor import SecondFactorService
from zcloud.services.signin import SignIn
from zcloud.services.sizes import Sizes
from zcloud.services.snapshots import Snapshots
from zcloud.services.systems import Systems
from zcloud.services.tickets import Tickets
from zcloud.services.trash import Trash
from zcloud.services.uploads import Uploads
from zcloud.services.volumes import Volumes

_ETAG = re.compile(r'"(\d{1,15})"')


@dataclass(frozen=True, slots=True)
class Settings:
    """What the API is told by the configuration; sizes in bytes.

    ``fingerprints``: of the certificates that the server made. ``upload_h``: hours that an unfinished upload is kept;
    0: for ever. ``open_metrics``: on this machine ``/metrics`` takes no token.
    """

    upload_dir: Path
    uploads: ArrivalLimits
    max_body: int
    zone: str
    version: str
    upload_h: int = 0
    catalogue: Path | None = None
    systems_cache: Path | None = None
    open_metrics: bool = False
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
    patience: Patience = field(default_factory=Patience)
    fingerprints: Callable[[], Mapping[str, str]] = dict


@dataclass(frozen=True, slots=True)
class Devices:
    """What instances have plugged in, what waits for it, and the disks that hosts have."""

    volumes: Volumes
    disks: Disks
    nics: Nics
    moving: Moving
    host_disks: HostDisks


@dataclass(frozen=True, slots=True)
class Owner:
    """What owners do with instances that are there, beyond starting and stopping them."""

    lifecycle: Lifecycle
    media: Media
    naming: Naming
    trash: Trash
    actions: Actions
    screens: Screens
    definitions: Definitions
    customizing: Customizing
    insides: Insides
    freezing: Freezing
    adopting: Adopting
    cloning: Cloning
    snapshots: Snapshots
    schedules: Schedules


@dataclass(frozen=True, slots=True)
class Machines:
    """What changes the machine that a guest runs on."""

    sizes: Sizes
    hardware: HardwareService


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of other people's systems."""

    catalogue: Catalogue
    systems: Systems


@dataclass(frozen=True, slots=True)
class Whole:
    """What tells of the whole cloud at once, to programs and to people."""

    metrics: Metrics
    overview: Overviews


@dataclass(frozen=True, slots=True)
class ApiParts:
    """All services that the API calls, its settings, and the one read that asks a host."""

    settings: Settings
    first: Callable[[], AbstractContextManager[None]]  # what is in no hurry gives way while it lasts
    read_console_log: Callable[[str, Instance], bytes]  # host id, instance -> the log's end; blocks
    console: WebSocketRoute
    signin: SignIn
    people: People
    second_factor: SecondFactorService
    hosts: Hosts
    guests: Guests
    groups: Groups
    pools: Pools
    networks: Networks
    images: Images
    uploads: Uploads
    known: Known
    flavors: Flavors
    launch: Launch
    instances: Instances
    machines: Machines
    owner: Owner
    devices: Devices
    operations: Operations
    events: Events
    audit: Audit
    idempotency: Idempotency
    tickets: Tickets
    health: Health
    whole: Whole
    reconcile: Reconcile
    maintenance: Maintenance


def build_owner(services: Services, direct: Direct) -> Owner:
    """Make the services of ``Owner``."""
    return Owner(
        lifecycle=Lifecycle(services),
        media=Media(services),
        naming=Naming(services),
        trash=Trash(services),
        actions=Actions(services),
        screens=Screens(services, direct),
        definitions=Definitions(services, direct),
        customizing=Customizing(services),
        insides=Insides(services, direct),
        freezing=Freezing(services),
        adopting=Adopting(services, direct),
        cloning=Cloning(services),
        snapshots=Snapshots(services),
        schedules=Schedules(services),
    )


def build_devices(services: Services, direct: Direct) -> Devices:
    """Build what deals with devices."""
    return Devices(Volumes(services), Disks(services), Nics(services), Moving(services), HostDisks(services, direct))


def build_parts(
    services: Services,
    settings: Settings,
    read_console_log: Callable[[str, Instance], bytes],
    console: WebSocketRoute,
    direct: Direct,
) -> ApiParts:
    """Make every service from the common means."""
    known = Known(Catalogue(settings.catalogue), Systems(settings.systems_cache))
    return ApiParts(
        settings=settings,
        first=services.store.precedence.first,
        read_console_log=read_console_log,
        console=console,
        signin=SignIn(services),
        people=People(services),
        second_factor=SecondFactorService(services),
        hosts=Hosts(services),
        guests=Guests(services),
        groups=Groups(services),
        pools=Pools(services),
        networks=Networks(services),
        images=Images(services, known.catalogue),
        uploads=Uploads(services, Arrivals(settings.upload_dir, settings.uploads), settings.upload_h),
        known=known,
        flavors=Flavors(services),
        launch=Launch(services, known.systems),
        instances=Instances(services),
        machines=Machines(Sizes(services), HardwareService(services)),
        owner=build_owner(services, direct),
        devices=build_devices(services, direct),
        operations=Operations(services),
        events=Events(services),
        audit=Audit(services),
        idempotency=Idempotency(services),
        tickets=Tickets(services),
        health=Health(services, settings.patience),
        whole=Whole(Metrics(services, settings.metrics), Overviews(services)),
        reconcile=Reconcile(services),
        maintenance=Maintenance(services),
    )


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    request: Request
    parts: ApiParts
    actor: Actor

    @property
    def revision(self) -> int | None:
        """Give the revision that If-Match asks for (None: any); raises RevisionMismatch for a tag not of ours."""
        wanted = self.request.headers.get("if-match", "*").strip()
        if wanted == "*":
            return None
        match = _ETAG.fullmatch(wanted)
        if match is None:
            raise RevisionMismatch("If-Match is not an ETag that zcloud gave.")
        return int(match[1])

    def note(self, resource: str) -> None:
        """Tell the audit log what the request was about, where its path does not."""
        self.request.state.resource = resource


def parts_of(request: Request) -> ApiParts:
    """Give the parts of the application that serves a request."""
    parts: ApiParts = request.app.state.parts
    return parts


async def _call(request: Request) -> Call:
    return Call(request, parts_of(request), request.state.actor)


Calling = Annotated[Call, Depends(_call)]
