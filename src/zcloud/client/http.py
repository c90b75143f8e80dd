"""HTTP over the standard library: one connection that is kept alive, requests that are repeated where that is safe."""

from __future__ import annotations

import http.client
import json
import math
import os
import re
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit

from zcloud.client.errors import ApiError, Record

ENDED = frozenset({"succeeded", "failed", "cancelled"})
LOOPBACK = re.compile(r"localhost|::1|127\.\d{1,3}\.\d{1,3}\.\d{1,3}")

_IDLE_S = 3.0  # servers close idle connections after a few seconds: do not send what cannot be repeated on an old one
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)  # between tries, once the server has answered before
_FIRST_PAUSES_S = _PAUSES_S[:2]
_EVENT_PAUSE_S = 2.0
_LEAST_POLL_S = 0.2


class Event(NamedTuple):
    """One event of the stream; ``id`` is where to go on after it."""

    id: str
    kind: str
    data: Any


class Answer(NamedTuple):
    """An HTTP answer that was read whole."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Http:
    """Speaks to one server as one user; not for several threads at once.

    ``url`` is https, or http on this machine's loopback. ``ca`` is a file with the authority's certificate, or the
    certificate itself (PEM); without it the system's authorities count. Every method raises ApiError.
    """

    def __init__(self, url: str, token: str = "", *, ca: str = "", timeout_s: float = 60.0) -> None:
        self._parts = urlsplit(url)
        self._token = token
        self._ca = ca
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0
        self._answered = False
        check_url(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def get(self, path: str, **query: Any) -> Any:
        """Read; repeated when the connection is lost."""
        return _decode(self.request("GET", path, query=query))

    def text(self, path: str, **query: Any) -> str:
        """Read something that is not JSON."""
        return self.request("GET", path, query=query).data.decode("utf-8", "replace")

    def pages(self, path: str, *, limit: int = 1000, **query: Any) -> Iterator[Record]:
        """Read a list to its end, page by page."""
        cursor = None
        while True:
            page = self.get(path, limit=limit, cursor=cursor, **query)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def post(self, path: str, body: Any = None, *, key: str = "", **query: Any) -> Any:
        """Ask for something, under a fresh Idempotency-Key; so it is repeated when the connection is lost.

        With a ``key`` of its own a program may ask again after it was restarted, and gets the first answer.
        """
        headers = {"Idempotency-Key": key or os.urandom(16).hex()}
        return _decode(self.request("POST", path, query=query, body={} if body is None else body, headers=headers))

    def patch(self, path: str, body: Any, *, revision: int | None = None, **query: Any) -> Any:
        """Change; with ``revision`` only if nobody changed the thing since."""
        headers = {} if revision is None else {"If-Match": f'"{revision}"'}
        return _decode(self.request("PATCH", path, query=query, body=body, headers=headers))

    def put(self, path: str, body: Any, *, tag: str = "", **query: Any) -> Any:
        """Set; with a ``tag`` only what still has that ETag."""
        headers = {"If-Match": tag} if tag else {}
        return _decode(self.request("PUT", path, query=query, body=body, headers=headers))

    def delete(self, path: str, **query: Any) -> Any:
        """Delete."""
        return _decode(self.request("DELETE", path, query=query))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and give its answer; nothing is redirected."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Accept": "application/json", **self._headers(), **(headers or {})}
        if data is not None:
            sent["Content-Type"] = "application/json"
        again = method == "GET" or "Idempotency-Key" in sent
        if not again and time.monotonic() - self._used_at > _IDLE_S:
            self.close()
        return self._exchange(again, lambda link: link.request(method, _target(path, query or {}), data, sent))

    def wait(
        self,
        operation_id: str,
        changed: Callable[[Record], None] = lambda _: None,
        *,
        step_s: int = 30,
        timeout_s: float = float("inf"),
    ) -> Record:
        """Wait for an operation's end by long polls of ``step_s`` seconds; ``changed`` gets every answer.

        Raises ApiError ``wait_timeout`` after ``timeout_s``; the operation goes on.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            begun = time.monotonic()
            step = max(min(step_s, math.ceil(deadline - begun)), 0) if timeout_s < float("inf") else step_s
            operation: Record = self.get(route("operations", operation_id), wait=step)
            changed(operation)
            if operation["status"] in ENDED:
                return operation
            if time.monotonic() >= deadline:
                raise _late(operation_id, timeout_s)
            # A server that answers at once must not be asked in a tight circle.
            time.sleep(max(0.0, _LEAST_POLL_S - (time.monotonic() - begun)))

    def follow(self, last_id: str = "", **query: Any) -> Generator[Event, None, None]:
        """Follow the event stream after ``last_id`` for ever; goes on where it was when the connection is lost."""
        while True:
            headers = {"Accept": "text/event-stream", **self._headers()}
            if last_id:
                headers["Last-Event-ID"] = last_id
            try:
                with self._stream(_target("/v1/events", query), headers) as response:
                    for event in parse_events(response):
                        last_id = event.id or last_id
                        yield event
            except (OSError, http.client.HTTPException) as error:
                if not self._answered:
                    raise _unreachable(self._parts.netloc, error) from error
            finally:
                self.close()
            time.sleep(_EVENT_PAUSE_S)

    def send(self, path: str, chunks: Iterable[bytes], size: int, **query: Any) -> Any:
        """Send ``size`` bytes as they come by PUT. They are not sent again when the connection is lost."""
        headers = {**self._headers(), "Content-Type": "application/octet-stream", "Content-Length": str(size)}

        def send(link: http.client.HTTPConnection) -> None:
            try:
                link.request("PUT", _target(path, query), chunks, headers)
            except (BrokenPipeError, ConnectionResetError):
                return  # the server refused before the end: its answer says why

        if time.monotonic() - self._used_at > _IDLE_S:
            self.close()
        return _decode(self._exchange(False, send))

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": "zcloud"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _exchange(self, again: bool, send: Callable[[http.client.HTTPConnection], None]) -> Answer:
        pauses = iter(_PAUSES_S if self._answered else _FIRST_PAUSES_S)
        repeated = False
        while True:
            try:
                answer = self._once(send)
                if repeated and _in_flight(answer):
                    time.sleep(next(pauses))  # our own first try is still being answered
                    continue
                return _check(answer)
            except StopIteration:
                return _check(answer)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                pause = next(pauses, None)
                if not again or pause is None or not _was_lost(error, self._answered):
                    raise _unreachable(self._parts.netloc, error) from error
                repeated = True
                time.sleep(pause)

    def _once(self, send: Callable[[http.client.HTTPConnection], None]) -> Answer:
        link = self._connection = self._connection or self._connect()
        send(link)
        response = link.getresponse()
        answer = Answer(response.status, dict(response.headers), response.read())
        self._answered, self._used_at = True, time.monotonic()
        return answer

    def _stream(self, target: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        self.close()
        link = self._connection = self._connect()
        link.request("GET", target, headers=dict(headers))
        response = link.getresponse()
        self._answered = True
        if response.status != 200:
            _check(Answer(response.status, dict(response.headers), response.read()))
        return response

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=tls_context(self._ca))


