"""A throw-away Gluster cluster of one server on one address, with volumes of one brick each.

    with Gluster(lab.gateway) as gluster:
        gluster.make_volume("vms")

The programs are the distribution's, in a process namespace of their own: they end when whoever holds them does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.commands import Command, run

PROGRAMS = ("gluster", "glusterd", "glusterfsd", "mount.glusterfs")
_START_S = 60.0
_CONFIG = """
volume management
    type mgmt/glusterd
    option working-directory {top}/work
    option run-directory {top}/run
    option logging-directory {top}/logs
    option transport-type socket
    option transport.socket.bind-address {address}
    option transport.socket.listen-port 24007
    option transport.address-family inet
    option glusterd-sockfile {top}/run/socket
    option ping-timeout 0
    option base-port 49152
    option max-port 60999
end-volume
"""


def missing_programs() -> list[str]:
    """Give the programs that a cluster needs and that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Gluster:
    """A server that listens on ``address``, which must be one of a bridge or a card: it takes no part of loopback."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.directory = Path()
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="zgluster-", dir="/var/tmp"))
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

    def run(self, *words: str) -> str:
        """Run ``gluster`` and give its output; raises BuildFailed."""
        sock = f"--glusterd-sock={self.directory}/run/socket"
        return run(Command(("gluster", "--mode=script", sock, f"--log-file={self.directory}/cli.log", *words)))

    def make_volume(self, name: str) -> Path:
        """Make and start a volume, and give the directory in which its files lie."""
        brick = self.directory / name
        self.run("volume", "create", name, f"{self.address}:{brick}", "force")
        self.run("volume", "start", name)
        return brick

    def close(self) -> None:
        """End everything and remove its files."""
        if self._daemon is not None:
            assert self._daemon.stdin is not None
            self._daemon.stdin.close()
            self._daemon.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self) -> None:
        for name in ("work", "run", "logs"):
            (self.directory / name).mkdir()
        config = self.directory / "glusterd.vol"
        config.write_text(_CONFIG.format(top=self.directory, address=self.address))
        own = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        argv = [*own, "glusterd", "--no-daemon", "-f", str(config), "-p", f"{self.directory}/run/pid"]
        with (self.directory / "glusterd.out").open("ab") as log:
            self._daemon = subprocess.Popen(
                [sys.executable, "-m", "zcloud.lab.tether", *argv, "-l", f"{self.directory}/logs/glusterd.log"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.run("pool", "list")
                return
            except BuildFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
