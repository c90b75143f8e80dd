"""What takes long, over a real server: following events, waiting for operations, consoles, and the server's end."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.api.conftest import Cloud
from tests.api.serving import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from zcloud.api import streams
from zcloud.api.app import create_app, end_streams
from zcloud.domain.errors import InUse
from zcloud.domain.instance import InstanceStatus
from zcloud.domain.operation import OperationStatus
from zcloud.services.tickets import Grant
from zcloud.store import Tx
from zcloud.store.operations import Due
from zcloud.tunnel import MAX_FRAME, Tunnel

SOON_S = 15.0


@pytest.fixture
def url(cloud: Cloud) -> Iterator[str]:
    """Serve the cloud on the loopback."""
    with serve(cloud.app) as served:
        yield served


def happen(cloud: Cloud, *names: str, project: str | None = None) -> None:
    """Let things happen in a project (home, unless named)."""

    def work(tx: Tx) -> None:
        for name in names:
            tx.events.add(
                "instance.changed",
                project_id=project or cloud.home.id,
                resource_kind="instance",
                resource_id=name,
                resource_name=name,
                message=f"{name} is\nnew",
            )

    cloud.store.transact(work)


@contextmanager
def follow(cloud: Cloud, url: str, user: str = "admin", query: str = "", **headers: str) -> Iterator[Iterator[Any]]:
    """Follow events; gives what yields (id, event)."""
    named = {
        "Accept": "text/event-stream",
        **cloud.headers(user),
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    with httpx.stream("GET", f"{url}/v1/events{query}", headers=named, timeout=SOON_S) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield _messages(answer.iter_lines())


def _messages(lines: Iterator[str]) -> Iterator[tuple[int, Any]]:
    number = 0
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            yield number, json.loads(value)


def test_events_come_as_they_happen_and_again_after_the_last_one_seen(cloud: Cloud, url: str) -> None:
    happen(cloud, "before")
    with follow(cloud, url) as events:
        threading.Timer(0.2, lambda: happen(cloud, "one", "two")).start()
        (first, one), (second, two) = next(events), next(events)
    assert [one["resource_name"], two["resource_name"]] == ["one", "two"]
    assert (one["seq"], one["message"]) == (first, "one is\nnew")
    with follow(cloud, url, Last_Event_ID=str(first)) as events:
        assert next(events)[0] == second
        begun = time.monotonic()
        happen(cloud, "three")
        assert next(events)[1]["resource_name"] == "three"
        assert time.monotonic() - begun < SOON_S
    with follow(cloud, url, query="?after=0") as events:
        assert [next(events)[1]["resource_name"] for _ in range(4)] == ["before", "one", "two", "three"]


def test_a_stream_holds_only_what_one_may_see(cloud: Cloud, url: str) -> None:
    with follow(cloud, url, "stranger", query="?after=0") as events:
        happen(cloud, "ours")
        happen(cloud, "theirs", project=cloud.other.id)
        assert next(events)[1]["resource_name"] == "theirs"
    with follow(cloud, url, query="?after=0&resource=theirs&kind=instance.") as events:
        assert next(events)[1]["resource_name"] == "theirs"


def test_a_burst_arrives_whole_and_in_order(cloud: Cloud, url: str) -> None:
    names = [f"n{number}" for number in range(700)]
    with follow(cloud, url, query="?after=0") as events:
        for at in range(0, len(names), 70):
            happen(cloud, *names[at : at + 70])
        assert [next(events)[1]["resource_name"] for _ in names] == names


def test_a_number_of_the_future_begins_now(cloud: Cloud, url: str) -> None:
    with follow(cloud, url, Last_Event_ID="999999") as events:
        threading.Timer(0.2, lambda: happen(cloud, "next")).start()
        assert next(events)[1]["code"] == "events_missed"  # it was given by another life of the server
        assert next(events)[1]["resource_name"] == "next"


def test_whoever_has_missed_something_is_told(cloud: Cloud, url: str) -> None:
    happen(cloud, *(f"n{number}" for number in range(10)))
    with cloud.store.read() as tx:
        last = tx.events.last_seq()
    cloud.store.transact(lambda tx: tx.events.prune(tx.now - timedelta(days=1), 4))
    with follow(cloud, url, Last_Event_ID=str(last - 7)) as events:
        told = next(events)[1]
        assert (told["code"], told["details"]["first"]) == ("events_missed", last - 3)
        assert next(events)[0] == last - 3
    with follow(cloud, url, Last_Event_ID=str(last - 4)) as events:
        assert next(events)[0] == last - 3  # everything since is there
    with follow(cloud, url, query="?after=0") as events:
        assert "code" not in next(events)[1]  # that asked for whatever there is


@pytest.mark.parametrize("last", ["x", "-1", "9" * 30, "1.5"])
def test_a_foreign_number_is_refused(cloud: Cloud, last: str) -> None:
    answer = cloud.get("/v1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": last})
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "Last-Event-ID")


def test_a_stream_ends_with_its_session(cloud: Cloud, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_HEARTBEAT_S", 0.3)
    with follow(cloud, url, "member") as events:
        cloud.post("/v1/logout", user="member")
        assert list(events) == []


def test_streams_and_polls_end_with_the_server(cloud: Cloud, url: str) -> None:
    with follow(cloud, url) as events:
        threading.Timer(0.3, lambda: end_streams(cloud.app)).start()
        assert list(events) == []
    begun = time.monotonic()
    answer = httpx.get(f"{url}/v1/operations/{cloud.operation.id}?wait=30", headers=cloud.headers("admin"))
    assert answer.json()["status"] == "queued"
    assert time.monotonic() - begun < SOON_S


def test_a_poll_answers_at_the_operations_end(cloud: Cloud, url: str) -> None:
    def succeed() -> None:
        seen = Due(cloud.operation.id, 0)
        cloud.store.transact(lambda tx: tx.operations.take(seen, "worker-1"))
        cloud.store.transact(lambda tx: tx.operations.end(seen._replace(epoch=1), OperationStatus.SUCCEEDED))

    path = f"{url}/v1/operations/{cloud.operation.id}"
    begun = time.monotonic()
    early = httpx.get(f"{path}?wait=1", headers=cloud.headers("viewer"), timeout=SOON_S)
    assert (early.json()["status"], 1 <= time.monotonic() - begun < SOON_S) == ("queued", True)
    threading.Timer(0.3, succeed).start()
    begun = time.monotonic()
    answer = httpx.get(f"{path}?wait=30", headers=cloud.headers("viewer"), timeout=SOON_S)
    assert answer.json()["status"] == "succeeded"
    assert time.monotonic() - begun < SOON_S


def test_many_may_wait_and_others_are_answered_all_the_same(cloud: Cloud, url: str) -> None:
    path, headers = f"{url}/v1/operations/{cloud.operation.id}?wait=30", cloud.headers("viewer")
    threads = [threading.Thread(target=lambda: httpx.get(path, headers=headers, timeout=60)) for _ in range(60)]
    for thread in threads:
        thread.start()
    time.sleep(1)  # all of them wait now, more than there are threads in the pool
    assert httpx.get(f"{url}/v1/me", headers=headers, timeout=SOON_S).status_code == 200
    end_streams(cloud.app)
    for thread in threads:
        thread.join()


class Guest:
    """A console that says hello and then echoes."""

    def __init__(self) -> None:
        self._data, self._open, self._more = b"login: ", True, threading.Condition()

    def read(self, limit: int = 65536) -> bytes:
        """Give what there is, when there is something; nothing at the end."""
        with self._more:
            self._more.wait_for(lambda: self._data or not self._open, timeout=20)
            found, self._data = self._data[:limit], self._data[limit:]
            return found

    def write(self, data: bytes) -> None:
        """Echo."""
        with self._more:
            self._data += data
            self._more.notify_all()

    def close(self) -> None:
        """End."""
        with self._more:
            self._open = False
            self._more.notify_all()

    @property
    def closed(self) -> bool:
        """Say whether the console was given up."""
        return not self._open


@dataclasses.dataclass
class Consoles:
    """A served cloud with consoles that one can have at a time."""

    cloud: Cloud
    url: str = ""
    guests: list[Guest] = dataclasses.field(default_factory=list)

    def open(self, _grant: Grant, force: bool) -> Guest:
        """Open a console as a host would."""
        if not force and any(not guest.closed for guest in self.guests):
            raise InUse("Somebody has the console open.")
        for guest in self.guests:
            guest.close()
        self.guests.append(Guest())
        return self.guests[-1]

    def ticket(self, user: str = "member", force: bool = False) -> str:
        """Give the path that lets in."""
        return str(self.cloud.post("/v1/instances/db/console", {"force": force}, user).json()["url"])

    def connect(self, path: str, origin: Any = None) -> ClientConnection:
        """Connect as a client would."""
        return connect(self.url.replace("http", "ws") + path, open_timeout=SOON_S, origin=origin)

    def refused(self, path: str) -> tuple[int, str]:
        """Give the code and reason with which a connection is closed."""
        with self.connect(path) as socket, pytest.raises(ConnectionClosed) as closed:
            socket.recv(SOON_S)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason


@pytest.fixture
def consoles(cloud: Cloud) -> Iterator[Consoles]:
    """Serve consoles."""
    made = Consoles(cloud)
    console = Tunnel(cloud.parts.tickets, made.open).route()
    with serve(create_app(dataclasses.replace(cloud.parts, console=console)), ws="websockets-sansio") as url:
        made.url = url
        yield made


def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_console_carries_bytes_both_ways(consoles: Consoles) -> None:
    with consoles.connect(consoles.ticket()) as socket:
        assert socket.recv(SOON_S) == b"login: "
        socket.send(b"\x00\xffroot\r")
        assert socket.recv(SOON_S) == b"\x00\xffroot\r"
    until(lambda: consoles.guests[0].closed)


def test_a_ticket_lets_in_once(consoles: Consoles) -> None:
    path = consoles.ticket()
    with consoles.connect(path) as socket:
        socket.recv(SOON_S)
        assert consoles.refused(path)[0] == 4401
    for wrong in ("/v1/console", "/v1/console?ticket=", "/v1/console?ticket=" + "x" * 300, "/v1/console?ticket=%C3%A9"):
        assert consoles.refused(wrong)[0] == 4400
    assert consoles.refused("/v1/console?ticket=nonsense")[0] == 4401


def test_a_second_one_waits_or_takes_over(consoles: Consoles) -> None:
    with consoles.connect(consoles.ticket()) as first:
        assert first.recv(SOON_S) == b"login: "
        code, reason = consoles.refused(consoles.ticket())
        assert (code, reason) == (4409, "in_use: Somebody has the console open.")
        with consoles.connect(consoles.ticket(force=True)) as second:
            assert second.recv(SOON_S) == b"login: "
            with pytest.raises(ConnectionClosed):
                first.recv(SOON_S)


def test_foreign_pages_are_turned_away(consoles: Consoles) -> None:
    with pytest.raises(InvalidStatus) as refused:
        consoles.connect(consoles.ticket(), origin="https://evil.test")
    assert refused.value.response.status_code == 403
    with consoles.connect(consoles.ticket(), origin=consoles.url) as socket:
        assert socket.recv(SOON_S) == b"login: "


def test_frames_are_binary_and_bounded(consoles: Consoles) -> None:
    for frame, code in (("text", 1003), (bytes(MAX_FRAME + 1), 1009)):
        with consoles.connect(consoles.ticket()) as socket:
            socket.recv(SOON_S)
            socket.send(frame)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(SOON_S)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
        until(lambda: consoles.guests[-1].closed)


def stop(tx: Tx, cloud: Cloud) -> None:
    tx.instances.update(cloud.running.id, status=InstanceStatus.STOPPED)


def start_anew(tx: Tx, cloud: Cloud) -> None:
    tx.instances.update(cloud.running.id, incarnation=2)


def sign_out(tx: Tx, cloud: Cloud) -> None:
    tx.sessions.delete_of_user(tx.users.resolve("member").id)


def send_away(tx: Tx, cloud: Cloud) -> None:
    tx.projects.remove_member(cloud.home.id, tx.users.resolve("member").id)


def shut_out(tx: Tx, cloud: Cloud) -> None:
    tx.users.update(tx.users.resolve("member").id, disabled=True)


CHANGES = [(stop, 4409), (start_anew, 4409), (sign_out, 4401), (send_away, 4404), (shut_out, 4401)]


@pytest.mark.parametrize(("change", "code"), CHANGES)
def test_a_ticket_is_worth_what_its_owner_still_may(consoles: Consoles, change: Any, code: int) -> None:
    path = consoles.ticket()
    consoles.cloud.store.transact(lambda tx: change(tx, consoles.cloud))
    assert consoles.refused(path)[0] == code
    assert consoles.guests == []


@pytest.mark.parametrize(("change", "code"), CHANGES)
def test_an_open_console_ends_with_the_right_to_it(consoles: Consoles, change: Any, code: int) -> None:
    with consoles.connect(consoles.ticket()) as socket:
        socket.recv(SOON_S)
        consoles.cloud.store.transact(lambda tx: change(tx, consoles.cloud))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(SOON_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code
    until(lambda: consoles.guests[0].closed)
