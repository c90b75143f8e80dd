"""A machine reached by SSH on a loopback port, with a key and a known-hosts file of its own."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.commands import Command, run

_COMMAND_SECONDS = 300.0
_MUX = "mux"


class Remote:
    """Root's access to one machine; what it takes lies in ``directory``."""

    def __init__(self) -> None:
        self.directory = Path()
        self.port = 0

    def prepare(self, directory: Path, port: int) -> None:
        """Make the key; the machine's SSH server will be on that port of the loopback."""
        self.directory, self.port = directory, port
        run(Command(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(self.key))))

    @property
    def key(self) -> Path:
        """The private key that lets root in."""
        return self.directory / "id_ed25519"

    @property
    def ssh(self) -> list[str]:
        """The command that runs a word of shell on the machine, which follows it."""
        return [*self._ssh("ssh"), "root@127.0.0.1"]

    def run(
        self, argv: Sequence[str], *, check: bool = True, stdin: str = "", timeout: float = _COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root; with ``check``, raise ``BuildFailed`` when it fails."""
        done = subprocess.run(
            [*self.ssh, shlex.join(argv)],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            tail = f"{done.stdout[-800:]}{done.stderr[-1600:]}"
            raise BuildFailed(f"nested: {shlex.join(argv)[:200]} ended with status {done.returncode}: {tail}")
        return done

    def virsh(self, *words: str) -> str:
        """Run virsh on the host and give its output."""
        return self.run(["virsh", "-q", *words]).stdout

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a directory into the host."""
        run(Command((*self._ssh("scp"), "-q", "-r", str(source), f"root@127.0.0.1:{target}")))

    def get(self, source: str, target: Path) -> None:
        """Copy a file or a directory out of the host."""
        run(Command((*self._ssh("scp"), "-q", "-r", f"root@127.0.0.1:{source}", str(target))))

    def hang_up(self) -> None:
        """End the shared connection: it does not outlive a reboot or a restored state."""
        if (self.directory / _MUX).exists():
            subprocess.run([*self._ssh("ssh"), "-O", "exit", "root@127.0.0.1"], capture_output=True, check=False)

    def _ssh(self, program: str) -> list[str]:
        """Give the client's command up to the destination; one connection serves all commands."""
        options = (
            f"UserKnownHostsFile={self.directory / 'known_hosts'}",
            "StrictHostKeyChecking=accept-new",
            "BatchMode=yes",
            "ConnectTimeout=10",
            "LogLevel=ERROR",
            "ServerAliveInterval=5",
            "ControlMaster=auto",
            f"ControlPath={self.directory / _MUX}",
            "ControlPersist=yes",
        )
        words = [word for option in options for word in ("-o", option)]
        port = ("-p", str(self.port)) if program == "ssh" else ("-P", str(self.port))
        return [program, "-F", "/dev/null", "-i", str(self.key), *words, *port]
