"""Uploads: in pieces, at the right place, bounded, one at a time, and gone on with after whatever happened."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import threading
from typing import Any

import pytest
from tests.api.conftest import MAX_PIECE, MAX_UPLOAD, Cloud

from zcloud.domain.errors import Busy, DiskFull, QuotaExceeded, Throttled
from zcloud.domain.image import ImageState
from zcloud.domain.people import Actor, Role
from zcloud.services.arrivals import ArrivalLimits, Arrivals
from zcloud.services.images import MAX_OPEN, ImageSpec
from zcloud.services.uploads import AT_ONCE_EACH, Uploads

DATA = bytes(range(256)) * 3000
DIGEST = hashlib.sha256(DATA).hexdigest()
CUT = 300_000
ADMIN = Actor(user_id="u", user_name="admin", role=Role.ADMIN)


def waiting(cloud: Cloud, **source: Any) -> str:
    """Make an image that waits for its bytes, and give its id."""
    made = cloud.post("/v1/images", {"name": "mine", "source": {"kind": "upload", **source}}, "member")
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/images/{made.json()['id']}"
    assert made.json()["state"] == "waiting"
    return str(made.json()["id"])


def send(cloud: Cloud, image: str, content: Any, offset: int = 0, user: str = "member", **headers: str) -> Any:
    """Send a piece."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return cloud.call(user, "PUT", f"/v1/images/{image}/upload?offset={offset}", content=content, headers=named)


def finish(cloud: Cloud, image: str, **body: str) -> Any:
    """Say that all bytes were sent."""
    return cloud.post(f"/v1/images/{image}/upload/finish", body, "member")


def there(cloud: Cloud, image: str) -> bytes:
    """Give what has arrived."""
    path = cloud.upload_dir / f"{image}.part"
    return path.read_bytes() if path.exists() else b""


def source(cloud: Cloud, image: str) -> Any:
    """Give what is known of an image's bytes."""
    with cloud.store.read() as tx:
        return tx.images.get(image).source


