"""``zcloud serve`` with fake hosts in its own process: real server, store and observer, no libvirt.

It serves the hosts that the store has, with their instances running. At the end it writes beside the configuration,
into ``calls.json``, how often each libvirt call was made.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import cast

from bench import changes
from zcloud.base import log
from zcloud.base.config import load
from zcloud.drivers import registry
from zcloud.hosts import HostPool
from zcloud.libvirtxml.domain import Domain
from zcloud.main.serve import serve
from zcloud.main.wiring import ROLES, build
from zcloud.ports import DomainState
from zcloud.store import Store
from zcloud.testing.cloud import FakeLinks
from zcloud.testing.fakepool import FakePool
from zcloud.testing.fakes import FakeDomain, FakeLink


def fake_hosts(store: Store, links: FakeLinks | None = None) -> FakeLinks:
    """Give fake hosts as the store knows them, added to ``links``."""
    links = links or FakeLinks()
    with store.read() as tx:
        for host in tx.hosts.all():
            links.add(host.id)
            link = links.hosts[host.id]
            for pool in (each for each in tx.pools.all() if each.host_id == host.id):
                registry.storage(pool, link).ensure_pool()
            for network in (each for each in tx.networks.all() if each.host_id == host.id):
                registry.network(network, link).ensure_network()
            for instance in tx.instances.on_host(host.id):
                link.hypervisor.domains[instance.id] = _domain(instance.id, instance.domain_name)
            _answer(link)
    return links


def _domain(uuid: str, name: str) -> FakeDomain:
    design = Domain.create()
    design.uuid, design.name = uuid, name
    return FakeDomain(uuid, name, design.to_xml(), state=DomainState.RUNNING, reason="booted", starts=1)


def _answer(link: FakeLink) -> None:
    link.hypervisor.calls.clear()
    link.shell.answers["ip -j link show"] = b"[]"


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--role", default=",".join(ROLES))
    given = parser.parse_args()
    config = load(given.config)
    log.set_up(config.log_level, as_json=config.log_json)
    runtime = build(config)
    links = fake_hosts(runtime.store)
    runtime.pool = cast("HostPool", FakePool(links))
    changes.offer(runtime.store, given.config.parent)
    serve(runtime, given.role.split(","))
    calls = sum((each.hypervisor.calls for each in links.hosts.values()), Counter[str]())
    given.config.with_name("calls.json").write_text(json.dumps(calls))


if __name__ == "__main__":
    main()