def route(*parts: str) -> str:
    """Give the path of a thing of the API: ``route("instances", name, "start")``."""
    return "/v1/" + "/".join(quote(each, safe="") for each in parts)


def check_url(url: str) -> None:
    """Refuse a URL to which no secret may be sent: plain http to anywhere but this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host and (parts.scheme == "https" or (parts.scheme == "http" and LOOPBACK.fullmatch(host))):
        return
    raise ApiError(0, {"code": "invalid_url", "detail": f"{url!r} is not an https URL.", "hint": "https://HOST:8443"})


def tls_context(ca: str) -> ssl.SSLContext:
    """Give the TLS settings for an authority: a file, PEM text, or the system's; raises ApiError."""
    try:
        if ca.startswith("-----BEGIN"):
            return ssl.create_default_context(cadata=ca)
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        problem = {
            "code": "ca_unusable",
            "detail": f"The authority's certificate {ca[:200]!r} cannot be used: {error}.",
        }
        raise ApiError(0, problem) from error


def parse_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Give the events of a stream (HTML standard, 9.2.6: event stream interpretation); comments are passed over."""
    identity, kind, data = "", "", list[str]()
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            if data:
                yield Event(identity, kind or "message", _json("\n".join(data)))
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id":
            identity = value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _target(path: str, query: Mapping[str, Any]) -> str:
    given = [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, values in query.items()
        for value in (values if isinstance(values, (list, tuple)) else [values])
        if value not in (None, "")
    ]
    return f"{path}?{urlencode(given)}" if given else path


def _decode(answer: Answer) -> Any:
    return json.loads(answer.data) if answer.data else None


def _in_flight(answer: Answer) -> bool:
    return answer.status == 409 and b'"idempotency_in_flight"' in answer.data


def _check(answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    try:
        problem = json.loads(answer.data)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"code": f"http_{answer.status}", "detail": f"The server answered with HTTP status {answer.status}."}
    raise ApiError(answer.status, problem)


def _was_lost(error: Exception, answered: bool) -> bool:
    """Say whether a connection was lost, rather than never to be had (by a server that never answered) or too slow."""
    if isinstance(error, (TimeoutError, ssl.SSLCertVerificationError)):
        return False
    return answered or isinstance(error, (ConnectionResetError, http.client.IncompleteRead))


def _late(operation_id: str, timeout_s: float) -> ApiError:
    detail = f"The operation {operation_id} did not end within {timeout_s:g} s; it goes on."
    hint = f"Follow it: zcloud operation wait {operation_id}"
    return ApiError(0, {"code": "wait_timeout", "detail": detail, "hint": hint, "operation_id": operation_id})


def _unreachable(where: str, error: Exception) -> ApiError:
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = f"The certificate of {where} is not trusted: {error.verify_message}."
        hint = (
            "Give the server's authority: `zcloud login --ca FILE` (on the server: tls/ca.pem in its data directory)."
        )
        return ApiError(0, {"code": "server_untrusted", "detail": detail, "hint": hint})
    if isinstance(error, TimeoutError):
        detail = f"The server {where} did not answer in time."
    else:
        detail = f"The server {where} cannot be reached: {getattr(error, 'strerror', None) or error}."
    hint = "Check the address (`zcloud login --url`), and whether `zcloud serve` runs there."
    return ApiError(0, {"code": "server_unreachable", "detail": detail, "hint": hint})
