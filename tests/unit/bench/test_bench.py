"""The measurements that need no real host work, in their small variant; and what is told of figures."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast

import pytest
from bench import hour, report
from bench.kcli import Kcli
from bench.lab import RawHost
from bench.measure import Check, Figure, scaled

from zcloud.main import setup


def test_a_small_hour_of_looks_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "ensure_probe_kit", lambda config: None)  # it fetches a kernel
    part = hour.measure(1)
    figures = {figure.key: figure.series["20 instances"] for figure in part.figures if figure.key != "hour.memory"}
    assert len(figures["hour.tick"]) == 12  # two minutes
    assert figures["hour.store"][0] > 0  # samples were kept
    assert all("MISSED" not in report.table(figure) for figure in part.figures)


def test_a_missed_target_and_a_zero_are_told() -> None:
    table = report.table(Figure("key", "Title", "ms", {"ours": [0.0], "theirs": [2.0]}, [Check("at most 1", 2.0, 1.0)]))
    assert "MISSED: at most 1 (2.00)" in table
    assert "| theirs | 2.00 | 2.00 | 2.00 | 2.00 | 1 | - |" in table


def test_one_round_is_a_small_one() -> None:
    assert (scaled(1, 50, 3), scaled(2, 50, 3)) == (3, 50)


def test_what_keeps_kcli_from_being_measured_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess(["python"], 1, "", "no such package")
    monkeypatch.setattr(subprocess, "run", lambda *_given, **_named: failed)
    with pytest.raises(RuntimeError, match=r"kcli cannot be measured.*no such package"):
        Kcli(cast("RawHost", None), tmp_path)
