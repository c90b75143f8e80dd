"""Keys, tokens and sessions are their user's alone, by name and by id, whatever role somebody else has."""

from __future__ import annotations

import pytest
from tests.api.asks import KEY
from tests.api.conftest import Cloud


@pytest.mark.parametrize("noun", ["keys", "tokens", "sessions"])
@pytest.mark.parametrize("thief", ["stranger", "operator", "admin"])
def test_one_s_own_things_are_nobody_else_s(cloud: Cloud, noun: str, thief: str) -> None:
    cloud.post("/v1/keys", {"name": "laptop", "public_key": KEY}, user="member")
    cloud.post("/v1/tokens", {"name": "robot"}, user="member")
    [mine] = cloud.get(f"/v1/{noun}", user="member").json()["items"]
    before = cloud.rows()
    for ref in {mine["id"], mine.get("name", mine["id"])}:
        refused = cloud.call(thief, "DELETE", f"/v1/{noun}/{ref}")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert cloud.rows() == before
    assert mine["id"] not in cloud.get(f"/v1/{noun}", user=thief).text
    assert cloud.call("member", "DELETE", f"/v1/{noun}/{mine['id']}").status_code == 204
