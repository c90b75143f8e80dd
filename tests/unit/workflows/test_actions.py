"""One verb for many instances: each has its own outcome, and a dry run changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zcloud.domain.errors import InvalidInput, NotFound
from zcloud.domain.instance import InstanceSpec, InstanceStatus
from zcloud.domain.operation import OperationStatus
from zcloud.domain.people import Actor, Role
from zcloud.services import actions
from zcloud.services.actions import Action, Actions, Outcome, Selection
from zcloud.services.instances import InstanceQuery
from zcloud.store import Store
from zcloud.testing.cloud import ADMIN, FakeCloud

SPEC = InstanceSpec(name="web", image="tiny", vcpus=1, memory_mib=256)
ALL = Selection(InstanceQuery(), everything=True)


@pytest.fixture
def cloud(sqlite_store: Store, tmp_path: Path) -> Iterator[FakeCloud]:
    made = FakeCloud(sqlite_store, tmp_path)
    made.start()
    made.add_host("alpha")
    for name, tags in (("a", ("web", "x")), ("b", ("web",)), ("c", ())):
        made.wait(made.launch.launch(ADMIN, "", replace(SPEC, name=name, tags=tags))[1])
    yield made
    made.stop()


def act(cloud: FakeCloud, selection: Selection, verb: str, *, dry_run: bool = False, **arguments: Any) -> list[Outcome]:
    return Actions(cloud.services).act(ADMIN, selection, Action(verb, arguments), dry_run=dry_run)


def statuses(cloud: FakeCloud) -> dict[str, InstanceStatus]:
    return {each.name: each.status for each in cloud.read(lambda tx: tx.instances.all())}


def test_each_has_an_operation_or_a_refusal(cloud: FakeCloud) -> None:
    stopped = act(cloud, Selection(InstanceQuery(tags=("web",))), "stop", force=True)
    assert [each.name for each in stopped] == ["a", "b"]
    for each in stopped:
        assert each.operation is not None
        assert cloud.wait(each.operation).status is OperationStatus.SUCCEEDED
    outcomes = {each.name: each for each in act(cloud, ALL, "start")}
    assert outcomes["c"].refusal is not None
    assert outcomes["c"].refusal.code == "wrong_state"
    assert {name for name, each in outcomes.items() if each.operation} == {"a", "b"}


def test_a_dry_run_says_the_same_and_changes_nothing(cloud: FakeCloud) -> None:
    before = cloud.read(
        lambda tx: (tx.instances.all(), tx.operations.page(sort="created_at").items, tx.events.last_seq())
    )
    for verb in ("stop", "restart", "pause", "resume", "save", "restore", "delete", "reset", "start"):
        outcomes = act(cloud, ALL, verb, dry_run=True)
        fits = verb not in ("start", "resume", "restore")
        assert [(each.name, each.operation, each.refusal is None) for each in outcomes] == [
            (name, None, fits) for name in ("a", "b", "c")
        ]
    assert (
        cloud.read(lambda tx: (tx.instances.all(), tx.operations.page(sort="created_at").items, tx.events.last_seq()))
        == before
    )


def test_tags_are_changed_at_once(cloud: FakeCloud) -> None:
    assert all(each.operation is None and each.refusal is None for each in act(cloud, ALL, "tag", tags=("new", "x")))
    act(cloud, Selection(InstanceQuery(tags=("web",))), "untag", tags=("web", "never"))
    tags = {each.name: each.tags for each in cloud.read(lambda tx: tx.instances.all())}
    assert tags == {"a": ("new", "x"), "b": ("new", "x"), "c": ("new", "x")}


def test_names_that_are_not_there_are_told_one_by_one(cloud: FakeCloud) -> None:
    outcomes = act(cloud, Selection(InstanceQuery(), ("a", "nobody", "a")), "pause")
    assert [(each.name, each.refusal and each.refusal.code) for each in outcomes] == [
        ("a", None),
        ("nobody", "not_found"),
    ]


def test_what_is_meant_has_to_be_said(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="Say which instances"):
        act(cloud, Selection(InstanceQuery()), "stop")
    with pytest.raises(InvalidInput, match="takes no purge"):
        act(cloud, ALL, "stop", purge=True)
    with pytest.raises(InvalidInput, match="which tags"):
        act(cloud, ALL, "tag")
    monkeypatch.setattr(actions, "MAX_INSTANCES", 2)
    with pytest.raises(InvalidInput, match="More than 2"):
        act(cloud, ALL, "stop")
    assert set(statuses(cloud).values()) == {InstanceStatus.RUNNING}


def test_nobody_reaches_what_is_not_theirs(cloud: FakeCloud) -> None:
    other = cloud.read(lambda tx: tx.projects.resolve("default"))
    viewer = Actor(user_id="u", user_name="eve", role=None, project_roles=((other.id, Role.VIEWER),))
    outcomes = Actions(cloud.services).act(viewer, ALL, Action("stop", {}))
    assert {each.refusal.code for each in outcomes if each.refusal} == {"forbidden"}
    stranger = Actor(user_id="u", user_name="eve", role=None, project_roles=())
    assert Actions(cloud.services).act(stranger, ALL, Action("stop", {})) == []
    with pytest.raises(NotFound):
        Actions(cloud.services).act(stranger, Selection(InstanceQuery("default"), ("a",)), Action("stop", {}))
    assert set(statuses(cloud).values()) == {InstanceStatus.RUNNING}
