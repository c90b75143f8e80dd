"""People and what is theirs: the same services as the API's, with the reason where a form is refused."""

from __future__ import annotations

import base64
import re
import time

import pytest
from tests.api.conftest import PASSWORD
from tests.web.conftest import Web

from zcloud.services import codes

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIY5UJVLyLFpzJkdVqyBkdTgmIBR2Y9OJYpSPnkFBBVE me@here"


def shown_once(answer: object) -> str:
    """Give the secret of a page that shows one."""
    text = answer.text  # type: ignore[attr-defined]
    return str(re.findall(r'zc-once.*?<div class="zc-code"><pre>([^<]+)</pre>', text, re.DOTALL)[0])


def test_a_user_is_added_and_signs_in_with_the_password_that_was_shown(web: Web) -> None:
    answer = web.post("/users", data={"name": "nina", "role": "operator"})
    assert answer.headers["cache-control"] == "no-store"
    password = shown_once(answer)
    assert web.post("/signin", user="", data={"name": "nina", "password": password}).status_code == 303
    again = web.post("/users", data={"name": "nina", "role": ""})
    assert again.status_code == 409
    assert 'value="nina"' in again.text
    assert "already_exists" in again.text


def test_a_new_password_ends_the_sessions_of_the_user(web: Web) -> None:
    password = shown_once(web.post("/users/viewer/password"))
    assert web.get("/instances", user="viewer").status_code == 303
    assert web.post("/signin", user="", data={"name": "viewer", "password": password}).status_code == 303


def test_who_is_shut_out_is_out(web: Web) -> None:
    assert web.post("/users/viewer", data={"disabled": "yes"}).status_code == 303
    assert web.get("/instances", user="viewer").status_code == 303
    assert "shut out" in web.get("/users").text
    assert web.post("/users/viewer", data={"disabled": "no"}).status_code == 303


def test_the_last_admin_stays(web: Web) -> None:
    answer = web.post("/users/admin", data={"role": "viewer"})
    assert answer.status_code == 409
    assert "That was the last admin" in answer.text


def test_a_change_of_what_another_admin_changed_is_refused(web: Web) -> None:
    assert web.post("/users/viewer", data={"role": "viewer", "revision": "1"}).status_code == 303
    assert "revision_mismatch" in web.post("/users/viewer", data={"role": "admin", "revision": "1"}).text


@pytest.mark.parametrize("path", ["/users/viewer/delete", "/projects/other/delete"])
def test_only_a_typed_name_deletes(web: Web, path: str) -> None:
    answer = web.post(path, data={"name": "wrong"})
    assert answer.status_code == 409
    assert "another one" in answer.text


def test_a_user_is_deleted(web: Web) -> None:
    assert web.post("/users/viewer/delete", data={"name": "viewer"}).status_code == 303
    assert web.get("/users/viewer").status_code == 404


def test_a_project_has_members_and_a_quota(web: Web) -> None:
    made = web.post("/projects", data={"name": "lab", "description": "for tries", "memory_gib": "1.5", "vcpus": ""})
    where = made.headers["location"]
    assert web.post(f"{where}/members", data={"user": "viewer", "role": "operator"}).status_code == 303
    page = web.get(where, user="viewer").text
    assert "of 1.5 GiB" in page
    assert "operator" in page
    assert "Danger zone" not in page
    assert web.post(f"{where}/members", data={"user": "nobody-there", "role": "member"}).status_code == 409
    assert web.post(f"{where}/members/remove", data={"user": "viewer"}).status_code == 303
    assert web.get(where, user="viewer").status_code == 404
    assert web.post(f"{where}/delete", data={"name": "lab"}).status_code == 303


def test_a_number_that_is_none_is_told(web: Web) -> None:
    answer = web.post("/projects", data={"name": "lab", "vcpus": "many"})
    assert answer.status_code == 409
    assert "&#39;many&#39; is not a number" in answer.text


