"""Hosts made of namespaces: one machine, several libvirt hosts that behave as machines of their own.

Each has its own libvirtd, virtlogd and sshd, its own ``/etc/libvirt``, ``/var/lib/libvirt`` and host
UUID, process ids, control groups, and a bridge ``br0`` with its uplink. A bridge on the machine joins
them. QEMU runs as the distribution sets it up (user libvirt-qemu), so path permissions are real.

    with Lab(2) as lab:
        first, second = lab.hosts
        first.run(["virsh", "list", "--all"])

When the process that holds the lab dies, its hosts die with it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import zcloud
from zcloud.domain.errors import BuildFailed
from zcloud.imagebuild.commands import Command, run
from zcloud.lab import cgroups
from zcloud.lab.daemons import Daemons
from zcloud.lab.hostroot import UPLINK, Plan
from zcloud.lab.libvirtd import answers

_START_SECONDS = 60.0
_SUBNETS = range(256)


class NamespaceHost:
    """One host. Made and ended by ``Lab``.

    ``pid`` is the host's PID 1 as the machine sees it; ``host_key`` the public line of its SSH host key
    (type and key); ``host_uuid`` what its libvirtd answers.
    """

    ssh_port = 22
    ssh_user = "root"

    def __init__(self, plan: Plan, ssh_key: Path, host_key: str, bridge: str) -> None:
        self.name = plan.name
        self.address = plan.address
        self.host_uuid = plan.host_uuid
        self.ssh_key = ssh_key
        self.host_key = host_key
        self._plan = plan
        self._bridge = bridge
        self._tap = f"{bridge}{plan.name[-2:]}"
        self._log = Path(plan.state) / "holder.log"
        with self._log.open("wb") as log:
            self._holder = subprocess.Popen(
                [sys.executable, "-m", "zcloud.lab.holder", self._group],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_environment(),
                start_new_session=True,
            )
        self.pid = int(self._answer())
        self.daemons = Daemons(self.pid)

    @property
    def libvirt_socket(self) -> Path:
        """The host's libvirt socket, by a path that works from outside its mount namespace."""
        return self.path("/run/libvirt/libvirt-sock")

    def path(self, inside: str) -> Path:
        """Give the path by which the machine sees the host's absolute path ``inside``."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def run(self, argv: list[str], *, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command inside the host as root; with ``check``, raise ``BuildFailed`` when it fails."""
        done = subprocess.run([*self.daemons.enter, *argv], input=stdin, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise BuildFailed(f"{self.name}: {argv[0]} ended with status {done.returncode}: {done.stderr[-800:]}")
        return done

    def virsh(self, *words: str) -> str:
        """Run virsh inside the host and give its output."""
        return self.run(["virsh", "-q", *words]).stdout

    def drop_packets(self) -> None:
        """Make the network lose all that the host sends and all that is sent to it, silently."""
        run(Command(("ip", "link", "set", self._tap, "arp", "off", "nomaster")))

    def restore_packets(self) -> None:
        """Undo ``drop_packets``."""
        run(Command(("ip", "link", "set", self._tap, "arp", "on", "master", self._bridge)))

    def join(self) -> None:
        """Plug the host into the lab's bridge and tell it to set itself up."""
        peer = ("type", "veth", "peer", "name", UPLINK, "netns", str(self.pid))
        run(Command(("ip", "link", "add", self._tap, "master", self._bridge, "up", *peer)))
        assert self._holder.stdin is not None
        self._holder.stdin.write(f"{json.dumps(asdict(self._plan))}\n")
        self._holder.stdin.flush()

    def wait_until_ready(self) -> None:
        """Wait until the daemons answer; raise ``BuildFailed`` with the log's end when they do not."""
        if self._answer() != "ready" or not answers(self.libvirt_socket):
            raise self._failure()

    def close(self) -> None:
        """End all processes of the host and remove what it had on the machine."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self.daemons.thaw_all()
        self._holder.stdin.close()
        try:
            self._holder.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, 9)
            self._holder.wait()
        self._holder.stdout.close()
        if Path(f"/sys/class/net/{self._tap}").exists():
            subprocess.run(["ip", "link", "del", self._tap], capture_output=True, check=False)
        cgroups.remove(self._group)

    @property
    def _group(self) -> str:
        return f"{self._bridge}-{self.name}"

    def _answer(self) -> str:
        assert self._holder.stdout is not None
        line = self._holder.stdout.readline()
        if not line:
            raise self._failure()
        return line.strip()

    def _failure(self) -> BuildFailed:
        return BuildFailed(f"{self.name} did not come up: {self._log.read_text(errors='replace')[-1500:]}")


class Lab:
    """``count`` namespace hosts on a bridge and a subnet 10.77.x.0/24 of their own; needs root.

    The machine has the address ``gateway`` on the bridge. Several labs may exist at once. Without ``kvm`` the hosts
    have none: where it hangs, as it may, each look at it takes a processor for as long as it may take.
    """

    def __init__(self, count: int = 1, *, kvm: bool = True) -> None:
        self.count = count
        self._kvm = kvm
        self.hosts: list[NamespaceHost] = []
        self.bridge = ""
        self.directory = Path()

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="zlab-", dir="/var/tmp"))
        try:
            self.directory.chmod(0o755)
            self._make_bridge()
            self._make_hosts()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def gateway(self) -> str:
        """The machine's address on the lab's bridge."""
        return self._address(254)

    def close(self) -> None:
        """End all hosts and leave nothing behind: processes, links, mounts, groups, files."""
        for host in self.hosts:
            host.close()
        self.hosts = []
        if self.bridge:
            run(Command(("ip", "link", "del", self.bridge)))
            self.bridge = ""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _make_hosts(self) -> None:
        key = self.directory / "id_ed25519"
        authorized = _make_key(key)
        for number in range(1, self.count + 1):
            state = self.directory / f"h{number}"
            state.mkdir()
            public = _make_key(state / "host_key")
            plan = Plan(
                name=f"lab-h{number}",
                address=self._address(number),
                gateway=self.gateway,
                host_uuid=str(uuid4()),
                state=str(state),
                host_key=(state / "host_key").read_text(),
                authorized_key=authorized,
                hosts_file=self._hosts_file(),
                kvm=self._kvm,
            )
            self.hosts.append(NamespaceHost(plan, key, public, self.bridge))
        for host in self.hosts:
            host.join()
        for host in self.hosts:
            host.wait_until_ready()

    def _make_bridge(self) -> None:
        """Take the first free subnet: the kernel makes a bridge of one name only once."""
        _remove_stale_bridges()
        for number in _SUBNETS:
            name = f"zlab{number}"
            if _quiet("ip", "link", "add", name, "type", "bridge"):
                break
        else:
            raise BuildFailed("all lab subnets are taken")
        self.bridge = name
        run(Command(("ip", "link", "set", name, "alias", _owner(os.getpid()))))
        # An address of its own, not a port's: a port that was taken off would still take frames for it.
        run(Command(("ip", "link", "set", name, "address", f"02:7a:6c:61:62:{number:02x}")))
        run(Command(("ip", "address", "add", f"{self.gateway}/24", "dev", name)))
        run(Command(("ip", "link", "set", name, "up")))

    def _address(self, last: int) -> str:
        return f"10.77.{self.bridge.removeprefix('zlab')}.{last}"

    def _hosts_file(self) -> str:
        lines = [f"{self._address(n)} lab-h{n}\n" for n in range(1, self.count + 1)]
        return "127.0.0.1 localhost\n" + "".join(lines)


def remove_leftovers(bridge: str, directory: Path, names: Sequence[str]) -> None:
    """Remove what the hosts ``names`` of a lab left whose process was killed; they themselves are gone already."""
    _remove_stale_bridges()
    for name in names:
        cgroups.remove(f"{bridge}-lab-{name}")
    if directory.name.startswith("zlab-"):
        shutil.rmtree(directory, ignore_errors=True)


def wait_for(condition: Callable[[], bool], seconds: float, what: str, *, every_s: float = 0.05) -> None:
    """Poll ``condition`` until it holds; raise ``TimeoutError`` naming ``what`` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s still not: {what}")
        time.sleep(every_s)


def _environment() -> dict[str, str]:
    """Give what a host's processes find: our code, and not our TMPDIR, in which its other users may not write."""
    kept = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    return {**kept, "PYTHONPATH": str(Path(zcloud.__file__).parents[1])}


def _make_key(path: Path) -> str:
    """Make an SSH key without a passphrase and give its public line (type and key, no comment)."""
    run(Command(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path))))
    return path.with_suffix(".pub").read_text().strip()


def _quiet(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _owner(pid: int) -> str:
    """Name a process so that a later one with the same number is not taken for it; empty: it has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):  # it has ended, and nobody has asked for its status yet (proc(5))
        return ""
    return f"zcloud lab of {pid} {fields[19]}"


def _remove_stale_bridges() -> None:
    """Remove the bridges of labs whose process was killed (their hosts are gone already)."""
    for alias in Path("/sys/class/net").glob("zlab*/ifalias"):
        try:
            text = alias.read_text().strip()
            owner = re.fullmatch(r"zcloud lab of (\d+) \d+", text)
            alive = owner is None or (Path(f"/proc/{owner[1]}").exists() and _owner(int(owner[1])) == text)
        except OSError:
            continue
        if not alive:
            _quiet("ip", "link", "del", alias.parent.name)
