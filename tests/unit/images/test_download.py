"""Downloads from a server on loopback that misbehaves in every way we could think of."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import resource
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zcloud.base.clock import SystemClock
from zcloud.domain.errors import (
    AddressForbidden,
    Busy,
    DeadlineExceeded,
    DiskFull,
    DownloadFailed,
    InvalidInput,
    OperationCancelled,
    PayloadTooLarge,
    ZcloudError,
)
from zcloud.hosts.download import BrokenOff, Downloader, DownloadPolicy, Watch

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA512 = hashlib.sha512(CONTENT).hexdigest()


class NoWait(SystemClock):
    """The real clock, but between two tries nobody sleeps."""

    def sleep(self, seconds: float) -> None:
        """Go on at once."""


class Server(ThreadingHTTPServer):
    """A server on loopback; ``seen`` has the headers of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.stop = threading.Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Give the URL of a path."""
        return f"http://{host}:{self.server_port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up here on purpose."""


class Handler(BaseHTTPRequestHandler):
    """One method of this class per path."""

    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Answer by the method that the path names."""
        self.server.seen.append((self.path, dict(self.headers.items())))
        name, _, argument = self.path.strip("/").partition("/")
        getattr(self, f"get_{name}")(argument)

    def send(self, status: int, **headers: str) -> None:
        """Send a status and headers, underscores for hyphens."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def get_file(self, _: str) -> None:
        self.send(200, Content_Length=str(len(CONTENT)))
        self.wfile.write(CONTENT)

    def get_nolength(self, _: str) -> None:
        self.send(200)
        self.wfile.write(CONTENT)

    def get_chunked(self, _: str) -> None:
        self.protocol_version = "HTTP/1.1"
        self.send(200, Transfer_Encoding="chunked")
        for start in range(0, len(CONTENT), 100000):
            piece = CONTENT[start : start + 100000]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def get_breaks(self, how: str) -> None:
        """Break off after 300,000 bytes, and support (or not) going on from there."""
        start = 0
        wanted = self.headers.get("Range")
        etag = '"new"' if how == "changed" and len(self.server.seen) > 1 else '"old"'
        if wanted and how != "norange" and self.headers.get("If-Range") == etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            shown = start + 1 if how == "liar" else start
            where = f"bytes {shown}-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.send(206, Content_Length=str(len(CONTENT) - start), Content_Range=where, ETag=etag)
        else:
            self.send(200, Content_Length=str(len(CONTENT)), ETag=etag)
        whole = how == "norange" and len(self.server.seen) > 2
        self.wfile.write(CONTENT[start:] if whole else CONTENT[start : start + 300000])

    def get_satisfied(self, _: str) -> None:
        self.send(416, Content_Range=f"bytes */{len(CONTENT)}", Content_Length="0")

    def get_flaky(self, _: str) -> None:
        if len(self.server.seen) < 3:
            self.send(503)
        else:
            self.get_file("")

    def get_status(self, code: str) -> None:
        self.send(int(code), Content_Length="0")

    def get_to(self, where: str) -> None:
        self.send(302, Location=where, Content_Length="0")

    def get_loop(self, _: str) -> None:
        self.send(302, Location="/loop/", Content_Length="0")

    def get_lost(self, _: str) -> None:
        self.send(302, Content_Length="0")

    def get_gzip(self, _: str) -> None:
        self.send(200, Content_Encoding="gzip", Content_Length="3")
        self.wfile.write(b"abc")

    def get_endless(self, length: str) -> None:
        headers = {"Content_Length": length} if length else {}
        self.send(200, **headers)
        while not self.server.stop.is_set():
            self.wfile.write(bytes(65536))

    def get_silent(self, _: str) -> None:
        self.send(200, Content_Length="10")
        self.wfile.write(b"x")
        self.server.stop.wait(30)

    def get_drip(self, where: str) -> None:
        """Send a byte now and then, in the body or before the headers' end."""
        if where == "body":
            self.send(200, Content_Length="1000000")
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not self.server.stop.wait(0.05):
            self.wfile.write(b"x")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


def downloader(resolve: Callable[[str, int], Sequence[str]] | None = None, **policy: Any) -> Downloader:
    """Give a downloader that may go to loopback."""
    rules = DownloadPolicy(**{"allow_private": ("127.0.0.0/8",), "deadline_s": 20, "stall_s": 5, **policy})
    return Downloader(rules, resolve=resolve or (lambda _host, _port: ["127.0.0.1"]), clock=NoWait())


