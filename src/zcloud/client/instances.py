"""Instances and the images that they boot from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zcloud.client.changes import Change, Progress, quiet
from zcloud.client.errors import ApiError, Record
from zcloud.client.http import route
from zcloud.client.things import Things

if TYPE_CHECKING:
    from typing import Unpack

    from zcloud.client.types import (
        Accepted,
        Image,
        ImageCreate,
        Instance,
        InstanceChange,
        InstanceClone,
        InstanceCreate,
        InstanceRename,
        Placement,
        PowerRequest,
        ResizeRequest,
        Snapshot,
    )

_READY_POLL_S = 0.5


class Instances(Things["Instance"]):
    """Virtual machines."""

    def create(self, **spec: Unpack[InstanceCreate]) -> Change[Instance]:
        """Launch an instance: ``name``, ``image``, a ``flavor`` or ``vcpus`` and ``memory_mib``, and more."""
        return self._create({**self._query, **spec})

    def plan(self, **spec: Unpack[InstanceCreate]) -> Placement:
        """Say where an instance would go, and why not elsewhere; nothing is made."""
        answer = self._http.post(route("instances"), {**self._query, **spec}, dry_run=True)
        return cast("Placement", answer)

    def change(self, ref: str, *, revision: int | None = None, **changes: Unpack[InstanceChange]) -> Instance:
        """Change fields that need no host, such as ``tags`` and ``protected``."""
        return self._change(ref, changes, revision)

    def delete(self, ref: str, *, purge: bool = False, keep: Sequence[str] = ()) -> Change[Instance]:
        """Put an instance into the trash; with ``purge`` it is gone for good.

        Then disks to ``keep`` (names, ids, or ``all``) become volumes.
        """
        return self._delete(ref, purge=purge, keep=list(keep))

    def start(self, ref: str) -> Change[Instance]:
        """Start it."""
        return self.act(ref, "start")

    def stop(self, ref: str, **how: Unpack[PowerRequest]) -> Change[Instance]:
        """Ask the guest to shut down; ``force=True`` takes the power."""
        return self.act(ref, "stop", **how)

    def restart(self, ref: str, **how: Unpack[PowerRequest]) -> Change[Instance]:
        """Stop it and start it again."""
        return self.act(ref, "restart", **how)

    def resize(self, ref: str, **size: Unpack[ResizeRequest]) -> Change[Instance]:
        """Give it another size, at once where the guest can, with ``next_start=True`` from its next start on."""
        return self.act(ref, "resize", **size)

    def clone(self, ref: str, **spec: Unpack[InstanceClone]) -> Change[Instance]:
        """Clone it, once per name in ``names``: over a template's disks, or full."""
        return self.act(ref, "clone", **spec)

    def snapshots(self, ref: str) -> list[Snapshot]:
        """Give its snapshots as a tree: each after its parent, with its depth."""
        found = self._http.get(self._at(ref, "snapshots"), **self._query)
        return cast("list[Snapshot]", found["items"])

    def snapshot(self, ref: str, name: str, *, memory: bool = False) -> Change[Instance]:
        """Take a snapshot of all its disks, perhaps with the memory of its guest, which has to run then."""
        return self._begin(self._at(ref, "snapshots"), {"name": name, "memory": memory})

    def revert(self, ref: str, snapshot: str, *, disks_only: bool = False) -> Change[Instance]:
        """Go back to a snapshot; what the disks have now is lost. With memory the guest goes on from that moment."""
        return self._begin(self._at(ref, "snapshots", snapshot, "revert"), {"disks_only": disks_only})

    def rename(self, ref: str, **name: Unpack[InstanceRename]) -> Change[Instance]:
        """Give it another name; with ``hostname=True`` the guest gets it, too."""
        return self.act(ref, "rename", **name)

    def pause(self, ref: str) -> Change[Instance]:
        """Let it stand still; its memory stays where it is."""
        return self.act(ref, "pause")

    def resume(self, ref: str) -> Change[Instance]:
        """Let it go on after a pause."""
        return self.act(ref, "resume")

    def save(self, ref: str) -> Change[Instance]:
        """Write its memory to a file and take its power; ``restore`` goes on from there."""
        return self.act(ref, "save")

    def restore(self, ref: str) -> Change[Instance]:
        """Let it go on after a save."""
        return self.act(ref, "restore")

    def console_log(self, ref: str) -> str:
        """Give the end of what the guest wrote on its serial console."""
        return self._http.text(self._at(ref, "console-log"), **self._query)

    def wait_ready(self, ref: str, progress: Progress = quiet, *, timeout_s: float = float("inf")) -> Instance:
        """Wait until the guest says that it is ready, and give the instance.

        Raises ApiError ``not_ready`` with the console's last words when it gave up or does not run,
        ``wait_timeout`` after ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            instance = self.show(ref)
            progress(cast("Record", instance))
            if instance["ready"] == "ready":
                return instance
            if instance["ready"] != "waiting":
                why = instance["ready_detail"] or f"It is {instance['status']}."
                raise ApiError(0, {"code": "not_ready", "detail": f"{instance['name']} is not ready: {why}"})
            if time.monotonic() >= deadline:
                told = f"{instance['name']} is not ready after {timeout_s:g} s. {instance['ready_detail']}"
                raise ApiError(0, {"code": "wait_timeout", "detail": told})
            time.sleep(_READY_POLL_S)


class Trash(Things["Instance"]):
    """Instances that were deleted, and not for good yet."""

    def restore(self, ref: str) -> Change[Instance]:
        """Bring one back, stopped."""
        return self.act(ref, "restore")

    def purge(self, ref: str) -> Change[Instance]:
        """Delete one for good."""
        return self._delete(ref)


class Images(Things["Image"]):
    """What instances boot from."""

    def create(self, **spec: Unpack[ImageCreate]) -> Change[Image]:
        """Have the server import an image from a URL or the catalogue (``source``)."""
        return self._create({**self._query, **spec})

    def upload(
        self, path: Path, name: str, progress: Callable[[int], None] = lambda _: None, **spec: Any
    ) -> Change[Image]:
        """Send an image file, going on with what an earlier call left unfinished.

        ``progress`` gets the bytes that are there, ``spec`` is as for ``create``.
        """
        from zcloud.client.uploads import find_upload, send_file  # noqa: PLC0415 - slow to import, and rarely needed

        with path.open("rb") as file:
            begun = find_upload(self._http, name, file, **self._query)
            if begun is None:
                source = {"kind": "upload", "size": path.stat().st_size, **spec.get("source", {})}
                begun = self._http.post(route("images"), {**self._query, **spec, "name": name, "source": source})
            accepted = send_file(self._http, begun["id"], file, progress)
        return Change(self._http, cast("Accepted", accepted))

    def pause(self, ref: str) -> Change[Image]:
        """Let its download rest; what came is kept."""
        return self.act(ref, "pause")

    def resume(self, ref: str) -> Change[Image]:
        """Let its download go on."""
        return self.act(ref, "resume")

    def delete(self, ref: str) -> Change[Image]:
        """Delete an image; instances made of it keep their disks."""
        return self._delete(ref)
