"""How LUNs are taken, whoever else takes them at the same time, and what is made of a target's words."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from tests.conformance.records import new_pool
from tests.conformance.test_storage import BASE, open_image

from zcloud.domain.errors import (
    CommandFailed,
    InUse,
    InvalidInput,
    PoolCannot,
    PoolFull,
    StorageFailed,
    ToolMissing,
    ZcloudError,
)
from zcloud.domain.storage import MIB
from zcloud.drivers import lunlist
from zcloud.drivers.iscsi import Login, Target
from zcloud.drivers.lunlist import LunList
from zcloud.drivers.lunpool import parse_luns, parse_portal
from zcloud.drivers.storage.base import Arrival, Feature, VolumeSpec
from zcloud.drivers.storage.iscsi import IscsiPool
from zcloud.ports import Completed
from zcloud.testing.fakes import FakeLink


class Memory:
    """A target in memory; ``turn`` is asked before each of its verbs."""

    name = "iqn.2026-01.test:disks"

    def __init__(self, turn: Callable[[], None] = lambda: None) -> None:
        self.data, self.turn = bytearray(MIB), turn

    def room(self, lun: int) -> int | None:
        return lun * MIB

    def read(self, _lun: int, start: int, size: int) -> bytes:
        self.turn()
        return bytes(self.data[start : start + size])

    def write(self, _lun: int, start: int, data: bytes) -> None:
        self.turn()
        self.data[start : start + len(data)] = data


class Turns:
    """Lets threads go on one at a time, each for one verb, in an order that ``dice`` give."""

    def __init__(self, dice: random.Random, workers: int) -> None:
        self.dice, self.cond = dice, threading.Condition()
        self.waiting: set[int] = set()
        self.left, self.chosen = workers, 0

    def wait(self) -> None:
        me = threading.get_ident()
        with self.cond:
            self.waiting.add(me)
            self._choose()
            assert self.cond.wait_for(lambda: self.chosen == me, 60)
            self.waiting.discard(me)
            self.chosen = 0

    def end(self) -> None:
        with self.cond:
            self.left -= 1
            self._choose()

    def _choose(self) -> None:
        if len(self.waiting) == self.left and self.left:
            self.chosen = self.dice.choice(sorted(self.waiting))
            self.cond.notify_all()


@pytest.mark.parametrize("seed", range(25))
def test_no_lun_is_ever_taken_twice(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lunlist, "_TAKING", contextlib.nullcontext())  # as if each were in a process of its own
    turns = Turns(random.Random(seed), 3)
    memory = Memory(turns.wait)
    taken: list[int] = []

    def work(number: int) -> None:
        luns, dice = LunList(memory, (0, 1, 2, 3, 4)), random.Random(seed * 10 + number)  # type: ignore[arg-type]
        try:
            for turn in range(4):
                name = f"{number}.{turn}"
                with contextlib.suppress(PoolFull):
                    lun, _ = luns.take(name, MIB)
                    assert lun not in taken
                    taken.append(lun)
                    if dice.random() < 0.5:
                        assert luns.take(name, MIB)[0] == lun
                    taken.remove(lun)
                luns.give_back(name)
        finally:
            turns.end()

    failed: list[BaseException] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: failed.append(args.exc_value))
    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert failed == []
    memory.turn = lambda: None
    units = LunList(memory, (0, 1, 2, 3, 4)).units()  # type: ignore[arg-type]
    assert all(unit.entry is None for unit in units.values())
    assert sum(unit.free for unit in units.values()) >= 2


def test_one_through_which_nobody_got_is_free_when_who_shut_it_is_gone() -> None:
    luns = LunList(Memory(), (0, 1, 2))  # type: ignore[arg-type]
    luns._write(luns._at(1), {"name": "other"})
    luns._write(luns._at(1) + lunlist.REGISTER, {"name": "mine"})
    assert luns.take("mine", 1)[0] == 2
    luns.give_back("mine")
    assert not luns.units()[1].free  # the other one may be about to get through
    luns.take("other", 1)
    luns.give_back("mine")
    luns.give_back("other")
    assert all(unit.free for unit in luns.units().values())


def test_who_got_through_keeps_it_though_one_who_came_too_late_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lunlist, "_TAKING", contextlib.nullcontext())
    memory = Memory()
    luns, late = LunList(memory, (0, 1)), LunList(memory, (0, 1))  # type: ignore[arg-type]
    monkeypatch.setattr(late, "_enter", lambda lun, name: luns._enter(lun, "slow") and LunList._enter(late, lun, name))
    with pytest.raises(PoolFull):
        late.take("late", 1)  # between its look and the door "slow" gets through, and writes no entry yet
    late.give_back("late")
    with pytest.raises(PoolFull):
        LunList(memory, (0, 1)).take("third", 1)  # type: ignore[arg-type]
    luns.give_back("slow")
    assert luns.units()[1].free


@pytest.mark.parametrize("order", [("shut", "door"), ("door", "shut")])
def test_one_that_two_lost_is_free_when_both_are_gone(order: tuple[str, str]) -> None:
    luns = LunList(Memory(), (0, 1))  # type: ignore[arg-type]
    luns._write(luns._at(1), {"name": "door"})
    luns._write(luns._at(1) + lunlist.REGISTER, {"name": "shut"})
    luns.give_back(order[0])
    assert not luns.units()[1].free
    luns.give_back(order[1])
    assert luns.units()[1].free


def test_who_was_stopped_after_getting_through_has_it() -> None:
    luns = LunList(Memory(), (0, 1, 2))  # type: ignore[arg-type]
    for register in (0, 1):
        luns._write(luns._at(2) + register * lunlist.REGISTER, {"name": "mine"})
    assert luns.take("mine", 1)[0] == 2


def test_the_smallest_that_is_large_enough_is_taken_or_all_are_told() -> None:
    luns = LunList(Memory(), (0, 1, 2, 3))  # type: ignore[arg-type]
    assert luns.take("a", 2 * MIB)[0] == 2
    with pytest.raises(PoolFull, match=r"LUN 1 has 1048576, LUN 3 has 3145728"):
        luns.take("b", 4 * MIB)


@pytest.fixture
def pool() -> tuple[IscsiPool, FakeLink]:
    link = FakeLink()
    driver = IscsiPool(new_pool("iscsi"), link)
    driver.join()
    driver.ensure_pool()
    return driver, link


def test_another_pool_s_luns_are_refused_and_so_is_what_is_no_list(pool: tuple[IscsiPool, FakeLink]) -> None:
    _, link = pool
    other = IscsiPool(new_pool("iscsi"), link)
    other.join()
    with pytest.raises(InUse):
        other.ensure_pool()
    before = dict(link.shell.iscsi.blocks)
    other.remove_pool()
    assert link.shell.iscsi.blocks == before
    link.shell.iscsi.blocks[1, 0] = b"somebody's file system".ljust(4096, b"\0")
    with pytest.raises(StorageFailed, match="not a list"):
        other.ensure_pool()


def test_a_volume_sees_nothing_of_who_had_its_lun(pool: tuple[IscsiPool, FakeLink]) -> None:
    driver, link = pool
    for lun in range(2, 25):
        link.shell.iscsi.blocks[lun, 4096] = b"x" * 4096
    source = driver.ensure_volume(VolumeSpec(str(uuid4()), 4 * MIB))
    lun = int(source.path.rpartition("/")[2])
    assert (lun, 4096) not in link.shell.iscsi.blocks
    assert source.network is not None
    assert source.network.size == 4 * MIB


def test_what_it_cannot_do_is_refused(pool: tuple[IscsiPool, FakeLink]) -> None:
    driver, _ = pool
    spec = VolumeSpec(str(uuid4()), 4 * MIB)
    driver.ensure_volume(spec)
    with pytest.raises(PoolCannot):
        driver.grow_volume(replace(spec, size=8 * MIB), in_use=False)
    with pytest.raises(PoolCannot):
        driver.take_snapshot(spec, str(uuid4()))
    assert Feature.GROW_LIVE not in driver.INFO.features
    driver.grow_volume(spec, in_use=False)


def test_the_password_is_in_no_command(pool: tuple[IscsiPool, FakeLink]) -> None:
    driver, link = pool
    driver.ensure_volume(VolumeSpec(str(uuid4()), 4 * MIB))
    assert "secretsecret12" not in json.dumps(link.shell.history)
    link.hypervisor.drop_secret(driver._id)
    assert driver.join() is True


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ("Failed to log in to target. Status: Authentication failure(513)", StorageFailed, "let the host in"),
        ("iscsi_service failed with : Can not reconnect right now.", StorageFailed, "192.0.2.9:3260"),
        ("Unknown driver 'iscsi'", ToolMissing, "no iSCSI"),
    ],
)
def test_errors_say_what_it_is(words: str, error: type[ZcloudError], says: str) -> None:
    class Said:
        def run(self, argv: list[str], **options: Any) -> Completed:
            return Completed(1, b"", f"qemu-img: Could not open 'json:{{{{}}}}': iSCSI: {words}\n".encode())

    login = Login("192.0.2.9", 3260, "iqn.2026-01.test:disks", "iqn.2026-01.test:zcloud", "", "", "")
    with pytest.raises(error, match=says):
        Target(Said(), login, "/p").room(1)  # type: ignore[arg-type]


def test_options() -> None:
    assert parse_portal("192.0.2.9") == ("192.0.2.9", 3260)
    assert parse_portal("[2001:db8::9]:860") == ("[2001:db8::9]", 860)
    assert parse_luns("1-3") == (1, 2, 3)
    for portal in ("", "a b", "x:0", "x:70000", "x/y", "-x", 'x"'):
        with pytest.raises(InvalidInput):
            parse_portal(portal)
    for luns in ("1-1", "3-1", "0-64", "250-256"):
        with pytest.raises(InvalidInput):
            parse_luns(luns)
    for wrong in (
        {"target": 'iqn.2026-01.test:"'},
        {"luns": "1"},
        {"user": 'a"b'},
        {"initiator": "eui.1"},
        {"user": ""},
    ):
        with pytest.raises(InvalidInput):
            IscsiPool(new_pool("iscsi", **wrong), FakeLink()).join()


class Killed(BaseException):
    """A worker's end, in the middle of a command: nothing is tidied up."""


