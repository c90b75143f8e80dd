"""Hosts: fetch the key, look at the host and probe it, forget it."""

from __future__ import annotations

from zcloud.domain.errors import ZcloudError
from zcloud.domain.host import Host, HostState
from zcloud.hostprep.inventory import take_inventory
from zcloud.hostprep.probe import place_kit, probe, read_manifest, remove_kit
from zcloud.hosts import scan_host_key
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows.context import Run
from zcloud.workflows.pools import leave_on


def _host(run: Run) -> Host:
    return run.read(lambda tx: tx.hosts.get(run.resource_id))


def scan_key(run: Run) -> None:
    """Fetch the key that the host offers; a person has to approve it before anything is sent to the host."""
    host = _host(run)
    offered = scan_host_key(host.address, host.port)
    inventory = {"offered_key": offered.public_key, "offered_fingerprint": offered.fingerprint}
    with run.store.write() as tx:
        tx.hosts.update(host.id, inventory=inventory)


def look(run: Run) -> None:
    """Read the inventory; connecting with the pinned key is part of it."""
    host = _host(run)
    inventory = take_inventory(run.link(host.id))
    with run.store.write() as tx:
        tx.hosts.update(host.id, inventory=inventory, seen_at=tx.now)


def probe_kvm(run: Run) -> None:
    """Boot our own kernel by emulation and under KVM, and write down what was found."""
    host, shell = _host(run), run.link(run.resource_id).shell
    kit = run.config.probe_dir
    place_kit(shell, kit, read_manifest(kit))
    finding = probe(shell, run.monotonic)
    with run.store.write() as tx:
        tx.hosts.update(host.id, accel=finding.accel, accel_reason=finding.reason)


def _scanned(run: Run, tx: Tx) -> None:
    tx.hosts.update(run.resource_id, state_reason="Its key waits for approval.")


def _enlisted(run: Run, tx: Tx) -> None:
    host = tx.hosts.get(run.resource_id)
    tx.claims.set_capacity(host.ref, host.capacity)
    tx.hosts.update(host.id, state=HostState.UP, state_reason="", state_since=tx.now)


def _failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    """A host that could not be added says why; one that was up stays as the observer sees it."""
    tx.hosts.update(run.resource_id, state_reason=error.message)


def _removed(run: Run, tx: Tx) -> None:
    tx.claims.remove_provider(tx.hosts.get(run.resource_id).ref)
    tx.hosts.delete(run.resource_id)


def take_leave(run: Run) -> None:
    """Take shared pools, our nftables table and the probe's kernel off the host."""
    with run.store.read() as tx:
        joined = tx.pools.many(tx.pool_hosts.on_host(run.resource_id))
    for pool in joined.values():
        leave_on(run, pool, run.resource_id)
    run.guard(run.resource_id).remove()
    remove_kit(run.link(run.resource_id).shell)


HOST_SCAN = Workflow(
    name="host_scan_v1",
    title="Fetch a host's key",
    steps=(Step("scan", "Fetch the host's SSH key", scan_key),),
    succeed=_scanned,
    fail=_failed,
)

HOST_ENLIST = Workflow(
    name="host_enlist_v1",
    title="Look at a host",
    steps=(
        Step("inventory", "Read the inventory", look),
        Step("probe", "Boot a kernel under KVM", probe_kvm),
    ),
    succeed=_enlisted,
    fail=_failed,
)

HOST_REMOVE = Workflow(
    name="host_remove_v1",
    title="Forget a host",
    steps=(Step("leave", "Take what is ours off the host", take_leave),),
    succeed=_removed,
    fail=_failed,
)
