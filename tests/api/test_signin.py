"""Who gets in, how long, and how far: logins and their throttling, sessions, API tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.api.asks import INSTANCE
from tests.api.conftest import PASSWORD, Cloud

from zcloud.services.signin import FREE_TRIES, reset_password
from zcloud.store import Tx


def log_in(cloud: Cloud, name: str, password: str = PASSWORD) -> Any:
    """Send a login."""
    return cloud.client.post("/v1/login", json={"name": name, "password": password})


def me(cloud: Cloud, secret: str) -> int:
    """Give the status that a session's or token's secret gets."""
    return int(cloud.client.get("/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code)


def token(cloud: Cloud, user: str, **asked: Any) -> str:
    """Make an API token and let it be called by the name ``robot``."""
    made = cloud.post("/v1/tokens", {"name": "robot", **asked}, user)
    assert made.status_code == 201, made.text
    cloud.tokens["robot"] = made.json()["secret"]
    return cloud.tokens["robot"]


def launch(cloud: Cloud, project: str) -> int:
    """Give the status of a launch by the token."""
    return int(cloud.post("/v1/instances", {**INSTANCE, "project": project}, "robot").status_code)


# -- logins ------------------------------------------------------------------------------------


def test_a_login_opens_a_session_and_a_logout_ends_it(cloud: Cloud) -> None:
    opened = log_in(cloud, "member").json()
    assert me(cloud, opened["secret"]) == 200
    out = cloud.client.post("/v1/logout", headers={"Authorization": f"Bearer {opened['secret']}"})
    assert (out.status_code, me(cloud, opened["secret"])) == (204, 401)
    assert me(cloud, cloud.tokens["member"]) == 200  # the user's other session


@pytest.mark.parametrize("name", ["member", "no-such-user", "", "' OR 1=1 --"])
def test_a_wrong_name_and_a_wrong_password_look_the_same(cloud: Cloud, name: str) -> None:
    refused = log_in(cloud, name, "wrong")
    told = refused.json()
    assert (refused.status_code, told["code"], told["detail"]) == (
        401, "login_failed", "User name or password is wrong.",
    )  # fmt: skip


def test_a_user_without_a_password_has_no_login(cloud: Cloud) -> None:
    cloud.post("/v1/users", {"name": "tokens-only"})
    for password in ("x", PASSWORD):
        assert log_in(cloud, "tokens-only", password).status_code == 401


def change(cloud: Cloud, user: str, old: str, new: str) -> Any:
    """Ask for another password of one's own."""
    return cloud.post("/v1/me/password", {"old": old, "new": new}, user)


def test_one_s_own_password_is_changed_and_other_sessions_end(cloud: Cloud) -> None:
    other, robot = log_in(cloud, "member").json()["secret"], token(cloud, "member")
    assert change(cloud, "member", PASSWORD, "another horse battery").status_code == 204
    assert (me(cloud, cloud.tokens["member"]), me(cloud, other), me(cloud, robot)) == (200, 401, 200)
    assert log_in(cloud, "member").status_code == 401
    assert log_in(cloud, "member", "another horse battery").status_code == 201


def test_a_password_is_changed_by_who_knows_the_old_one_only(cloud: Cloud) -> None:
    token(cloud, "member")
    assert change(cloud, "robot", PASSWORD, "another horse battery").status_code == 403
    short = change(cloud, "member", PASSWORD, "short").json()
    assert (short["code"], short["details"]["field"]) == ("invalid_input", "new")
    for _ in range(FREE_TRIES["name"]):
        wrong = change(cloud, "member", "wrong", "another horse battery").json()
        assert (wrong["code"], wrong["details"]["field"]) == ("invalid_input", "old")
    assert change(cloud, "member", PASSWORD, "another horse battery").json()["code"] == "login_throttled"
    assert me(cloud, cloud.tokens["member"]) == 200


