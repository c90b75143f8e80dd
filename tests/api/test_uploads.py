"""Uploads: whole or not at all, bounded, one at a time."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.api.conftest import MAX_UPLOAD, Cloud

from zcloud.api.uploads import Arriving
from zcloud.domain.errors import Busy

DATA = bytes(range(256)) * 3000
SHA256 = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def waiting(cloud: Cloud, checksum: str = "") -> str:
    """Make an image that waits for its bytes, and give its id."""
    made = cloud.post("/v1/images", {"name": "mine", "source": {"kind": "upload", "checksum": checksum}}, "member")
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/images/{made.json()['id']}"
    assert made.json()["state"] == "waiting"
    return str(made.json()["id"])


def send(cloud: Cloud, image: str, content: Any, user: str = "member") -> Any:
    """Send bytes."""
    return cloud.call(user, "PUT", f"/v1/images/{image}/content", content=content)


@pytest.mark.parametrize("checksum", ["", SHA256])
def test_the_bytes_arrive_as_they_were_sent(cloud: Cloud, checksum: str) -> None:
    image = waiting(cloud, checksum)
    answer = send(cloud, image, (DATA[at : at + 5000] for at in range(0, len(DATA), 5000)))
    assert answer.status_code == 202
    assert answer.json()["resource"]["id"] == image
    assert [path.name for path in cloud.upload_dir.iterdir()] == [image]
    assert (cloud.upload_dir / image).read_bytes() == DATA
    assert cloud.get(f"/v1/images/{image}").json()["state"] == "importing"
    again = send(cloud, image, DATA)
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert (cloud.upload_dir / image).read_bytes() == DATA


def test_other_bytes_than_promised_are_not_kept(cloud: Cloud) -> None:
    image = waiting(cloud, SHA256)
    answer = send(cloud, image, DATA + b"!")
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "checksum")
    assert list(cloud.upload_dir.iterdir()) == []
    assert send(cloud, image, DATA).status_code == 202


@pytest.mark.parametrize("announced", [True, False])
def test_too_many_bytes_are_not_kept(cloud: Cloud, announced: bool) -> None:
    image, data = waiting(cloud), bytes(MAX_UPLOAD + 1)
    content = data if announced else (data[at : at + 65536] for at in range(0, len(data), 65536))
    answer = send(cloud, image, content)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert list(cloud.upload_dir.iterdir()) == []
    assert send(cloud, image, bytes(MAX_UPLOAD)).status_code == 202


def test_a_second_upload_at_once_is_refused(cloud: Cloud) -> None:
    image = waiting(cloud)
    first = Arriving(cloud.upload_dir / image)
    first.write(b"the first one's")
    answer = send(cloud, image, DATA)
    assert (answer.status_code, answer.json()["code"]) == (409, "busy")
    assert (cloud.upload_dir / f"{image}.part").read_bytes() == b"the first one's"
    first.close()
    assert list(cloud.upload_dir.iterdir()) == []
    assert send(cloud, image, DATA).status_code == 202


def test_what_a_crash_left_is_overwritten(cloud: Cloud) -> None:
    image = waiting(cloud)
    (cloud.upload_dir / f"{image}.part").write_bytes(bytes(2 * len(DATA)))
    assert send(cloud, image, DATA).status_code == 202
    assert (cloud.upload_dir / image).read_bytes() == DATA


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


def test_a_file_that_was_replaced_is_not_mine(cloud: Cloud) -> None:
    target = cloud.upload_dir / "i"
    first = Arriving(target)
    first.write(b"one")
    with pytest.raises(Busy):
        Arriving(target)
    first.keep()
    second = Arriving(target)
    second.write(b"two")
    first.close()
    assert (cloud.upload_dir / "i.part").read_bytes() == b"two"
    second.close()
    assert target.read_bytes() == b"one"
    assert not (cloud.upload_dir / "i.part").exists()
