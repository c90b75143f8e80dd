"""A host that boots: a machine of namespaces whose PID 1 is systemd, with the distribution's libvirt as a service.

Its units, reboots and shutdowns are real, at the speed of this machine; its kernel is this machine's, so whoever wants
kernel modules, or KVM where this machine has none, takes a nested host. It reaches no network but its own.

    with SystemdHost() as host:
        host.run(["systemctl", "start", "zcloud"])
        host.reboot()

When the process that holds it dies, it dies too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import zcloud
from zcloud.domain.errors import BuildFailed
from zcloud.lab.hosts import wait_for

_UP_SECONDS = 120.0
_COMMAND_SECONDS = 300.0
_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "LC_ALL=C.UTF-8")
_UP = ("running", "degraded")  # systemctl(1), is-system-running


class SystemdHost:
    """One host; ``pid`` is the present boot's PID 1 as the machine sees it. Without ``kvm`` it has no KVM."""

    def __init__(self, *, kvm: bool = True) -> None:
        self._kvm = kvm
        self.directory = Path()
        self.pid = 0
        self._machine: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="zboot-", dir="/var/tmp"))
        self.directory.chmod(0o755)
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def path(self, inside: str) -> Path:
        """Give the path by which the machine sees the host's absolute path ``inside``."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def run(
        self, argv: Sequence[str], *, check: bool = True, stdin: str = "", timeout: float = _COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root; with ``check``, raise ``BuildFailed`` when it fails."""
        namespaces = ("--mount", "--uts", "--net", "--pid", "--ipc", "--cgroup")
        enter = ["nsenter", "--target", str(self.pid), *namespaces, "--", "env", "-i", *_ENVIRONMENT]
        done = subprocess.run(
            [*enter, *argv], input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
        if check and done.returncode:
            tail = f"{done.stdout[-800:]}{done.stderr[-1600:]}"
            raise BuildFailed(f"booted: {' '.join(argv)[:200]} ended with status {done.returncode}: {tail}")
        return done

    def reboot(self) -> None:
        """Shut down and boot again, as an operator does; back when the system is up."""
        self.run(["systemctl", "reboot"], check=False)
        self._await_boot()

    def cut_power(self) -> None:
        """Kill every process of the host at once; back when the system is up again."""
        os.kill(self.pid, signal.SIGKILL)
        self._await_boot()

    def tail(self, count: int = 2000) -> str:
        """Give the end of what it wrote to its console."""
        logs = [self.directory / name for name in ("boots.log", "console.log")]
        return "".join(log.read_text(errors="replace")[-count:] for log in logs if log.exists())

    def close(self) -> None:
        """End the host and remove all that it had here."""
        if self._machine and self._machine.stdin and self._machine.stdout:
            self._machine.stdin.close()
            self._machine.wait(timeout=60)
            self._machine.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self) -> None:
        with (self.directory / "boots.log").open("wb") as log:
            boots = ("zcloud.lab.boots", self.directory.name, self.directory, "yes" if self._kvm else "no")
            self._machine = subprocess.Popen(
                ["unshare", "--mount", sys.executable, "-m", *boots],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(zcloud.__file__).parents[1])},
                start_new_session=True,
            )
        self._await_boot()

    def _await_boot(self) -> None:
        """Wait until the machine tells the next boot's PID 1, and that until the system is up."""
        assert self._machine is not None
        assert self._machine.stdout is not None
        line = self._machine.stdout.readline()
        if not line:
            raise BuildFailed(f"the host did not boot: {self.tail()}")
        self.pid = int(line)
        try:
            wait_for(self._is_up, _UP_SECONDS, "the host is up")
        except TimeoutError as error:
            raise BuildFailed(f"{error}; its console ends: {self.tail()}") from error

    def _is_up(self) -> bool:
        return self.run(["systemctl", "is-system-running"], check=False).stdout.strip() in _UP
