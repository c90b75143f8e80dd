"""Events are handed over in order, and one bad listener stops nobody."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

import pytest

from zcloud.domain.errors import ConfigInvalid
from zcloud.domain.host import HostKind
from zcloud.hosts import HostAddress, HostPool
from zcloud.hosts.delivery import Delivery
from zcloud.hosts.session import LONGEST_BACKOFF_S, _backoff


def test_calls_come_in_order_and_a_failing_one_is_passed_by(caplog: pytest.LogCaptureFixture) -> None:
    delivery, made = Delivery("test"), list[int]()
    with caplog.at_level(logging.ERROR):
        for number in range(100):
            delivery.put(partial(made.append, number))
            delivery.put(lambda: 1 / 0)
        delivery.close()
    assert made == list(range(100))
    assert len(caplog.records) == 100


def test_back_off_doubles_within_its_bounds() -> None:
    for failures, longest in ((0, 0.5), (1, 1.0), (3, 4.0), (5, LONGEST_BACKOFF_S), (10_000, LONGEST_BACKOFF_S)):
        waits = [_backoff(failures) for _ in range(50)]
        assert all(longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 1


def test_a_runtime_directory_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("open", "link"):
        with pytest.raises(ConfigInvalid):
            HostPool(dict[str, HostAddress]().__getitem__, str(tmp_path / name))


def test_a_runtime_directory_too_deep_for_sockets_is_refused(tmp_path: Path) -> None:
    host = HostAddress("h", HostKind.SSH, "127.0.0.1", 1)
    pool = HostPool({"h": host}.__getitem__, os.path.join(tmp_path, "x" * 100))
    with pytest.raises(ConfigInvalid, match="too long"):
        pool.link("h")
    pool.close()
