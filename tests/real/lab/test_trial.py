"""`zcloud lab`: a whole cloud comes up, is used, and goes without a trace, even when its keeper was killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcloud.client import Client
from zcloud.lab.cgroups import hierarchies
from zcloud.lab.hosts import wait_for
from zcloud.lab.trial import State, Trial, command, environment


def zcloud(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a session of its own, which ends with it as a shell's does."""
    return subprocess.run(
        command(*words), env=env or environment(), capture_output=True, text=True, check=False, start_new_session=True
    )


def traces(state: State) -> list[str]:
    """Name what is left of a lab."""
    paths = [Path("/sys/class/net") / state.bridge, Path(state.directory)]
    paths += [each.directory / f"{state.bridge}-lab-{host.name}" for each in hierarchies() for host in state.hosts]
    left = [str(path) for path in paths if path.exists()]
    return left + [str(process) for process in (state.keeper, state.server) if process.runs]


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    made = Trial(tmp_path / "lab")
    yield made
    made.end()


def known(trial: Trial) -> State:
    state = trial.state()
    assert state is not None
    return state


def test_a_cloud_to_try(trial: Trial) -> None:
    where = ("--dir", str(trial.directory))
    made = zcloud("lab", "up", "--hosts", "1", *where)
    assert made.returncode == 0, made.stdout + made.stderr
    assert f". {trial.environment}\n" in made.stdout
    state = known(trial)
    assert zcloud("lab", "status", *where).returncode == 0

    settings = dict(line.removeprefix("export ").split("=", 1) for line in trial.environment.read_text().splitlines())
    settings = {name: value.strip("'") for name, value in settings.items()}
    with Client(settings["ZCLOUD_URL"], settings["ZCLOUD_TOKEN"], ca=settings["ZCLOUD_CA"]) as cloud:
        change = cloud.instances.create(name="web", image="tiny", vcpus=1, memory_mib=128, ssh_keys=["lab"])
        assert change.result()["status"] == "running"
        listed = zcloud("list", "-q", env={**environment(), **settings})
        assert listed.stdout == "web\n", listed.stderr
        assert 'zcloud_instances{status="running"} 1\n' in cloud.text("/metrics")

    again = zcloud("lab", "up", "--hosts", "1", *where)
    assert (again.returncode, known(trial).keeper) == (0, state.keeper), again.stderr

    os.kill(state.keeper.pid, signal.SIGKILL)
    wait_for(lambda: not state.server.runs, 20, "the server's end with its keeper's")
    assert "does not run" in (dead := zcloud("lab", "status", *where)).stdout
    assert dead.returncode == 1
    assert zcloud("lab", "down", *where).returncode == 0
    assert traces(state) == []
    assert not trial.directory.exists()
    assert "There is no lab" in zcloud("lab", "down", *where).stdout


def test_down_stops_what_up_has_not_filled_yet(trial: Trial) -> None:
    trial.prepare()
    state = trial.start(2)
    assert len(state.hosts) == 2
    assert state.server.runs
    assert zcloud("lab", "down", "--dir", str(trial.directory)).returncode == 0
    assert traces(state) == []
    assert not trial.directory.exists()
