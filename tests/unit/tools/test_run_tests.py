"""The stages report what happened, and nothing that was not run counts as passed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tools import run_tests, stage_run, stages
from tools.run_tests import Lanes
from tools.stage_run import Counts, Result
from tools.stages import Lane, Stage

ROOT = Path(__file__).parents[3]


def command(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def ran(*given: Stage) -> dict[str, Result]:
    lanes = Lanes(given, tuple(Lane))
    assert lanes.run()
    return lanes.results


def test_the_counts_are_read_from_the_report() -> None:
    report = '<testsuites><testsuite name="p" tests="9" failures="2" errors="1" skipped="3"/></testsuites>'
    assert stage_run.read_report(report) == Counts(passed=3, failed=3, skipped=3)


def test_each_command_counts_and_one_failure_does_not_hide_the_next() -> None:
    result = ran(Stage("s", commands=(command("exit(3)"), command("pass"))))["s"]
    assert result.counts == Counts(passed=1, failed=1)
    assert "ended with 3" in result.note


def test_a_command_that_is_not_installed_fails() -> None:
    result = ran(Stage("s", commands=(("no-such-program",),)))["s"]
    assert result.counts == Counts(failed=1)
    assert "not installed" in result.note


def test_a_stage_that_hangs_is_ended_and_its_other_commands_do_not_begin() -> None:
    hanging = Stage("s", commands=(command("import time; time.sleep(60)"), command("pass")), limit_minutes=0)
    result = ran(hanging)["s"]
    assert result.counts == Counts(failed=1)
    assert "within 0 minutes" in result.note
    assert result.seconds < 30


def test_what_does_not_end_by_itself_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_run, "GRACE_S", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    result = ran(Stage("s", commands=(command(deaf),), limit_minutes=0))["s"]
    assert result.counts == Counts(failed=1)
    assert result.seconds < 30


@pytest.mark.parametrize("stage", [Stage("s", tests=("tests/no-such",)), Stage("s", needs=("no-such",))])
def test_a_stage_without_what_it_needs_fails(stage: Stage) -> None:
    result = ran(stage)["s"]
    assert result.counts == Counts(failed=1)
    assert "no-such" in result.note


def test_a_lane_takes_its_own_stages_in_order_and_then_helps_from_the_other_end() -> None:
    work, guests = [Stage(f"w{n}") for n in range(2)], [Stage(f"g{n}", Lane.GUESTS) for n in range(3)]
    assert run_tests.choose([*work, *guests], Lane.WORK).name == "w0"
    assert run_tests.choose([*work, *guests], Lane.GUESTS).name == "g0"
    assert run_tests.choose(guests, Lane.WORK).name == "g2"
    assert run_tests.choose([guests[0], *work], None).name == "g0"


def test_the_lanes_run_beside_each_other_and_what_each_printed_stays_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def meeting(mine: str, other: str) -> tuple[str, ...]:
        return command(
            "import pathlib, time\n"
            f"mine, other = pathlib.Path({str(tmp_path / mine)!r}), pathlib.Path({str(tmp_path / other)!r})\n"
            f"print({mine!r}, 'begins', flush=True); mine.touch(); end = time.monotonic() + 20\n"
            "while not other.exists(): assert time.monotonic() < end; time.sleep(.01)\n"
            f"print({mine!r}, 'ends')"
        )

    results = ran(Stage("a", commands=(meeting("a", "b"),)), Stage("b", Lane.GUESTS, commands=(meeting("b", "a"),)))
    assert [result.verdict for result in results.values()] == ["passed", "passed"]
    told = capsys.readouterr().out
    for name in "ab":
        assert f"{name} begins\n{name} ends" in told


def test_an_interrupt_ends_all_lanes_lets_them_clean_up_and_tells_what_was_done(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "where = pathlib.Path(sys.argv[1])\n"
        "try: where.with_suffix('.begun').touch(); time.sleep(60)\n"
        "except KeyboardInterrupt: where.with_suffix('.tidied').touch(); raise\n"
    )
    runner = (
        "import sys; from tools import run_tests, stages\n"
        f"code, where = {code!r}, {str(tmp_path)!r}\n"
        "waits = lambda name: ((sys.executable, '-c', code, where + '/' + name),)\n"
        "done = stages.Stage('done', commands=((sys.executable, '-c', 'pass'),))\n"
        "run_tests.stages = lambda: (\n"
        "    done, *(stages.Stage(each.value, each, commands=waits(each.value)) for each in stages.Lane))\n"
        "sys.argv = ['run_tests']; run_tests.listen(); sys.exit(run_tests.main())\n"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-c", runner], env=environment, stdout=subprocess.PIPE, text=True)
        for lane in Lane:
            _until_there(tmp_path / f"{lane}.begun")
        assert process.stdout is not None
        assert any(line.startswith("done: passed") for line in process.stdout)
        process.send_signal(number)
        told, _ = process.communicate(timeout=30)
        assert process.returncode == 130
        for lane in Lane:
            assert (tmp_path / f"{lane}.tidied").exists()
        for path in tmp_path.iterdir():
            path.unlink()
        lines = told.splitlines()
        assert lines[-1] == "1 passed, 2 failed"
        assert sum("(interrupted)" in line for line in lines) == 2


def _until_there(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.02)


def test_the_last_line_is_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    results = [Result("a", Counts(2, 0), 1.0), Result("b", Counts(3, 1), 2.0)]
    assert run_tests.report_results(results) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 1 failed"
    assert run_tests.report_results([*results[:1], Result("c", Counts(1, 0, 4), 0)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 0 failed, 4 skipped"


def test_nothing_run_is_not_a_success() -> None:
    assert run_tests.report_results([Result("a", Counts(), 0)]) == 1


def test_a_directory_that_no_stage_runs_is_noticed() -> None:
    assert stages.unclaimed_directories(stages.stages()) == []
    without = [stage for stage in stages.stages() if stage.name not in ("unit", "real-cloud")]
    unclaimed = stages.unclaimed_directories(without)
    assert "tests/real/cloud" in unclaimed
    assert "tests/unit/tools" in unclaimed
