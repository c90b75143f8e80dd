"""A host's own disks: one is made a place for pools, or let go again with what is on it.

Before anything is lost the disk is found again by what it is and by what was on it when the plan was made; from its new
partition table on it is found by ids that were chosen for it. So neither a second run nor other names after a boot
touch another disk, or what somebody has written since.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from zcloud.domain.errors import (
    DeadlineExceeded,
    DiskChanged,
    HostUnreachable,
    InUse,
    StorageFailed,
    Superseded,
    ZcloudError,
)
from zcloud.domain.hostdisk import Block, DiskPicture, FileSystem, Marks, Wish, pools_below
from zcloud.drivers.hostdisks import DiskTool, check_free
from zcloud.operations.model import Step, Workflow
from zcloud.store import Tx
from zcloud.workflows.context import Run

_APPEARS_S, _LOOK_S = 30.0, 0.5
_LOST = "The disk has no file system now, and what had been on it is gone."


def _tool(run: Run) -> DiskTool:
    return DiskTool(run.link(run.resource_id).shell)


def _wish(run: Run) -> Wish:
    return Wish(run.args["mount"], FileSystem(run.args["filesystem"]), run.args["erase"])


def _marks(run: Run) -> Marks:
    return Marks(**run.args["marks"])


def partition(run: Run) -> None:
    """Take everything off the disk and write a table with one partition; a table of ours is left."""
    tool, marks = _tool(run), _marks(run)
    picture = tool.picture()
    if picture.with_table(marks.table) is not None:
        return
    disk = _planned(run, picture)
    check_free(run.link(run.resource_id), picture, disk, _wish(run))
    tool.erase(disk)
    with _telling(_LOST):
        tool.partition(disk, marks)


def _planned(run: Run, picture: DiskPicture) -> Block:
    """Give the disk that the plan was made for, whatever it is called now; raises DiskChanged.

    An empty one that is the same but for its content is what an earlier run has erased. By another name only a disk is
    known that tells who it is, and no other one tells the same.
    """
    name, digest, identity = run.args["disk"], run.args["digest"], run.args["identity"]
    named = next((each for each in picture.disks if each.name == name), None)
    if named is not None and (named.digest == digest or (named.identity == identity and not named.content)):
        return named
    moved = [each for each in picture.disks if each.digest == digest and (each.wwn or each.serial)]
    if len(moved) != 1:
        raise DiskChanged(f"{name} is not the disk any more that the plan was made for, or has something else on it.")
    return moved[0]


def make_file_system(run: Run) -> None:
    """Make the file system on our partition; one of ours is left, another one is never overwritten."""
    tool, marks, wish = _tool(run), _marks(run), _wish(run)
    with _telling(_LOST):
        part = _partition(run, tool, marks)
        if part.uuid == marks.filesystem:
            return
        if part.filesystem or part.uses:
            raise DiskChanged(f"Somebody else has put {part.filesystem or part.uses[0]} on {part.name}.")
        tool.format(wish.filesystem, marks)


def _partition(run: Run, tool: DiskTool, marks: Marks) -> Block:
    """Give our partition once the host knows of it."""
    until = run.monotonic() + _APPEARS_S
    while True:
        disk = tool.picture().with_table(marks.table)
        part = next((each for each in disk.parts if each.partition_id == marks.partition), None) if disk else None
        if part is not None:
            return part
        if run.monotonic() > until:
            raise DeadlineExceeded(
                "The host does not show the new partition.", hint="See `journalctl -u systemd-udevd`."
            )
        run.sleep(_LOOK_S)


def mount(run: Run) -> None:
    """Write its line into fstab, and mount it by that."""
    tool, marks, wish = _tool(run), _marks(run), _wish(run)
    with _telling(_LOST):
        tool.mount(wish, marks)
        disk = tool.picture().with_table(marks.table)
        if disk is None or wish.mount not in disk.places:
            raise StorageFailed(f"The disk is not mounted at {wish.mount} though mount has said nothing.")


def unmount(run: Run) -> None:
    """Take back what was mounted and written down."""
    tool, marks, wish = _tool(run), _marks(run), _wish(run)
    disk = tool.picture().with_table(marks.table)
    if disk is not None and wish.mount in disk.places:
        tool.unmount(wish.mount)
    if tool.picture().ours(wish.mount) is not None:
        tool.forget(wish.mount, marks.filesystem)


def clear(run: Run) -> None:
    """Leave the disk empty, so that it can be asked for again; one without our table was not begun."""
    tool, marks = _tool(run), _marks(run)
    disk = tool.picture().with_table(marks.table)
    if disk is not None and not disk.uses and all(each.uuid in ("", marks.filesystem) for each in disk.parts):
        tool.erase(disk)


@contextlib.contextmanager
def _telling(left: str) -> Iterator[None]:
    """Have an error say what is left."""
    try:
        yield
    except (HostUnreachable, Superseded):
        raise
    except ZcloudError as error:
        error.left = left
        raise


def let_go(run: Run) -> None:
    """Unmount the disk; refused where a pool was made on it meanwhile."""
    place = run.args["mount"]
    _check_unused(run, place)
    _tool(run).unmount(place)
    _check_unused(run, place)  # a pool that was begun between the two is seen here, and a later one finds no mount


def _check_unused(run: Run, place: str) -> None:
    users = run.read(lambda tx: pools_below(tx.pools.all(), run.resource_id, [place]))
    if users:
        raise InUse(f"The pool {', '.join(users)} is on it.", hint="Delete the pool first.")


def mount_again(run: Run) -> None:
    """Mount it again where its line is there still."""
    tool, place = _tool(run), run.args["mount"]
    picture = tool.picture()
    if picture.ours(place) is not None and not any(place in disk.places for disk in picture.disks):
        tool.mount_noted(place)


def forget(run: Run) -> None:
    """Take its line out of fstab, and the directory away where that is empty."""
    _tool(run).forget(run.args["mount"], run.args["uuid"])


def _prepared(run: Run, tx: Tx) -> None:
    _tell(run, tx, "host.disk_prepared", f"The disk {run.args['disk']} is mounted at {run.args['mount']}.")


def _released(run: Run, tx: Tx) -> None:
    _tell(run, tx, "host.disk_released", f"The disk at {run.args['mount']} is not mounted any more; its data stays.")


def _tell(run: Run, tx: Tx, kind: str, message: str) -> None:
    host = tx.hosts.get(run.resource_id)
    tx.events.add(
        kind,
        resource_kind="host",
        resource_id=host.id,
        resource_name=host.name,
        actor=run.operation.actor,
        message=message,
        data={"mount": run.args["mount"]},
    )


def _unchanged(run: Run, tx: Tx, error: ZcloudError) -> None:
    """The host stays as it is; the operation says what failed."""
    del run, tx, error


HOST_DISK_PREPARE = Workflow(
    name="host_disk_prepare_v1",
    title="Prepare a disk",
    steps=(
        Step("partition", "Erase the disk and write its partition table", partition, clear),
        Step("format", "Make the file system", make_file_system),
        Step("mount", "Mount it now and at each boot", mount, unmount),
    ),
    succeed=_prepared,
    fail=_unchanged,
    cancellable=False,
)

HOST_DISK_RELEASE = Workflow(
    name="host_disk_release_v1",
    title="Release a disk",
    steps=(
        Step("unmount", "Unmount the disk", let_go, mount_again),
        Step("forget", "Take its line out of fstab", forget, tidies=True),
    ),
    succeed=_released,
    fail=_unchanged,
    cancellable=False,
)
