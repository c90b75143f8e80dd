"""Secrets stay where they belong: one canary each, looked for in the store's files, the log and every answer."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import sqlite3
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.api.conftest import Cloud

from zcloud.base import log
from zcloud.base.config import Config
from zcloud.domain.errors import ZcloudError
from zcloud.main import setup
from zcloud.services import codes
from zcloud.services.signin import Origin

PASSWORD, CHANGED, WRONG = "canary-password-1f7c", "canary-changed-93ab", "canary-wrong-5d20"
IN_GUEST = "canary-guest-4c1e"
USER_DATA, COMMAND, HASH = "canary-userdata-77e1", "canary-command-0be9", "canarycrypt4a9e".ljust(86, ".")
KEY = "canarykey8e21".ljust(38, "A") + "=="
SENT = (PASSWORD, CHANGED, WRONG, IN_GUEST, USER_DATA, COMMAND, HASH, KEY)
INSTANCE: dict[str, Any] = {
    "name": "secretive",
    "image": "debian-12",
    "flavor": "small",
    "user_data": f"#cloud-config\nruncmd: [echo {USER_DATA}]\n",
    "commands": [f"join --token {COMMAND}"],
    "password_hash": f"$6$salt${HASH}",
}


@dataclass
class Seen:
    """All answers, and what they were allowed to show once."""

    cloud: Cloud
    answers: list[tuple[str, str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def send(self, method: str, path: str, expected: int, user: str = "admin", **options: Any) -> Any:
        """Send a request and keep all of its answer."""
        answer = self.cloud.call(user, method, path, **options)
        self.answers.append((f"{method} {path}", f"{answer.headers} {answer.text}"))
        assert answer.status_code == expected, answer.text
        return answer

    def reveal(self, method: str, path: str, name: str, **options: Any) -> str:
        """Send a request whose answer shows a secret, and look for it everywhere from now on."""
        secret = str(self.send(method, path, 201, **options).json()[name])
        self.answers.pop()
        self.shown.append(secret)
        return secret


def _people(seen: Seen) -> None:
    new = {"name": "keeper", "password": PASSWORD, "role": "admin"}
    once = {"Idempotency-Key": "user-1"}
    seen.send("POST", "/v1/users", 201, json=new, headers=once)
    seen.send("POST", "/v1/users", 201, json=new, headers=once)
    seen.send("POST", "/v1/users", 409, json=new)
    seen.send("POST", "/v1/users", 400, json={"name": "x", "password": {"is": PASSWORD}})
    seen.send("POST", "/v1/users", 400, json={"name": "x", "password": PASSWORD, "more": PASSWORD})
    seen.send("POST", "/v1/users", 400, json={"name": PASSWORD + "!", "password": PASSWORD})
    seen.send("POST", "/v1/users", 400, content=f'{{"name": "x", "password": "{PASSWORD}')
    seen.send("POST", "/v1/users", 413, content=PASSWORD * 4000)
    login = {"name": "keeper", "password": PASSWORD}
    seen.cloud.tokens["keeper"] = seen.reveal("POST", "/v1/login", "secret", json=login)
    seen.send("POST", "/v1/login", 401, json={"name": "keeper", "password": WRONG})
    seen.send("POST", "/v1/login", 401, json={"name": "nobody-at-all", "password": WRONG})
    seen.send("POST", "/v1/login", 400, json={"name": "keeper", "password": [WRONG]})
    seen.send("PATCH", "/v1/users/keeper", 200, json={"password": CHANGED})
    seen.send("PATCH", "/v1/users/keeper", 400, json={"password": CHANGED, "role": "emperor"})
    seen.cloud.tokens["keeper"] = seen.reveal(
        "POST", "/v1/login", "secret", json={"name": "keeper", "password": CHANGED}
    )


def _tokens(seen: Seen) -> None:
    once = {"Idempotency-Key": "token-1"}
    seen.cloud.tokens["token"] = seen.reveal("POST", "/v1/tokens", "secret", json={"name": "ci"}, headers=once)
    seen.send("POST", "/v1/tokens", 409, json={"name": "ci"}, headers=once)
    seen.send("GET", "/v1/tokens", 200, user="token")
    seen.send("POST", "/v1/tokens", 403, user="token", json={"name": "more"})
    seen.send("GET", "/v1/me", 401, user="token", headers={"Authorization": f"Bearer {seen.shown[-1]}x"})


def _second_factor(seen: Seen) -> None:
    proof = {"json": {"password": CHANGED}, "headers": {"Idempotency-Key": "factor-1"}}
    key = seen.reveal("POST", "/v1/me/second-factor", "secret", user="keeper", **proof)
    seen.send("POST", "/v1/me/second-factor", 409, user="keeper", **proof)
    seen.send("POST", "/v1/me/second-factor/confirm", 400, user="keeper", json={"code": "000000"})
    code = codes.code_at(base64.b32decode(key), int(time.time()) // codes.PERIOD_S)
    told = seen.send("POST", "/v1/me/second-factor/confirm", 200, user="keeper", json={"code": code})
    seen.answers.pop()
    seen.shown += told.json()["codes"]
    seen.send("POST", "/v1/login", 401, json={"name": "keeper", "password": CHANGED})
    login = {"name": "keeper", "password": CHANGED, "code": seen.shown[-1]}
    seen.reveal("POST", "/v1/login", "secret", json=login)


def _instances(seen: Seen) -> None:
    once = {"Idempotency-Key": "instance-1"}
    seen.send("POST", "/v1/instances?dry_run=true", 200, json=INSTANCE)
    seen.send("POST", "/v1/instances", 202, json=INSTANCE, headers=once)
    seen.send("POST", "/v1/instances", 202, json=INSTANCE, headers=once)
    seen.send("POST", "/v1/instances", 422, json={**INSTANCE, "name": "other"}, headers=once)
    seen.send("POST", "/v1/instances", 409, json=INSTANCE)
    seen.send("POST", "/v1/instances", 400, json={**INSTANCE, "name": "y", "password_hash": f"{HASH} and more"})
    seen.send("POST", "/v1/instances", 400, json={**INSTANCE, "name": "y", "user_data": f"{USER_DATA}\0"})
    seen.send("POST", "/v1/instances", 400, json={**INSTANCE, "name": "y", "commands": [f"{COMMAND}\x1b"]})
    for wrong in (f"#cloud-config\n{USER_DATA}: [", f"#cloud-config\n{USER_DATA}", f"{USER_DATA}: 1"):
        with contextlib.suppress(AssertionError):  # accepted or refused: the words do not come back
            seen.send("POST", "/v1/instances?dry_run=true", 400, json={**INSTANCE, "user_data": wrong})
    seen.send("GET", "/v1/instances/secretive", 200)
    seen.send("PATCH", "/v1/instances/secretive", 400, json={"user_data": USER_DATA})
    for password, status in ((IN_GUEST, 204), (f"{IN_GUEST}:", 400)):
        asked = {"user": "root", "password": password}
        seen.send("POST", "/v1/instances/db/guest/password", status, json=asked)


def _tickets(seen: Seen) -> None:
    tickets = seen.cloud.parts.tickets
    for _ in range(2):
        url = seen.reveal("POST", "/v1/instances/db/console", "url")
        seen.shown[-1] = parse_qs(urlsplit(url).query)["ticket"][0]
    tickets.redeem(seen.shown[-1])
    with pytest.raises(ZcloudError) as refused:
        tickets.redeem(seen.shown[-1])
    seen.answers.append(("the tunnel", refused.value.message))


def _pools(seen: Seen) -> None:
    pool = {"name": "ceph", "driver": "rbd", "options": {"monitors": "192.0.2.1", "key": KEY}}
    seen.send("POST", "/v1/pools", 202, json=pool, headers={"Idempotency-Key": "pool-1"})
    seen.send("POST", "/v1/pools", 202, json=pool, headers={"Idempotency-Key": "pool-1"})
    seen.send("POST", "/v1/pools", 409, json={**pool, "name": "other"})
    seen.send("POST", "/v1/pools", 400, json={**pool, "name": "y", "options": {"key": KEY, "odd": KEY}})
    seen.send("POST", "/v1/pools", 400, json={**pool, "name": "y", "options": {"monitors": "a", "key": f"{KEY} x"}})
    assert "key" not in seen.send("GET", "/v1/pools/ceph", 200).json()["options"]


LISTS = (
    "pools", "users", "tokens", "sessions", "instances",
    "operations?limit=1000", "events?limit=1000", "audit?limit=1000",
)  # fmt: skip


@pytest.fixture
def seen(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> Seen:
    """Give all that there is to see after every secret was sent, shown, refused and sent again."""
    caplog.set_level(logging.DEBUG)
    found = Seen(cloud)
    for act in (_people, _tokens, _second_factor, _instances, _pools, _tickets):
        act(found)
    for path in LISTS:
        found.send("GET", f"/v1/{path}", 200)
    return found


def _database(cloud: Cloud) -> Path:
    with cloud.store.read():
        engine = cloud.store._engines.write
        return Path(str(engine.url.database))


def _in(canary: str, data: bytes) -> bool:
    return canary.encode() in data


def test_no_file_of_the_store_holds_a_secret(seen: Seen) -> None:
    path = _database(seen.cloud)
    files = [each for each in path.parent.iterdir() if each.name.startswith(path.name)]
    assert {each.name for each in files} >= {path.name, f"{path.name}-wal"}
    for file in files:
        data = file.read_bytes()
        assert [canary for canary in (*SENT, *seen.shown) if _in(canary, data)] == [], file


def test_no_row_holds_a_secret_and_the_sealed_ones_can_be_opened(seen: Seen) -> None:
    with contextlib.closing(sqlite3.connect(_database(seen.cloud))) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        rows = {table: repr(connection.execute(f'select * from "{table}"').fetchall()) for table in tables}
    assert {"users", "sessions", "tokens", "secrets", "tickets", "idempotency", "audit"} <= rows.keys()
    found = [(table, canary) for table, text in rows.items() for canary in (*SENT, *seen.shown) if canary in text]
    assert found == []
    id = seen.cloud.get("/v1/instances/secretive").json()["id"]
    with seen.cloud.store.read() as tx:
        assert tx.secrets.opened(tx.pools.resolve("ceph")).secrets == {"key": KEY}
        assert (tx.secrets.get("instance.user_data", id) or b"").decode() == INSTANCE["user_data"]
        assert json.loads(tx.secrets.get("instance.commands", id) or b"") == INSTANCE["commands"]
        assert (tx.secrets.get("instance.password_hash", id) or b"").decode() == INSTANCE["password_hash"]


def test_nothing_is_logged(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    seen.send("GET", "/v1/me", 200, user="keeper")
    logging.getLogger("zcloud.test").debug("the log is listened to")
    format = logging.Formatter().format
    lines = [format(record) + repr(record.args) for record in caplog.get_records("setup") + caplog.records]
    assert any("listened to" in line for line in lines)
    assert [line for line in lines for canary in (*SENT, *seen.shown) if canary in line] == []


def test_no_answer_repeats_a_secret(seen: Seen) -> None:
    leaks = [(what, canary) for what, text in seen.answers for canary in (*SENT, *seen.shown) if canary in text]
    assert leaks == []
    assert len(set(seen.shown)) == len(seen.shown) == 17


def test_a_repr_shows_no_secret(cloud: Cloud) -> None:
    from_login, session = cloud.parts.signin.login("admin", "correct horse battery", Origin("127.0.0.1"))
    assert from_login not in repr(session)
    token, record = cloud.parts.signin.add_token(
        cloud.parts.signin.authenticate(from_login, Origin("127.0.0.1")), "t", role=None, project="", expires_at=None
    )
    assert token not in repr(record)


def test_addresses_of_websockets_are_not_logged_for_they_hold_tickets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
    handlers, levels = root.handlers[:], (root.level, uvicorn.level)
    for name in ("uvicorn", "uvicorn.error"):  # as they are where no test served before
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
        logging.getLogger(name).setLevel(logging.NOTSET)
    try:
        log.set_up("DEBUG")
        logging.getLogger("uvicorn.error").info('"WebSocket /v1/console?ticket=%s" [accepted]', "canary")
        logging.getLogger("uvicorn.error").debug("< GET /v1/console?ticket=%s HTTP/1.1", "canary")
        logging.getLogger("uvicorn.error").error("what is wrong is told")
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        uvicorn.setLevel(levels[1])
    told = capsys.readouterr().err
    assert "what is wrong is told" in told
    assert "canary" not in told


def test_keys_are_the_owners_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "ensure_probe_kit", lambda config: None)  # it fetches a kernel
    previous = os.umask(0)
    try:
        config = Config(data_dir=tmp_path / "data")
        prepared = setup.prepare(config)
    finally:
        os.umask(previous)
    secret = [config.key_file, config.ssh_key, prepared.key, Path(config.url.removeprefix("sqlite:///"))]
    secret += list(config.tls_dir.glob("*key*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert stat.S_IMODE(config.data_dir.stat().st_mode) == 0o750
    assert prepared.password
    for file in (each for each in config.data_dir.rglob("*") if each.is_file()):
        assert prepared.password.encode() not in file.read_bytes(), file
