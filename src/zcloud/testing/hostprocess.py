"""Fake hosts in a process of their own: they outlive a cloud process that a crash test kills.

``HostProcess`` starts it; a cloud reaches its hosts by ``RemoteLinks``. Every call says from which process it came, so
that a test can tell whose changes landed. A call whose caller is killed is carried out to its end, as on a real host.
Messages are pickled over a Unix socket in a private directory: both ends are the test's own.
"""

from __future__ import annotations

import io
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from zcloud.domain.errors import HostUnreachable, Internal, ZcloudError, from_record
from zcloud.hostprep.probe import PROBE_WORD
from zcloud.ports import DomainState, Hypervisor, NetworkSection, Shell, WatchedLink
from zcloud.testing.cloud import FakeLinks
from zcloud.testing.fakes import FakeLink, FakeShell
from zcloud.testing.forked import ForkedProcess, preload, serve

preload(__name__)
_ANSWERS = {  # what a look at a host asks, beyond what drivers do
    "uname -r": b"6.1.0-fake\n",
    "cat /etc/os-release": b'PRETTY_NAME="Fake"\n',
    "ip -j link show type bridge": b"[]",
    "qemu-system-x86_64": PROBE_WORD + b"\n",
}


class Call(NamedTuple):
    """One call of a host, as it was carried out."""

    pid: int
    host_id: str
    verb: str
    argument: str


@dataclass(frozen=True, slots=True)
class Traces:
    """What is on a fake host: domains with state and number of starts, files, names of networks with addresses, mounts.

    Files are its own and those of what is mounted. ``disks`` are the places of mounted disks, ``noted`` those of our
    lines in fstab.
    """

    domains: dict[str, tuple[DomainState, int]]
    files: frozenset[str]
    networks: dict[str, frozenset[str]]
    mounts: frozenset[str]
    disks: frozenset[str]
    noted: frozenset[str]


class HostServer:
    """The fake hosts by id; one is there as soon as somebody asks for it."""

    def __init__(self) -> None:
        self._hosts: dict[str, FakeLink] = defaultdict(_make_host)
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._calls: list[Call] = []

    def serve(self, listener: Listener) -> None:
        """Answer whoever connects, each in a thread."""
        while True:
            threading.Thread(target=self._answer, args=(listener.accept(),), daemon=True).start()

    def calls(self) -> list[Call]:
        """Give every call of a shell or hypervisor so far."""
        return list(self._calls)

    def traces(self, host_id: str) -> Traces:
        """Give what is on a host."""
        link = self._hosts[host_id]
        networks = {
            name: frozenset(str(entry.get("ip")) for entry in network.entries[NetworkSection.DNS_HOST])
            for name, network in link.hypervisor.networks.items()
        }
        domains = {uuid: (each.state, each.starts) for uuid, each in link.hypervisor.domains.items()}
        mounts = link.shell.disk.mounts
        files = [*link.shell.disk.files, *(path for _, disk in mounts.values() for path in disk.files)]
        blocks = link.shell.blocks
        noted = frozenset(each.split()[1] for each in blocks.fstab if "x-zcloud.disk" in each)
        disks = frozenset(blocks.places) - {"/"}
        return Traces(domains, frozenset(files), networks, frozenset(mounts), disks, noted)

    def _answer(self, client: Connection[Any, Any]) -> None:
        with client:
            while True:
                try:
                    request = client.recv()
                except (EOFError, OSError):
                    return
                answer = self._carry_out(*request)
                try:
                    client.send(answer)
                except OSError:
                    return

    def _carry_out(self, pid: int, host_id: str, way: str, verb: str, given: tuple[Any, ...]) -> tuple[bool, Any]:
        arguments, options = given
        try:
            if not way:
                return True, getattr(self, verb)(*arguments)
            with self._locks[host_id]:
                self._calls.append(Call(pid, host_id, verb, _told(arguments)))
                return True, getattr(getattr(self._hosts[host_id], way), verb)(*arguments, **options)
        except ZcloudError as error:
            return False, error.to_record()
        except Exception as error:  # noqa: BLE001 - the caller has to hear of it
            return False, Internal(f"The fake host failed at {verb}: {error!r}").to_record()


def _make_host() -> FakeLink:
    shell = FakeShell()
    shell.answers |= _ANSWERS
    return FakeLink(shell)


def _told(arguments: tuple[Any, ...]) -> str:
    """Give the words of a call: texts, commands, and lists of commands."""
    words = (_told(tuple(each)) if isinstance(each, (list, tuple)) else each for each in arguments)
    return " ".join(each for each in words if isinstance(each, str))[:200]


class RemoteLinks(FakeLinks):
    """Links to the hosts of a ``HostProcess``; one connection for each thread."""

    def __init__(self, socket: Path) -> None:
        super().__init__()
        self._socket = socket
        self._mine = threading.local()

    def add(self, host_id: str) -> WatchedLink:
        """Give the link of a new host: it is there when it is asked for."""
        return self.link(host_id)

    def link(self, host_id: str) -> WatchedLink:
        """Give a host's link."""
        return RemoteLink(partial(self._call, host_id))

    def calls(self) -> list[Call]:
        """Give every call so far."""
        return cast("list[Call]", self._call("", "", "calls"))

    def traces(self, host_id: str) -> Traces:
        """Give what is on a host."""
        return cast("Traces", self._call("", "", "traces", host_id))

    def _call(self, host_id: str, way: str, verb: str, *arguments: Any, **options: Any) -> Any:
        try:
            connection = self._connection()
            connection.send((os.getpid(), host_id, way, verb, (arguments, options)))
            done, answer = connection.recv()
        except (OSError, EOFError) as error:
            raise HostUnreachable("The process of the fake hosts is gone.", host_id=host_id) from error
        if not done:
            raise from_record(answer)
        return answer

    def _connection(self) -> Connection[Any, Any]:
        if not hasattr(self._mine, "connection"):
            self._mine.connection = Client(str(self._socket), "AF_UNIX")
        return cast("Connection[Any, Any]", self._mine.connection)


class RemoteLink:
    """Both means of reaching one host of a ``HostProcess`` (``ports.WatchedLink``)."""

    connection = 0

    def __init__(self, call: Callable[..., Any]) -> None:
        self.shell = cast("Shell", _RemoteShell(partial(call, "shell")))
        self.hypervisor = cast("Hypervisor", _Remote(partial(call, "hypervisor")))


class _Remote:
    """Every verb of a port, carried out by the fake in the other process."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return partial(self._call, verb)


class _RemoteShell(_Remote):
    """``ports.Shell``, whose upload takes a stream."""

    def upload(
        self, source: BinaryIO, path: str, *, mode: int = 0o600, progress: Callable[[int], None] | None = None
    ) -> None:
        data = source.read()
        self._call("upload", io.BytesIO(data), path, mode=mode)
        if progress is not None:
            progress(len(data))


class HostProcess(ForkedProcess):
    """A running process of fake hosts, listening at ``socket``, until it is killed."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        super().__init__(_run, socket)
        self.until_ready()


def _run(socket: Path, us: Connection[Any, Any]) -> None:
    with Listener(str(socket), "AF_UNIX", backlog=64) as listener:
        threading.Thread(target=HostServer().serve, args=(listener,), daemon=True).start()
        serve(us)