def test_a_password_reset_on_the_server_lets_in_who_was_locked_out(cloud: Cloud) -> None:
    for _ in range(FREE_TRIES["name"]):
        log_in(cloud, "member", "wrong")
    assert cloud.call("admin", "PATCH", "/v1/users/member", json={"disabled": True}).status_code == 200
    reset_password(cloud.store, "member", "another horse battery")
    assert me(cloud, cloud.tokens["member"]) == 401
    assert log_in(cloud, "member", "another horse battery").status_code == 201
    assert [each["outcome"] for each in cloud.get("/v1/audit").json()["items"] if each["action"] == "password reset"]


def test_repeated_failures_have_to_wait_by_name(cloud: Cloud) -> None:
    answers = [log_in(cloud, "member", "wrong") for _ in range(FREE_TRIES["name"])]
    assert {each.status_code for each in answers} == {401}
    before = cloud.rows()
    throttled = log_in(cloud, "member")  # even with the right password
    assert (throttled.status_code, throttled.json()["code"]) == (429, "login_throttled")
    assert int(throttled.headers["retry-after"]) == throttled.json()["details"]["retry_after_s"] > 0
    assert cloud.rows() == before
    assert log_in(cloud, "viewer").status_code == 201
    assert me(cloud, cloud.tokens["member"]) == 200


def test_names_that_are_not_there_are_throttled_alike(cloud: Cloud) -> None:
    for _ in range(FREE_TRIES["name"]):
        assert log_in(cloud, "no-such-user", "wrong").status_code == 401
    assert log_in(cloud, "no-such-user", "wrong").status_code == 429


def test_a_good_login_clears_the_failures(cloud: Cloud) -> None:
    for _ in range(2):
        for _ in range(FREE_TRIES["name"] - 1):
            log_in(cloud, "member", "wrong")
        assert log_in(cloud, "member").status_code == 201


# -- sessions ----------------------------------------------------------------------------------


def test_a_disabled_user_is_out_at_once(cloud: Cloud) -> None:
    robot = token(cloud, "member")
    assert cloud.call("admin", "PATCH", "/v1/users/member", json={"disabled": True}).status_code == 200
    assert (me(cloud, cloud.tokens["member"]), me(cloud, robot)) == (401, 401)
    assert log_in(cloud, "member").status_code == 401
    cloud.call("admin", "PATCH", "/v1/users/member", json={"disabled": False})
    assert me(cloud, cloud.tokens["member"]) == 401  # that session is over for good
    assert log_in(cloud, "member").status_code == 201


def test_a_new_password_ends_all_sessions(cloud: Cloud) -> None:
    cloud.call("admin", "PATCH", "/v1/users/member", json={"password": "another good one"})
    assert me(cloud, cloud.tokens["member"]) == 401
    assert (log_in(cloud, "member").status_code, log_in(cloud, "member", "another good one").status_code) == (401, 201)


def test_a_deleted_user_is_out_at_once(cloud: Cloud) -> None:
    robot = token(cloud, "member")
    assert cloud.call("admin", "DELETE", "/v1/users/member").status_code == 204
    assert (me(cloud, cloud.tokens["member"]), me(cloud, robot)) == (401, 401)


def test_a_lost_role_is_lost_at_once(cloud: Cloud) -> None:
    robot = token(cloud, "member", role="member", project="default")
    assert cloud.call("admin", "DELETE", "/v1/projects/default/members/member").status_code == 204
    assert me(cloud, robot) == 200
    assert cloud.get("/v1/instances", "member").json()["items"] == []
    assert (launch(cloud, "default"), cloud.post("/v1/instances", INSTANCE, "member").status_code) == (403, 403)


def test_a_session_is_over_in_time(cloud: Cloud) -> None:
    def work(tx: Tx) -> None:
        [session] = tx.sessions.of_user(tx.users.resolve("member").id)
        tx.sessions.update(session.id, expires_at=tx.now - timedelta(seconds=1))

    assert me(cloud, cloud.tokens["member"]) == 200
    cloud.store.transact(work)
    assert me(cloud, cloud.tokens["member"]) == 401


