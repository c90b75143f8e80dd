"""Lists of instances as tables show them: the same rows, names and filters as the whole ones."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests import builders
from tests.api.conftest import Cloud

from zcloud.cli.commands.listing import COLUMNS
from zcloud.domain.instance import InstanceStatus


def table(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [[column.text(row) for column in COLUMNS if not column.wide] for row in rows]


def test_a_table_is_the_same_of_brief_and_of_whole_instances(cloud: Cloud) -> None:
    with cloud.store.write() as tx:
        like = tx.instances.get(cloud.running.id)
        live = {"vcpus": like.vcpus + 1, "memory_mib": like.memory_mib, "max_vcpus": 8, "max_memory_mib": 1 << 20}
        reported = {"interface": "eth0", "address": "10.9.9.9", "mac": "", "prefix": 24}
        others: dict[str, dict[str, Any]] = {
            "waits": {"live": live, "max_vcpus": 8, "max_memory_mib": 1 << 20},
            "told": {"observed": {"addresses": [reported]}},
            "off": {"status": InstanceStatus.STOPPED, "live": live},
        }
        for name, changes in others.items():
            fresh = builders.instance(like.project_id, like.host_id, like.image_id, name=name)
            tx.instances.add(dataclasses.replace(fresh, **{"status": InstanceStatus.RUNNING, **changes}))
    whole = cloud.get("/v1/instances?limit=1000").json()
    brief = cloud.get("/v1/instances?limit=1000&brief=true").json()
    assert len(whole["items"]) >= 4
    assert table(brief["items"]) == table(whole["items"])
    assert all(each.keys() <= {*whole["items"][0], "address"} for each in brief["items"])
    assert "10.9.9.9" in {row[3] for row in table(brief["items"])}
    assert any("(pending)" in row[5] for row in table(brief["items"]))


def test_filters_pages_and_counts_are_the_same(cloud: Cloud) -> None:
    host = cloud.get("/v1/instances").json()["items"][0]["host"]
    for query in ("status=running", "search=o&sort=-created_at", "limit=1&count=true", f"host={host}"):
        whole = cloud.get(f"/v1/instances?{query}").json()
        brief = cloud.get(f"/v1/instances?{query}&brief=true").json()
        assert [each["id"] for each in brief["items"]] == [each["id"] for each in whole["items"]]
        assert (brief["next_cursor"], brief["total"]) == (whole["next_cursor"], whole["total"])
