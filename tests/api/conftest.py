"""A cloud for the API's tests: a store with people and things in two projects, no workers, and an HTTP client."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.routing import BaseRoute
from tests import builders
from tests.conftest import NewUrl, open_store

from zcloud.api.app import create_app
from zcloud.api.parts import ApiParts, Settings, build_parts
from zcloud.base.clock import SystemClock
from zcloud.base.ids import new_id
from zcloud.domain.claims import BYTES
from zcloud.domain.host import Host
from zcloud.domain.image import Image
from zcloud.domain.instance import Flavor, Instance, InstanceStatus
from zcloud.domain.network import Network
from zcloud.domain.operation import Operation
from zcloud.domain.people import Project, Role, Session, User
from zcloud.domain.storage import GIB, Pool, Volume
from zcloud.ports import DomainState
from zcloud.services.arrivals import ArrivalLimits
from zcloud.services.context import Services
from zcloud.services.direct import Direct
from zcloud.services.health import Patience
from zcloud.services.passwords import hash_password
from zcloud.services.signin import Origin
from zcloud.services.tickets import Grant, Tickets
from zcloud.store import OBSERVER_LEASE, Store, Tx, Worker
from zcloud.store.schema import metadata
from zcloud.testing.fakes import FakeDomain, FakeHypervisor, FakeLink
from zcloud.tunnel import Tunnel

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a successor of httpx that is not packaged
    from starlette.testclient import TestClient

PASSWORD = "correct horse battery"
PASSWORD_HASH = hash_password(PASSWORD)
ROLES = ("admin", "operator", "member", "viewer", "stranger")
_SQLITE = "sqlite:///"
MAX_BODY, MAX_UPLOAD, MAX_PIECE = 64 << 10, 1 << 20, 800 << 10
_COUNTS = text(
    " UNION ALL ".join(
        f"SELECT '{name}', count(*) FROM \"{name}\""
        for name in metadata.tables
        if name not in ("audit", "counters", "login_failures")
    )
)
LOG = b"[    0.0] Linux \xff\x1b[31mhello\x1b[0m\n"


@dataclass(slots=True)
class Cloud:
    """What a test can reach: the records by name, and a client per user."""

    store: Store
    app: FastAPI
    client: TestClient
    parts: ApiParts
    upload_dir: Path
    home: Project
    other: Project
    host: Host
    pool: Pool
    network: Network
    image: Image
    instance: Instance  # stopped, in home
    running: Instance  # in home
    foreign: Instance  # in other
    volume: Volume  # in home, free
    operation: Operation  # queued, in home, about an instance
    tokens: dict[str, str] = field(default_factory=dict)  # a session's secret per user

    def rows(self) -> dict[str, int]:
        """Count the rows of every table but what refusals may write: the audit log, counters, failed logins."""
        with self.store.read() as tx:
            return dict(tx.users._db.execute(_COUNTS).all())

    def headers(self, user: str) -> dict[str, str]:
        """Give the headers of a signed-in user."""
        return {"Authorization": f"Bearer {self.tokens[user]}"}

    def call(self, user: str, method: str, path: str, **options: Any) -> Any:
        """Send a request as a user; a refusal is always a problem."""
        headers = {**self.headers(user), **options.pop("headers", {})}
        answer = self.client.request(method, path, headers=headers, **options)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            told = answer.json()["request_id"]
            assert told == answer.headers["x-request-id"] or "idempotency-replayed" in answer.headers
        return answer

    def get(self, path: str, user: str = "admin", **options: Any) -> Any:
        """GET as a user."""
        return self.call(user, "GET", path, **options)

    def post(self, path: str, json: Any = None, user: str = "admin", **options: Any) -> Any:
        """POST as a user."""
        return self.call(user, "POST", path, json=json, **options)

    def login(self, user: str) -> str:
        """Sign a user in without a request and give the session's secret."""
        return self.parts.signin.login(user, PASSWORD, Origin("127.0.0.1"))[0]


