"""Readiness, judged from what cloud-init 22.4 (Debian 12) and 24.x leave behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcloud.domain.instance import Ready
from zcloud.drivers.guest.readiness import Agent, Evidence, judge

_STAGE = {"errors": [], "finished": 1700000005.1, "start": 1700000004.2}
_NOT_YET: dict[str, Any] = {"errors": [], "finished": None, "start": None}
STATUS_22 = {
    "v1": {
        "datasource": "DataSourceNoCloud [seed=/dev/vdb][dsmode=net]",
        "init": _STAGE,
        "init-local": _STAGE,
        "modules-config": {**_NOT_YET, "start": 1700000006.0},
        "modules-final": _NOT_YET,
        "modules-init": _STAGE,
        "stage": "modules-config",
    }
}
RESULT_22 = {"v1": {"datasource": "DataSourceNoCloud [seed=/dev/vdb][dsmode=net]", "errors": []}}
FAILED_22 = {
    "v1": {
        "datasource": "DataSourceNoCloud [seed=/dev/vdb][dsmode=net]",
        "errors": ["('scripts-user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))"],
    }
}
RESULT_24 = {"v1": {"datasource": "DataSourceNoCloud [seed=/dev/vdb]", "errors": []}}
_STAGE_24 = {**_STAGE, "recoverable_errors": {}}
_WARNED = {
    **_STAGE,
    "recoverable_errors": {
        "DEPRECATED": ["The value of 'false' in user craig's 'sudo' config is deprecated in 22.2"],
        "WARNING": ["cloud-config failed schema validation! You may run 'sudo cloud-init schema --system'"],
    },
}
CLEAN_24 = {
    "v1": {
        "datasource": "DataSourceNoCloud [seed=/dev/vdb]",
        "init": _STAGE_24,
        "init-local": _STAGE_24,
        "modules-config": _STAGE_24,
        "modules-final": _STAGE_24,
        "stage": None,
    }
}
DEGRADED_24 = {"v1": {**CLEAN_24["v1"], "init": _WARNED}}
CONSOLE = "[  OK  ] Started cron.service\r\n[   41.2] cloud-init[612]: zcloud-ready i-1\r\n\r\nDebian GNU/Linux 12\r\n"


def seen(result: Any = None, status: Any = None, agent: Agent = Agent.ANSWERS, console: str = "") -> Evidence:
    """Give evidence with the files as JSON."""
    files = [None if each is None else json.dumps(each).encode() for each in (result, status)]
    return Evidence("i-1", agent, files[0], files[1], console)


@pytest.mark.parametrize(
    ("evidence", "state", "words"),
    [
        (seen(RESULT_22, STATUS_22), Ready.READY, "cloud-init is done"),
        (seen(RESULT_24, CLEAN_24), Ready.READY, "cloud-init is done"),
        (seen(RESULT_24, DEGRADED_24), Ready.READY, "with 1 warnings"),
        (seen(FAILED_22), Ready.FAILED, "scripts-user"),
        (seen(None, STATUS_22), Ready.WAITING, "modules-config"),
        (seen(), Ready.READY, "no cloud-init"),
        (seen(agent=Agent.SILENT), Ready.WAITING, "neither"),
        (seen(agent=Agent.SILENT, console=CONSOLE), Ready.READY, "agent is silent"),
        (seen(agent=Agent.NO_FILES, console=CONSOLE), Ready.READY, "may not read files"),
        (seen(agent=Agent.NO_FILES), Ready.WAITING, "console's word"),
        (seen(None, STATUS_22, console=CONSOLE), Ready.WAITING, "modules-config"),
        (seen(agent=Agent.SILENT, console="x zcloud-ready i-12\n"), Ready.WAITING, "neither"),
        (seen(agent=Agent.SILENT, console="[1.2] Kernel panic - not syncing: VFS\n"), Ready.FAILED, "panic"),
        (seen(agent=Agent.SILENT, console="\x1b[1mNo bootable device.\n"), Ready.FAILED, "No bootable"),
    ],
)
def test_verdicts(evidence: Evidence, state: Ready, words: str) -> None:
    verdict = judge(evidence)
    assert verdict.state is state
    assert words in verdict.detail


def test_errors_are_told() -> None:
    assert judge(seen(FAILED_22)).errors == tuple(FAILED_22["v1"]["errors"])
    assert judge(seen(RESULT_24, DEGRADED_24)).errors[0].startswith("WARNING: cloud-config failed schema")
    broken = {"v1": {**STATUS_22["v1"], "init": {**_STAGE, "errors": ["no network"]}}}
    assert judge(seen(None, broken)).errors == ("no network",)


def test_a_half_written_file_means_waiting() -> None:
    assert judge(Evidence("i-1", Agent.ANSWERS, result=b'{"v1": {"err')).state is Ready.WAITING
    assert judge(Evidence("i-1", Agent.ANSWERS, result=b"")).state is Ready.WAITING


def test_a_talkative_guest_is_cut_short() -> None:
    verdict = judge(seen({"v1": {"errors": ["\x1b[31m" + "x" * 10000] * 1000}}))
    assert len(verdict.errors) == 20
    assert all(len(each) <= 300 and each.isprintable() for each in verdict.errors)


_NAMES = st.sampled_from(["errors", "recoverable_errors", "WARNING"]) | st.text(max_size=8)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(["errors", "stage", "init"]), _JSON))
def test_any_record_gets_a_verdict(record: dict[str, Any]) -> None:
    assert judge(seen({"v1": record}, {"v1": record})).state in {Ready.READY, Ready.FAILED}
    assert judge(seen(None, {"v1": record})).state is Ready.WAITING
