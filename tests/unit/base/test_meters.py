"""What a process counts about itself, and where one without the API gives it."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from zcloud.base import meters


def test_every_meter_is_described() -> None:
    told = {name.removesuffix("_total") for name, _kind, _text, _labels in meters.described()}
    given = {each.name for each in meters.REGISTRY.collect() if not each.name.startswith("process_")}
    assert told == given


def test_a_removed_host_has_no_series() -> None:
    meters.LIBVIRT_SECONDS.labels("gone", "watch").observe(0.01)
    assert b'host="gone"' in meters.own_text()
    meters.forget_host("gone")
    meters.forget_host("never-there")
    assert b'host="gone"' not in meters.own_text()


def test_a_process_without_the_api_gives_them_on_the_loopback() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = meters.serve(port)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert b"zcloud_store_write_duration_seconds_count" in answer.read()
        with pytest.raises(OSError):
            meters.serve(port)
    finally:
        stop()