def refused(get: Callable[[], object], error: type[ZcloudError], words: str, target: Path) -> ZcloudError:
    """Check that a download raises ``error`` and leaves no file."""
    with pytest.raises(error, match=words) as caught:
        get()
    assert not target.exists()
    return caught.value


@pytest.mark.parametrize("path", ["/file", "/nolength", "/chunked"])
@pytest.mark.parametrize("checksum", ["", SHA256, SHA512.upper()])
def test_a_file_arrives_whole(server: Server, tmp_path: Path, path: str, checksum: str) -> None:
    seen: list[tuple[int, int | None]] = []
    watch = Watch(progress=lambda received, whole: seen.append((received, whole)))
    done = downloader().fetch(server.url(path), tmp_path / "x", checksum=checksum, watch=watch)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    assert (done.size, done.sha256, done.url) == (len(CONTENT), SHA256, server.url(path))
    assert seen[-1] == (len(CONTENT), len(CONTENT) if path == "/file" else None)
    assert server.seen[0][1]["Accept-Encoding"] == "identity"


def test_the_name_stays_in_the_host_header(server: Server, tmp_path: Path) -> None:
    downloader().fetch(server.url("/file", "images.example"), tmp_path / "x")
    assert server.seen[0][1]["Host"] == f"images.example:{server.server_port}"


def test_a_wrong_checksum_is_refused(server: Server, tmp_path: Path) -> None:
    for checksum in ("0" * 64, "0" * 128):
        fetch = lambda checksum=checksum: downloader().fetch(server.url("/file"), tmp_path / "x", checksum=checksum)  # noqa: E731
        refused(fetch, DownloadFailed, "checksum", tmp_path / "x")
    for odd in ("abc", "g" * 64):
        fetch = lambda odd=odd: downloader().fetch(server.url("/file"), tmp_path / "x", checksum=odd)  # noqa: E731
        refused(fetch, InvalidInput, "hex", tmp_path / "x")


