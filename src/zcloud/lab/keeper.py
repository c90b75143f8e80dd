"""The process that holds a trial: ``python -m zcloud.lab.keeper DIRECTORY COUNT``, started by ``trial.py``.

It makes the hosts, lets the server in, runs it, and stays until it is told to end or the server ends. Then it takes
all of it down. When it is killed, hosts and server end with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.request
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from zcloud.domain.errors import BuildFailed, ZcloudError
from zcloud.lab.hosts import Lab
from zcloud.lab.trial import HostFacts, Process, State, Trial, command, environment, keeper_state, poll

_PR_SET_PDEATHSIG = 1  # prctl(2)
_READY_S, _STOP_S = 60.0, 20.0


def main(directory: str, count: str) -> int:
    """Hold the trial until SIGTERM; gives 0, or 1 where it could not be made."""
    trial = Trial(Path(directory))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    trial.write(State(keeper=Process.of(os.getpid())))
    try:
        with Lab(int(count)) as lab:
            state = _make(trial, lab)
            _hold(trial, state)
    except (ZcloudError, OSError, TimeoutError) as error:
        told = error.message if isinstance(error, ZcloudError) else str(error)
        trial.write(replace(trial.state() or State(), stage="failed", why=told[-800:]))
        return 1
    return 0


def _end(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _make(trial: Trial, lab: Lab) -> State:
    hosts = [HostFacts(each.name.removeprefix("lab-"), each.address, each.host_key) for each in lab.hosts]
    state = keeper_state(lab.bridge, lab.directory, lab.gateway, hosts)
    trial.write(state)
    ours = (trial.data / "ssh" / "id_ed25519.pub").read_text()
    for host in lab.hosts:
        with host.path("/root/.ssh/authorized_keys").open("a") as keys:
            keys.write(ours)
    return state


def _hold(trial: Trial, state: State) -> None:
    """Run the server until it ends, which is a failure, or we are told to."""
    with trial.server_log.open("ab") as log:
        server = subprocess.Popen(
            command("serve", "--config", str(trial.config)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has one thread
        )
    try:
        url = f"https://127.0.0.1:{tomllib.loads(trial.config.read_text())['server']['port']}"
        state = replace(state, server=Process.of(server.pid), url=url)
        trial.write(state)
        if not poll(lambda: server.poll() is not None or _is_ready(url, trial.authority), _READY_S):
            raise BuildFailed(f"The server is not ready after {_READY_S:.0f} s; see {trial.server_log}.")
        if server.poll() is None:
            trial.write(replace(state, stage="ready"))
        raise BuildFailed(f"The server ended ({server.wait()}); see {trial.server_log}.")
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(_STOP_S)
        server.kill()
        server.wait()


def _is_ready(url: str, authority: Path) -> bool:
    try:
        context = ssl.create_default_context(cafile=str(authority))
        with urllib.request.urlopen(f"{url}/readyz", timeout=5, context=context) as answer:  # noqa: S310 - our own
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.2)
        return False


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == 1:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