@pytest.mark.parametrize("path", ["/users", "/users/admin", "/projects/new", "/settings"])
def test_who_is_no_admin_manages_nobody(still: Web, path: str) -> None:
    assert still.get(path, user="member").status_code == 403


def test_a_token_is_shown_once_and_can_do_no_more_than_it_says(web: Web) -> None:
    form = {"name": "ci", "role": "viewer", "project": "default", "days": "30"}
    secret = shown_once(web.post("/account/tokens", user="member", data=form))
    page = web.get("/account", user="member").text
    assert secret not in page
    assert ">ci<" in page
    headers = {"Authorization": f"Bearer {secret}"}
    assert web.cloud.client.get("/v1/instances", headers=headers).status_code == 200
    assert web.cloud.client.post("/v1/keys", headers=headers, json={"name": "k"}).status_code == 403
    refused = web.post("/account/tokens", user="viewer", data={"name": "x", "role": "admin", "project": "default"})
    assert refused.status_code == 409
    token = web.cloud.get("/v1/tokens", user="member").json()["items"][0]["id"]
    assert web.post(f"/account/tokens/{token}/revoke", user="member").status_code == 303
    assert web.cloud.client.get("/v1/instances", headers=headers).status_code == 401


def test_a_key_is_kept_and_forgotten(web: Web) -> None:
    assert "not an SSH public key" in web.post("/account/keys", data={"name": "mine", "public_key": "x"}).text
    assert web.post("/account/keys", data={"name": "mine", "public_key": KEY}).status_code == 303
    assert "SHA256:" in web.get("/account").text
    assert web.post("/account/keys/mine/delete").status_code == 303


def test_all_other_sessions_are_ended(web: Web) -> None:
    other = web.cloud.login("member")
    web.cloud.tokens["elsewhere"] = other
    assert web.post("/account/sessions/end-others", user="member").status_code == 303
    assert web.get("/instances", user="member").status_code == 200
    assert web.get("/instances", user="elsewhere").status_code == 303


def test_a_password_is_changed_by_who_knows_the_old_one(web: Web) -> None:
    wrong = web.post("/account/password", user="member", data={"old": "wrong", "new": PASSWORD + "!"})
    assert "The old password is wrong" in wrong.text
    assert (
        web.post("/account/password", user="member", data={"old": PASSWORD, "new": PASSWORD + "!"}).status_code == 303
    )


def test_the_settings_say_how_the_server_is(still: Web) -> None:
    page = still.get("/settings").text
    assert "0.0.test" in page
    assert "Observer" in page


def test_a_second_factor_is_set_up_and_asked_for(web: Web) -> None:
    assert "The password is wrong" in web.post("/account/factor", user="member", data={"password": "wrong"}).text
    begun = web.post("/account/factor", user="member", data={"password": PASSWORD})
    assert begun.headers["cache-control"] == "no-store"
    assert "<svg" in begun.text.partition('class="zc-qr"')[2]
    assert "style=" not in begun.text
    key = base64.b32decode(re.findall(r"<code>([A-Z2-7]{32})</code>", begun.text)[0])
    step = int(time.time()) // codes.PERIOD_S
    assert "did not fit" in web.post("/account/factor/confirm", user="member", data={"code": "123456"}).text
    confirmed = web.post("/account/factor/confirm", user="member", data={"code": codes.code_at(key, step - 1)})
    recovery = shown_once(confirmed).split("\n")
    form = {"name": "member", "password": PASSWORD}
    asked = web.post("/signin", user="", data=form)
    assert asked.status_code == 401
    assert 'autocomplete="one-time-code"' in asked.text
    assert PASSWORD not in asked.text
    assert web.post("/signin", user="", data={**form, "code": "000000"}).status_code == 401
    assert web.post("/signin", user="", data={**form, "code": recovery[0]}).status_code == 303
    assert "9 recovery codes are left" in web.get("/account", user="member").text
    assert web.post("/users/member/factor/reset").status_code == 303
    assert web.post("/signin", user="", data=form).status_code == 303
