"""All guests of a host at once, by its name: as many operations as there are guests that run."""

from __future__ import annotations

import pytest
from tests.api.conftest import Cloud

STOP = "/v1/hosts/anton/guests/stop"


def test_what_runs_is_stopped_and_is_to_run_again(cloud: Cloud) -> None:
    cloud.store.transact(lambda tx: tx.hosts.update(tx.hosts.resolve("anton").id, boot_id="first"))
    answer = cloud.post(STOP, {"deadline_s": 30}, user="operator")
    assert answer.status_code == 202
    begun = {each["resource"]["id"]: each for each in answer.json()["items"]}
    assert cloud.instance.id not in begun  # it is off
    operation = begun[cloud.running.id]
    assert operation["verb"] == "stop"
    with cloud.store.read() as tx:
        instance = tx.instances.get(cloud.running.id)
        assert tx.operations.get(operation["id"]).args == {"force": False, "deadline_s": 30}
    assert (instance.status, instance.down_with) == ("stopping", "first")
    assert cloud.post(STOP, user="operator").json()["items"] == []  # they are busy


@pytest.mark.parametrize("body", [{"deadline_s": 0}, {"deadline_s": 3601}, {"deadline_s": "90"}, {"force": True}, [1]])
def test_bad_input_changes_nothing(cloud: Cloud, body: object) -> None:
    before = cloud.rows()
    assert cloud.post(STOP, body, user="operator").status_code == 400
    assert cloud.rows() == before


@pytest.mark.parametrize("policy", ["never", "", None, 1, ["last"]])
def test_an_unknown_policy_is_refused(cloud: Cloud, policy: object) -> None:
    before = cloud.rows()
    answer = cloud.call("member", "PATCH", f"/v1/instances/{cloud.running.id}", json={"on_boot": policy})
    assert answer.status_code == 400
    assert cloud.rows() == before
