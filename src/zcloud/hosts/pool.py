"""All hosts' links: opened on demand, kept, opened again after a loss; with their states and events told."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from zcloud.base import meters
from zcloud.domain.errors import ConfigInvalid
from zcloud.domain.host import HostKind, HostState
from zcloud.hosts import commands, helperwire, libvirt
from zcloud.hosts.address import HostAddress
from zcloud.hosts.delivery import Delivery
from zcloud.hosts.local import local_shell
from zcloud.hosts.session import Health, HostSession
from zcloud.hosts.shell import CommandShell
from zcloud.hosts.ssh import LoopThread, SshLink
from zcloud.hosts.ways import LocalWay, SshWay
from zcloud.ports import DomainEvent

StateListener = Callable[[str, HostState, str], None]
EventListener = Callable[[DomainEvent], None]
Unsubscribe = Callable[[], None]

_T = TypeVar("_T")


class HostPool:
    """The links of all hosts by host id.

    ``lookup`` gives a host's address (and raises NotFound); it is asked once per host, again after ``forget``.
    ``runtime_directory`` is made with mode 0700 and holds forwarded sockets. Listeners are called one after another
    in a thread of the pool's.
    """

    def __init__(
        self,
        lookup: Callable[[str], HostAddress],
        runtime_directory: str,
        *,
        roots: Sequence[str] = commands.DEFAULT_ROOTS,
        helper_socket: str = helperwire.SOCKET,
    ) -> None:
        self._lookup, self._directory = lookup, _private_directory(runtime_directory)
        self._roots, self._helper_socket = tuple(roots), helper_socket
        self._lock = threading.Lock()
        self._sessions: dict[str, HostSession] = {}
        self._names: dict[str, str] = {}
        self._state_listeners: list[StateListener] = []
        self._event_listeners: dict[str, list[EventListener]] = {}
        self._loop = LoopThread()
        self._delivery = Delivery("host-events")

    def link(self, host_id: str) -> HostSession:
        """Give the host's link, waiting (5 s at most, and only the first time) for it to be opened.

        It is given for a lost host too: its calls raise HostUnreachable (or what is wrong with its key) at once.
        """
        session = self._session(host_id)
        session.wait_settled()
        return session

    def health(self, host_id: str) -> Health:
        """Give the host's state and why; a host that was never linked begins to be."""
        return self._session(host_id).health

    def known(self, host_id: str) -> Health | None:
        """Give the host's state and why, or None until the first attempt to reach it has ended."""
        session = self._session(host_id)
        return session.health if session.settled else None

    def subscribe(self, callback: StateListener) -> Unsubscribe:
        """Have each change of a host's state told: host id, state, reason."""
        return self._add(self._state_listeners, callback)

    def events(self, host_id: str, callback: EventListener) -> Unsubscribe:
        """Have each domain event of a host told, in order; the link is opened where it is not.

        After a ``connection_lost`` event and before the host is up again, events may have been missed.
        """
        with self._lock:
            listeners = self._event_listeners.setdefault(host_id, [])
        unsubscribe = self._add(listeners, callback)
        self._session(host_id)
        return unsubscribe

    def forget(self, host_id: str) -> None:
        """Close a host's link; the next use looks its address up anew."""
        with self._lock:
            session = self._sessions.pop(host_id, None)
            name = self._names.pop(host_id, None)
        if session is not None:
            session.close()
        if name is not None:
            meters.forget_host(name)

    def close(self) -> None:
        """Close all links."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()
        self._delivery.close()
        self._loop.close()

    def _session(self, host_id: str) -> HostSession:
        with self._lock:
            session = self._sessions.get(host_id)
        if session is not None:
            return session
        host = self._lookup(host_id)
        with self._lock:
            if host_id not in self._sessions:
                self._sessions[host_id], self._names[host_id] = self._open(host), host.name
            return self._sessions[host_id]

    def _open(self, host: HostAddress) -> HostSession:
        def tell(health: Health) -> None:
            self._delivery.put(lambda: self._each(self._state_listeners, lambda call: call(host.id, *health)))

        def sink(event: DomainEvent) -> None:
            listeners = self._event_listeners.get(host.id, [])
            self._delivery.put(lambda: self._each(listeners, lambda call: call(event)))

        def timer(connection: str) -> libvirt.Timer:
            return meters.LIBVIRT_SECONDS.labels(host.name, connection).time

        way = partial(self._way, host)
        return HostSession(host.id, way, tell, sink, timer, patience=host.patience)

    def _way(self, host: HostAddress, on_lost: Callable[[str], None]) -> LocalWay | SshWay:
        if host.kind is HostKind.LOCAL:
            return LocalWay(host, local_shell(self._roots, self._helper_socket))
        link = SshLink(host, self._loop, on_lost)
        return SshWay(host, link, CommandShell(link, self._roots), self._directory)

    def _add(self, listeners: list[_T], callback: _T) -> Unsubscribe:
        with self._lock:
            listeners.append(callback)

        def remove() -> None:
            with self._lock:
                if callback in listeners:
                    listeners.remove(callback)

        return remove

    def _each(self, listeners: list[_T], call: Callable[[_T], None]) -> None:
        with self._lock:
            current = list(listeners)
        for listener in current:
            call(listener)


def _private_directory(path: str) -> str:
    """Make a directory that only we can enter; raises ConfigInvalid where one is there that others can."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    facts = os.lstat(path)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
        raise ConfigInvalid(f"The runtime directory {path} must be ours alone (mode 0700).")
    return path
