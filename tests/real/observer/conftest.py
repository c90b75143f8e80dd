"""The real cloud with an observer in a hurry, and guests to do things to."""

from __future__ import annotations

import base64
import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, cloud, wait_for

from zcloud.domain.instance import Instance, InstanceSpec, InstanceStatus, NicRequest, Ready
from zcloud.domain.network import AddressRange, NetworkKind
from zcloud.domain.operation import Event
from zcloud.hosts.session import HostSession
from zcloud.main.wiring import start_observer
from zcloud.services.networks import NetworkSpec

T = TypeVar("T")

__all__ = ["cloud"]


class Watched:
    """A cloud that is observed, with what these tests ask of it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.host = cloud.host

    @property
    def link(self) -> HostSession:
        """The link to the first host."""
        return self.cloud.runtime.pool.link(self.cloud.hosts.show(ADMIN, "alpha").id)

    def launch(self, name: str, *, ready: bool = True, **changes: Any) -> Instance:
        """Launch a tiny guest, and wait until it is ready."""
        plain: dict[str, Any] = {"vcpus": 1, "memory_mib": 128, "image": "tiny", "nics": (NicRequest(""),)}
        self.cloud.done(self.cloud.launch.launch(ADMIN, "", InstanceSpec(name=name, **(plain | changes)))[1])
        if ready:
            settled = wait_for(lambda: self.settled(name), 180, f"{name} to be ready")
            assert settled.ready is Ready.READY, settled.ready_detail
        return self.cloud.instance(name)

    def settled(self, name: str) -> Instance | None:
        """Give the instance once its readiness is decided."""
        instance = self.cloud.instance(name)
        return instance if instance.ready in (Ready.READY, Ready.FAILED) else None

    def delete(self, *names: str) -> None:
        """Delete instances."""
        for operation in [self.cloud.instances.delete(ADMIN, "", name) for name in names]:
            self.cloud.done(operation)

    def mark(self) -> int:
        """Give the number of the last event."""
        with self.cloud.runtime.store.read() as tx:
            return tx.events.last_seq()

    def event(self, kind: str, since: int, timeout_s: float = 30.0) -> Event:
        """Wait for an event of a kind after ``since``."""

        def look() -> list[Event]:
            with self.cloud.runtime.store.read() as tx:
                return tx.events.after(since, kinds=[kind])

        return wait_for(look, timeout_s, kind)[0]

    def status_within(self, name: str, status: InstanceStatus, seconds: float) -> float:
        """Wait for a status and give how long it took; raises TimeoutError."""
        began = time.monotonic()
        wait_for(lambda: self.cloud.instance(name).status is status, seconds, f"{name} to be {status}")
        return time.monotonic() - began

    def begin(self, instance: Instance, *argv: str) -> int:
        """Begin a command in the guest and give its process id."""
        arguments = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
        return int(self.link.hypervisor.agent(instance.id, "guest-exec", arguments)["pid"])

    def inside(self, instance: Instance, *argv: str, timeout_s: float = 20.0) -> tuple[int, str]:
        """Run a command in the guest and give its code and what it printed."""
        pid = self.begin(instance, *argv)

        def look() -> dict[str, Any] | None:
            told = self.link.hypervisor.agent(instance.id, "guest-exec-status", {"pid": pid})
            return dict(told) if told["exited"] else None

        told = wait_for(look, timeout_s, " ".join(argv))
        printed = b"".join(base64.b64decode(told.get(key, "")) for key in ("out-data", "err-data"))
        return int(told.get("exitcode", -1)), printed.decode(errors="replace")


@pytest.fixture(scope="session")
def watched(cloud: Cloud) -> Watched:
    """Give the cloud, observed at short intervals."""
    runtime, config = cloud.runtime, cloud.runtime.config
    runtime.stops.pop()()  # the observer; its lease is free at once
    hurry = dataclasses.replace(config.observer, interval_s=1.0, heal_interval_s=1.0, orphans_interval_s=1.0)
    runtime.config = dataclasses.replace(config, observer=hurry)
    start_observer(runtime)
    return Watched(cloud)


@pytest.fixture(scope="session")
def pair(watched: Watched) -> Iterator[tuple[Instance, Instance]]:
    """Give two guests on the NAT network; the first is on the lab's network by the host's bridge as well."""
    base = str(watched.host.address).rpartition(".")[0]
    lan = NetworkSpec(
        "lan",
        NetworkKind.BRIDGE,
        host="alpha",
        cidr=f"{base}.0/24",
        gateway=f"{base}.254",
        ranges=(AddressRange(f"{base}.100", f"{base}.120"),),
        options={"bridge": "br0"},
    )
    watched.cloud.done(watched.cloud.networks.create(ADMIN, lan)[1])
    first = watched.launch("first", nics=(NicRequest("nat"), NicRequest("lan")), ready=False)
    other = watched.launch("other")
    wait_for(lambda: watched.settled("first"), 180, "first to be ready")
    yield first, other
    watched.delete("first", "other")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Give how many seconds it took, and what it gave."""
    began = time.monotonic()
    result = work()
    return time.monotonic() - began, result
