"""How an image's bytes come: the download with its pauses and broken links, and what an upload left."""

from __future__ import annotations

import os
import threading
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Any

from zcloud.domain.errors import Busy, DownloadFailed, ImageRefused
from zcloud.domain.image import Image, ImageState
from zcloud.drivers.guest.catalogue import signing_keys
from zcloud.drivers.guest.checksums import find_checksum
from zcloud.hosts.download import BrokenOff, Downloader, DownloadPolicy, Watch
from zcloud.hosts.signature import check_signature
from zcloud.operations.model import Waiting
from zcloud.store import Tx
from zcloud.workflows.context import Run

AT_ONCE = 3
"""Downloads that one process makes at the same time: they take long, and other operations want workers too."""

_places = threading.BoundedSemaphore(AT_ONCE)
_LOOK_S = 0.25  # how often a download asks whether it is to go on
_PLACE_S, _HOLDER_S = 5.0, 2.0
_LEAST_REST_S, _MOST_REST_S = 15.0, 300.0
_PATIENCE = timedelta(days=1)  # without a byte
_DAY_S = 86400.0
_PAUSED_FOR = timedelta(days=3650)
_MAX_SUMS = 4 << 20
_MAX_SIGNATURE = 64 << 10


def download(run: Run, part: Path) -> None:
    """Download an image into ``part``, from where an earlier run stopped; raises Waiting where it has to."""
    if not _places.acquire(blocking=False):
        raise Waiting("Other downloads come first.", run.now() + timedelta(seconds=_PLACE_S))
    try:
        image = _image(run)
        _check_pause(run, image)
        checksum = str(image.source.get("checksum", "")) or _published(run, image)
        policy = _policy(run, run.config.images.max_file)
        told = Telling(run)
        watch = Watch(told.progress, told.stopped, told.say)
        url, expected = str(image.source["url"]), checksum.partition(":")[2]
        done = Downloader(policy).fetch(url, part, checksum=expected, watch=watch, resume=True)
        note_source(run, sha256=done.sha256, checksum=checksum, size=done.size)
    except Busy as error:
        raise Waiting(error.message, run.now() + timedelta(seconds=_HOLDER_S)) from error
    except BrokenOff as error:
        raise _rest(run, part, error) from error
    finally:
        _places.release()


def sync_upload(run: Run, part: Path) -> None:
    """See that a finished upload is on the disk, all of it."""
    size = int(_image(run).source.get("size", 0))
    try:
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise ImageRefused("What was uploaded is gone.", hint="Send it again.") from None
    try:
        os.fsync(fd)
        found = os.fstat(fd).st_size
    finally:
        os.close(fd)
    if size and found != size:
        raise ImageRefused(f"Of the {size} bytes that were uploaded {found} are there.", hint="Send it again.")


def note_source(run: Run, **facts: Any) -> None:
    """Write down what is known of the bytes that came."""

    def work(tx: Tx) -> None:
        image = tx.images.get(run.resource_id)
        tx.images.update(image.id, source={**image.source, **facts})

    run.control.fence()
    run.store.transact(work)


def _published(run: Run, image: Image) -> str:
    """Give the checksum that the vendor of a catalogue's image publishes now, empty where there is no such file."""
    source = image.source
    if not source.get("checksums_url"):
        return ""
    sums = fetch_bytes(run, str(source["checksums_url"]), _MAX_SUMS)
    if signed_by := str(source.get("signed_by", "")):
        signature = fetch_bytes(run, str(source["signature_url"]), _MAX_SIGNATURE)
        note_source(run, verified_by=check_signature(sums, signature, signing_keys(signed_by)))
    algorithm = str(source["algorithm"])
    found = find_checksum(sums.decode("utf-8", "replace"), algorithm, str(source["checksum_entry"]))
    return f"{algorithm}:{found}"


def fetch_bytes(run: Run, url: str, most: int, checksum: str = "") -> bytes:
    """Give what is at an address, ``most`` bytes at most; it is compared with ``checksum`` (``sha256:...``), if any."""
    path = run.config.upload_dir / f"{run.resource_id}.sums"
    drop_bytes(run)
    watch = Watch(lambda done, whole: run.control.progress(done, whole or 0), run.control.cancelled)
    try:
        Downloader(_policy(run, most)).fetch(url, path, checksum=checksum.partition(":")[2], watch=watch)
        return path.read_bytes()
    finally:
        drop_bytes(run)


def drop_bytes(run: Run) -> None:
    """Remove what a killed worker may have left of them."""
    (run.config.upload_dir / f"{run.resource_id}.sums").unlink(missing_ok=True)


def _policy(run: Run, max_size: int) -> DownloadPolicy:
    images = run.config.images
    return DownloadPolicy(
        max_size=max_size, deadline_s=_DAY_S, allow_private=images.allow_private, keep_free=images.keep_free
    )


def _rest(run: Run, part: Path, error: BrokenOff) -> Exception:
    """Give when it is tried again: soon at first, seldom later; after a day without a byte it has failed."""
    idle = max(0.0, run.now().timestamp() - part.stat().st_mtime)
    if idle > _PATIENCE.total_seconds():
        return DownloadFailed(error.message, hint="For a day nothing has come.")
    pause = min(max(_LEAST_REST_S, idle / 4), _MOST_REST_S)
    return Waiting(f"{error.message} What came is kept.", run.now() + timedelta(seconds=pause))


def _check_pause(run: Run, image: Image) -> None:
    if image.state is ImageState.PAUSED:
        raise Waiting(f"Paused. Go on: zcloud image resume {image.name}", run.now() + _PAUSED_FOR)


def _image(run: Run) -> Image:
    return run.read(lambda tx: tx.images.get(run.resource_id))


class Telling:
    """What a download tells while it runs: how far, how fast, how long still; and when it is to stop."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._looked_at = -_LOOK_S
        self._note = ""
        self._points: deque[tuple[float, int]] = deque(maxlen=64)

    def progress(self, done: int, whole: int | None) -> None:
        """Write down how far it is."""
        now = self._run.monotonic()
        if not self._points or now - self._points[-1][0] >= _LOOK_S or done < self._points[-1][1]:
            if self._points and done < self._points[-1][1]:
                self._points.clear()
            self._points.append((now, done))
        detail = " ".join(each for each in (describe_pace(self._rate(now, done), done, whole), self._note) if each)
        self._run.control.progress(done, whole or 0, detail)

    def say(self, sentence: str) -> None:
        """Keep a sentence for whoever follows it."""
        self._note = sentence

    def stopped(self) -> bool:
        """Say whether it was cancelled; raises Waiting where it was paused, Superseded where another has it."""
        now = self._run.monotonic()
        if now - self._looked_at < _LOOK_S:
            return False
        self._looked_at = now
        _check_pause(self._run, _image(self._run))
        return self._run.control.cancelled()

    def _rate(self, now: float, done: int) -> float:
        then, before = self._points[0]
        return (done - before) / (now - then) if now > then else 0.0


def describe_pace(rate: float, done: int, whole: int | None) -> str:
    """Give bytes, speed (bytes a second) and the time that is left, as people read them."""
    mib = 1 << 20
    so_far = f"{done / mib:.1f}" + (f" of {whole / mib:.1f} MiB" if whole else " MiB")
    if rate <= 0:
        return so_far
    left = f", {_seconds((whole - done) / rate)} left" if whole and whole > done else ""
    return f"{so_far}, {rate / mib:.1f} MiB/s{left}"


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
