"""A throw-away iSCSI target on one address, whose LUNs are files: the storage that somebody else looks after.

    with IscsiTarget(lab.gateway) as target:
        target.make_lun(1, 2 << 20)

The program is the distribution's tgt, in a process of our own: it ends when the process that holds it does.
"""

from __future__ import annotations

import os
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

PROGRAMS = ("tgtd", "tgtadm")
NAME = "iqn.2026-01.test.zcloud:disks"
USER, PASSWORD = "zcloud", "secretsecret12"
_PORT = 13260  # a tgt that the machine itself runs has 3260 of every address
_START_S = 30.0


def missing_programs() -> list[str]:
    """Give the programs that a target needs and that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class IscsiTarget:
    """A target that listens on ``address`` and lets one user in by CHAP; its files are sparse, and in memory."""

    def __init__(self, address: str) -> None:
        self.portal = f"{address}:{_PORT}"
        self.directory = Path()
        self._control = str(os.getpid() % 30_000 + 1)
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="ziscsi-", dir="/dev/shm"))
        try:
            self._start()
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def options(self) -> dict[str, str]:
        """Give what a pool is told of it, without its LUNs."""
        return {"portal": self.portal, "target": NAME, "user": USER, "password": PASSWORD}

    def make_lun(self, number: int, size: int) -> Path:
        """Make a LUN of ``size`` bytes, and give its file."""
        path = self.directory / f"lun{number}"
        with path.open("xb") as file:
            file.truncate(size)
        self._admin("logicalunit", "new", "--tid", "1", "--lun", str(number), "-b", str(path))
        return path

    def close(self) -> None:
        """End the target and remove its files."""
        if self._daemon is not None:
            assert self._daemon.stdin is not None
            self._daemon.stdin.close()
            self._daemon.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self) -> None:
        argv = ["tgtd", "-f", "-C", self._control, "--iscsi", f"portal={self.portal}"]
        with (self.directory / "tgtd.out").open("ab") as log:
            self._daemon = subprocess.Popen(
                [sys.executable, "-m", "zcloud.lab.tether", *argv],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **self._socket},
            )  # fmt: skip

    def _make(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self._admin("target", "new", "--tid", "1", "-T", NAME)
                break
            except BuildFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self._admin("account", "new", "--user", USER, "--password", PASSWORD)
        self._admin("account", "bind", "--tid", "1", "--user", USER)
        self._admin("target", "bind", "--tid", "1", "-I", "ALL")

    def _admin(self, mode: str, verb: str, *words: str) -> None:
        argv = ("tgtadm", "-C", self._control, "--lld", "iscsi", "--mode", mode, "--op", verb, *words)
        run(Command(argv, env=self._socket))

    @property
    def _socket(self) -> dict[str, str]:
        return {"TGT_IPC_SOCKET": str(self.directory / "socket")}
