"""The order of a group: who starts when, what is waited for, and what becomes of the others when one fails."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tests import builders

from zcloud.domain.group import (
    Member,
    Otherwise,
    Part,
    Progress,
    Stand,
    Until,
    held_by,
    plan_start,
    plan_stop,
    stand,
    waves,
)
from zcloud.domain.instance import Instance, InstanceStatus, Power, Ready

NOW = builders.NOW
_S = InstanceStatus


def member(id: str, order: int, until: Until = Until.STARTED, delay_s: int = 0, *, go_on: bool = False) -> Member:
    return Member(id, "g", order, until, delay_s, Otherwise.GO_ON if go_on else Otherwise.STOP)


def off(id: str, **changes: object) -> Instance:
    return builders.instance("p", "h", "i", **{"id": id, "status": _S.STOPPED, "desired": Power.STOPPED, **changes})


def on(id: str, **changes: object) -> Instance:
    return off(id, **{"status": _S.RUNNING, "desired": Power.RUNNING, "started_at": NOW, **changes})


def by_id(*instances: Instance) -> Mapping[str, Instance]:
    return {each.id: each for each in instances}


DB, APP, WEB = member("db", 1, Until.READY), member("app", 2), member("web", 3)
WENT, RUNS, FAILED = Part(ended=True, failed=False), Part(ended=False, failed=False), Part(ended=True, failed=True)


def test_equal_orders_go_together() -> None:
    both = [WEB, member("b", 2), member("a", 2), DB]
    assert [[each.instance_id for each in wave] for wave in waves(both)] == [["db"], ["a", "b"], ["web"]]


def test_how_a_member_stands() -> None:
    for instance, expected in (
        (off("db"), Stand.AWAY),
        (off("db", desired=Power.RUNNING), Stand.FAILED),
        (off("db", error={"code": "x"}), Stand.FAILED),
        (off("db", down_with="boot"), Stand.COMING),
        (off("db", operation_id="o"), Stand.COMING),
        (off("db", status=_S.UNKNOWN), Stand.COMING),
        (on("db", ready=Ready.WAITING), Stand.COMING),
        (on("db", ready=Ready.FAILED), Stand.FAILED),
        (on("db", ready=Ready.READY), Stand.THERE),
        (on("db", ready=Ready.NONE), Stand.THERE),
    ):
        assert stand(DB, instance, NOW) is expected, instance
    assert stand(member("db", 1), on("db", ready=Ready.WAITING), NOW) is Stand.THERE


def test_a_delay_counts_from_what_was_waited_for() -> None:
    started, ready = member("db", 1, delay_s=30), member("db", 1, Until.READY, 30)
    instance = on("db", ready=Ready.READY, observed={"ready_at": (NOW + timedelta(seconds=60)).isoformat()})
    for seconds, stands in ((29, "coming coming"), (31, "there coming"), (89, "there coming"), (91, "there there")):
        now = NOW + timedelta(seconds=seconds)
        assert f"{stand(started, instance, now)} {stand(ready, instance, now)}" == stands


def test_a_start_goes_from_one_to_the_next() -> None:
    members = [DB, APP, WEB]
    steps = [
        (by_id(off("db"), off("app"), off("web")), {}, Progress(begin=("db",), held=("app", "web"))),
        (by_id(on("db", operation_id="o"), off("app"), off("web")), {"db": RUNS},
         Progress(coming=("db",), held=("app", "web"))),
        (by_id(on("db", ready=Ready.WAITING), off("app"), off("web")), {"db": WENT},
         Progress(coming=("db",), held=("app", "web"))),
        (by_id(on("db", ready=Ready.READY), off("app"), off("web")), {"db": WENT},
         Progress(begin=("app",), held=("web",), done=1)),
        (by_id(on("db", ready=Ready.READY), on("app"), on("web")), {"db": WENT, "app": WENT}, Progress(done=3)),
    ]  # fmt: skip
    for instances, parts, expected in steps:
        assert plan_start(members, instances, parts, NOW) == expected


def test_the_last_one_s_delay_keeps_nobody() -> None:
    assert plan_start([member("a", 1, delay_s=60)], by_id(on("a")), {}, NOW) == Progress(done=1)


def test_one_that_fails_keeps_the_others_off_or_not() -> None:
    instances = by_id(off("db"), off("app"))
    stopped = plan_start([DB, APP], instances, {"db": FAILED}, NOW)
    assert stopped == Progress(failed=("db",), held=("app",))
    went_on = plan_start([member("db", 1, go_on=True), APP], instances, {"db": FAILED}, NOW)
    assert went_on == Progress(begin=("app",), failed=("db",))


def test_a_guest_that_goes_down_again_has_failed() -> None:
    gone = off("db", desired=Power.RUNNING)
    assert plan_start([DB, APP], by_id(gone, off("app")), {"db": WENT}, NOW).failed == ("db",)


def test_a_stop_goes_the_other_way_round() -> None:
    members = [DB, APP, WEB]
    all_on = by_id(on("db"), on("app"), on("web"))
    assert plan_stop(members, all_on, {}) == Progress(begin=("web",), held=("app", "db"))
    assert plan_stop(members, all_on, {"web": FAILED}) == Progress(failed=("web",), held=("app", "db"))
    web_off = by_id(on("db"), on("app", status=_S.PAUSED), off("web"))
    assert plan_stop(members, web_off, {"web": WENT}) == Progress(begin=("app",), held=("db",), done=1)
    busy = by_id(on("db", operation_id="o"), off("app"), off("web"))
    assert plan_stop(members, busy, {}) == Progress(coming=("db",), done=2)


def test_who_is_held_by_whom() -> None:
    members = [DB, APP, WEB]
    assert held_by(DB, members, {"app": Stand.FAILED}) is None
    assert held_by(WEB, members, {"db": Stand.THERE, "app": Stand.AWAY}) is None
    assert held_by(WEB, members, {"db": Stand.COMING, "app": Stand.THERE}) == (Stand.COMING, DB)
    assert held_by(WEB, members, {"db": Stand.THERE, "app": Stand.FAILED}) == (Stand.FAILED, APP)
    assert held_by(WEB, [DB, member("app", 2, go_on=True), WEB], {"app": Stand.FAILED}) is None