def _people(tx: Tx, home: Project, other: Project) -> None:
    for name in ROLES:
        role = Role(name) if name in ("admin", "operator") else None
        user = tx.users.add(builders.user(name=name, role=role, password_hash=PASSWORD_HASH))
        if name in ("member", "viewer"):
            tx.projects.set_member(home.id, user.id, Role(name))
        if name == "stranger":
            tx.projects.set_member(other.id, user.id, Role.MEMBER)
    tx.users.add(User(new_id(), "nobody", None, False, PASSWORD_HASH, builders.NOW, 1))


@dataclass(slots=True)
class _Things:
    host: Host
    pool: Pool
    network: Network
    image: Image
    instance: Instance
    running: Instance
    foreign: Instance
    volume: Volume
    operation: Operation


def _things(tx: Tx, home: Project, other: Project) -> _Things:
    host = tx.hosts.add(builders.host(name="anton", inventory={"cpus": 8, "memory": 32 * GIB, "firmwares": ["bios"]}))
    tx.claims.set_capacity(host.ref, host.capacity)
    pool = tx.pools.add(builders.pool(name="local", host_id=host.id))
    tx.claims.set_capacity(pool.ref, {BYTES: 100 * GIB})
    network = tx.networks.add(builders.network(name="lan"))
    image = tx.images.add(builders.image(name="debian-12", virtual_size=GIB))
    tx.flavors.add(Flavor("small", 1, 512, 2 * GIB))

    def instance(project: Project, name: str, number: int, **changes: Any) -> Instance:
        made = tx.instances.add(builders.instance(project.id, host.id, image.id, name=name, **changes))
        tx.ports.add(
            builders.port(made.id, network.id, address=f"10.9.0.{number}", hostname=f"{name}.x.cloud.internal")
        )
        return made

    stopped = instance(home, "web", 10, incarnation=1, tags=("blue",))
    return _Things(
        host=host,
        pool=pool,
        network=network,
        image=image,
        instance=stopped,
        running=instance(home, "db", 11, incarnation=1, status=InstanceStatus.RUNNING),
        foreign=instance(other, "theirs", 12, incarnation=1, status=InstanceStatus.RUNNING),
        volume=tx.volumes.add(builders.volume(home.id, pool.id, name="spare")),
        operation=tx.operations.add(builders.operation(project_id=home.id, resource_id=new_id())),
    )


def no_console(grant: Grant, force: bool) -> Any:
    """Refuse: these tests have no host."""
    raise AssertionError(f"nobody opens a console here: {grant.instance.name} {force}")


def make_parts(store: Store, upload_dir: Path, tunnel: Callable[[ApiParts], Tunnel] | None = None) -> ApiParts:
    """Give the parts of an API over a store."""
    services = Services(store, SystemClock(), "cloud.internal")
    limits = ArrivalLimits(MAX_UPLOAD, max_piece=MAX_PIECE)
    settings = Settings(
        upload_dir, limits, MAX_BODY, "cloud.internal", "0.0.test", upload_h=1, patience=Patience(1e6, 1e6)
    )
    return build_parts(
        services,
        settings,
        read_console_log=lambda host_id, instance: LOG,
        console=Tunnel(Tickets(services), no_console).route(),
        direct=Direct(_a_host),
    )


def _a_host(host_id: str) -> FakeLink:
    """Give a host on which every instance is on."""
    del host_id
    link = FakeLink(hypervisor=_LitHost())
    link.shell.blocks.fstab.append("UUID=0d /srv/slow ext4 nofail,x-zcloud.disk 0 2")
    return link


THEIRS = "f0f0f0f0"  # how the uuid of a domain begins that others made
_GUEST = {
    "guest-exec": {"pid": 7},
    "guest-fstrim": {"paths": [{"path": "/", "trimmed": 4096}]},
    "guest-get-osinfo": {"pretty-name": "Debian 12", "kernel-release": "6.1"},
    "guest-exec-status": {"exited": True, "exitcode": 3, "out-data": "aGVsbG8K", "err-data": "b29wcwo="},
    "guest-file-open": 1000,
    "guest-file-read": {"count": 5, "buf-b64": "aGVsbG8K", "eof": True},
    "guest-get-fsinfo": [
        {"name": "vda1", "mountpoint": "/", "type": "ext4", "used-bytes": 1 << 30, "total-bytes": 4 << 30, "disk": []},
        {"name": "vdb", "mountpoint": "/srv\x1b[31m", "type": "xfs", "disk": [{"serial": "x"}]},
    ],
}


