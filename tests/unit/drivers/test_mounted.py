"""What a host needs for a pool that hosts share, where several want it at once or somebody is killed meanwhile."""

from __future__ import annotations

import pytest
from tests.conformance.records import new_pool

from zcloud.domain.errors import StorageFailed
from zcloud.drivers import registry
from zcloud.drivers.storage.nfs import NfsPool
from zcloud.ports import Completed
from zcloud.testing.fakes import FakeLink


def test_who_finds_it_mounted_by_another_meanwhile_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    link, record = FakeLink(), new_pool("nfs")
    driver, run = NfsPool(record, link), link.shell.run

    def late(argv: list[str], **options: object) -> Completed:
        if argv[0] != "mount":
            return run(argv, **options)  # type: ignore[arg-type]
        if not driver._mounted():
            run(argv)
        return Completed(32, b"", b"mount.nfs: the place is busy or already mounted")

    monkeypatch.setattr(link.shell, "run", late)
    assert driver.join() is False
    assert driver._mounted() == driver.source
    driver.leave()
    assert not driver._mounted()


def test_one_that_cannot_be_mounted_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink()
    driver, run = NfsPool(new_pool("nfs"), link), link.shell.run
    refused = Completed(32, b"", b"mount.nfs: Connection refused")
    monkeypatch.setattr(link.shell, "run", lambda argv, **rest: refused if argv[0] == "mount" else run(argv, **rest))
    with pytest.raises(StorageFailed, match="Connection refused"):
        driver.join()


class Killed(BaseException):
    """A worker's end, in the middle of a command: nothing is tidied up."""


@pytest.mark.parametrize("kind", ["iscsi", "rbd"])
@pytest.mark.parametrize("again", [False, True])
def test_a_secret_that_was_left_without_its_value_gets_it(
    kind: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink()
    driver = registry.storage(new_pool(kind), link)
    if again:
        driver.join()
        for uuid in list(link.hypervisor.secrets):
            link.hypervisor.drop_secret(uuid)
    keep = link.hypervisor.keep_secret

    def define_only(uuid: str, kind: str, name: str, value: bytes) -> None:
        keep(uuid, kind, name, b"")
        raise Killed

    monkeypatch.setattr(link.hypervisor, "keep_secret", define_only)
    with pytest.raises(Killed):
        driver.join()
    monkeypatch.undo()
    assert driver.join() is True
    assert all(value for value in link.hypervisor.secrets.values())
    assert driver.join() is False
