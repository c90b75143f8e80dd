"""Every workflow, killed at every fault point that it passes: the operation ends, and the books balance.

The cases are in ``points.txt`` (see ``points``). The store is the one that ZCLOUD_TEST_STORE names, both without it.
Each point is passed in several ways: on SQLite it is killed at the first of them, on PostgreSQL at the last, and with
ZCLOUD_CRASH_EVERY_PASS=1 (``scripts/soak``) at every one. A workflow knows no store, so ``scripts/test`` takes every
third point on PostgreSQL; ZCLOUD_CRASH_EVERY_POINT=1 (``.ci/run``, ``scripts/soak``) takes all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.conftest import NewUrl, open_store
from tests.crash import cell as cells
from tests.crash.cell import Cell
from tests.crash.peers import ssh_server, web_server
from tests.crash.points import Case, Which, read_cases
from tests.crash.scenes import SCENES, Ask, Stage, import_upload, tidy

from zcloud.domain.operation import OperationStatus

RENEW_EVERY = 60  # tests
STORE = os.environ.get("ZCLOUD_TEST_STORE", "")
WHICH = {"sqlite": Which.FIRST, "postgresql": Which.LAST}.get(STORE, Which.ALL)
SHARE = 3 if STORE == "postgresql" and os.environ.get("ZCLOUD_CRASH_EVERY_POINT") != "1" else 1
CASES = read_cases(Which.ALL if os.environ.get("ZCLOUD_CRASH_EVERY_PASS") == "1" else WHICH)[::SHARE]


class Ward:
    """Gives a cell to test after test, and a fresh one after a test that left its own in disorder."""

    def __init__(self, new_url: NewUrl, web: str, files: dict[str, bytes], ssh_port: int) -> None:
        self._new_url, self._web, self._files, self._ssh_port = new_url, web, files, ssh_port
        self._stack = ExitStack()
        self._cell: Cell | None = None
        self._used = 0
        self.host_id = ""

    def enter(self) -> Cell:
        """Give the cell, which counts as disordered until ``leave``."""
        cell, self._cell = self._cell, None
        if cell is None:
            self.close()
            cell = self._stack.enter_context(cells.made(self._new_url(), open_store))
            cell.stage.web, cell.stage.files, cell.stage.ssh_port = self._web, self._files, self._ssh_port
            self.host_id = cell.cloud.add_host("alpha")
        return cell

    def leave(self, cell: Cell) -> None:
        """Give the cell back in order; it is not used for ever, as its history grows."""
        self._used = (self._used + 1) % RENEW_EVERY
        self._cell = cell if self._used else None

    def close(self) -> None:
        """Remove the cell."""
        self._stack.close()


@pytest.fixture(scope="module")
def ward(new_url: NewUrl) -> Iterator[Ward]:
    files: dict[str, bytes] = {}
    with web_server(files) as web, ssh_server() as port:
        made = Ward(new_url, web, files, port)
        yield made
        made.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed(ward: Ward, case: Case) -> None:
    _kill(ward, case, SCENES[case.workflow])


@pytest.mark.parametrize("case", [each for each in CASES if each.workflow == "image_import_v1"], ids=str)
def test_killed_with_an_upload(ward: Ward, case: Case) -> None:
    _kill(ward, case, import_upload)


def _kill(ward: Ward, case: Case, scene: Callable[[Stage, str], Ask]) -> None:
    cell = ward.enter()
    cell.keep()
    ask = scene(cell.stage, ward.host_id)
    cell.leave()
    operation = ask()
    cell.kill_at(case.kill_at, error_at=case.error_at)
    ended = cell.ended(operation)
    for part in cell.parts(operation):
        cell.ended(part)
    assert ended.status is (OperationStatus.FAILED if case.error_at else OperationStatus.SUCCEEDED), ended.error
    assert {step.status for step in ended.steps} <= {"done", "failed", "undone", "pending"}
    if ended.verb in ("delete", "remove", "discard", "forget") and case.error_at:
        tidy(cell.stage, ended)  # what was half-removed cannot be brought back, but removed
    elif case.error_at:
        cell.look_at(ward.host_id)
    cell.books.check(ward.host_id)
    tidy(cell.stage, ended)
    cell.books.check(ward.host_id)
    ward.leave(cell)