def test_a_file_that_is_there_is_not_touched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(FileExistsError):
        downloader().fetch(server.url("/file"), tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"


# -- where it may go ---------------------------------------------------------------------------


def test_loopback_is_refused_unless_allowed(server: Server, tmp_path: Path) -> None:
    strict = downloader(allow_private=())
    refused(lambda: strict.fetch(server.url("/file"), tmp_path / "x"), AddressForbidden, "public", tmp_path / "x")
    assert server.seen == []


@pytest.mark.parametrize("where", ["http://169.254.169.254/latest", "http://metadata.example/", "//10.0.0.1/"])
def test_a_redirect_to_a_private_address_is_refused(server: Server, tmp_path: Path, where: str) -> None:
    names = {"127.0.0.1": "127.0.0.1", "metadata.example": "::ffff:169.254.169.254"}
    get = downloader(lambda host, _port: [names.get(host, host)])
    refused(lambda: get.fetch(server.url(f"/to/{where}"), tmp_path / "x"), AddressForbidden, "public", tmp_path / "x")


def test_a_name_that_changes_its_address_gains_nothing(server: Server, tmp_path: Path) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["192.168.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    get = downloader(rebinding)
    get.fetch(server.url("/file", "rebind.example"), tmp_path / "x")
    assert asked == ["rebind.example"]  # one question, and the connection went to its answer
    here = server.url("/to" + server.url("/file", "/rebind.example").removeprefix("http:/"), "rebind.example")
    refused(lambda: get.fetch(here, tmp_path / "y"), AddressForbidden, "192.168.0.1", tmp_path / "y")


@pytest.mark.parametrize("where", ["file:///etc/shadow", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/"])
def test_a_redirect_to_an_odd_url_is_refused(server: Server, tmp_path: Path, where: str) -> None:
    refused(
        lambda: downloader().fetch(server.url(f"/to/{where}"), tmp_path / "x"),
        InvalidInput,
        "not taken",
        tmp_path / "x",
    )


def test_redirects_are_followed_but_not_for_ever(server: Server, tmp_path: Path) -> None:
    done = downloader().fetch(server.url("/to//file"), tmp_path / "x", checksum=SHA256)
    assert done.url == server.url("/file")
    refused(lambda: downloader().fetch(server.url("/loop/"), tmp_path / "y"), DownloadFailed, "5 red", tmp_path / "y")
    assert len(server.seen) == 2 + 6


# -- what may come -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/endless/", "/endless/99999999999", "/file", "/chunked"])
def test_too_much_is_refused(server: Server, tmp_path: Path, path: str) -> None:
    get = downloader(max_size=500000)
    refused(lambda: get.fetch(server.url(path), tmp_path / "x"), PayloadTooLarge, "500000", tmp_path / "x")


def test_compression_that_was_not_asked_for_is_refused(server: Server, tmp_path: Path) -> None:
    refused(
        lambda: downloader().fetch(server.url("/gzip"), tmp_path / "x"), DownloadFailed, "compressed", tmp_path / "x"
    )


@pytest.mark.parametrize("status", [404, 403, 401, 416, 204, 206])
def test_other_answers_fail_at_once(server: Server, tmp_path: Path, status: int) -> None:
    url = server.url(f"/status/{status}")
    refused(lambda: downloader().fetch(url, tmp_path / "x"), DownloadFailed, "server", tmp_path / "x")
    assert len(server.seen) == 1


# -- when it breaks ----------------------------------------------------------------------------


def test_a_broken_transfer_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    downloader().fetch(server.url("/breaks/well"), tmp_path / "x", checksum=SHA256)
    ranges = [headers.get("Range") for _, headers in server.seen]
    assert ranges == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


@pytest.mark.parametrize("how", ["norange", "changed"])
def test_without_ranges_or_with_another_file_it_begins_again(server: Server, tmp_path: Path, how: str) -> None:
    done = downloader(tries=6).fetch(server.url(f"/breaks/{how}"), tmp_path / "x", checksum=SHA256)
    assert done.size == len(CONTENT)


def test_a_server_that_sends_another_part_is_not_believed(server: Server, tmp_path: Path) -> None:
    url = server.url("/breaks/liar")
    refused(lambda: downloader().fetch(url, tmp_path / "x"), DownloadFailed, "another part", tmp_path / "x")


def test_tries_are_counted(server: Server, tmp_path: Path) -> None:
    downloader(tries=3).fetch(server.url("/flaky"), tmp_path / "x", checksum=SHA256)
    url = server.url("/status/503")
    refused(lambda: downloader(tries=2).fetch(url, tmp_path / "y"), DownloadFailed, "try 2: .*503", tmp_path / "y")


def test_nobody_listening_is_told(server: Server, tmp_path: Path) -> None:
    get = downloader(tries=2)
    refused(lambda: get.fetch("http://127.0.0.1:1/x", tmp_path / "x"), DownloadFailed, "reached", tmp_path / "x")

    def nothing(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    get = downloader(nothing, tries=2)
    refused(lambda: get.fetch("http://x.example/", tmp_path / "x"), DownloadFailed, "resolved", tmp_path / "x")


def test_silence_is_noticed(server: Server, tmp_path: Path) -> None:
    get = downloader(stall_s=0.2, tries=2)
    refused(lambda: get.fetch(server.url("/silent"), tmp_path / "x"), DownloadFailed, "timed out", tmp_path / "x")


@pytest.mark.parametrize("where", ["body", "headers"])
def test_the_deadline_ends_a_drip(server: Server, tmp_path: Path, where: str) -> None:
    began = time.monotonic()
    get = downloader(deadline_s=0.5)
    refused(lambda: get.fetch(server.url(f"/drip/{where}"), tmp_path / "x"), DeadlineExceeded, "0.5", tmp_path / "x")
    assert time.monotonic() - began < 5


def test_it_can_be_cancelled(server: Server, tmp_path: Path) -> None:
    asked = iter([False] * 5)
    watch = Watch(cancelled=lambda: next(asked, True))
    url = server.url("/endless/")
    refused(
        lambda: downloader().fetch(url, tmp_path / "x", watch=watch), OperationCancelled, "cancelled", tmp_path / "x"
    )


def test_a_full_disk_is_told(server: Server, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500000, hard))
    try:
        refused(lambda: downloader().fetch(server.url("/file"), tmp_path / "x"), DiskFull, "room", tmp_path / "x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(server.seen) == 1


# -- over several runs -------------------------------------------------------------------------


def half(server: Server, target: Path, how: str) -> None:
    """Leave what a killed run leaves: a part of the file, and the note beside it."""
    with pytest.raises(BrokenOff):
        downloader(tries=1).fetch(server.url(f"/breaks/{how}"), target, resume=True)
    assert target.stat().st_size == 300000
    server.seen.clear()


def test_a_later_run_goes_on_where_the_earlier_one_was_killed(server: Server, tmp_path: Path) -> None:
    half(server, tmp_path / "x", "well")
    done = downloader().fetch(server.url("/breaks/well"), tmp_path / "x", checksum=SHA512, resume=True)
    assert (done.size, done.sha256) == (len(CONTENT), SHA256)
    assert server.seen[0][1]["Range"] == "bytes=300000-"
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize(("how", "why"), [("norange", "gives no parts"), ("changed", "another version")])
def test_a_later_run_begins_again_and_says_why(server: Server, tmp_path: Path, how: str, why: str) -> None:
    half(server, tmp_path / "x", how)
    server.seen.append(("/", {}))  # it is not the first request any more
    told: list[str] = []
    watch = Watch(told=told.append)
    downloader(tries=6).fetch(server.url(f"/breaks/{how}"), tmp_path / "x", checksum=SHA256, watch=watch, resume=True)
    assert why in told[0]
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": "http://elsewhere/", "validator": "1"}'])
def test_without_a_note_that_fits_it_begins_again(server: Server, tmp_path: Path, note: str) -> None:
    (tmp_path / "x").write_bytes(b"something else")
    (tmp_path / "x.origin").write_text(note)
    downloader().fetch(server.url("/file"), tmp_path / "x", checksum=SHA256, resume=True)
    assert "Range" not in server.seen[0][1]


def test_what_was_whole_already_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    url = server.url("/satisfied")
    (tmp_path / "x.origin").write_text(json.dumps({"url": url, "validator": '"old"'}))
    assert downloader().fetch(url, tmp_path / "x", resume=True).sha256 == SHA256


def test_two_processes_do_not_write_one_file(server: Server, tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy):
            downloader().fetch(server.url("/file"), tmp_path / "x", resume=True)


def test_a_drip_is_a_broken_line(server: Server, tmp_path: Path) -> None:
    get = downloader(tries=1, stall_s=0.3)
    refused(lambda: get.fetch(server.url("/drip/body"), tmp_path / "x"), DownloadFailed, "bytes came", tmp_path / "x")


def test_room_is_kept_free(server: Server, tmp_path: Path) -> None:
    get = downloader(keep_free=1 << 60)
    refused(lambda: get.fetch(server.url("/file"), tmp_path / "x"), DiskFull, "room for 0", tmp_path / "x")


# -- TLS ---------------------------------------------------------------------------------------


def certificate(directory: Path, name: str) -> Path:
    """Make a self-signed certificate for a name and give the file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = directory / "cert.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


def test_tls_checks_the_name_at_the_pinned_address(server: Server, tmp_path: Path) -> None:
    file = certificate(tmp_path, "images.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    policy = DownloadPolicy(allow_private=("127.0.0.0/8",), tries=2, deadline_s=20)
    get = Downloader(
        policy,
        resolve=lambda _host, _port: ["127.0.0.1"],
        clock=NoWait(),
        tls=ssl.create_default_context(cafile=str(file)),
    )
    port = server.server_port
    get.fetch(f"https://images.example:{port}/file", tmp_path / "x", checksum=SHA256)
    assert names == ["images.example"]
    wrong = f"https://other.example:{port}/file"
    refused(lambda: get.fetch(wrong, tmp_path / "y"), DownloadFailed, "try 1: .*CERTIFICATE", tmp_path / "y")
    plain = f"https://images.example:{port}/to/http://images.example:{port}/file"
    refused(lambda: get.fetch(plain, tmp_path / "y"), DownloadFailed, "https to http", tmp_path / "y")
    began = time.monotonic()
    slow = Downloader(
        DownloadPolicy(allow_private=("127.0.0.0/8",), deadline_s=0.5),
        resolve=lambda _host, _port: ["127.0.0.1"],
        clock=NoWait(),
        tls=ssl.create_default_context(cafile=str(file)),
    )
    drip = f"https://images.example:{port}/drip/headers"
    refused(lambda: slow.fetch(drip, tmp_path / "y"), DeadlineExceeded, "0.5", tmp_path / "y")
    assert time.monotonic() - began < 5