def _make(driver: IscsiPool, spec: VolumeSpec) -> None:
    driver.ensure_base(BASE, open_image)
    driver.ensure_volume(spec)


def _arrive(driver: IscsiPool, spec: VolumeSpec) -> None:
    """As a copy from elsewhere comes, of a volume that was smaller, whose LUN is too small for it."""
    if driver.arrival(spec) is not Arrival.WHOLE:
        driver.prepare_arrival(replace(spec, size=2 * MIB))
        driver.settle_volume(spec)


@pytest.mark.parametrize(("work", "error"), [(_make, Killed()), (_arrive, Killed()), (_make, CommandFailed("No."))])
def test_whoever_goes_on_after_any_command_finds_it_whole_and_all_luns_come_back(
    work: Callable[[IscsiPool, VolumeSpec], None], error: ZcloudError
) -> None:
    for number in range(1, 400):
        link, record = FakeLink(), new_pool("iscsi", luns="1-5")
        link.shell.iscsi.sizes = {1: 2 * MIB, 2: 2 * MIB, 3: 8 * MIB, 4: 8 * MIB, 5: 8 * MIB}
        driver = IscsiPool(record, link)
        driver.join()
        driver.ensure_pool()
        spec = VolumeSpec(str(uuid4()), 4 * MIB, BASE if work is _make else None)
        link.shell.fail_at(len(link.shell.history) + number, error)
        failed = False
        try:
            work(driver, spec)
        except (ZcloudError, Killed):
            failed = True
        link.shell.heal()
        again = IscsiPool(record, link)
        work(again, spec)
        assert [each.id for each in again.list_volumes()] == [spec.id]
        assert again.ensure_volume(spec) == again.disk_source(spec)
        again.delete_volume(spec.id)
        again.delete_base(BASE.digest)
        assert all(unit.free for unit in again._list.units().values()), number
        again.remove_pool()
        again.leave()
        if not failed:
            break
    else:
        raise AssertionError("it never came to an end")
