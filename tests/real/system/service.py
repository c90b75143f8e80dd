"""zcloud as a service of a machine on which systemd runs, and a person who uses it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from zcloud.lab.hosts import wait_for

UNITS = ("zcloud", "zcloud-helper", "zcloud-guests")
VENV = "/opt/zcloud"
PERSON = "ada"
GUEST = f"/home/{PERSON}/tiny.qcow2"
_SERVER = ("--url", "https://127.0.0.1:8443", "--ca", "/etc/zcloud/ca.pem")

# Printed by the distribution's Python there: process id, user ids, groups, command line.
_PROCESSES = """
import json, pathlib
found = []
for path in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        status, words = (path / "status").read_text(), (path / "cmdline").read_bytes().decode().split("\\0")
    except OSError:
        continue
    uids, groups = ([int(each) for line in status.splitlines() if line.startswith(name) for each in line.split()[1:]]
                    for name in ("Uid:", "Groups:"))
    found.append([int(path.name), uids, groups, " ".join(words)])
print(json.dumps(found))
"""

# Asks the helper for argv (after the uid to be) and prints its answer.
_ASK = """
import os, sys
from zcloud.hosts import local
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
connect = lambda: local.connect_helper("/run/zcloud/helper.sock")
try:
    done = local.HelperRunner(connect).execute(sys.argv[2:], (), timeout_s=60)
    print("done", done.code, done.stdout.decode())
except Exception as error:
    print(getattr(error, "code", type(error).__name__), error)
"""


class Machine(Protocol):
    """A machine that boots: a ``SystemdHost`` or a ``NestedHost``."""

    def run(
        self, argv: Sequence[str], *, check: bool = True, stdin: str = "", timeout: float = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root."""

    def reboot(self) -> None:
        """Shut down, boot, and wait until the system is up."""

    def cut_power(self) -> None:
        """End everything at once, boot, and wait until the system is up."""


class Service:
    """What a person and an administrator do on ``machine``, and how long that may take."""

    def __init__(self, machine: Machine, patience_s: float) -> None:
        self.machine, self.patience_s = machine, patience_s

    def run(self, *argv: str, check: bool = True, stdin: str = "") -> str:
        """Run a command as root and give what it printed."""
        return self.machine.run(argv, check=check, stdin=stdin, timeout=self.patience_s).stdout

    def init(self) -> str:
        """Run ``zcloud init --system``; gives what it told."""
        return self.run("zcloud", "init", "--system", "--password-file", "/root/password")

    def sign_in(self) -> None:
        """Sign the person in as the admin, once the server answers."""
        self.until_it_answers()
        password = self.run("cat", "/root/password")
        self.zcloud("login", *_SERVER, "--user", "admin", "--password-stdin", stdin=password)

    def until_it_answers(self) -> None:
        """Wait until the server listens."""
        connect = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8443"]
        self.until(lambda: self.machine.run(connect, check=False).returncode == 0, "the server answers")

    def zcloud(self, *words: str, stdin: str = "") -> str:
        """Run a command as the person, who has no rights on the machine, and insist that it succeeds."""
        be = ["setpriv", f"--reuid={PERSON}", f"--regid={PERSON}", "--init-groups"]
        clean = ["env", "-i", f"HOME=/home/{PERSON}", "PATH=/usr/local/bin:/usr/bin", "LC_ALL=C.UTF-8"]
        done = self.machine.run([*be, *clean, "zcloud", *words], stdin=stdin, check=False, timeout=self.patience_s)
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.log())
        return done.stdout

    def show(self, *words: str) -> Any:
        """Give what a command shows."""
        return json.loads(self.zcloud(*words, "-o", "json"))

    def main_pid(self, unit: str) -> int:
        """Give the process of a unit, 0 where it has none."""
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", unit))

    def processes(self, words: str) -> list[tuple[int, list[int], list[int], str]]:
        """Give the processes with these words in their command line: number, user ids, groups, command line."""
        listed = json.loads(self.run("/usr/bin/python3", "-c", _PROCESSES))
        return [tuple(each) for each in listed if words in each[3] and "import json" not in each[3]]

    def guests(self) -> dict[str, int]:
        """Give the process of each running guest by its domain's name; asserts that none runs twice."""
        found: dict[str, int] = {}
        for pid, _, _, command in self.processes("qemu-system"):
            named = re.search(r"-name guest=([^, ]+)", command)
            if named:  # the KVM probe's has no name
                assert named[1] not in found, f"{named[1]} runs twice"
                found[named[1]] = pid
        return found

    def until_running(self, *names: str) -> None:
        """Wait until these instances, and no others, run."""
        self._until_listed({(name, "running") for name in names}, "name", "status")

    def until_ready(self, *names: str) -> None:
        """Wait until these instances, and no others, run and are ready."""
        self._until_listed({(name, "running", "ready") for name in names}, "name", "status", "ready")

    def _until_listed(self, wanted: set[tuple[str, ...]], *fields: str) -> None:
        def seen() -> bool:
            return {tuple(each[field] for field in fields) for each in self.show("list")} == wanted

        self.until(seen, f"listed is {wanted}")

    def until_powered(self, *wanted: tuple[str, str]) -> None:
        """Wait until these, verb and instance, are the last starts and stops that succeeded, as they began."""

        def seen() -> bool:
            listed = self.show("operation", "list", "--limit", "50")
            done = [each for each in listed if each["verb"] in ("start", "stop") and each["status"] == "succeeded"]
            ordered = sorted(done, key=lambda each: str(each["created_at"]))
            power = [(each["verb"], each["resource"]["name"]) for each in ordered]
            return power[-len(wanted) :] == list(wanted)

        self.until(seen, f"the last starts and stops are {wanted}")

    def ask_helper(self, uid: int, *argv: str) -> str:
        """Ask the helper as somebody and give its answer."""
        return self.run(f"{VENV}/bin/python", "-c", _ASK, str(uid), *argv)

    def uid(self, name: str) -> int:
        """Give a user's number."""
        return int(self.run("id", "-u", name))

    def log(self) -> str:
        """Give the end of the units' log."""
        units = [word for unit in UNITS for word in ("-u", unit)]
        return self.run("journalctl", "--no-pager", "-n", "60", *units)

    def check_upgrade(self) -> tuple[int, str]:
        """Give the end and the words of ``zcloud upgrade check``."""
        done = self.machine.run([f"{VENV}/bin/zcloud", "upgrade", "check"], check=False, timeout=self.patience_s)
        return done.returncode, done.stdout

    def upgrade(self) -> None:
        """Do what upgrade.md says, with the wheel that is there already."""
        self.run("systemctl", "stop", "zcloud")
        pip = f"{VENV}/bin/pip install --quiet --no-index --no-deps --force-reinstall"
        self.run("sh", "-c", f"{pip} /root/zcloud-*.whl")
        self.init()
        self.until_it_answers()

    def until(self, what: Callable[[], bool], text: str) -> None:
        """Wait for something; raises TimeoutError with the units' log."""
        try:
            wait_for(what, self.patience_s, text, every_s=0.5)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log()}") from error