def digest_of(data: bytes) -> str:
    """Give a Content-Digest."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


@pytest.mark.parametrize("announced", [{}, {"size": len(DATA), "checksum": f"sha256:{DIGEST}"}])
def test_the_bytes_arrive_as_they_were_sent(cloud: Cloud, announced: dict[str, Any]) -> None:
    image = waiting(cloud, **announced)
    first = send(cloud, image, (DATA[at : at + 5000] for at in range(0, CUT, 5000)))
    assert (first.status_code, first.json()["offset"], first.headers["upload-offset"]) == (200, CUT, str(CUT))
    assert send(cloud, image, DATA[CUT:], CUT, Content_Digest=digest_of(DATA[CUT:])).json()["offset"] == len(DATA)
    assert [path.name for path in cloud.upload_dir.iterdir()] == [f"{image}.part"]
    done = finish(cloud, image, sha256=DIGEST)
    assert (done.status_code, done.json()["resource"]["id"]) == (202, image)
    assert cloud.get(f"/v1/images/{image}").json()["state"] == "importing"
    assert (source(cloud, image)["sha256"], source(cloud, image)["size"]) == (DIGEST, len(DATA))
    for again in (send(cloud, image, DATA), finish(cloud, image)):
        assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert cloud.get(f"/v1/images/{image}/upload", "member").status_code == 404
    assert there(cloud, image) == DATA


def test_a_piece_at_another_place_is_refused_with_the_right_one(cloud: Cloud) -> None:
    image = waiting(cloud, size=len(DATA))
    assert send(cloud, image, DATA[:CUT]).status_code == 200
    for offset in (0, CUT - 1, CUT + 1, 1 << 50):
        refused = send(cloud, image, DATA[CUT : CUT + 9], offset)
        assert (refused.status_code, refused.json()["code"]) == (409, "upload_offset")
        assert refused.json()["details"]["offset"] == CUT
    early = finish(cloud, image)
    assert (early.json()["code"], early.json()["details"]["offset"]) == ("upload_offset", CUT)
    shown = cloud.get(f"/v1/images/{image}/upload", "member").json()
    assert (shown["offset"], shown["size"], shown["piece_max"]) == (CUT, len(DATA), MAX_PIECE)
    assert shown["tail_sha256"] == hashlib.sha256(DATA[:CUT]).hexdigest()
    assert shown["expires_at"] > shown["received_at"] > shown["created_at"]
    assert there(cloud, image) == DATA[:CUT]


def test_a_piece_that_is_not_what_it_says_is_not_kept(cloud: Cloud) -> None:
    image = waiting(cloud)
    assert send(cloud, image, DATA[:CUT]).status_code == 200
    wrong = send(cloud, image, DATA[CUT:], CUT, Content_Digest=digest_of(b"another"))
    assert (wrong.status_code, wrong.json()["details"]["field"]) == (400, "Content-Digest")
    for odd in ("md5=:x:", "sha-256=:notbase64:", "sha-256"):
        assert send(cloud, image, DATA[CUT:], CUT, Content_Digest=odd).status_code == 400
    assert there(cloud, image) == DATA[:CUT]
    assert send(cloud, image, DATA[CUT:], CUT).status_code == 200
    assert finish(cloud, image, sha256=DIGEST).status_code == 202
    assert source(cloud, image)["sha256"] == DIGEST


def test_other_bytes_than_promised_are_not_imported(cloud: Cloud) -> None:
    image = waiting(cloud, checksum=f"sha256:{DIGEST}")
    assert send(cloud, image, DATA[:-1] + b"!").status_code == 200
    for body in ({}, {"sha256": DIGEST}, {"sha256": "0" * 64}):
        refused = finish(cloud, image, **body)
        assert (refused.status_code, refused.json()["details"]["field"]) == (400, "checksum")
    assert cloud.get(f"/v1/images/{image}").json()["state"] == "waiting"


def test_after_a_restart_the_digest_is_left_to_the_import(cloud: Cloud) -> None:
    image = waiting(cloud, size=len(DATA))
    (cloud.upload_dir / f"{image}.part").write_bytes(DATA[:CUT])  # as another process left it
    assert cloud.get(f"/v1/images/{image}/upload", "member").json()["offset"] == CUT
    assert send(cloud, image, DATA[CUT:], CUT).status_code == 200
    assert finish(cloud, image, sha256=DIGEST).status_code == 202
    assert (source(cloud, image)["sha256"], source(cloud, image)["checksum"]) == ("", f"sha256:{DIGEST}")


@pytest.mark.parametrize("announced", [True, False])
def test_too_many_bytes_are_refused(cloud: Cloud, announced: bool) -> None:
    image, data = waiting(cloud, size=len(DATA)), bytes(MAX_PIECE + 1)
    content = data if announced else (data[at : at + 65536] for at in range(0, len(data), 65536))
    answer = send(cloud, image, content)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    begun = len(there(cloud, image))
    assert begun == 0 if announced else begun <= MAX_PIECE
    past = send(cloud, image, bytes(len(DATA) - begun + 1), begun)  # more than was announced for the whole
    assert (past.status_code, past.json()["details"]["limit"]) == (413, min(MAX_PIECE, len(DATA) - begun))


@pytest.mark.parametrize("size", [MAX_UPLOAD + 1, 1 << 60])
def test_a_size_out_of_bounds_is_refused_before_the_first_byte(cloud: Cloud, size: int) -> None:
    before = cloud.rows()
    answer = cloud.post("/v1/images", {"name": "x", "source": {"kind": "upload", "size": size}}, "member")
    assert (answer.status_code, answer.json()["code"], cloud.rows()) == (413, "payload_too_large", before)
    for odd in (-1, 1.5, "9", (1 << 60) + 1):
        answer = cloud.post("/v1/images", {"name": "x", "source": {"kind": "upload", "size": odd}}, "member")
        assert (answer.status_code, cloud.rows()) == (400, before)


def test_a_full_disk_is_told_before_the_first_byte_and_when_it_fills(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = waiting(cloud, size=len(DATA))
    assert send(cloud, image, DATA[:CUT]).status_code == 200

    def full(_fd: int, _buffers: Any) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", full)
        answer = send(cloud, image, DATA[CUT:], CUT)
    assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
    assert there(cloud, image) == DATA[:CUT]
    cloud.parts.uploads.arrivals.limits = ArrivalLimits(MAX_UPLOAD, MAX_PIECE, keep_free=1 << 60)
    for answer in (
        send(cloud, image, DATA[CUT:], CUT),
        cloud.post("/v1/images", {"name": "x", "source": {"kind": "upload", "size": 1000}}, "member"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
    cloud.parts.uploads.arrivals.limits = ArrivalLimits(MAX_UPLOAD, MAX_PIECE)
    assert send(cloud, image, DATA[CUT:], CUT).status_code == 200
    assert finish(cloud, image, sha256=DIGEST).status_code == 202


def test_two_clients_at_once_are_refused(cloud: Cloud) -> None:
    image = waiting(cloud)
    uploads = cloud.parts.uploads
    with uploads.open(ADMIN, image, 0) as (_, arriving):
        arriving.append([b"the first one's"])
        for answer in (send(cloud, image, DATA), finish(cloud, image)):
            assert (answer.status_code, answer.json()["code"]) == (409, "busy")
        assert there(cloud, image) == b"the first one's"
    assert send(cloud, image, b" and more", 15).status_code == 200
    assert there(cloud, image) == b"the first one's and more"


def test_pieces_at_once_are_bounded_for_each_person(cloud: Cloud) -> None:
    uploads, image = cloud.parts.uploads, waiting(cloud)
    with cloud.store.read() as tx:
        member = Actor(user_id=tx.users.resolve("member").id, user_name="member", role=None)
    turns = [uploads.turn(member) for _ in range(AT_ONCE_EACH)]
    for turn in turns:
        turn.__enter__()
    with pytest.raises(Throttled), uploads.turn(member):
        pass
    answer = send(cloud, image, DATA)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    with uploads.turn(ADMIN):  # others still may
        pass
    for turn in turns:
        turn.__exit__(None, None, None)
    assert send(cloud, image, DATA[:9]).status_code == 200


def test_unfinished_uploads_are_bounded_for_each_project(cloud: Cloud) -> None:
    spec = ImageSpec("x", {"kind": "upload"}, project="default")
    for _ in range(MAX_OPEN):
        cloud.parts.images.create(ADMIN, spec)
    with pytest.raises(QuotaExceeded):
        cloud.parts.images.create(ADMIN, spec)
    assert len(cloud.get("/v1/uploads", "member").json()["items"]) == MAX_OPEN


def test_uploads_are_listed_to_those_who_may_see_them(cloud: Cloud) -> None:
    image = waiting(cloud, size=len(DATA))
    send(cloud, image, DATA[:CUT])
    for user, seen in (("member", 1), ("viewer", 1), ("admin", 1), ("stranger", 0)):
        items = cloud.get("/v1/uploads", user).json()["items"]
        assert [(each["offset"], each["size"]) for each in items] == [(CUT, len(DATA))] * seen
    assert send(cloud, image, b"x", CUT, user="stranger").status_code == 404
    assert cloud.get(f"/v1/images/{image}/upload", "stranger").status_code == 404
    assert cloud.get("/v1/images/mine/upload", "member").status_code == 404  # by id only: names may be there twice


def test_pieces_are_events_but_not_audited(cloud: Cloud) -> None:
    image = waiting(cloud, size=len(DATA))
    send(cloud, image, DATA[:CUT])
    send(cloud, image, DATA[CUT:], CUT)
    send(cloud, image, DATA[CUT:], CUT)
    with cloud.store.read() as tx:
        told = [each.data for each in tx.events.after(0) if each.kind == "image.upload"]
        audited = [each.outcome for each in tx.audit.before(None, limit=100) if each.action.startswith("PUT")]
    assert told == [{"offset": CUT, "size": len(DATA)}, {"offset": len(DATA), "size": len(DATA)}]
    assert audited == ["upload_offset"]


def test_what_nobody_went_on_with_is_removed(cloud: Cloud) -> None:
    uploads = cloud.parts.uploads
    old, young, stray = waiting(cloud), waiting(cloud), cloud.upload_dir / f"{'0' * 32}.part"
    for image in (old, young):
        send(cloud, image, DATA[:CUT])
    stray.write_bytes(b"x")
    past = os.stat(cloud.upload_dir).st_mtime - 7200
    with cloud.store.write() as tx:
        tx.images.update(old, created_at=tx.now.replace(year=2020))
    for path in (cloud.upload_dir / f"{old}.part", stray):
        os.utime(path, (past, past))
    uploads.sweep()
    with cloud.store.read() as tx:
        assert [tx.images.get(each).state for each in (old, young)] == [ImageState.DELETING, ImageState.WAITING]
    assert not stray.exists()
    assert there(cloud, young) == DATA[:CUT]


def test_a_link_in_the_way_is_not_followed(cloud: Cloud) -> None:
    image, outside = waiting(cloud), cloud.upload_dir / "outside"
    outside.write_bytes(b"precious")
    (cloud.upload_dir / f"{image}.part").symlink_to(outside)
    assert send(cloud, image, DATA).status_code == 500
    assert outside.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["..", "../x", "%2e%2e%2fx", "x%00", "no-such"])
def test_nothing_is_written_elsewhere(cloud: Cloud, name: str) -> None:
    assert send(cloud, name, DATA).status_code in (400, 404, 405)
    assert list(cloud.upload_dir.iterdir()) == []


def test_a_file_that_was_removed_is_not_mine(cloud: Cloud) -> None:
    arrivals = cloud.parts.uploads.arrivals
    with arrivals.open("i") as arriving:
        arriving.append([b"one"])
        with pytest.raises(Busy), arrivals.open("i"):
            pass
        arrivals.forget("i")
        assert not arriving.is_current()
        with arrivals.open("i") as second:
            second.append([b"two"])
    assert (cloud.upload_dir / "i.part").read_bytes() == b"two"


def test_a_thread_that_comes_late_writes_nowhere(cloud: Cloud) -> None:
    with cloud.parts.uploads.arrivals.open("i") as arriving:
        arriving.append([b"one"])
    late = threading.Thread(target=arriving.append, args=([b"two"],))
    late.start()
    late.join()
    assert (cloud.upload_dir / "i.part").read_bytes() == b"one"


def test_room_is_kept_free(cloud: Cloud) -> None:
    arrivals = Arrivals(cloud.upload_dir, ArrivalLimits(1 << 60, keep_free=1 << 60))
    with pytest.raises(DiskFull):
        arrivals.check_room(1)
    assert Uploads.__doc__
