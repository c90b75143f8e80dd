"""A real cloud whose server is a process of its own, on a namespace host of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.real.cloud.conftest import ADMIN, Cloud, _enlist, wait_for
from tests.real.crash.server import config_in

from zcloud.domain.host import HostState
from zcloud.lab.hosts import Lab
from zcloud.main.setup import prepare
from zcloud.main.wiring import build
from zcloud.testing.faults import VARIABLE

REPOSITORY = Path(__file__).parents[3]


@dataclass
class Site:
    """The test's side: services over the store, and servers that come and go."""

    cloud: Cloud

    @contextmanager
    def server(self, faults: str = "") -> Iterator[subprocess.Popen[str]]:
        """Give a server process; it is killed at the end if it still lives."""
        data = self.cloud.runtime.config.data_dir
        path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
        with (data / "server.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.real.crash.server", str(data)],
                env={**os.environ, "PYTHONPATH": path, VARIABLE: faults},
                cwd=REPOSITORY, text=True, stderr=log, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip
        with process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n", (data / "server.log").read_text()[-3000:]
                yield process
            finally:
                process.kill()

    def until_host_is(self, state: HostState) -> None:
        """Wait until the host is shown so."""
        wait_for(lambda: self.cloud.hosts.show(ADMIN, "alpha").state is state, 30, f"the host {state}")


@pytest.fixture(scope="module")
def site(
    probe_kit: Path, kvm_works: bool, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("namespace hosts need root")
    config = config_in(tmp_path_factory.mktemp("crash"))
    shutil.copytree(probe_kit, config.probe_dir)
    prepare(config)
    with Lab(1, kvm=kvm_works) as lab:
        config.ssh_key.write_bytes(Path(lab.hosts[0].ssh_key).read_bytes())
        config.ssh_key.with_suffix(".pub").unlink()  # it was of the key just replaced
        runtime = build(config)
        made = Site(Cloud(runtime, lab.hosts[0]))
        try:
            with made.server():
                _enlist(made.cloud)
                made.cloud.import_image("tiny", tiny_image)
            yield made
        finally:
            runtime.stop()
