"""Signing in and out, and changes: only a page of ours may ask for them, and they do what the API does."""

from __future__ import annotations

import pytest
from tests.api.conftest import PASSWORD
from tests.web.conftest import Web

from zcloud.store import Tx
from zcloud.web.render import COOKIE


def sign_in(web: Web, name: str = "member", password: str = PASSWORD, target: str = "/operations") -> object:
    return web.post("/signin", user="", data={"name": name, "password": password, "next": target})


def test_a_person_signs_in_and_out(web: Web) -> None:
    answer = web.post("/signin", user="", data={"name": "member", "password": PASSWORD, "next": "/operations"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/operations")
    cookie = answer.headers["set-cookie"]
    assert all(each in cookie for each in ("HttpOnly", "SameSite=lax", "Path=/"))
    web.cloud.tokens["new"] = cookie.partition(f"{COOKIE}=")[2].partition(";")[0]
    assert web.get("/instances", user="new").status_code == 200
    assert web.post("/signout", user="new").status_code == 303
    assert web.get("/instances", user="new").status_code == 303


def test_the_cookie_goes_by_tls_only_where_there_is_tls(web: Web) -> None:
    form = {"name": "member", "password": PASSWORD}
    answer = web.post("https://testserver/signin", user="", data=form, headers={"Origin": "https://testserver"})
    assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_password_is_told_and_throttled(web: Web) -> None:
    statuses = [
        web.post("/signin", user="", data={"name": "member", "password": "wrong"}).status_code for _ in range(6)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\t/evil"])
def test_nobody_is_sent_elsewhere_after_signing_in(web: Web, target: str) -> None:
    answer = web.post("/signin", user="", data={"name": "member", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/overview"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_a_change_that_another_site_asked_for_is_refused(web: Web, origin: str) -> None:
    form = {"id": web.cloud.running.id, "verb": "stop"}
    before = web.cloud.rows()
    answer = web.post("/instances/actions", data=form, headers={"Origin": origin})
    assert answer.status_code == 403
    assert web.cloud.rows() == before


def test_a_confirmation_says_what_will_happen_and_changes_nothing(web: Web) -> None:
    before = web.cloud.rows()
    form = {"id": [web.cloud.running.id, web.cloud.instance.id], "verb": "stop"}
    answer = web.post("/instances/confirm", data=form, headers={"HX-Request": "true"})
    assert "Stop 1 instance" in answer.text
    assert "will be left alone" in answer.text
    assert web.cloud.rows() == before


def test_a_bulk_stop_is_an_operation_each_and_is_audited(web: Web) -> None:
    answer = web.post("/instances/actions", data={"id": web.cloud.running.id, "verb": "stop"})
    assert answer.status_code == 200

    def look(tx: Tx) -> tuple[str, str]:
        instance = tx.instances.get(web.cloud.running.id)
        assert instance.operation_id
        return instance.status, tx.operations.get(instance.operation_id).verb

    with web.cloud.store.read() as tx:
        assert look(tx) == ("stopping", "stop")
    audited = web.cloud.get("/v1/audit").json()["items"][0]
    assert (audited["action"], audited["outcome"]) == ("POST /instances/actions", "ok")


def test_a_viewer_cannot_stop_what_it_sees(web: Web) -> None:
    answer = web.post("/instances/actions", user="viewer", data={"id": web.cloud.running.id, "verb": "stop"})
    assert answer.status_code == 403
    audited = web.cloud.get("/v1/audit").json()["items"][0]
    assert audited["outcome"] == "forbidden"


@pytest.mark.parametrize("form", [{"verb": "stop"}, {"verb": "explode", "id": "x"}])
def test_a_form_that_makes_no_sense_is_refused(web: Web, form: dict[str, str]) -> None:
    assert web.post("/instances/actions", data=form).status_code == 400


def test_a_console_ticket_is_for_members_and_what_runs(web: Web) -> None:
    path = f"/instances/{web.cloud.running.id}/console"
    assert web.post(path, data={"kind": "serial"}).json()["url"].startswith("/v1/console?ticket=")
    assert web.post(path, user="viewer", data={"kind": "serial"}).status_code == 403
    assert web.post(f"/instances/{web.cloud.instance.id}/console").status_code == 409


def test_another_persons_session_is_not_ended(web: Web) -> None:
    mine = web.cloud.get("/v1/sessions", user="viewer").json()["items"][0]["id"]
    assert web.post(f"/account/sessions/{mine}/end", user="member").status_code == 404
    assert web.post(f"/account/sessions/{mine}/end", user="viewer").status_code == 303


def test_dark_is_kept_in_a_cookie(web: Web) -> None:
    answer = web.post("/theme", data={"theme": "dark", "next": "/hosts"})
    assert answer.headers["location"] == "/hosts"
    assert "zcloud-theme=dark" in answer.headers["set-cookie"]
