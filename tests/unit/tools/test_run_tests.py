"""The stages report what happened, and nothing that was not run counts as passed."""

from __future__ import annotations

import sys

import pytest
from tools import run_tests
from tools.run_tests import Counts, Result, Stage


def command(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_the_counts_are_read_from_the_report() -> None:
    report = '<testsuites><testsuite name="p" tests="9" failures="2" errors="1" skipped="3"/></testsuites>'
    assert run_tests.read_report(report) == Counts(passed=3, failed=3, skipped=3)


def test_each_command_counts_and_one_failure_does_not_hide_the_next() -> None:
    result = run_tests.run_stage(Stage("s", commands=(command("exit(3)"), command("pass"))))
    assert result.counts == Counts(passed=1, failed=1)
    assert "ended with 3" in result.note


def test_a_command_that_is_not_installed_fails() -> None:
    result = run_tests.run_stage(Stage("s", commands=(("no-such-program",),)))
    assert result.counts == Counts(failed=1)
    assert "not installed" in result.note


def test_a_command_that_hangs_is_ended() -> None:
    result = run_tests.run_stage(Stage("s", commands=(command("import time; time.sleep(60)"),), limit_minutes=0))
    assert result.counts == Counts(failed=1)
    assert result.seconds < 30


@pytest.mark.parametrize(("not_yet", "failed"), [(True, 0), (False, 1)])
def test_a_stage_without_tests_fails_unless_it_is_not_yet_there(not_yet: bool, failed: int) -> None:
    result = run_tests.run_stage(Stage("s", tests="tests/no-such", not_yet=not_yet))
    assert result.counts == Counts(failed=failed)
    assert "tests/no-such" in result.note


def test_the_last_line_is_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    results = [Result("a", Counts(2, 0), 1.0), Result("b", Counts(3, 1), 2.0)]
    assert run_tests.report_results(results) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 1 failed"
    assert run_tests.report_results([*results[:1], Result("c", Counts(1, 0, 4), 0)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 0 failed, 4 skipped"


def test_nothing_run_is_not_a_success() -> None:
    assert run_tests.report_results([Result("a", Counts(), 0)]) == 1


def test_a_directory_that_no_stage_runs_is_noticed() -> None:
    assert run_tests.unclaimed_directories(run_tests.stages()) == []
    assert "tests/unit" in run_tests.unclaimed_directories(())