def test_one_of_several_sessions_can_be_ended(cloud: Cloud) -> None:
    other = log_in(cloud, "member").json()
    listed = cloud.get("/v1/sessions", "member").json()["items"]
    assert {each["id"]: each["current"] for each in listed}[other["session"]["id"]] is False
    assert sum(each["current"] for each in listed) == 1
    assert cloud.call("member", "DELETE", f"/v1/sessions/{other['session']['id']}").status_code == 204
    assert (me(cloud, other["secret"]), me(cloud, cloud.tokens["member"])) == (401, 200)


# -- API tokens --------------------------------------------------------------------------------


def test_a_token_of_a_project_knows_no_other(cloud: Cloud) -> None:
    token(cloud, "admin", project="other")
    assert {each["name"] for each in cloud.get("/v1/instances", "robot").json()["items"]} == {"theirs"}
    assert cloud.get(f"/v1/instances/{cloud.instance.id}", "robot").status_code == 404
    assert cloud.get("/v1/projects/default", "robot").status_code == 404
    assert cloud.get("/v1/hosts", "robot").status_code == 403
    assert cloud.get("/v1/users", "robot").status_code == 403
    assert (launch(cloud, "other"), launch(cloud, "default")) == (202, 404)
    assert cloud.post("/v1/projects", {"name": "more"}, "robot").status_code == 403


@pytest.mark.parametrize(
    ("role", "hosts", "launched", "refreshed", "users"),
    [("viewer", 200, 403, 403, 403), ("member", 200, 202, 403, 403), ("operator", 200, 202, 202, 403),
     ("admin", 200, 202, 202, 200), (None, 200, 202, 202, 200)],
)  # fmt: skip
def test_a_token_is_no_more_than_its_role(
    cloud: Cloud, role: str | None, hosts: int, launched: int, refreshed: int, users: int
) -> None:
    token(cloud, "admin", role=role)
    assert cloud.get("/v1/hosts", "robot").status_code == hosts
    assert launch(cloud, "default") == launched
    assert cloud.post("/v1/hosts/anton/refresh", user="robot").status_code == refreshed
    assert cloud.get("/v1/users", "robot").status_code == users


@pytest.mark.parametrize("role", ["member", "operator", "admin"])
def test_a_token_is_no_more_than_its_user(cloud: Cloud, role: str) -> None:
    before = cloud.rows()
    refused = cloud.post("/v1/tokens", {"name": "robot", "role": role, "project": "default"}, "viewer")
    assert (refused.status_code, refused.json()["code"], cloud.rows()) == (403, "forbidden", before)
    token(cloud, "viewer", role=role)  # everywhere: capped by what the viewer is in each project
    assert launch(cloud, "default") == 403
    assert cloud.get("/v1/hosts", "robot").status_code == 403
    assert cloud.get("/v1/instances/web", "robot").status_code == 200


def test_a_token_for_a_foreign_project_is_not_made(cloud: Cloud) -> None:
    before = cloud.rows()
    for project in ("other", cloud.other.id, "no-such"):
        assert cloud.post("/v1/tokens", {"name": "robot", "project": project}, "member").status_code == 404
    assert cloud.rows() == before


def test_a_token_is_over_in_time_and_when_revoked(cloud: Cloud) -> None:
    robot = token(cloud, "member", expires_at="2099-01-01T00:00:00Z")
    assert me(cloud, robot) == 200

    def expire(tx: Tx) -> None:
        [made] = tx.tokens.of_user(tx.users.resolve("member").id)
        tx.tokens.update(made.id, expires_at=tx.now - timedelta(seconds=1))

    cloud.store.transact(expire)
    assert me(cloud, robot) == 401
    assert cloud.call("member", "DELETE", "/v1/tokens/robot").status_code == 204
    robot = token(cloud, "member")
    assert (me(cloud, robot), cloud.call("member", "DELETE", "/v1/tokens/robot").status_code) == (200, 204)
    assert me(cloud, robot) == 401
