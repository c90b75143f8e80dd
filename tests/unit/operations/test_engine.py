"""The engine in one process, on both stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import NewUrl, open_store
from tests.effects import (
    NAMES,
    STUBBORN,
    TIDY,
    check_whole_or_nothing,
    effects_of,
    files_of,
    look,
    queue,
    running_engine,
    times,
    until,
    until_ended,
    until_status,
)

from zcloud.domain.errors import WrongState
from zcloud.domain.operation import Event, Operation, OperationStatus, StepStatus
from zcloud.operations.control import PROGRESS_INTERVAL_S
from zcloud.operations.engine import Engine
from zcloud.store import Store
from zcloud.store.operations import Operations


@pytest.fixture
def url(new_url: NewUrl) -> str:
    return new_url()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def engine(store: Store, tmp_path: Path) -> Iterator[Engine[object]]:
    with running_engine(store, tmp_path) as running:
        yield running  # type: ignore[misc]


def events_of(store: Store, operation: Operation) -> list[Event]:
    with store.read() as tx:
        events = tx.events.after(0, limit=1000)
    return [event for event in events if event.data["operation_id"] == operation.id]


@pytest.mark.usefixtures("engine")
def test_it_runs_every_step_once_and_says_so(store: Store, tmp_path: Path) -> None:
    operation = until_ended(store, queue(store))
    assert operation.status is OperationStatus.SUCCEEDED
    assert [step.status for step in operation.steps] == [StepStatus.DONE] * len(NAMES)
    assert all(step.started_at and step.ended_at for step in operation.steps)
    assert operation.worker_id is None
    assert not operation.may_cancel
    assert times(tmp_path, operation, "do") == dict.fromkeys(NAMES, 1)
    kinds = [event.kind for event in events_of(store, operation)]
    assert kinds[0] == "operation.started"
    assert kinds[-1] == "operation.ended"
    assert kinds.count("operation.step") == 2 * len(NAMES)
    check_whole_or_nothing(store, tmp_path, [operation])


@pytest.mark.usefixtures("engine")
def test_an_error_undoes_in_reverse_with_the_failed_step(store: Store, tmp_path: Path) -> None:
    operation = until_ended(store, queue(store, fail_at="four"))
    assert operation.status is OperationStatus.FAILED
    assert operation.error is not None
    assert operation.error["code"] == "command_failed"
    assert operation.error["left"] == "What had been done was undone."
    undone = [name for verb, name, *_ in effects_of(tmp_path, operation) if verb == "undo"]
    assert undone == ["four", "three", "two", "one"]
    assert [step.status for step in operation.steps] == [StepStatus.UNDONE] * 4 + [StepStatus.PENDING] * 4
    check_whole_or_nothing(store, tmp_path, [operation])


@pytest.mark.usefixtures("engine")
def test_a_defect_is_an_internal_error_and_undone(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    operation = until_ended(store, queue(store, defect_at="two"))
    assert operation.error is not None
    assert operation.error["code"] == "internal"
    assert "KeyError" in caplog.text
    check_whole_or_nothing(store, tmp_path, [operation])


@pytest.mark.usefixtures("engine")
def test_refused_last_words_undo_everything(store: Store, tmp_path: Path) -> None:
    operation = until_ended(store, queue(store, fail_at="succeed"))
    assert operation.status is OperationStatus.FAILED
    check_whole_or_nothing(store, tmp_path, [operation])


@pytest.mark.usefixtures("engine")
def test_what_cannot_be_undone_is_left_with_its_sentence(store: Store, tmp_path: Path) -> None:
    operation = until_ended(store, queue(store, fail_at="three", stuck_at="two"))
    assert operation.error is not None
    assert operation.error["left"] == "This could not be undone: Make the file two: two sticks."
    assert operation.steps[1].status is StepStatus.LEFT
    assert files_of(tmp_path, operation) == {"two"}


@pytest.mark.usefixtures("engine")
def test_what_cannot_be_tidied_up_is_left_and_the_operation_ends_well(store: Store, tmp_path: Path) -> None:
    operation = until_ended(store, queue(store, TIDY.name, fail_at="eight"))
    assert (operation.status, operation.error) == (OperationStatus.SUCCEEDED, None)
    assert (operation.steps[7].status, operation.steps[7].detail) == (StepStatus.LEFT, "eight failed.")
    assert files_of(tmp_path, operation) == set(NAMES)


@pytest.mark.usefixtures("engine")
def test_waiting_holds_no_thread_and_goes_on_when_woken(store: Store, tmp_path: Path) -> None:
    waiting = [queue(store, wait_at="three") for _ in range(12)]  # more than there are threads
    for operation in waiting:
        parked = until_status(store, operation, OperationStatus.WAITING)
        assert parked.wait_reason == "three waits"
        assert parked.worker_id is None
    other = until_ended(store, queue(store))
    assert other.status is OperationStatus.SUCCEEDED
    for operation in waiting:
        (tmp_path / f"{operation.id}.go").touch()
        with store.write() as tx:
            tx.operations.wake_resource("files", operation.resource_id)
    for operation in waiting:
        assert until_ended(store, operation).status is OperationStatus.SUCCEEDED
        assert times(tmp_path, operation, "do") == dict.fromkeys(NAMES, 1)


def test_a_silent_host_blocks_and_wakes(engine: Engine[object], store: Store, tmp_path: Path) -> None:
    operation = queue(store, block_at="five")
    blocked = until_status(store, operation, OperationStatus.BLOCKED)
    assert files_of(tmp_path, operation) == set(NAMES[:4])
    assert blocked.wait_reason == "The host h1 does not answer."
    with store.read() as tx:
        assert [each.id for each in tx.operations.blocked_on("h1")] == [operation.id]
    (tmp_path / f"{operation.id}.go").touch()
    engine.wake_host("h1")
    assert until_ended(store, operation).status is OperationStatus.SUCCEEDED
    assert times(tmp_path, operation, "do") == dict.fromkeys(NAMES, 1)


@pytest.mark.usefixtures("engine")
def test_a_silent_host_is_tried_again_by_itself_while_undoing(store: Store, tmp_path: Path) -> None:
    operation = queue(store, fail_at="five", block_undo_at="three")
    until_status(store, operation, OperationStatus.BLOCKED)
    assert files_of(tmp_path, operation) == set(NAMES[:3])
    (tmp_path / f"{operation.id}.go").touch()
    ended = until_ended(store, operation)
    assert ended.status is OperationStatus.FAILED
    assert times(tmp_path, operation, "undo") == dict.fromkeys(NAMES[:5], 1)


@pytest.mark.parametrize("name", [*NAMES, "succeed"])
def test_cancel_at_each_step(name: str, store: Store, tmp_path: Path) -> None:
    operation = queue(store)

    def cancel(point: str) -> None:
        if point == f"files_v1.{name}.before":
            with store.write() as tx:
                tx.operations.request_cancel(operation.id)

    refused = name in (NAMES[-1], "succeed")
    with running_engine(store, tmp_path, fault=cancel if not refused else _refused(store, operation.id, name)):
        ended = until_ended(store, operation)
    assert ended.status is (OperationStatus.SUCCEEDED if refused else OperationStatus.CANCELLED)
    check_whole_or_nothing(store, tmp_path, [operation])


def _refused(store: Store, operation_id: str, name: str) -> Callable[[str], None]:
    def cancel(point: str) -> None:
        if point == f"files_v1.{name}.before":
            with pytest.raises(WrongState), store.write() as tx:
                tx.operations.request_cancel(operation_id)

    return cancel


@pytest.mark.usefixtures("engine")
def test_cancel_wakes_what_waits(store: Store, tmp_path: Path) -> None:
    operation = queue(store, wait_at="three")
    until_status(store, operation, OperationStatus.WAITING)
    with store.write() as tx:
        tx.operations.request_cancel(operation.id)
    assert until_ended(store, operation).status is OperationStatus.CANCELLED
    check_whole_or_nothing(store, tmp_path, [operation])


@pytest.mark.usefixtures("engine")
def test_a_workflow_that_is_not_cancellable_says_so(store: Store) -> None:
    operation = queue(store, STUBBORN.name, wait_at="three")
    until_status(store, operation, OperationStatus.WAITING)
    with pytest.raises(WrongState), store.write() as tx:
        tx.operations.request_cancel(operation.id)


@pytest.mark.usefixtures("engine")
def test_an_unknown_workflow_waits_for_a_newer_server(store: Store) -> None:
    operation = until_status(store, queue(store, "future_v9"), OperationStatus.BLOCKED)
    assert "future_v9" in operation.wait_reason


def test_stopping_hands_over_between_steps(store: Store, tmp_path: Path) -> None:
    operation = queue(store, sleep=0.2)
    with running_engine(store, tmp_path):
        until(lambda: "one" in files_of(tmp_path, operation))
    assert look(store, operation).status is OperationStatus.WAITING
    with running_engine(store, tmp_path):
        assert until_ended(store, operation).status is OperationStatus.SUCCEEDED
    assert times(tmp_path, operation, "do") == dict.fromkeys(NAMES, 1)


def test_parked_operations_survive_restarts(store: Store, tmp_path: Path) -> None:
    operation = queue(store, wait_at="four")
    for _ in range(2):
        with running_engine(store, tmp_path):
            until_status(store, operation, OperationStatus.WAITING)
    (tmp_path / f"{operation.id}.go").touch()
    with running_engine(store, tmp_path):
        with store.write() as tx:
            tx.operations.wake_now(operation.id)
        assert until_ended(store, operation).status is OperationStatus.SUCCEEDED
    assert times(tmp_path, operation, "do") == dict.fromkeys(NAMES, 1)


def test_a_breakdown_is_tried_again_after_a_rest(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def no_step_rows(*_args: object) -> None:
        raise OSError("the disk is full")

    with running_engine(store, tmp_path, sweep_s=0.3), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Operations, "write_steps", no_step_rows)
        operation = queue(store)
        until(lambda: look(store, operation).epoch >= 2)
        taken = caplog.text.count("will be taken up again")
        assert taken <= 3, "it rests before it is taken again"
        patch.undo()
        assert until_ended(store, operation).status is OperationStatus.SUCCEEDED


@pytest.mark.usefixtures("engine")
def test_progress_is_written_at_most_twice_a_second(store: Store) -> None:
    operation = until_ended(store, queue(store, progress_at="two"))
    told = [event for event in events_of(store, operation) if event.data.get("total")]
    assert operation.steps[1].done == operation.steps[1].total == 1000
    assert len(told) >= 2
    assert len(told) <= 3 + (told[-1].time - told[0].time).total_seconds() / PROGRESS_INTERVAL_S
