"""The observer's side of ``hosts.HostPool`` over fake hosts, whose states tests set."""

from __future__ import annotations

from collections.abc import Callable

from zcloud.domain.host import HostState
from zcloud.hosts.session import Health
from zcloud.ports import DomainEvent, WatchedLink
from zcloud.testing.cloud import FakeLinks

_UP = Health(HostState.UP, "")


class FakePool:
    """Links of fake hosts with their health and events."""

    def __init__(self, links: FakeLinks) -> None:
        self._links = links
        self._health: dict[str, Health | None] = {}
        self._listeners: list[Callable[[str, HostState, str], None]] = []
        self.forgotten: list[str] = []

    def link(self, host_id: str) -> WatchedLink:
        """Give the host's link; raises NotFound."""
        return self._links.link(host_id)

    def known(self, host_id: str) -> Health | None:
        """Give what ``set`` said last; a host is up at first."""
        self._links.link(host_id)
        return self._health.get(host_id, _UP)

    def set(self, host_id: str, state: HostState | None, reason: str = "") -> None:
        """Change a host's state and tell; None: it has not been reached yet. A host that is not up answers nothing."""
        self._health[host_id] = None if state is None else Health(state, reason)
        link = self._links.hosts[host_id]
        link.connection += state is HostState.UP
        link.unreachable = state is not HostState.UP
        for listener in list(self._listeners):
            listener(host_id, state or HostState.LOST, reason)

    def subscribe(self, callback: Callable[[str, HostState, str], None]) -> Callable[[], None]:
        """Have changes told."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def events(self, host_id: str, callback: Callable[[DomainEvent], None]) -> Callable[[], None]:
        """Have a host's events told."""
        return self._links.hosts[host_id].hypervisor.subscribe(callback)

    def forget(self, host_id: str) -> None:
        """Note that a host's link was given up."""
        self.forgotten.append(host_id)
