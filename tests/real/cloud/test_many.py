"""One verb for many real guests: those of a tag, of a state, or of a list of names."""

from __future__ import annotations

from tests.real.cloud.conftest import ADMIN, Cloud

from zcloud.domain.errors import WrongState
from zcloud.domain.instance import Instance, InstanceSpec, InstanceStatus
from zcloud.services.actions import Action, Actions, Outcome, Selection
from zcloud.services.instances import InstanceQuery

NAMES = ("fleet-1", "fleet-2", "fleet-3")
TAGGED = Selection(InstanceQuery(tags=("fleet",)))


def test_three_guests_by_tag_filter_and_name(cloud: Cloud) -> None:
    actions = Actions(cloud.runtime.services)
    for name in NAMES:
        tags = ("fleet", "odd") if name != "fleet-2" else ("fleet",)
        spec = InstanceSpec(name=name, image="tiny", vcpus=1, memory_mib=128, tags=tags, start=False)
        cloud.done(cloud.launch.launch(ADMIN, "", spec)[1])

    def act(selection: Selection, verb: str, **arguments: object) -> list[Outcome]:
        outcomes = actions.act(ADMIN, selection, Action(verb, arguments))
        for each in outcomes:
            if each.operation is not None:
                cloud.done(each.operation)
        return outcomes

    assert [each.name for each in actions.act(ADMIN, TAGGED, Action("start"), dry_run=True)] == list(NAMES)
    assert _states(cloud) == ["shut off"] * 3
    act(TAGGED, "start")
    assert _states(cloud) == ["running"] * 3
    act(Selection(InstanceQuery(tags=("odd",))), "pause")
    assert _states(cloud) == ["paused", "running", "paused"]
    act(Selection(InstanceQuery(tags=("fleet",), status=(InstanceStatus.PAUSED,))), "resume")
    act(Selection(InstanceQuery(), names=NAMES[:2]), "stop", force=True)
    assert _states(cloud) == ["shut off", "shut off", "running"]
    refused = [each.refusal for each in act(TAGGED, "pause")]  # one of them runs
    assert [type(each) for each in refused] == [WrongState, WrongState, type(None)]
    assert _states(cloud)[2] == "paused"
    act(TAGGED, "delete", purge=True)
    assert cloud.host.virsh("list", "--all", "--name").count("fleet") == 0


def _states(cloud: Cloud) -> list[str]:
    found: list[Instance] = [cloud.instance(name) for name in NAMES]
    return [cloud.host.virsh("domstate", each.id).strip() for each in found]
