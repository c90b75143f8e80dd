"""An upload whose connection breaks off in the middle, on a real port."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.api.conftest import Cloud
from tests.api.serving import serve

_DEADLINE_S = 40


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin_upload(cloud: Cloud, url: str, path: str) -> http.client.HTTPConnection:
    """Send a part of an upload."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=_DEADLINE_S)
    connection.putrequest("PUT", path)
    for name, value in {**cloud.headers("member"), "Content-Length": "100000"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * 5000)
    return connection


def test_an_upload_that_breaks_off_leaves_nothing_and_can_be_repeated(cloud: Cloud) -> None:
    body = {"name": "mine", "project": "default", "source": {"kind": "upload"}}
    image = cloud.post("/v1/images", body, user="member").json()["id"]
    path = f"/v1/images/{image}/content"
    with serve(cloud.app) as url:
        half = begin_upload(cloud, url, path)
        until((cloud.upload_dir / f"{image}.part").exists)
        second = cloud.call("member", "PUT", path, content=b"second")
        assert (second.status_code, second.json()["code"]) == (409, "busy")
        half.close()
        until(lambda: not (cloud.upload_dir / f"{image}.part").exists())
        assert not (cloud.upload_dir / image).exists()
        assert cloud.get(f"/v1/images/{image}", user="member").json()["state"] == "waiting"
        assert cloud.call("member", "PUT", path, content=b"whole").status_code == 202
    assert (cloud.upload_dir / image).read_bytes() == b"whole"
