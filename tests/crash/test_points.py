"""Every workflow has a scene, and every fault point that it passes is in ``points.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import CheckGolden
from tests.crash.cell import until
from tests.crash.peers import ssh_server, web_server
from tests.crash.points import FILE, Case, Recorder, Which, errors_of, read_cases
from tests.crash.scenes import SCENES, Stage, tidy

from zcloud.base.config import Config, Images
from zcloud.domain.operation import Operation, OperationStatus
from zcloud.operations.points import fault_points
from zcloud.store import Store
from zcloud.testing.cloud import FakeCloud
from zcloud.testing.hostprocess import HostProcess, RemoteLinks
from zcloud.workflows.registry import WORKFLOWS


@pytest.fixture
def stage(sqlite_store: Store, tmp_path: Path) -> Iterator[Stage]:
    config = Config(data_dir=tmp_path, images=Images(allow_private=("127.0.0.0/8",)))
    hosts = HostProcess(tmp_path / "hosts.sock")
    cloud = FakeCloud(sqlite_store, config, links=RemoteLinks(hosts.socket))

    def done(operation: Operation) -> Operation:
        ended = cloud.wait(operation)
        assert ended.status is OperationStatus.SUCCEEDED, (ended.workflow, ended.error)
        return ended

    files: dict[str, bytes] = {}
    with web_server(files) as web, ssh_server() as port:
        yield Stage(cloud, done, files, web, port)
    hosts.kill()


def test_every_point_is_known(stage: Stage, check_golden: CheckGolden) -> None:
    assert set(SCENES) == set(WORKFLOWS)
    recorder = Recorder()
    stage.cloud.start(recorder)
    host_id = stage.cloud.add_host("alpha")
    cases: list[Case] = []
    try:
        for name, workflow in WORKFLOWS.items():
            for error_at in ["", *errors_of(workflow)]:
                ask = SCENES[name](stage, host_id)
                recorder.expect(name, error_at)
                ended = stage.cloud.wait(ask())
                until(recorder.is_over)  # the last point is passed after the end was written
                cases += recorder.cases()
                recorder.expect("")
                tidy(stage, ended)
    finally:
        stage.cloud.stop()
    check_golden(FILE, "".join(f"{case}\n" for case in cases))


def test_the_engine_s_points_are_all_passed() -> None:
    passed = {case.point for case in read_cases()}
    for workflow in WORKFLOWS.values():
        assert set(fault_points(workflow)) <= passed


def test_a_choice_of_cases_leaves_no_point_out() -> None:
    cases = read_cases()
    for which in (Which.FIRST, Which.LAST):
        chosen = read_cases(which)
        assert set(chosen) <= set(cases)
        assert sorted(case.point for case in chosen) == sorted({case.point for case in cases})
