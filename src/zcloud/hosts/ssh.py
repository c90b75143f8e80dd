"""One SSH connection per host: commands, streams and forwarded Unix sockets, with the host's key pinned.

All connections live in one background thread with its own event loop; callers block in theirs. A host that falls
silent is noticed after 3.2 s (a keepalive each 0.8 s, three may stay unanswered). Commands of a user other than root
run through ``sudo -n``, so that user needs ``NOPASSWD: ALL``: SECURITY says what that means.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import asyncssh

from zcloud.domain.errors import (
    CommandFailed,
    DeadlineExceeded,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    ZcloudError,
    from_record,
)
from zcloud.hosts.address import HostAddress, Place, TcpPlace
from zcloud.hosts.commands import reads_input
from zcloud.hosts.process import ENVIRONMENT, OUTPUT_LIMIT
from zcloud.ports import Completed

KEEPALIVE_S = 0.8
KEEPALIVE_COUNT = 3

_CONNECT_S = 4.0
_SCAN_S = 8.0  # somebody waits for the answer, nothing else does
# A packet costs a quarter of the CPU that the default cipher takes.
_CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
_SESSIONS = 8  # sshd's MaxSessions is 10
_GRACE_S = 5.0
_STDERR_KEPT = 64 << 10
_LATE = (124, 137)  # timeout(1): ended by TERM, by KILL

_T = TypeVar("_T")


class ScannedKey(NamedTuple):
    """A host's public key as it shows it: the fingerprint to compare, the line to pin."""

    fingerprint: str
    public_key: str


def scan_host_key(address: str, port: int = 22) -> ScannedKey:
    """Ask a host for its public key, trusting nothing yet; raises HostUnreachable."""

    async def scan() -> asyncssh.SSHKey | None:
        return await asyncio.wait_for(asyncssh.get_server_host_key(address, port, config=None), _SCAN_S)

    try:
        key = asyncio.run(scan())
    except (OSError, TimeoutError, asyncssh.Error) as error:
        raise _unreachable(address, port, error) from error
    if key is None:
        raise HostUnreachable(f"{address} port {port} shows no SSH host key.")
    return ScannedKey(key.get_fingerprint(), key.export_public_key().decode().strip())


def fingerprint(public_key: str) -> str:
    """Give the fingerprint of a public key line; raises HostKeyUnknown where it is none."""
    return _pinned(public_key).get_fingerprint()


class LoopThread:
    """The background thread in which all SSH connections live."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T], timeout_s: float | None = None) -> _T:
        """Run a coroutine there and wait for it; raises TimeoutError (the coroutine is cancelled)."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def submit(self, call: Callable[[], object]) -> None:
        """Have something called there soon."""
        self._loop.call_soon_threadsafe(call)

    def close(self) -> None:
        """Stop the thread; connections have been closed before."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()


class _Client(asyncssh.SSHClient):
    """Tells its link when the connection ends."""

    def __init__(self, lost: Callable[[Exception | None], None]) -> None:
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand the end of the connection on."""
        self._lost(exc)


