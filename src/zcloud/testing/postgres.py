"""A throw-away PostgreSQL cluster: made, used over a Unix socket, stopped and removed.

The programs are the distribution's (``/usr/lib/postgresql/*/bin``). PostgreSQL refuses to run as root,
so for root the cluster belongs to the user ``postgres``. It is fast and forgets a power cut (no fsync).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_PROGRAMS = Path("/usr/lib/postgresql")
_ROLE = "zcloud"
_START_SECONDS = 30
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running cluster; ``socket`` is the directory of its Unix socket, ``pid`` its first process."""

    bin: Path
    socket: Path
    pid: int

    def url(self, database: str = "postgres") -> str:
        """Give SQLAlchemy's URL of a database (psycopg, the role that owns everything)."""
        return f"postgresql+psycopg://{_ROLE}@/{quote(database)}?host={quote(str(self.socket), safe='/')}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database, empty or a copy of ``template`` (to which nobody is connected), and give its URL."""
        self._run("createdb", "--template", template, name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, also while clients are connected to it."""
        self._run("dropdb", "--if-exists", "--force", name)

    def is_ready(self) -> bool:
        """Say whether it takes connections."""
        argv: list[str | Path] = [self.bin / "pg_isready", "--quiet", "-h", self.socket]
        return subprocess.run(argv, check=False).returncode == 0  # noqa: S603

    def _run(self, program: str, *arguments: str) -> None:
        argv: list[str | Path] = [self.bin / program, "-h", self.socket, "-U", _ROLE, *arguments]
        subprocess.run(argv, check=True)  # noqa: S603


def find_programs() -> Path | None:
    """Give the directory of the newest installed PostgreSQL's programs, or None."""
    found = [path.parent for path in _PROGRAMS.glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


@contextmanager
def cluster() -> Iterator[Postgres]:
    """Give a running cluster and remove it afterwards (about a second to make).

    Raises FileNotFoundError when PostgreSQL is not installed, TimeoutError when it does not start.
    """
    programs = find_programs()
    if programs is None:
        raise FileNotFoundError(f"PostgreSQL is not installed ({_PROGRAMS}/*/bin/initdb)")
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    # A directory of our own: a socket's path is at most 107 bytes, and postgres must get to it.
    place = Path(tempfile.mkdtemp(prefix="zcloud-pg-", dir="/tmp"))
    try:
        os.chown(place, owner.pw_uid, owner.pw_gid)
        with _server(programs, place, owner) as running:
            yield running
    finally:
        shutil.rmtree(place)


@contextmanager
def _server(programs: Path, place: Path, owner: pwd.struct_passwd) -> Iterator[Postgres]:
    data, log = place / "data", place / "log"
    initdb: list[str | Path] = ["-D", data, "-U", _ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with log.open("wb") as output:
        _start([programs / "initdb", *initdb], place, owner, output.fileno(), wait=True)
        process = _start([programs / "postgres", "-D", data, "-k", place, *settings], place, owner, output.fileno())
    running = Postgres(programs, place, process.pid)
    try:
        _wait_until_ready(running, process, log)
        yield running
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: nothing in it is worth a checkpoint
        process.wait(timeout=_START_SECONDS)


def _start(
    argv: list[str | Path], place: Path, owner: pwd.struct_passwd, output: int, *, wait: bool = False
) -> subprocess.Popen[bytes]:
    root = os.geteuid() == 0
    process = subprocess.Popen(  # noqa: S603
        argv,
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        user=owner.pw_uid if root else None,
        group=owner.pw_gid if root else None,
        extra_groups=[] if root else None,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
    )
    if wait and process.wait() != 0:
        raise RuntimeError(f"{Path(argv[0]).name} failed:\n{(place / 'log').read_text()}")
    return process


def _wait_until_ready(running: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not running.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.05)
