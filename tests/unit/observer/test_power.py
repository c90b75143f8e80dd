"""Every state of a domain against every status of an instance."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import builders

from zcloud.domain.instance import Instance, InstanceStatus
from zcloud.observer.power import agrees, judge
from zcloud.ports import DomainFacts, DomainState

REASONS = ("unknown", "booted", "shutdown", "destroyed", "crashed", "failed", "daemon", "user", "ioerror", "\0 odd")
ON = (DomainState.RUNNING, DomainState.BLOCKED, DomainState.SHUTDOWN)
HELD = (DomainState.PAUSED, DomainState.SUSPENDED)
OFF = (DomainState.SHUTOFF, DomainState.CRASHED)
_WERE_OFF = (InstanceStatus.STOPPED, InstanceStatus.SAVED, InstanceStatus.ERROR, InstanceStatus.MISSING)
SETTLED = (InstanceStatus.RUNNING, InstanceStatus.PAUSED, InstanceStatus.STOPPED, InstanceStatus.MISSING)


def instance(status: InstanceStatus, **changes: object) -> Instance:
    return builders.instance("p", "h", "i", name="web", status=status, **changes)


def facts(state: DomainState, reason: str = "unknown", *, persistent: bool = True) -> DomainFacts:
    return DomainFacts("u", "web-u", state, reason, persistent)


any_facts = st.none() | st.builds(
    DomainFacts,
    st.just("u"),
    st.just("web-u"),
    st.sampled_from(DomainState),
    st.sampled_from(REASONS),
    st.booleans(),
)
any_status = st.sampled_from(InstanceStatus)


@given(any_status, any_facts, st.sampled_from(["", "enospc", "eio"]))
def test_an_instance_under_an_operation_is_never_judged(
    status: InstanceStatus, seen: DomainFacts | None, reason: str
) -> None:
    assert judge(instance(status, operation_id="op"), seen, reason) is None


@given(any_status, any_facts, st.booleans(), st.sampled_from(["", "enospc", "eio"]))
def test_a_verdict_once_recorded_is_not_given_again(
    status: InstanceStatus, seen: DomainFacts | None, undefined: bool, reason: str
) -> None:
    before = instance(status, observed={"undefined": undefined})
    verdict = judge(before, seen, reason)
    if verdict is None:
        return
    assert verdict.status in SETTLED or verdict.status is status
    assert verdict.message
    assert verdict.event
    after = replace(before, status=verdict.status, observed={"undefined": verdict.undefined})
    assert judge(after, seen, reason) is None


@given(any_status, any_facts)
def test_what_agrees_at_a_glance_is_not_judged(status: InstanceStatus, seen: DomainFacts | None) -> None:
    if agrees(status, seen):
        assert judge(instance(status), seen) is None


@pytest.mark.parametrize("status", InstanceStatus)
@pytest.mark.parametrize("state", [*DomainState, None])
def test_every_pair_has_a_sane_verdict(state: DomainState | None, status: InstanceStatus) -> None:
    verdict = judge(instance(status), facts(state) if state else None)
    not_ours = (InstanceStatus.BUILDING, InstanceStatus.DELETING, InstanceStatus.TRASHED)
    if status in not_ours or state is DomainState.UNKNOWN:
        assert verdict is None
        return
    expected: dict[DomainState | None, InstanceStatus] = {None: InstanceStatus.MISSING}
    for states, settled in ((ON, InstanceStatus.RUNNING), (HELD, InstanceStatus.PAUSED), (OFF, InstanceStatus.STOPPED)):
        expected.update(dict.fromkeys(states, settled))
    off_as_known = status in (InstanceStatus.ERROR, InstanceStatus.SAVED) and state in OFF
    if status is expected[state] or off_as_known:
        assert verdict is None
    else:
        assert verdict is not None
        assert verdict.status is expected[state]
        assert verdict.began == (verdict.status is InstanceStatus.RUNNING and status in _WERE_OFF)


def test_a_failed_creation_left_no_domain_to_miss() -> None:
    never_made = instance(InstanceStatus.ERROR, machine="")
    assert judge(never_made, None) is None
    assert judge(instance(InstanceStatus.ERROR), None) is not None


@pytest.mark.parametrize(
    ("reason", "surprising", "word"),
    [
        ("shutdown", False, "shut itself down"),
        ("destroyed", True, "taken outside"),
        ("crashed", True, "unexpectedly"),
        ("saved", True, "saved"),
    ],
)
def test_why_it_is_off(reason: str, surprising: bool, word: str) -> None:
    verdict = judge(instance(InstanceStatus.RUNNING), facts(DomainState.SHUTOFF, reason))
    assert verdict is not None
    assert verdict.surprising is surprising
    assert word in verdict.message


@pytest.mark.parametrize(
    ("io_reason", "waits"), [("enospc", "space"), ("", "space"), ("eio", "disk"), ("eperm", "disk")]
)
def test_why_it_is_paused(io_reason: str, waits: str) -> None:
    verdict = judge(instance(InstanceStatus.RUNNING), facts(DomainState.PAUSED, "ioerror"), io_reason)
    assert verdict is not None
    assert (verdict.event, verdict.paused_for) == ("instance.io_error", waits)
    by_hand = judge(instance(InstanceStatus.RUNNING), facts(DomainState.PAUSED, "user"), io_reason)
    assert by_hand is not None
    assert (by_hand.event, by_hand.paused_for) == ("drift.power", "")


def test_an_owner_s_pause_that_others_end_is_told() -> None:
    held = instance(InstanceStatus.PAUSED, observed={"paused_by": "anna"})
    assert judge(held, facts(DomainState.PAUSED, "user")) is None
    verdict = judge(held, facts(DomainState.RUNNING, "unpaused"))
    assert verdict is not None
    assert (verdict.event, verdict.surprising) == ("drift.power", True)
    assert verdict.message == "web was paused by anna, and was let go on outside zcloud."


def test_saved_memory_that_fits_no_more_is_told() -> None:
    saved = instance(InstanceStatus.SAVED, hardware={"saved": {"at": "2026-01-01"}})
    verdict = judge(saved, facts(DomainState.RUNNING, "booted"))
    assert verdict is not None
    assert "discard it" in verdict.message


@pytest.mark.parametrize("reason", ["starting_up", "migration", "save", "snapshot"])
def test_a_pause_of_libvirts_own_is_not_told(reason: str) -> None:
    for status in (InstanceStatus.RUNNING, InstanceStatus.STOPPED):
        assert judge(instance(status), facts(DomainState.PAUSED, reason)) is None


def test_undefined_while_it_runs() -> None:
    running = instance(InstanceStatus.RUNNING)
    verdict = judge(running, facts(DomainState.RUNNING, persistent=False))
    assert verdict is not None
    assert (verdict.status, verdict.event, verdict.undefined) == (InstanceStatus.RUNNING, "drift.deleted", True)
    told = replace(running, observed={"undefined": True})
    assert judge(told, facts(DomainState.RUNNING, persistent=False)) is None


def test_defined_again() -> None:
    verdict = judge(instance(InstanceStatus.MISSING), facts(DomainState.SHUTOFF))
    assert verdict is not None
    assert (verdict.status, verdict.event) == (InstanceStatus.STOPPED, "drift.definition")
