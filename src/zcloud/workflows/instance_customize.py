"""The system on an instance's disk changed while it is off; where the pool has snapshots, a failure leaves nothing."""

from __future__ import annotations

from zcloud.domain.customization import SECRET
from zcloud.domain.errors import WrongState, ZcloudError
from zcloud.domain.storage import Pool
from zcloud.drivers import registry
from zcloud.drivers.storage.base import Feature, StorageDriver, VolumeSpec
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows import offline
from zcloud.workflows.context import Run, load_whole


def _disk(run: Run) -> tuple[Pool, StorageDriver, VolumeSpec]:
    whole = load_whole(run)
    volume, pool = whole.root
    return pool, run.storage(pool, whole.instance.host_id), whole.volume_spec(volume)


def _keep(run: Run) -> None:
    """Mark what the disk has now, where its pool can."""
    pool, driver, spec = _disk(run)
    if registry.can(pool, Feature.SNAPSHOT):
        driver.take_snapshot(spec, run.operation.id)
        driver.settle_snapshot(spec, run.operation.id)


def _forget(run: Run) -> None:
    """Forget the mark."""
    pool, driver, spec = _disk(run)
    if registry.can(pool, Feature.SNAPSHOT):
        driver.drop_snapshot(spec, run.operation.id)


def _restore(run: Run) -> None:
    """Have the disk as it was."""
    pool, driver, spec = _disk(run)
    if not registry.can(pool, Feature.SNAPSHOT):
        raise WrongState("The disk's pool has no snapshots: what was changed on it before the failure stays changed.")
    driver.revert_volume(spec, run.operation.id)


def _change(run: Run) -> None:
    """Run the script; one that was killed in the middle begins from where it began."""
    pool, driver, spec = _disk(run)
    if registry.can(pool, Feature.SNAPSHOT):
        driver.revert_volume(spec, run.operation.id)
    script = run.read(lambda tx: tx.secrets.get(SECRET, run.operation.id))
    if script is None:
        raise WrongState("What was to be changed is not there any more.", hint="Ask for it anew.")
    run.control.progress(0, 0, offline.customize(run, load_whole(run), script))


def _changed(run: Run, tx: Tx) -> None:
    tx.secrets.delete(run.operation.id)
    instance = tx.instances.get(run.resource_id)
    tx.events.add(
        "instance.customized",
        project_id=instance.project_id,
        resource_kind="instance",
        resource_id=instance.id,
        resource_name=instance.name,
        actor=run.operation.actor,
        message=f"The system on the disk of {instance.name} was customized by {run.operation.actor}.",
        data={"what": run.args["what"]},
    )


def _not_changed(run: Run, tx: Tx, error: ZcloudError) -> None:
    del error
    tx.secrets.delete(run.operation.id)


INSTANCE_CUSTOMIZE = Workflow(
    name="instance_customize_v1",
    title="Customize the system on an instance's disk",
    steps=(
        Step("keep", "Mark what its disk has now", _keep, _forget),
        Step("change", "Change the system on its disk", _change, _restore),
        Step("forget", "Forget what its disk had before", _forget, tidies=True),
    ),
    succeed=_changed,
    fail=_not_changed,
)
