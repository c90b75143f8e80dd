"""The store and its transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError

from zcloud.base import meters
from zcloud.base.clock import Clock
from zcloud.domain.errors import AlreadyExists, Busy
from zcloud.store import events, migrate, portable
from zcloud.store.admission import Claims
from zcloud.store.engines import check_foreign_keys, make_file, open_engines, without_foreign_keys
from zcloud.store.errors import GenerationMoved, is_conflict, opening
from zcloud.store.foreign import ForeignDomains
from zcloud.store.groups import Groups
from zcloud.store.instances import Flavors, InstanceBriefs, Instances
from zcloud.store.machines import Hosts, Networks, Pools
from zcloud.store.migrate import SchemaState
from zcloud.store.misc import Idempotency, Secrets, Settings
from zcloud.store.networks import Ports
from zcloud.store.operations import Operations, Workers
from zcloud.store.people import Projects, SecondFactors, Sessions, SshKeys, Tickets, Tokens, Users
from zcloud.store.picture import Pictures
from zcloud.store.precedence import Precedence
from zcloud.store.readers import Readers
from zcloud.store.repository import Scope
from zcloud.store.schedules import Schedules
from zcloud.store.sealing import Sealer
from zcloud.store.sharing import PoolHosts
from zcloud.store.signals import PostgresSignals, Signals
from zcloud.store.snapshots import Snapshots
from zcloud.store.storage import Images, Samples, Volumes

T = TypeVar("T")

_ATTEMPTS = 40
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.25


class Tx:
    """One transaction: a repository per noun, and the time at which it began."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.now = scope.now
        self.users, self.projects, self.tokens = Users(scope), Projects(scope), Tokens(scope)
        self.sessions, self.ssh_keys, self.tickets = Sessions(scope), SshKeys(scope), Tickets(scope)
        self.second_factors = SecondFactors(scope)
        self.secrets, self.settings, self.idempotency = Secrets(scope), Settings(scope), Idempotency(scope)
        self.hosts, self.pools, self.networks = Hosts(scope), Pools(scope), Networks(scope)
        self.pool_hosts = PoolHosts(scope)
        self.claims, self.foreign = Claims(scope), ForeignDomains(scope)
        self.flavors, self.images, self.instances = Flavors(scope), Images(scope), Instances(scope)
        self.briefs, self.groups = InstanceBriefs(scope), Groups(scope)
        self.snapshots, self.schedules = Snapshots(scope), Schedules(scope)
        self.pictures = Pictures(scope)
        self.volumes, self.ports, self.samples = Volumes(scope), Ports(scope), Samples(scope)
        self.readers = Readers(scope)
        self.operations, self.workers = Operations(scope), Workers(scope)
        self.events, self.audit = events.Events(scope), events.Audit(scope)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Undo what the block wrote, and only that, when an error leaves it (a savepoint)."""
        scope, kept = self._scope, (len(self._scope.events), len(self._scope.audit))
        try:
            with scope.connection.begin_nested():
                yield
        except BaseException:
            del scope.events[kept[0] :], scope.audit[kept[1] :]
            raise


class Store:
    """All that zcloud knows, in an SQLite file or a PostgreSQL database.

    ``url`` is ``sqlite:///FILE`` or ``postgresql://...`` (raises ConfigInvalid for anything else); ``seal`` opens
    and seals secrets. Threads may share a store; after a fork a process makes its own.
    """

    def __init__(self, url: str, *, clock: Clock, seal: Sealer | None) -> None:
        self._clock, self._sealer = clock, seal
        self._engines = open_engines(url)
        self._writing = threading.local()
        self.precedence = Precedence()
        postgres = make_url(url).get_backend_name() == "postgresql"
        self.signals: Signals = PostgresSignals(self._engines.write) if postgres else Signals()

    def migrate(self) -> None:
        """Bring the schema up to date, or make it; raises SchemaMismatch (a newer zcloud's), StoreUnreachable."""
        with self._rebuild() as connection:
            migrate.migrate(connection)

    def check_version(self) -> None:
        """Raise SchemaMismatch unless the schema is exactly the one that this version needs, or StoreUnreachable."""
        with self._begin(self._engines.read) as connection:
            migrate.check(connection)

    def schema_state(self) -> SchemaState:
        """Say how the store's schema stands to the one that this version needs; raises StoreUnreachable."""
        with self._begin(self._engines.read) as connection:
            return migrate.state(connection)

    @contextmanager
    def export(self) -> Iterator[portable.Export]:
        """Give all rows as of one moment, whatever the schema is; writers go on meanwhile. Raises StoreUnreachable."""
        with self._begin(self._engines.read) as connection:
            yield portable.Export(connection, migrate.state(connection).current)

    def load(self, revision: str, blocks: Iterable[portable.Block], settle: Callable[[Tx], None]) -> None:
        """Fill an empty store with rows of a schema, migrate it, and ``settle``: all in one transaction.

        Raises SchemaMismatch (a newer zcloud's), AlreadyExists (the store is not empty), StoreUnreachable.
        """
        with self._rebuild() as connection:
            if migrate.state(connection).current is not None:
                raise AlreadyExists("The store that would be filled is not empty.")
            migrate.migrate(connection, revision)
            portable.load(connection, blocks)
            migrate.migrate(connection)
            scope = self._scope(connection, writable=True)
            settle(Tx(scope))
            events.number(scope)

    def close(self) -> None:
        """Close every connection."""
        self.signals.close()
        self._engines.close()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Give a transaction that sees one moment of the store and writes nothing; it waits for no writer.

        Raises StoreUnreachable.
        """
        with self._begin(self._engines.read) as connection:
            yield Tx(self._scope(connection, writable=False))

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """Give a transaction that is committed at the end of the block, or undone by an error.

        On SQLite there is one writer at a time, and the others wait; on PostgreSQL two may collide: prefer
        ``transact`` for whatever claims. Raises StoreUnreachable, and RuntimeError inside another write of the thread.
        """
        if getattr(self._writing, "on", False):
            raise RuntimeError("a write transaction within another one would wait for itself")
        self._writing.on = True
        try:
            with meters.STORE_WRITE_SECONDS.time(), self._begin(self._engines.write) as connection:
                scope = self._scope(connection, writable=True)
                yield Tx(scope)
                events.number(scope)
                self.signals.before_commit(connection, scope.topics)
        finally:
            self._writing.on = False
        self.signals.after_commit(scope.topics)

    def transact(self, fn: Callable[[Tx], T]) -> T:
        """Run ``fn`` in a write transaction, again where it collided with another one, and give its result.

        Collisions are moved generations, serialization failures and deadlocks; ``fn`` therefore changes nothing
        but the store. Raises Busy when it goes on for too long.
        """
        for attempt in range(_ATTEMPTS):
            try:
                with self.write() as tx:
                    return fn(tx)
            except (GenerationMoved, DBAPIError) as error:
                if not is_conflict(error):
                    raise
                last = error
            self._clock.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt) * _jitter())
        raise Busy("Too many requests compete for the same capacity.", hint="Try again in a moment.") from last

    @contextmanager
    def _begin(self, engine: Engine) -> Iterator[Connection]:
        with opening():
            connection = engine.connect()
        with connection:
            with opening():
                transaction = connection.begin()
            with transaction:
                yield connection

    @contextmanager
    def _rebuild(self) -> Iterator[Connection]:
        """Give a write transaction in which tables may be made anew (see ``engines.without_foreign_keys``)."""
        with opening():
            make_file(self._engines)
        with without_foreign_keys(self._engines.write), self._begin(self._engines.write) as connection:
            yield connection
            check_foreign_keys(connection)

    def _scope(self, connection: Connection, *, writable: bool) -> Scope:
        return Scope(connection, self._clock.now(), writable, self._sealer)


def _jitter() -> float:
    """Give a factor of 0.5 to 1.5 that differs from thread to thread, so that colliding ones part."""
    return 0.5 + (threading.get_native_id() * 0.618) % 1
