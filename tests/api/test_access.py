"""Every route x role x foreign project, made from the table; and that the table is whole."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient
from tests.api.asks import ASKS, stock
from tests.api.conftest import Cloud, fill, make_parts
from tests.conftest import NewUrl, open_store

from zcloud.api.access import ROUTES, Rule, Scope, check_table
from zcloud.api.app import create_app
from zcloud.domain.errors import Internal
from zcloud.domain.people import Role
from zcloud.store import Tx

HTTP = sorted(key for key in ROUTES if key[0] != "WEBSOCKET")
RANK = {"viewer": 1, "member": 2, "operator": 3, "admin": 4}
EVERYWHERE = {"admin": "admin", "operator": "operator"}
IN_HOME = {**EVERYWHERE, "member": "member", "viewer": "viewer"}  # the things asked for are in that project
USERS = ("admin", "operator", "member", "viewer", "stranger", "nobody")
# Lists, and what belongs to nobody: a user who may see nothing finds nothing there, and is not turned away.
EMPTY_LISTS = {"/v1/projects", "/v1/volumes", "/v1/networks", "/v1/images", "/v1/instances", "/v1/operations",
               "/v1/events", "/v1/trash", "/v1/groups", "/v1/uploads",
               "/v1/snapshot-schedules"}  # fmt: skip
FOR_EVERYBODY = {"/v1/networks/{ref}", "/v1/networks/{ref}/records"}
OWN = {"/v1/keys", "/v1/keys/{ref}"}  # the role may be held anywhere


@pytest.fixture(scope="module")
def clouds(new_sqlite: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give what makes a fresh stocked cloud, quickly: one application, and a copy of one store for each."""
    first = open_store(new_sqlite())
    directory = tmp_path_factory.mktemp("access")
    fields = fill(first)
    app = create_app(make_parts(first, directory))
    with TestClient(app, raise_server_exceptions=False) as client:
        template = Cloud(first, app, client, app.state.parts, directory, **fields)
        stocked = stock(template)
        with first.read() as tx:
            path = Path(str(tx.users._db.engine.url.database))
        first.close()
        content, number, opened = path.read_bytes(), 0, [first]

        def fresh() -> tuple[Cloud, Any]:
            nonlocal number
            number += 1
            opened.pop().close()
            copy = directory / f"{number}.db"
            copy.write_bytes(content)
            (directory / f"{stocked.waiting.id}.part").unlink(missing_ok=True)
            opened.append(open_store(f"sqlite:///{copy}"))
            app.state.parts = make_parts(opened[0], directory)
            return dataclasses.replace(template, store=opened[0], parts=app.state.parts), stocked

        yield fresh
        opened.pop().close()


def expected(path: str, rule: Rule, user: str, status: int) -> set[int]:
    """Say how a user must be answered (as the documents promise it, not as the code does it)."""
    held = {Scope.GLOBAL: EVERYWHERE, Scope.PROJECT: IN_HOME}.get(rule.scope)
    if held is None or (path in OWN and user == "stranger"):
        return {status}
    rank = RANK[held[user]] if user in held else 0
    if rank >= RANK[rule.role]:
        return {status}
    if rule.scope is Scope.GLOBAL:
        return {403}
    if rank == 0 and rule.role is Role.VIEWER and path in EMPTY_LISTS | FOR_EVERYBODY:
        return {200}
    if rank == 0 and user == "stranger":
        return {404}  # a member elsewhere does not even learn that the thing is there
    return {403} if rank or rule.role is not Role.VIEWER else {404}


@pytest.mark.parametrize(("method", "path"), HTTP)
def test_each_role_gets_what_the_table_says(clouds: Any, method: str, path: str) -> None:
    ask, rule = ASKS[(method, path)], ROUTES[(method, path)]
    cloud, stocked = clouds()
    before, changed = cloud.rows(), False
    for user in sorted(USERS, key=lambda user: ask.status in expected(path, rule, user, ask.status)):
        if changed:
            cloud, stocked = clouds()
        wanted = expected(path, rule, user, ask.status)
        answer = ask.send(cloud, stocked, user, method)
        assert answer.status_code in wanted, f"{user}: {answer.status_code} {answer.text[:300]}, not {wanted}"
        changed = method != "GET" and answer.status_code == ask.status
        if not changed:
            assert cloud.rows() == before, f"{user} changed something"


@pytest.mark.parametrize(("method", "path"), HTTP)
def test_nobody_gets_in_without_a_session(clouds: Any, method: str, path: str) -> None:
    ask, rule = ASKS[(method, path)], ROUTES[(method, path)]
    cloud, stocked = clouds()
    before = cloud.rows()
    for header in (
        "",
        "Bearer",
        "Bearer zcs_wrong",
        "Bearer zct_wrong",
        "Basic YTpi",
        "Bearer " + "x" * 300,
        "Bearer é",
    ):
        options = {"content": ask.content} if ask.content is not None else {"json": ask.json}
        headers = {"Authorization": header.encode()} if header else {}
        answer = cloud.client.request(
            method, ask.path.format(c=cloud, s=stocked, u="admin"), headers=headers, **options
        )
        if rule.scope is Scope.PUBLIC:
            assert answer.status_code == ask.status
            continue
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert cloud.rows() == before


