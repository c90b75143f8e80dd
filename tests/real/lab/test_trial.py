"""`zcloud lab`: a whole cloud comes up, is used, and goes without a trace, even when its keeper was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
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
def trial() -> Iterator[Trial]:
    with tempfile.TemporaryDirectory(prefix="zlt-", dir="/tmp") as short:  # sockets have short paths
        made = Trial(Path(short) / "lab")
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

    assert zcloud("lab", "down", *where).returncode == 0
    assert traces(state) == []
    assert not trial.directory.exists()
    assert "There is no lab" in zcloud("lab", "down", *where).stdout


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("kept")
    for verb in ("up", "down"):
        done = zcloud("lab", verb, "--dir", str(tmp_path))
        assert (done.returncode != 0 or "There is no lab" in done.stdout, mine.read_text()) == (True, "kept"), done


def test_a_killed_keeper_takes_all_with_it_and_down_removes_the_rest(trial: Trial) -> None:
    where = ("--dir", str(trial.directory))
    trial.prepare()
    state = trial.start(2)
    assert (len(state.hosts), state.server.runs) == (2, True)
    os.kill(state.keeper.pid, signal.SIGKILL)
    wait_for(lambda: not state.server.runs, 60, "the server's end with its keeper's")
    told = zcloud("lab", "status", *where)
    assert (told.returncode, "does not run" in told.stdout) == (1, True), told
    assert zcloud("lab", "down", *where).returncode == 0
    assert traces(state) == []
    assert not trial.directory.exists()