class _LitHost(FakeHypervisor):
    """A host on which whatever is asked for is there."""

    def domain_xml(self, uuid: str, *, inactive: bool = True) -> str | None:
        """Give what every instance has."""
        return self._domain(uuid).xml

    def _domain(self, uuid: str) -> FakeDomain:
        xml = "<domain><devices/></domain>"
        if uuid.startswith(THEIRS):
            size = "<memory>1048576</memory><vcpu>2</vcpu><devices/>"
            xml = f"<domain type='qemu'><name>x</name><uuid>{uuid}</uuid>{size}</domain>"
        return FakeDomain(uuid, f"zc-{uuid}", xml, state=DomainState.RUNNING, guest=dict(_GUEST))


def fill(store: Store) -> dict[str, Any]:
    """Put people and things into an empty store; gives the fields of a Cloud."""

    def work(tx: Tx) -> dict[str, Any]:
        home = tx.projects.add(builders.project(name="default"))
        other = tx.projects.add(builders.project(name="other"))
        _people(tx, home, other)
        _beat(tx)
        tokens = {user.name: open_session(tx, user) for user in tx.users.all()}
        things = _things(tx, home, other)
        return {"home": home, "other": other, "tokens": tokens} | {
            name: getattr(things, name) for name in _Things.__slots__
        }

    return store.transact(work)


def _beat(tx: Tx) -> None:
    """Have a worker and an observer."""
    tx.workers.heartbeat(Worker("w", "node", 1, "worker", tx.now, tx.now))
    tx.settings.put(OBSERVER_LEASE, {"beaten_at": tx.now.isoformat()})


def open_session(tx: Tx, user: User) -> str:
    """Sign a user in without its password and give the secret."""
    secret, now = f"zcs_{user.name}-{new_id()}", tx.now
    digest = hashlib.sha256(secret.encode()).hexdigest()
    tx.sessions.add(Session(new_id(), digest, user.id, "127.0.0.1", "test", now, now, now + timedelta(hours=1)))
    return secret


def filled(new_sqlite: NewUrl) -> tuple[Store, dict[str, Any]]:
    """Give a fresh store with people and things in it, and the fields of a Cloud: a copy of one that was filled."""
    template, fields = _template(new_sqlite)
    url = new_sqlite()
    shutil.copyfile(template, url.removeprefix(_SQLITE))
    store = open_store(url)
    store.transact(_beat)
    return store, {**fields, "tokens": dict(fields["tokens"])}  # a test may sign people in anew


@cache
def _template(new_sqlite: NewUrl) -> tuple[str, dict[str, Any]]:
    url = new_sqlite()
    store = open_store(url)
    fields = fill(store)
    store.close()
    return url.removeprefix(_SQLITE), fields


@contextmanager
def open_cloud(new_sqlite: NewUrl, upload_dir: Path, pages: Sequence[BaseRoute] = ()) -> Iterator[Cloud]:
    """Serve a fresh store with people and things in it."""
    store, fields = filled(new_sqlite)
    parts = make_parts(store, upload_dir)
    app = create_app(parts, pages)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Cloud(store=store, app=app, client=client, parts=parts, upload_dir=upload_dir, **fields)
    store.close()


@pytest.fixture
def cloud(new_sqlite: NewUrl, tmp_path: Path) -> Iterator[Cloud]:
    """Give a cloud of one host, two projects and a user per role."""
    with open_cloud(new_sqlite, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def still(new_sqlite: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Give the same cloud for a whole module whose tests change nothing in it."""
    with open_cloud(new_sqlite, tmp_path_factory.mktemp("uploads")) as opened:
        yield opened