@pytest.mark.parametrize(("method", "path"), [key for key in HTTP if ROUTES[key].scope is Scope.SESSION])
def test_a_token_cannot_make_itself_more_than_it_is(clouds: Any, method: str, path: str) -> None:
    cloud, stocked = clouds()
    cloud = dataclasses.replace(cloud, tokens={"admin": "zct_admin"})
    before = cloud.rows()
    answer = ASKS[(method, path)].send(cloud, stocked, "admin", method)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert cloud.rows() == before


@pytest.mark.parametrize(("method", "path"), HTTP)
def test_a_narrow_token_of_an_admin_only_looks(clouds: Any, method: str, path: str) -> None:
    cloud, stocked = clouds()
    narrow = "zct_narrow"

    def add(tx: Tx) -> None:
        own = tx.tokens.by_digest(hashlib.sha256(b"zct_admin").hexdigest())
        assert own is not None
        digest = hashlib.sha256(narrow.encode()).hexdigest()
        tx.tokens.add(dataclasses.replace(own, id="narrow", name="narrow", digest=digest, role=Role.VIEWER))

    cloud.store.transact(add)
    cloud = dataclasses.replace(cloud, tokens={"admin": narrow})
    before, rule = cloud.rows(), ROUTES[(method, path)]
    answer = ASKS[(method, path)].send(cloud, stocked, "admin", method)
    looks = rule.scope in (Scope.PUBLIC, Scope.SELF) or (rule.role is Role.VIEWER and rule.scope is not Scope.SESSION)
    assert answer.status_code == (ASKS[(method, path)].status if looks else 403)
    if rule.scope is not Scope.PUBLIC:
        assert cloud.rows() == before


@pytest.mark.parametrize("named", ["web", "db"])
@pytest.mark.parametrize("user", ["stranger", "nobody"])
def test_names_in_foreign_projects_are_not_found(clouds: Any, user: str, named: str) -> None:
    cloud, _ = clouds()
    for project in ("default", cloud.home.id):
        for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/console")):
            answer = cloud.call(user, method, f"/v1/instances/{named}{tail}?project={project}")
            assert answer.status_code == (404 if user == "stranger" or method == "GET" else 403)
    listed = cloud.get("/v1/instances", user).json()["items"]
    assert [each["name"] for each in listed] == (["theirs"] if user == "stranger" else [])


def test_lists_hold_only_what_the_project_has(clouds: Any) -> None:
    cloud, _ = clouds()
    foreign = {cloud.foreign.id, cloud.other.id}
    for path in ("/v1/instances", "/v1/volumes", "/v1/projects", "/v1/operations", "/v1/events", "/v1/networks/lan"):
        for user in ("member", "viewer"):
            text = cloud.get(path, user).text
            assert not [each for each in foreign if each in text], path
            assert cloud.foreign.name not in text


def test_what_is_for_everybody_is_an_operators(clouds: Any) -> None:
    cloud, _ = clouds()
    body = {"name": "shared", "public": True, "source": {"kind": "upload"}}
    assert cloud.post("/v1/images", body, "member").status_code == 404
    shared = cloud.post("/v1/images", body, "operator").json()["id"]
    before = cloud.rows()
    for method, path in (("PUT", f"/v1/images/{shared}/upload?offset=0"), ("DELETE", f"/v1/images/{shared}")):
        for user in ("member", "viewer", "stranger"):
            assert cloud.call(user, method, path, content=b"evil").status_code == 403
    assert cloud.rows() == before
    assert not list(cloud.upload_dir.glob(f"{shared}*"))


def test_operations_on_hosts_are_an_operators(clouds: Any) -> None:
    cloud, _ = clouds()

    def promote(tx: Tx) -> None:
        tx.users.update(tx.users.resolve("member").id, role=Role.MEMBER)

    cloud.store.transact(promote)
    operation = cloud.post("/v1/hosts/anton/refresh", user="operator").json()["operation"]["id"]
    for verb in ("cancel", "retry"):
        assert cloud.post(f"/v1/operations/{operation}/{verb}", user="member").status_code == 403
    assert cloud.get(f"/v1/operations/{operation}", "member").status_code == 200


def test_the_table_is_whole(clouds: Any) -> None:
    assert set(ASKS) == set(HTTP)
    check_table(ROUTES)
    with pytest.raises(Internal, match="/v1/secret"):
        check_table([*ROUTES, ("GET", "/v1/secret")])
    with pytest.raises(Internal, match="/healthz"):
        check_table(key for key in ROUTES if key[1] != "/healthz")


def test_a_route_without_a_row_stops_the_server(clouds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, _ = clouds()
    extra = APIRouter()

    @extra.get("/v1/backdoor")
    def backdoor() -> None:
        """Let anybody in."""

    monkeypatch.setattr("zcloud.api.app.ROUTERS", (extra,))
    with pytest.raises(Internal, match="/v1/backdoor"):
        create_app(cloud.parts)
