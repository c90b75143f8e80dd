"""A host that hangs holds up nobody but who asks that very host, and pages say from when their data is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from tests.web.conftest import Web
from tests.web.test_pages import paths

from zcloud.domain.host import HostState
from zcloud.testing.fakes import FakeHypervisor, FakeLink


@dataclass(slots=True)
class Silence:
    """How many questions a host has been asked and not answered; all are answered once it ``ends``."""

    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ends: threading.Event = field(default_factory=threading.Event)


class _Hanging(FakeHypervisor):
    def __init__(self, silence: Silence) -> None:
        super().__init__()
        self._silence = silence

    def domain_xml(self, uuid: str, *, inactive: bool = True) -> str | None:
        self._silence.asked.release()
        self._silence.ends.wait(60)
        return "<domain/>"


@pytest.fixture(autouse=True)
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    """Have every host of the console's cloud hang; made before it, as it is autouse."""
    made = Silence()
    monkeypatch.setattr("tests.api.conftest._a_host", lambda host_id: FakeLink(hypervisor=_Hanging(made)))
    yield made
    made.ends.set()


def test_pages_do_not_wait_for_a_host_that_hangs(silence: Silence, web: Web) -> None:
    definition = f"/instances/{web.cloud.running.id}/xml"
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(web.get, definition) for _ in range(2)]
        try:
            assert all(silence.asked.acquire(timeout=20) for _ in waiting)
            for path in paths(web):
                if not path.endswith("/xml") and "/disks" not in path:
                    assert web.get(path).status_code == 200, path
            assert web.get(definition).status_code == 429
            assert not any(each.done() for each in waiting)
        finally:
            silence.ends.set()
        assert [each.result(20).status_code for each in waiting] == [200, 200]


def test_a_lost_host_is_told_where_its_data_is_shown(web: Web) -> None:
    with web.cloud.store.write() as tx:
        tx.hosts.update(web.cloud.host.id, state=HostState.LOST, state_reason="It does not answer by SSH.")
    assert "from when it answered last" in web.get(f"/hosts/{web.cloud.host.id}").text
    page = web.get(f"/instances/{web.cloud.running.id}").text
    assert "anton does not answer" in page
    assert "does not answer" not in web.get(f"/networks/{web.cloud.network.id}").text
