"""The person's own account: sessions, API tokens, SSH keys, the password."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import RedirectResponse, Response

from zcloud.api.guard import origin_of
from zcloud.base.clock import SystemClock
from zcloud.domain.errors import InvalidInput, Refused
from zcloud.web.guard import Visit, change, page
from zcloud.web.people import or_again, role_of, status_of


def show(visit: Visit, error: Refused | None = None, secret: str = "", recovery: tuple[str, ...] = ()) -> Response:
    """Show who is signed in, where else, and what lets in on their behalf."""
    signin, people = visit.parts.signin, visit.parts.people
    sessions = sorted(signin.sessions(visit.actor), key=lambda each: each.seen_at, reverse=True)
    response = visit.show(
        "account.html", status_of(error), sessions=sessions, tokens=signin.tokens(visit.actor),
        keys=people.keys(visit.actor), projects={each.id: each.name for each in people.projects(visit.actor)},
        factor=visit.parts.second_factor.show(visit.actor), error=error, secret=secret, recovery=recovery,
    )  # fmt: skip
    if secret or recovery:
        response.headers["Cache-Control"] = "no-store"
    return response


def end_session(visit: Visit) -> Response:
    """End one of the person's own sessions."""
    visit.parts.signin.end_session(visit.actor, visit.request.path_params["id"])
    return RedirectResponse("/account", 303)


def end_others(visit: Visit) -> Response:
    """End all of the person's sessions but this one."""
    for each in visit.parts.signin.sessions(visit.actor):
        if each.id != visit.actor.session_id:
            visit.parts.signin.end_session(visit.actor, each.id)
    return RedirectResponse("/account", 303)


def change_password(visit: Visit) -> Response:
    """Change the person's own password."""

    def work() -> Response:
        old, new = visit.field("old"), visit.field("new")
        visit.parts.signin.change_password(visit.actor, old, new, origin_of(visit.request))
        return RedirectResponse("/account", 303)

    return or_again(work, lambda error: show(visit, error))


def add_token(visit: Visit) -> Response:
    """Make an API token, and show it once."""

    def work() -> Response:
        role, days = role_of(visit.field("role")), _days(visit.field("days"))
        expires_at = SystemClock().now() + timedelta(days=days) if days else None
        secret, _ = visit.parts.signin.add_token(
            visit.actor, visit.field("name"), role=role, project=visit.field("project"), expires_at=expires_at
        )
        return show(visit, secret=secret)

    return or_again(work, lambda error: show(visit, error))


def revoke_token(visit: Visit) -> Response:
    """Revoke one of the person's own tokens."""
    visit.parts.signin.delete_token(visit.actor, visit.request.path_params["ref"])
    return RedirectResponse("/account", 303)


def add_key(visit: Visit) -> Response:
    """Keep a public key."""

    def work() -> Response:
        visit.parts.people.add_key(visit.actor, visit.field("name"), visit.field("public_key"))
        return RedirectResponse("/account", 303)

    return or_again(work, lambda error: show(visit, error))


def delete_key(visit: Visit) -> Response:
    """Forget a public key."""
    visit.parts.people.delete_key(visit.actor, visit.request.path_params["ref"])
    return RedirectResponse("/account", 303)


def begin_factor(visit: Visit) -> Response:
    """Make the secret of a second factor, and show it as a QR code once."""

    def work() -> Response:
        made = visit.parts.second_factor.begin(visit.actor, visit.field("password"), origin_of(visit.request))
        response = visit.show("factor.html", made=made, code=qr_code(made.uri), error=None)
        response.headers["Cache-Control"] = "no-store"
        return response

    return or_again(work, lambda error: show(visit, error))


def confirm_factor(visit: Visit) -> Response:
    """Prove that the app has the secret, and show the recovery codes once."""

    def work() -> Response:
        fresh = visit.parts.second_factor.confirm(visit.actor, visit.field("code"), origin_of(visit.request))
        return show(visit, recovery=fresh)

    return or_again(work, lambda error: visit.show("factor.html", 409, made=None, code="", error=error))


def remove_factor(visit: Visit) -> Response:
    """Take the second factor away, with one of its codes."""

    def work() -> Response:
        visit.parts.second_factor.remove(visit.actor, visit.field("code"), origin_of(visit.request))
        return RedirectResponse("/account", 303)

    return or_again(work, lambda error: show(visit, error))


def qr_code(text: str) -> str:
    """Give a text as a QR code, an SVG without styles of its own."""
    import segno  # noqa: PLC0415 - one page needs it, not every start

    return str(segno.make(text, error="m").svg_inline(scale=4, border=4, svgclass=None, lineclass=None, light="#fff"))


def _days(text: str) -> int:
    if text and not (text.isdecimal() and len(text) < 5):
        raise InvalidInput(f"{text[:40]!r} is not a number of days.", field="days")
    return int(text or 0)


ROUTES = (
    page("/account", "GET /v1/sessions", show),
    change("/account/sessions/end-others", "DELETE /v1/sessions/{id}", end_others),
    change("/account/sessions/{id}/end", "DELETE /v1/sessions/{id}", end_session),
    change("/account/password", "POST /v1/me/password", change_password),
    change("/account/factor", "POST /v1/me/second-factor", begin_factor),
    change("/account/factor/confirm", "POST /v1/me/second-factor/confirm", confirm_factor),
    change("/account/factor/remove", "POST /v1/me/second-factor/remove", remove_factor),
    change("/account/tokens", "POST /v1/tokens", add_token),
    change("/account/tokens/{ref}/revoke", "DELETE /v1/tokens/{ref}", revoke_token),
    change("/account/keys", "POST /v1/keys", add_key),
    change("/account/keys/{ref}/delete", "DELETE /v1/keys/{ref}", delete_key),
)
