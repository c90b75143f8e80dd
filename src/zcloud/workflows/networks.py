"""Networks: make, remove."""

from __future__ import annotations

from zcloud.domain.errors import ZcloudError
from zcloud.domain.network import NetworkState
from zcloud.drivers.network.base import NetworkDriver
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows.context import Run


def _driver(run: Run) -> NetworkDriver:
    with run.store.read() as tx:
        network = tx.networks.get(run.resource_id)
        host_id = network.host_id or tx.hosts.any_up().id
    return run.network(network, host_id)


def make_network(run: Run) -> None:
    """Check what the network needs on its host, and make it."""
    driver = _driver(run)
    driver.check()
    driver.ensure_network()


def remove_network(run: Run) -> None:
    """Remove the network from its host."""
    _driver(run).remove_network()


def _made(run: Run, tx: Tx) -> None:
    tx.networks.update(run.resource_id, state=NetworkState.READY)


def _failed(run: Run, tx: Tx, error: ZcloudError) -> None:
    del error
    tx.networks.update(run.resource_id, state=NetworkState.ERROR)


def _removed(run: Run, tx: Tx) -> None:
    tx.networks.delete(run.resource_id)


NETWORK_CREATE = Workflow(
    name="network_create_v1",
    title="Make a network",
    steps=(Step("make", "Make the network on its host", make_network, remove_network),),
    succeed=_made,
    fail=_failed,
)

NETWORK_DELETE = Workflow(
    name="network_delete_v1",
    title="Remove a network",
    steps=(Step("remove", "Remove the network from its host", remove_network),),
    succeed=_removed,
    fail=_failed,
    cancellable=False,
)
