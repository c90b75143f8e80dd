"""Faults on purpose, and the names of the points at which they happen."""

from __future__ import annotations

import pytest
from tests.effects import FILES, NAMES

from zcloud.domain.errors import HostUnreachable
from zcloud.operations.points import fault_points
from zcloud.testing.faults import Fault, Faults, from_environment, parse_faults


def test_the_variable_is_read() -> None:
    assert parse_faults("a.b.before:kill, *@37:stop,c@2:sleep=0.5,d:error=host_unreachable") == [
        Fault("a.b.before", "kill"),
        Fault("*", "stop", 37),
        Fault("c", "sleep", 2, "0.5"),
        Fault("d", "error", 1, "host_unreachable"),
    ]
    assert parse_faults("") == []


@pytest.mark.parametrize("text", ["a", "a:explode", "a@x:kill", ":"])
def test_a_wrong_variable_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_faults(text)


def test_it_happens_at_the_nth_pass() -> None:
    faults = Faults([Fault("a", "error", 2, "host_unreachable")])
    faults("a")
    faults("b")
    with pytest.raises(HostUnreachable):
        faults("a")
    faults("a")
    assert (faults.passed("a"), faults.passed()) == (3, 4)


def test_without_the_variable_nothing_happens() -> None:
    from_environment({})("a")


def test_the_points_of_a_workflow() -> None:
    points = fault_points(FILES)
    assert len(points) == len(set(points)) == 4 * len(NAMES) + 4
    assert points[:4] == [f"files_v1.one.{where}" for where in ("before", "after", "undo.before", "undo.after")]
    assert points[-1] == "files_v1.fail.after"
