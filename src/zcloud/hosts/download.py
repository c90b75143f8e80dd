"""Downloads a file by URL, from public addresses only, whole and checked, or not at all.

Names are resolved here and the connection goes to the very address that was checked, so that an answer which
changes in between (DNS rebinding) gains nothing; the name stays in the Host header and in TLS. Redirects are
checked alike. Proxies of the environment are not used.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import ipaddress
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zcloud.base.clock import Clock, SystemClock
from zcloud.domain.errors import (
    DeadlineExceeded,
    DiskFull,
    DownloadFailed,
    InvalidInput,
    OperationCancelled,
    PayloadTooLarge,
    StorageFailed,
)
from zcloud.hosts.webaddress import Resolve, Target, allowed_addresses, parse_url, resolve

_CHUNK = 256 << 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_DIGEST_LENGTHS = {64: "sha256", 128: "sha512"}
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@dataclass(frozen=True, slots=True)
class DownloadPolicy:
    """What downloads may take and where they may go; bytes and seconds. ``allow_private`` is in CIDR form."""

    max_size: int = 512 << 30
    deadline_s: float = 3600
    stall_s: float = 30
    connect_s: float = 10
    tries: int = 5
    max_redirects: int = 5
    allow_private: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What was downloaded: bytes, SHA-256, and the URL that gave it after redirects."""

    size: int
    sha256: str
    url: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on: ``progress`` is told the bytes so far and the whole (None: unknown); ``cancelled`` is asked."""

    progress: Callable[[int, int | None], None] = lambda _received, _whole: None
    cancelled: Callable[[], bool] = lambda: False


class _Broken(Exception):
    """The transfer broke in a way that another try may mend."""


class Downloader:
    """Downloads files under one policy."""

    def __init__(
        self,
        policy: DownloadPolicy,
        *,
        resolve: Resolve = resolve,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._clock = clock or SystemClock()
        self._tls = tls or ssl.create_default_context()
        self._allowed = [ipaddress.ip_network(each) for each in policy.allow_private]

    def fetch(self, url: str, target: Path, *, checksum: str = "", watch: Watch = Watch()) -> Downloaded:
        """Download ``url`` into the new file ``target`` (mode 0600), which is removed on any error.

        ``checksum`` is a SHA-256 or SHA-512 in hex. A broken transfer is taken up again where it broke.
        Raises InvalidInput (URL, checksum), AddressForbidden, PayloadTooLarge, DownloadFailed, DeadlineExceeded,
        OperationCancelled, DiskFull, FileExistsError.
        """
        parse_url(url)
        expected = checksum.strip().lower()
        if expected and (len(expected) not in _DIGEST_LENGTHS or not re.fullmatch("[0-9a-f]+", expected)):
            raise InvalidInput("The checksum is not a SHA-256 or SHA-512 in hex.", field="checksum")
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            transfer = _Transfer(fd, self._policy, self._clock, watch, _DIGEST_LENGTHS.get(len(expected), "sha256"))
            final = self._try_often(url, transfer)
            with _writing():
                os.fsync(fd)
            if expected and transfer.digest() != expected:
                raise DownloadFailed(
                    f"The file at {url} does not have the expected checksum.",
                    hint="The checksum may be of another version, or the file was tampered with.",
                    expected=expected,
                    found=transfer.digest(),
                )
            return Downloaded(transfer.received, transfer.sha256(), final)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)

    def _try_often(self, url: str, transfer: _Transfer) -> str:
        for number in range(1, self._policy.tries + 1):
            try:
                return self._try(url, transfer)
            except (_Broken, http.client.HTTPException, OSError) as error:
                transfer.check()
                if number == self._policy.tries or isinstance(error, ssl.SSLCertVerificationError):
                    reason = str(error) or type(error).__name__
                    raise DownloadFailed(f"The download of {url} failed at try {number}: {reason}.") from error
            self._clock.sleep(min(2.0 ** (number - 1), 10, max(0.0, transfer.left())))
        raise AssertionError("the last try returns or raises")

    def _try(self, url: str, transfer: _Transfer) -> str:
        for _ in range(self._policy.max_redirects + 1):
            target = parse_url(url)
            with self._ask(target, transfer) as answer:
                if answer.status not in _REDIRECTS:
                    transfer.take(url, answer)
                    return url
                onward = parse_url(answer.headers.get("Location", ""), base=url)
            if target.scheme == "https" and onward.scheme == "http":
                raise DownloadFailed(f"{url} leads from https to http.", hint="Give the final URL if you trust it.")
            url = f"{onward.scheme}://{onward.host_header}{onward.path}"
        raise DownloadFailed(f"There were more than {self._policy.max_redirects} redirects.")

    @contextlib.contextmanager
    def _ask(self, target: Target, transfer: _Transfer) -> Iterator[http.client.HTTPResponse]:
        raw = self._connect(target, transfer)
        # A peer that sends a byte now and then never times out; this ends it at the deadline all the same.
        line = raw.dup()  # TLS takes the socket over
        timer = threading.Timer(max(0.0, transfer.left()), _hang_up, [line])
        timer.daemon = True
        timer.start()
        connection = http.client.HTTPConnection(target.host, target.port)
        try:
            raw.settimeout(self._policy.stall_s)
            connection.sock = self._secure(raw, target)
            connection.request("GET", target.path, headers={"Host": target.host_header, **transfer.headers()})
            with connection.getresponse() as answer:
                yield answer
        finally:
            timer.cancel()
            timer.join()
            for each in (connection, raw, line):
                each.close()

    def _secure(self, raw: socket.socket, target: Target) -> socket.socket:
        return self._tls.wrap_socket(raw, server_hostname=target.host) if target.scheme == "https" else raw

    def _connect(self, target: Target, transfer: _Transfer) -> socket.socket:
        try:
            found = self._resolve(target.host, target.port)
        except OSError as error:
            raise _Broken(f"the name {target.host} cannot be resolved ({error})") from error
        problem: OSError | None = None
        for address in allowed_addresses(target.host, found, self._allowed):
            transfer.check()
            try:
                timeout = max(0.001, min(self._policy.connect_s, transfer.left()))
                return socket.create_connection((address, target.port), timeout)
            except OSError as error:
                problem = error
        raise _Broken(f"{target.host} cannot be reached ({problem})")


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Tell trouble with our own disk from trouble with the line."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise DiskFull("There is no room for the download.") from error
        raise StorageFailed(f"The download cannot be written: {error.strerror}.") from error


def _hang_up(raw: socket.socket) -> None:
    with contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_RDWR)


class _Transfer:
    """One download over all its tries: what came so far, its digests, and when it has to end."""

    def __init__(self, fd: int, policy: DownloadPolicy, clock: Clock, watch: Watch, algorithm: str) -> None:
        self._fd, self._policy, self._clock, self._watch = fd, policy, clock, watch
        self._ends = clock.monotonic() + policy.deadline_s
        self._algorithm = algorithm
        self._validator = ""
        self._restart()

    def _restart(self) -> None:
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.received = 0
        self._digests = {name: hashlib.new(name) for name in {"sha256", self._algorithm}}

    def left(self) -> float:
        """Give the seconds until the deadline."""
        return self._ends - self._clock.monotonic()

    def check(self) -> None:
        """Raise OperationCancelled or DeadlineExceeded where it is time to."""
        if self._watch.cancelled():
            raise OperationCancelled("The download was cancelled.")
        if self.left() <= 0:
            raise DeadlineExceeded(f"The download took longer than {self._policy.deadline_s} s.")

    def digest(self) -> str:
        """Give the digest of the expected checksum's kind."""
        return self._digests[self._algorithm].hexdigest()

    def sha256(self) -> str:
        """Give the SHA-256 of what was received."""
        return self._digests["sha256"].hexdigest()

    def headers(self) -> dict[str, str]:
        """Give the request's headers: from where it broke, if it is still the same file (RFC 9110, 13.1.5)."""
        plain = {"Accept-Encoding": "identity", "User-Agent": "zcloud", "Connection": "close"}
        if self.received and self._validator:
            return plain | {"Range": f"bytes={self.received}-", "If-Range": self._validator}
        return plain

    def take(self, url: str, answer: http.client.HTTPResponse) -> None:
        """Write the body of an answer; raises _Broken where another try may help."""
        self._check_answer(url, answer)
        if answer.status == http.client.OK:
            self._restart()
        tag = answer.headers.get("ETag", "")
        self._validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
        whole = None if answer.length is None else self.received + answer.length
        self._check_size(whole or 0)
        while piece := answer.read1(_CHUNK):
            self.check()
            self._check_size(self.received + len(piece))
            self._write(piece)
            self._watch.progress(self.received, whole)
        self.check()
        if whole is not None and self.received != whole:
            raise _Broken(f"it broke off after {self.received} of {whole} bytes")

    def _check_answer(self, url: str, answer: http.client.HTTPResponse) -> None:
        if answer.status in _TRY_AGAIN:
            raise _Broken(f"the server answers {answer.status}")
        resumed = answer.status == http.client.PARTIAL_CONTENT
        if resumed:
            place = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if not self.received or place is None or int(place[1]) != self.received:
                raise DownloadFailed(f"The server of {url} sends another part of the file than was asked for.")
        elif answer.status != http.client.OK:
            raise DownloadFailed(f"The server answers {answer.status} for {url}.", status=answer.status)
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadFailed(f"The server of {url} sends the file compressed though that was not asked for.")

    def _check_size(self, size: int) -> None:
        if size > self._policy.max_size:
            raise PayloadTooLarge(f"The file is larger than the allowed {self._policy.max_size} bytes.")

    def _write(self, piece: bytes) -> None:
        view = memoryview(piece)
        with _writing():
            while view:
                view = view[os.write(self._fd, view) :]
        for digest in self._digests.values():
            digest.update(piece)
        self.received += len(piece)
