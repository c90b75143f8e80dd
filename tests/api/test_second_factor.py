"""A second factor: set up with a proof, asked for at every sign-in, taken once, guessed slowly, lost and reset."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.api.conftest import PASSWORD, Cloud
from tests.api.serving import Cli
from tests.api.test_cli import cli  # noqa: F401 - a fixture

from zcloud.domain.errors import LoginFailed
from zcloud.domain.people import SecondFactor
from zcloud.services import codes
from zcloud.services.signin import Origin, reset_password

LOGIN = {"name": "member", "password": PASSWORD}
RFC_KEY = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Its appendix B, of which apps show the last six digits."""
    assert codes.code_at(RFC_KEY, seconds // codes.PERIOD_S) == code


def test_a_clock_may_differ_by_a_period_and_no_code_comes_twice() -> None:
    now, factor = datetime.fromtimestamp(1_000_000_000, UTC), SecondFactor("u", None)
    step = 1_000_000_000 // codes.PERIOD_S
    late = codes.advance(factor, RFC_KEY, codes.code_at(RFC_KEY, step - 1), now)
    assert late is not None
    assert codes.advance(late, RFC_KEY, codes.code_at(RFC_KEY, step - 1), now) is None
    early = codes.advance(late, RFC_KEY, codes.code_at(RFC_KEY, step + 1), now)
    assert early is not None
    assert codes.advance(early, RFC_KEY, codes.code_at(RFC_KEY, step), now) is None, "older than one that was taken"
    for wrong in (codes.code_at(RFC_KEY, step - 2), codes.code_at(RFC_KEY, step + 2), "", "x" * 10_000, "１２３４５６"):
        assert codes.advance(factor, RFC_KEY, wrong, now) is None


def enrol(cloud: Cloud, user: str = "member") -> tuple[bytes, list[str]]:
    """Set a second factor up; gives its key and the recovery codes."""
    made = cloud.post("/v1/me/second-factor", {"password": PASSWORD}, user=user).json()
    key = base64.b32decode(made["secret"])
    assert made["uri"].startswith(f"otpauth://totp/zcloud%20cloud.internal:{user}?")
    answer = cloud.post("/v1/me/second-factor/confirm", {"code": present(key, -1)}, user=user)
    assert answer.status_code == 200, answer.text
    return key, answer.json()["codes"]


def present(key: bytes, drift: int = 0) -> str:
    """Give the code that the device shows now."""
    return codes.code_at(key, int(datetime.now(UTC).timestamp()) // codes.PERIOD_S + drift)


def sign_in(cloud: Cloud, **more: str) -> Any:
    """Sign the member in."""
    return cloud.client.post("/v1/login", json={**LOGIN, **more})


def test_nothing_is_asked_before_it_was_proved(cloud: Cloud) -> None:
    assert cloud.post("/v1/me/second-factor", {"password": "wrong wrong"}, user="member").status_code == 400
    assert cloud.post("/v1/me/second-factor/confirm", {"code": "123456"}, user="member").status_code == 404
    cloud.post("/v1/me/second-factor", {"password": PASSWORD}, user="member")
    assert cloud.post("/v1/me/second-factor/confirm", {"code": "123456"}, user="member").status_code == 400
    assert sign_in(cloud).status_code == 201


def test_a_sign_in_takes_password_and_code(cloud: Cloud) -> None:
    key, recovery = enrol(cloud)
    assert cloud.post("/v1/me/second-factor", {"password": PASSWORD}, user="member").status_code == 409
    needed = sign_in(cloud)
    assert (needed.status_code, needed.json()["code"]) == (401, "second_factor_needed")
    assert sign_in(cloud, password="wrong", code=present(key)).json()["code"] == "login_failed"
    assert sign_in(cloud, code=present(key)).status_code == 201
    assert sign_in(cloud, code=present(key)).json()["code"] == "login_failed", "the same code again"
    assert sign_in(cloud, code=recovery[0].upper()).status_code == 201
    assert sign_in(cloud, code=recovery[0]).status_code == 401
    assert cloud.get("/v1/me/second-factor", user="member").json()["recovery_left"] == 9


def test_a_code_lets_in_one_of_many_who_send_it_at_once(cloud: Cloud) -> None:
    key, _ = enrol(cloud)
    code = present(key)

    def knock(number: int) -> bool:
        try:
            cloud.parts.signin.login("member", PASSWORD, Origin(f"192.0.2.{number}"), code)
        except LoginFailed:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(knock, range(4))) == 1


def test_codes_are_guessed_slowly(cloud: Cloud) -> None:
    enrol(cloud)
    statuses = [sign_in(cloud, code="000000").status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]


def test_a_token_cannot_change_it(cloud: Cloud) -> None:
    token = cloud.post("/v1/tokens", {"name": "ci"}, user="member").json()["secret"]
    headers = {"Authorization": f"Bearer {token}"}
    assert cloud.client.post("/v1/me/second-factor", json={"password": PASSWORD}, headers=headers).status_code == 403


def test_it_is_taken_away_with_a_code(cloud: Cloud) -> None:
    _, recovery = enrol(cloud)
    assert cloud.post("/v1/me/second-factor/remove", {"code": "000000"}, user="member").status_code == 400
    assert cloud.post("/v1/me/second-factor/remove", {"code": recovery[3]}, user="member").status_code == 204
    assert sign_in(cloud).status_code == 201


def test_an_admin_takes_a_lost_one_away(cloud: Cloud) -> None:
    enrol(cloud)
    assert cloud.call("operator", "DELETE", "/v1/users/member/second-factor").status_code == 403
    assert cloud.call("admin", "DELETE", "/v1/users/member/second-factor").status_code == 204
    assert sign_in(cloud).status_code == 201


def test_who_has_the_servers_machine_gets_in_again(cloud: Cloud) -> None:
    enrol(cloud)
    reset_password(cloud.store, "member", PASSWORD)
    assert sign_in(cloud).status_code == 201


def test_a_user_who_is_deleted_leaves_no_secret(cloud: Cloud) -> None:
    enrol(cloud)
    before = cloud.rows()
    assert cloud.call("admin", "DELETE", "/v1/users/member").status_code == 204
    after = cloud.rows()
    assert (after["secrets"], after["second_factors"]) == (before["secrets"] - 1, before["second_factors"] - 1)


def test_the_command_line_asks_for_the_code(cloud: Cloud, cli: Cli) -> None:  # noqa: F811
    key, _ = enrol(cloud)
    refused = cli.run("login", "--user", "member", "--password-stdin", stdin=f"{PASSWORD}\n000000\n")
    assert "login_failed" in refused.err
    told = cli.ok("login", "--user", "member", "--password-stdin", stdin=f"{PASSWORD}\n{present(key)}\n")
    assert "Signed in" in told.out
