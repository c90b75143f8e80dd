"""Hosts that come and go."""

from __future__ import annotations

from typing import Any

from zcloud.domain.host import HostState
from zcloud.store import Store, Tx

_KIND = {HostState.UP: "host.up", HostState.DEGRADED: "host.degraded", HostState.LOST: "host.lost"}
_OBSERVABLE = frozenset(_KIND)


def record_state(store: Store, host_id: str, state: HostState, reason: str) -> None:
    """Write a host's state down with its event; one that is being added or removed is left to its operation."""

    def work(tx: Tx) -> None:
        host = tx.hosts.many([host_id]).get(host_id)
        if host is None or host.state not in _OBSERVABLE or (host.state, host.state_reason) == (state, reason):
            return
        changes: dict[str, Any] = {"state": state, "state_reason": reason}
        if state is HostState.UP:
            changes["seen_at"] = tx.now
            tx.operations.wake_host(host_id)
        if state is not host.state:
            changes["state_since"] = tx.now
            tx.events.add(
                _KIND[state],
                resource_kind="host",
                resource_id=host.id,
                resource_name=host.name,
                message=f"{host.name} is {state}." if not reason else f"{host.name} is {state}: {reason}",
                data={"reason": reason},
            )
        tx.hosts.update(host_id, **changes)

    store.transact(work)
