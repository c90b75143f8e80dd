"""Ceph's answers, and what is made of its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conformance.records import new_pool
from tests.conformance.test_storage import BASE, open_image

from zcloud.domain.errors import InvalidInput, PoolFull, PoolUnusable, StorageFailed, ZcloudError
from zcloud.drivers.rbd import Rbd, RbdImage
from zcloud.drivers.storage.rbd import RbdPool, parse_monitors
from zcloud.ports import Completed
from zcloud.testing.fakes import FakeLink

ID = "00000000-0000-4000-8000-000000000001"


class Said:
    """A shell in which each command ends alike."""

    def __init__(self, code: int, out: Any = "", error: str = "") -> None:
        self.done = Completed(code, json.dumps(out).encode(), error.encode())

    def run(self, argv: list[str], **options: Any) -> Completed:
        return self.done


def _rbd(said: Said) -> Rbd:
    return Rbd(said, "vms", "zcloud", "/ceph.conf")  # type: ignore[arg-type]


def test_what_is_absent_is_told_from_a_pool_that_is_absent() -> None:
    said = Said(2, error=f"rbd: error opening image {ID}: (2) No such file or directory")
    assert _rbd(said).look(ID) is None
    with pytest.raises(PoolUnusable) as refused:
        _rbd(Said(2, error="rbd: error opening pool 'vms': (2) No such file or directory")).look(ID)
    assert "ceph osd pool create vms" in refused.value.hint


@pytest.mark.parametrize(
    ("code", "words", "error"),
    [
        (1, "rbd: couldn't connect to the cluster!", StorageFailed),
        (110, "rbd: error opening image: (110) Connection timed out", StorageFailed),
        (28, "rbd: create error: (28) No space left on device", PoolFull),
        (16, "rbd: error: image still has watchers", StorageFailed),
    ],
)
def test_errors_say_what_it_is(code: int, words: str, error: type[ZcloudError]) -> None:
    with pytest.raises(error):
        _rbd(Said(code, error=words)).look(ID)


def test_answers_are_read() -> None:
    assert _rbd(Said(0, {"size": 4, "parent": {"image": "base.1"}})).look(ID) == RbdImage(4, "base.1")
    pools = {"pools": [{"name": "vms", "stats": {"stored": 2, "max_avail": 3}}]}
    assert _rbd(Said(0, pools)).space() == (5, 3)
    assert _rbd(Said(0, {"pools": []})).space() == (0, 0)  # made a moment ago
    told = {"summary": {"message": "1 osds down"}}
    checks = {"OSD_DOWN": told, "PG_DEGRADED": {**told, "muted": True}, "RECENT_CRASH": told}
    assert _rbd(Said(0, {"checks": checks})).trouble() == "1 osds down"
    images = [{"name": "a", "used_size": 1}, {"name": "a", "snapshot": "s", "used_size": 2}]
    assert _rbd(Said(0, {"images": images})).used() == {"a": 3}
    with pytest.raises(StorageFailed, match="cannot be read"):
        _rbd(Said(0, ["odd"])).look(ID)


def test_the_trash_is_emptied_of_what_lay_over_one_another() -> None:
    trash = {"1": "", "2": "1", "3": "2", "4": "elsewhere"}  # each lies over another; of the last one somebody needs

    class Trash:
        def run(self, argv: list[str], **options: Any) -> Completed:
            if argv[2] == "ls":
                return Completed(0, json.dumps([{"id": each, "name": ID} for each in trash]).encode(), b"")
            place = argv[3].partition("/")[2]
            if place in trash.values() or trash[place] == "elsewhere":
                return Completed(39, b"", b"image has snapshots")
            del trash[place]
            return Completed(0, b"", b"")

    Rbd(Trash(), "vms", "zcloud", "/ceph.conf").empty_trash(lambda name: name == ID)  # type: ignore[arg-type]
    assert trash == {"4": "elsewhere"}


class Killed(BaseException):
    """A worker's end, in the middle of a command: nothing is tidied up."""


def test_what_a_killed_worker_was_uploading_keeps_no_host_in_the_pool() -> None:
    link = FakeLink()
    driver = RbdPool(new_pool("rbd"), link)
    driver.join()
    driver.ensure_pool()
    link.shell.fail("sha256sum", Killed())  # type: ignore[arg-type]
    remove, link.shell.remove = link.shell.remove, lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(Killed):
        driver.ensure_base(BASE, open_image)
    link.shell.remove = remove  # type: ignore[method-assign]
    assert driver._files.entries("base")
    driver.remove_pool()
    driver.leave()
    assert driver._files.entries() is None


def test_monitors() -> None:
    assert parse_monitors("192.0.2.1, ceph.test:3300") == (("192.0.2.1", 6789), ("ceph.test", 3300))
    for wrong in ("", "a b", "a:0", "a:70000", "-a", "a,", "a;b", "a:b:c", "/x"):
        with pytest.raises(InvalidInput):
            parse_monitors(wrong)
