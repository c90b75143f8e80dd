"""How often a guest is asked whether it is ready."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from tests import builders

from zcloud.observer.ready import is_due

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
INSTANCE = dataclasses.replace(
    builders.instance("p", "h", "i"), started_at=BEGUN, ready_deadline=BEGUN + timedelta(hours=1)
)


@pytest.mark.parametrize(
    ("age_s", "looked_s_ago", "due"),
    [
        (10, None, True),
        (10, 1, True),
        (40, 1, False),
        (40, 2, True),
        (3000, 4, False),
        (3000, 5, True),
        (3601, 0.1, True),
    ],
)
def test_a_look_is_made_after_a_twentieth_of_the_age(age_s: float, looked_s_ago: float | None, due: bool) -> None:
    now = BEGUN + timedelta(seconds=age_s)
    looked_at = None if looked_s_ago is None else now - timedelta(seconds=looked_s_ago)
    assert is_due(INSTANCE, looked_at, now) is due


def test_one_of_unknown_age_is_always_due() -> None:
    assert is_due(dataclasses.replace(INSTANCE, started_at=None), BEGUN, BEGUN)
