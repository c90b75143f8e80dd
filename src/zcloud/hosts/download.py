"""Downloads a file by URL, from public addresses only, whole and checked, or not at all.

Names are resolved here and the connection goes to the very address that was checked, so that an answer which
changes in between (DNS rebinding) gains nothing; the name stays in the Host header and in TLS. Redirects are
checked alike. Proxies of the environment are not used.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import ipaddress
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zcloud.base.clock import Clock, SystemClock
from zcloud.domain.errors import Busy, DownloadFailed, InvalidInput
from zcloud.hosts.transfer import NOBODY, Broken, DownloadPolicy, Origin, Transfer, Watch, writing
from zcloud.hosts.webaddress import Resolve, Target, allowed_addresses, parse_url, resolve

__all__ = ["BrokenOff", "DownloadPolicy", "Downloaded", "Downloader", "Watch"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DIGEST_LENGTHS = {64: "sha256", 128: "sha512"}


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What was downloaded: bytes, SHA-256, and the URL that gave it after redirects."""

    size: int
    sha256: str
    url: str


class BrokenOff(DownloadFailed):
    """The line is broken for now; what came is there, and a later run goes on with it."""


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

    def fetch(
        self, url: str, target: Path, *, checksum: str = "", watch: Watch = NOBODY, resume: bool = False
    ) -> Downloaded:
        """Download ``url`` into the new file ``target`` (mode 0600), which is removed on any error.

        ``checksum`` is a SHA-256 or SHA-512 in hex. A broken transfer is taken up again where it broke. With
        ``resume``, what an earlier run left in ``target`` is gone on with, and what came is left there on an error,
        with a note beside it.
        Raises InvalidInput (URL, checksum), AddressForbidden, PayloadTooLarge, DownloadFailed, DeadlineExceeded,
        OperationCancelled, DiskFull, FileExistsError; with ``resume`` also BrokenOff, and Busy where another process
        still writes.
        """
        parse_url(url)
        expected = checksum.strip().lower()
        if expected and (len(expected) not in _DIGEST_LENGTHS or not re.fullmatch("[0-9a-f]+", expected)):
            raise InvalidInput("The checksum is not a SHA-256 or SHA-512 in hex.", field="checksum")
        fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_NOFOLLOW if resume else os.O_EXCL), 0o600)
        try:
            _lock(fd)
            origin = Origin(url, target.with_suffix(".origin") if resume else None)
            algorithm = _DIGEST_LENGTHS.get(len(expected), "sha256")
            transfer = Transfer(fd, origin, self._policy, watch, algorithm, clock=self._clock)
            final = self._try_often(url, transfer, resume=resume)
            with writing():
                os.fsync(fd)
            _check_sum(url, expected, transfer)
            return Downloaded(transfer.received, transfer.sha256(), final)
        except BaseException:
            if not resume:
                target.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)

    def _try_often(self, url: str, transfer: Transfer, *, resume: bool) -> str:
        number, best = 0, transfer.best
        while True:
            number += 1
            try:
                return self._try(url, transfer)
            except (Broken, http.client.HTTPException, OSError) as error:
                transfer.check()
                if transfer.best > best:  # the line is bad but carries
                    number, best = 1, transfer.best
                if number >= self._policy.tries or isinstance(error, ssl.SSLCertVerificationError):
                    reason = str(error) or type(error).__name__
                    kind = BrokenOff if resume and transfer.can_go_on() else DownloadFailed
                    raise kind(f"The download of {url} failed at try {number}: {reason}.") from error
            self._clock.sleep(min(2.0 ** (number - 1), 10, max(0.0, transfer.left())))

    def _try(self, url: str, transfer: Transfer) -> str:
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
    def _ask(self, target: Target, transfer: Transfer) -> Iterator[http.client.HTTPResponse]:
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

    def _connect(self, target: Target, transfer: Transfer) -> socket.socket:
        try:
            found = self._resolve(target.host, target.port)
        except OSError as error:
            raise Broken(f"the name {target.host} cannot be resolved ({error})") from error
        problem: OSError | None = None
        for address in allowed_addresses(target.host, found, self._allowed):
            transfer.check()
            try:
                timeout = max(0.001, min(self._policy.connect_s, transfer.left()))
                return socket.create_connection((address, target.port), timeout)
            except OSError as error:
                problem = error
        raise Broken(f"{target.host} cannot be reached ({problem})")


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy("Another process still writes this download.") from None


def _check_sum(url: str, expected: str, transfer: Transfer) -> None:
    if expected and transfer.digest() != expected:
        raise DownloadFailed(
            f"The file at {url} does not have the expected checksum.",
            hint="The checksum may be of another version, or the file was tampered with.",
            expected=expected,
            found=transfer.digest(),
        )


def _hang_up(raw: socket.socket) -> None:
    with contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_RDWR)
