"""The daemons of a namespace host, to be frozen, killed and started by tests."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from zcloud.domain.errors import BuildFailed
from zcloud.lab.hostroot import LIBVIRTD, SSHD, SSHD_PID, await_sshd

_GONE_SECONDS = 10.0

# nsenter joins the cgroup namespace, but not the group: without this a guest of a restarted libvirtd
# would be counted outside its host.
_JOIN_GROUPS = """
for group in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/*/init/cgroup.procs
do [ -w "$group" ] && echo 0 >"$group"; done 2>/dev/null
exec "$@"
"""


class Daemons:
    """The processes of the host whose PID 1 the machine knows as ``pid``."""

    def __init__(self, pid: int) -> None:
        self._root = pid
        self._frozen: set[int] = set()
        namespaces = ("--mount", "--uts", "--net", "--pid", "--ipc", "--cgroup")
        self.enter = ["nsenter", "--target", str(pid), *namespaces, "--", "sh", "-c", _JOIN_GROUPS, "sh"]

    def pids(self, program: str) -> list[int]:
        """Give the host's processes named ``program``, oldest first, as the machine numbers them."""
        found = []
        for directory in Path("/proc").iterdir():
            if not directory.name.isdigit():
                continue
            with suppress(OSError):
                if (directory / "comm").read_text().strip() == program[:15] and self._is_ours(directory):
                    found.append(int(directory.name))
        return sorted(found, key=_start_time)

    def pid_of(self, program: str) -> int:
        """Give the daemon ``program`` (the oldest process of that name); raise ``BuildFailed`` if none runs."""
        found = self.pids(program)
        if not found:
            raise BuildFailed(f"no {program} runs")
        return found[0]

    def freeze(self, program: str) -> None:
        """Stop a daemon in its tracks: it keeps its sockets and answers nothing."""
        pid = self.pid_of(program)
        os.kill(pid, signal.SIGSTOP)
        self._frozen.add(pid)

    def thaw_all(self) -> None:
        """Let all frozen daemons go on."""
        for pid in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._frozen.clear()

    def kill(self, program: str) -> None:
        """Kill all processes named ``program`` at once and wait until they are gone."""
        for pid in self.pids(program):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _GONE_SECONDS
        while self.pids(program):
            if time.monotonic() > deadline:
                raise BuildFailed(f"{program} does not end")
            time.sleep(0.01)

    def start_libvirtd(self) -> None:
        """Start libvirtd; it listens for TLS as well once it has a certificate."""
        self._start(LIBVIRTD)

    def start_sshd(self) -> None:
        """Start sshd; it listens when this returns."""
        pid_file = Path(f"/proc/{self._root}/root{SSHD_PID}")
        pid_file.unlink(missing_ok=True)
        self._start(SSHD)
        await_sshd(pid_file)

    def _start(self, argv: tuple[str, ...]) -> None:
        done = subprocess.run(
            [*self.enter, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BuildFailed(f"{argv[0]} did not start: {done.stderr}")

    def _is_ours(self, directory: Path) -> bool:
        return (directory / "ns/pid").readlink() == Path(f"/proc/{self._root}/ns/pid").readlink()


def _start_time(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0