class SshLink:
    """The SSH connection of one host; opened, lost and opened again over its life.

    ``on_lost`` is called from the SSH thread with the reason, once for each loss; it must return at once.
    """

    def __init__(self, host: HostAddress, loop: LoopThread, on_lost: Callable[[str], None]) -> None:
        self._host, self._loop, self._on_lost = host, loop, on_lost
        self._connect_s = _CONNECT_S * host.patience
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sessions = asyncio.Semaphore(_SESSIONS)
        self._why: ZcloudError = HostUnreachable(f"{host.address} has not been reached yet.", host_id=host.id)

    @property
    def is_open(self) -> bool:
        """Whether the connection is there."""
        return self._connection is not None

    def open(self) -> None:
        """Connect, unless connected; raises HostKeyUnknown, HostKeyChanged, HostUnreachable."""
        if self._connection is not None:
            return
        try:
            self._loop.run(self._open(), self._connect_s + 1)
        except ZcloudError as error:
            self._why = error
            raise
        except (OSError, TimeoutError, asyncssh.Error) as error:
            self._why = self._unreachable(error)
            raise self._why from error

    def close(self) -> None:
        """Disconnect; ``on_lost`` is not called for it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
                self._loop.run(_abort(connection), 2.0)

    def execute(self, argv: Sequence[str], feed: Iterable[bytes], *, timeout_s: float) -> Completed:
        """Run a checked command on the host (see ``shell.Runner``); raises HostUnreachable at once when lost."""
        return self._execute(shlex.join(argv), argv[0], feed, timeout_s)

    def execute_all(self, batch: Sequence[Sequence[str]], data: bytes, *, timeout_s: float) -> Completed:
        """Run checked commands in turn, by one round trip (see ``shell.Runner``)."""
        return self._execute(_in_turn(batch), batch[0][0], [data, b"\n"], timeout_s)

    def _execute(self, words: str, name: str, feed: Iterable[bytes], timeout_s: float) -> Completed:
        deadline = time.monotonic() + timeout_s
        command = f"{_remote_prefix(timeout_s, sudo=self._host.user != 'root')} {words}"
        try:
            done = self._loop.run(self._session(command, feed), timeout_s + _GRACE_S)
        except TimeoutError:
            raise DeadlineExceeded(f"{name} did not end in time.", program=name) from None
        except (OSError, asyncssh.Error) as error:
            raise self._unreachable(error) from error
        if done.code in _LATE and time.monotonic() >= deadline:
            raise DeadlineExceeded(f"{name} did not end in time and was killed.", program=name)
        return done

    def has_socket(self, path: str) -> bool:
        """Tell whether something listens on a Unix socket of the host."""
        try:
            self._loop.run(_touch(self._require(), path), self._connect_s)
        except asyncssh.ChannelOpenError:
            return False
        except (OSError, TimeoutError, asyncssh.Error) as error:
            raise self._unreachable(error) from error
        return True

    def forward(self, remote: Place, local: str) -> Callable[[], None]:
        """Make a socket of the host reachable at a local path; gives what ends it (the connection's end does too).

        The local path must lie in a directory that only we can enter: whoever can connect to it is us to the host.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(local)
        try:
            listener = self._loop.run(self._forward(remote, local), self._connect_s)
        except (OSError, TimeoutError, asyncssh.Error) as error:
            raise self._unreachable(error) from error

        def end() -> None:
            self._loop.submit(listener.close)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(local)

        return end

    def _require(self) -> asyncssh.SSHClientConnection:
        """Give the connection, or raise why there is none."""
        if self._connection is None:
            raise from_record(self._why.to_record())
        return self._connection

    def _unreachable(self, error: Exception | None) -> HostUnreachable:
        return _unreachable(self._host.address, self._host.port, error, host_id=self._host.id)

    async def _open(self) -> None:
        pinned = _pinned(self._host.host_key)
        try:
            connection, _ = await asyncio.wait_for(
                asyncssh.create_connection(
                    lambda: _Client(self._lost),
                    self._host.address,
                    self._host.port,
                    username=self._host.user,
                    client_keys=[self._host.key_path],
                    known_hosts=([pinned], [], []),
                    x509_trusted_certs=None,
                    config=None,
                    agent_path=None,
                    gss_host=None,
                    preferred_auth="publickey",
                    encryption_algs=_CIPHERS,
                    keepalive_interval=KEEPALIVE_S * self._host.patience,
                    keepalive_count_max=KEEPALIVE_COUNT,
                ),
                self._connect_s,
            )
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
            raise HostKeyChanged(
                f"{self._host.address} shows another SSH host key than the approved {pinned.get_fingerprint()}.",
                fingerprint=pinned.get_fingerprint(),
            ) from error
        if connection.is_closed():
            raise self._unreachable(None)
        self._connection = connection

    def _lost(self, error: Exception | None) -> None:
        """Note the end of the connection; an end before the login was complete is the opener's to tell."""
        if self._connection is None:
            return
        self._connection = None
        self._why = self._unreachable(error)
        self._on_lost(self._why.message)

    async def _forward(self, remote: Place, local: str) -> asyncssh.SSHListener:
        if isinstance(remote, TcpPlace):
            return await self._require().forward_local_path_to_port(local, *remote)
        return await self._require().forward_local_path(local, remote)

    async def _session(self, command: str, feed: Iterable[bytes]) -> Completed:
        """Run one command in a session channel of its own; at most ``_SESSIONS`` at once."""
        async with self._sessions:
            process = await self._require().create_process(command, encoding=None)
            try:
                _, out, err = await asyncio.gather(
                    _write(process, feed), _read(process.stdout, OUTPUT_LIMIT), _read(process.stderr, _STDERR_KEPT)
                )
                await process.wait_closed()
            except BaseException:
                process.terminate()
                process.close()
                raise
        if process.exit_status is None:
            raise self._unreachable(None)
        if len(out) > OUTPUT_LIMIT:
            raise CommandFailed(f"A command on {self._host.address} printed more than {OUTPUT_LIMIT} bytes.")
        return Completed(process.exit_status, out, err)


def _remote_prefix(timeout_s: float, *, sudo: bool) -> str:
    """Give the words before a command's, in the one string that SSH takes; every word of ours is quoted.

    The host enforces the deadline itself, and ends the command when the connection's process there ends.
    """
    environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    bounds = ["setpriv", "--pdeathsig", "TERM", "--", "timeout", "-k", "2", f"{timeout_s:.3f}"]
    return shlex.join(["exec", *(["sudo", "-n", "--"] if sudo else []), "env", *environment, *bounds])


def _in_turn(batch: Sequence[Sequence[str]]) -> str:
    """Give the command that runs several while they succeed.

    After one that reads its input the line that follows the data is awaited: a connection that broke within the
    data looks like its end, and what is not whole must get no name.
    """
    words = [f"{shlex.join(argv)} && read -r _" if reads_input(argv) else shlex.join(argv) for argv in batch]
    return shlex.join(["sh", "-c", " && ".join(words)])


async def _write(process: asyncssh.SSHClientProcess[bytes], feed: Iterable[bytes]) -> None:
    """Write the feed and close standard input."""
    with contextlib.suppress(BrokenPipeError):
        async for piece in _pieces(feed):
            process.stdin.write(piece)
            await process.stdin.drain()
        process.stdin.write_eof()


async def _pieces(feed: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Give the pieces of a feed; those that are not in memory yet may block to read, and are read in a thread."""
    if isinstance(feed, Sequence):
        for piece in feed:
            yield piece
        return
    loop, rest = asyncio.get_running_loop(), iter(feed)
    while piece := await loop.run_in_executor(None, next, rest, b""):
        yield piece


async def _read(stream: asyncssh.SSHReader[bytes], limit: int) -> bytes:
    """Read to the end, keeping one byte more than ``limit`` at most."""
    data = bytearray()
    while piece := await stream.read(1 << 16):
        data += piece[: limit + 1 - len(data)]
    return bytes(data)


async def _touch(connection: asyncssh.SSHClientConnection, path: str) -> None:
    _, writer = await connection.open_unix_connection(path)
    writer.close()


async def _abort(connection: asyncssh.SSHClientConnection) -> None:
    connection.abort()
    await connection.wait_closed()


def _pinned(public_key: str) -> asyncssh.SSHKey:
    """Read the approved key; raises HostKeyUnknown where none was approved."""
    try:
        return asyncssh.import_public_key(public_key)
    except asyncssh.KeyImportError as error:
        raise HostKeyUnknown("The host's SSH key has not been approved.") from error


def _unreachable(address: str, port: int, error: Exception | None, **details: str) -> HostUnreachable:
    """Say in plain words why a host does not answer."""
    if isinstance(error, asyncssh.PermissionDenied):
        return HostUnreachable(
            f"{address} port {port} refuses our SSH key.", hint="Add our public key on the host.", **details
        )
    words = "no answer" if isinstance(error, TimeoutError) else str(error or "the connection was closed")
    return HostUnreachable(f"{address} port {port} cannot be reached by SSH: {words}.", **details)
