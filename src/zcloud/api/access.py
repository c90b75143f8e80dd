"""Which role may call which route: one table. A route without a row, or a row without a route, stops the server.

``GLOBAL`` roles are enforced here. For ``PROJECT`` rows the service decides by the thing's own project; here only
those are turned away who hold the role nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from zcloud.domain.errors import Forbidden, Internal
from zcloud.domain.people import Actor, Role


class Scope(StrEnum):
    """Where the least role of a row must be held."""

    PUBLIC = "public"  # no authentication
    SELF = "self"  # any user, about themself or what everybody may see
    SESSION = "session"  # as self, but signed in: a token cannot make itself more than it is
    PROJECT = "project"  # the role in the thing's project
    GLOBAL = "global"  # the role everywhere


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route takes. ``reveals``: its answer holds a secret, so it is never kept for an Idempotency-Key.

    ``local``: where the configuration says so, whoever is on the server's own machine needs no token. ``asks``: a host
    is asked while the request waits, so that even a read depends on how things are there.
    ``part``: one of many requests that make one change, of which beginning and end are audited, and what is refused.
    ``always``: it changes something, and may do so also while a restored server changes nothing (see ``reconcile``).
    """

    scope: Scope
    role: Role = Role.VIEWER
    reveals: bool = False
    local: bool = False
    asks: bool = False
    part: bool = False
    always: bool = False


PUBLIC, SELF, SESSION = Rule(Scope.PUBLIC), Rule(Scope.SELF), Rule(Scope.SESSION)
LEAVE = Rule(Scope.SESSION, always=True)  # what lets nobody in may always be taken back
VIEWER, MEMBER = Rule(Scope.PROJECT), Rule(Scope.PROJECT, Role.MEMBER)
LOOK, OPERATOR, ADMIN = Rule(Scope.GLOBAL), Rule(Scope.GLOBAL, Role.OPERATOR), Rule(Scope.GLOBAL, Role.ADMIN)

ROUTES: dict[tuple[str, str], Rule] = {
    ("GET", "/"): PUBLIC,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): Rule(Scope.GLOBAL, local=True),
    ("GET", "/v1/openapi.json"): PUBLIC,
    ("POST", "/v1/login"): Rule(Scope.PUBLIC, reveals=True, always=True),
    ("WEBSOCKET", "/v1/console"): PUBLIC,  # the ticket lets in
    ("POST", "/v1/logout"): LEAVE,
    ("GET", "/v1/me"): SELF,
    ("POST", "/v1/me/password"): SESSION,
    ("GET", "/v1/me/second-factor"): SELF,
    ("POST", "/v1/me/second-factor"): Rule(Scope.SESSION, reveals=True),
    ("POST", "/v1/me/second-factor/confirm"): Rule(Scope.SESSION, reveals=True),
    ("POST", "/v1/me/second-factor/remove"): SESSION,
    ("GET", "/v1/sessions"): SELF,
    ("DELETE", "/v1/sessions/{id}"): LEAVE,
    ("GET", "/v1/tokens"): SELF,
    ("POST", "/v1/tokens"): Rule(Scope.SESSION, reveals=True),
    ("DELETE", "/v1/tokens/{ref}"): LEAVE,
    ("GET", "/v1/keys"): SELF,
    ("POST", "/v1/keys"): MEMBER,
    ("DELETE", "/v1/keys/{ref}"): MEMBER,
    ("GET", "/v1/users"): ADMIN,
    ("POST", "/v1/users"): ADMIN,
    ("GET", "/v1/users/{ref}"): ADMIN,
    ("PATCH", "/v1/users/{ref}"): Rule(Scope.GLOBAL, Role.ADMIN, always=True),
    ("DELETE", "/v1/users/{ref}"): ADMIN,
    ("DELETE", "/v1/users/{ref}/second-factor"): ADMIN,
    ("GET", "/v1/projects"): VIEWER,
    ("POST", "/v1/projects"): ADMIN,
    ("GET", "/v1/projects/{ref}"): VIEWER,
    ("PATCH", "/v1/projects/{ref}"): ADMIN,
    ("DELETE", "/v1/projects/{ref}"): ADMIN,
    ("PUT", "/v1/projects/{ref}/members/{user}"): ADMIN,
    ("DELETE", "/v1/projects/{ref}/members/{user}"): ADMIN,
    ("GET", "/v1/hosts"): LOOK,
    ("POST", "/v1/hosts"): OPERATOR,
    ("GET", "/v1/hosts/{ref}"): LOOK,
    ("PATCH", "/v1/hosts/{ref}"): OPERATOR,
    ("DELETE", "/v1/hosts/{ref}"): OPERATOR,
    ("GET", "/v1/hosts/{ref}/loss"): ADMIN,
    ("POST", "/v1/hosts/{ref}/forget"): ADMIN,
    ("POST", "/v1/hosts/{ref}/approve"): OPERATOR,
    ("POST", "/v1/hosts/{ref}/refresh"): OPERATOR,
    ("GET", "/v1/hosts/{ref}/orphans"): OPERATOR,
    ("GET", "/v1/hosts/{ref}/domains"): OPERATOR,
    ("GET", "/v1/hosts/{ref}/domains/{domain}/adoption"): Rule(Scope.GLOBAL, Role.OPERATOR, asks=True),
    ("POST", "/v1/hosts/{ref}/domains/{domain}/adopt"): OPERATOR,
    ("GET", "/v1/hosts/{ref}/disks"): Rule(Scope.GLOBAL, Role.ADMIN, asks=True),
    ("GET", "/v1/hosts/{ref}/disks/{disk}/preparation"): Rule(Scope.GLOBAL, Role.ADMIN, asks=True),
    ("POST", "/v1/hosts/{ref}/disks/{disk}/prepare"): ADMIN,
    ("POST", "/v1/hosts/{ref}/disks/release"): ADMIN,
    ("POST", "/v1/hosts/{ref}/guests/stop"): OPERATOR,
    ("POST", "/v1/hosts/{ref}/guests/start"): OPERATOR,
    ("GET", "/v1/pools"): LOOK,
    ("POST", "/v1/pools"): OPERATOR,
    ("GET", "/v1/pools/{ref}"): LOOK,
    ("PATCH", "/v1/pools/{ref}"): OPERATOR,
    ("DELETE", "/v1/pools/{ref}"): OPERATOR,
    ("POST", "/v1/pools/{ref}/refresh"): OPERATOR,
    ("POST", "/v1/pools/{ref}/grow"): OPERATOR,
    ("GET", "/v1/groups"): VIEWER,
    ("POST", "/v1/groups"): MEMBER,
    ("GET", "/v1/groups/{ref}"): VIEWER,
    ("PATCH", "/v1/groups/{ref}"): MEMBER,
    ("DELETE", "/v1/groups/{ref}"): MEMBER,
    ("PUT", "/v1/groups/{ref}/members/{instance}"): MEMBER,
    ("DELETE", "/v1/groups/{ref}/members/{instance}"): MEMBER,
    ("POST", "/v1/groups/{ref}/start"): MEMBER,
    ("POST", "/v1/groups/{ref}/stop"): MEMBER,
    ("GET", "/v1/volumes"): VIEWER,
    ("POST", "/v1/volumes"): MEMBER,
    ("GET", "/v1/volumes/{ref}"): VIEWER,
    ("PATCH", "/v1/volumes/{ref}"): MEMBER,
    ("POST", "/v1/volumes/{ref}/resize"): MEMBER,
    ("POST", "/v1/volumes/{ref}/clone"): MEMBER,
    ("POST", "/v1/volumes/{ref}/move"): MEMBER,
    ("DELETE", "/v1/volumes/{ref}"): MEMBER,
    ("GET", "/v1/networks"): VIEWER,
    ("POST", "/v1/networks"): OPERATOR,
    ("GET", "/v1/networks/{ref}"): VIEWER,
    ("PATCH", "/v1/networks/{ref}"): OPERATOR,
    ("DELETE", "/v1/networks/{ref}"): OPERATOR,
    ("GET", "/v1/networks/{ref}/records"): VIEWER,
    ("DELETE", "/v1/networks/{ref}/fences/{address}"): OPERATOR,
    ("GET", "/v1/images"): VIEWER,
    ("POST", "/v1/images"): MEMBER,
    ("GET", "/v1/images/{ref}"): VIEWER,
    ("GET", "/v1/uploads"): VIEWER,
    ("GET", "/v1/images/{id}/upload"): MEMBER,
    ("PUT", "/v1/images/{id}/upload"): Rule(Scope.PROJECT, Role.MEMBER, part=True),
    ("POST", "/v1/images/{id}/upload/finish"): MEMBER,
    ("POST", "/v1/images/{ref}/pause"): MEMBER,
    ("POST", "/v1/images/{ref}/resume"): MEMBER,
    ("DELETE", "/v1/images/{ref}"): MEMBER,
    ("GET", "/v1/catalogue"): SELF,
    ("GET", "/v1/os"): SELF,
    ("GET", "/v1/os/{ref}"): SELF,
    ("GET", "/v1/flavors"): SELF,
    ("POST", "/v1/flavors"): ADMIN,
    ("GET", "/v1/flavors/{ref}"): SELF,
    ("DELETE", "/v1/flavors/{ref}"): ADMIN,
    ("GET", "/v1/instances"): VIEWER,
    ("POST", "/v1/instances"): MEMBER,
    ("GET", "/v1/instances/{ref}"): VIEWER,
    ("PATCH", "/v1/instances/{ref}"): MEMBER,
    ("DELETE", "/v1/instances/{ref}"): MEMBER,
    ("POST", "/v1/instances/{ref}/start"): MEMBER,
    ("POST", "/v1/instances/{ref}/stop"): MEMBER,
    ("POST", "/v1/instances/{ref}/restart"): MEMBER,
    ("POST", "/v1/instances/{ref}/resize"): MEMBER,
    ("GET", "/v1/instances/{ref}/disks"): VIEWER,
    ("POST", "/v1/instances/{ref}/disks"): MEMBER,
    ("PATCH", "/v1/instances/{ref}/disks/{disk}"): MEMBER,
    ("DELETE", "/v1/instances/{ref}/disks/{disk}"): MEMBER,
    ("POST", "/v1/instances/{ref}/customize"): MEMBER,
    ("GET", "/v1/instances/{ref}/snapshots"): VIEWER,
    ("POST", "/v1/instances/{ref}/snapshots"): MEMBER,
    ("POST", "/v1/instances/{ref}/snapshots/{snapshot}/revert"): MEMBER,
    ("DELETE", "/v1/instances/{ref}/snapshots/{snapshot}"): MEMBER,
    ("GET", "/v1/snapshot-schedules"): VIEWER,
    ("POST", "/v1/snapshot-schedules"): MEMBER,
    ("PATCH", "/v1/snapshot-schedules/{ref}"): MEMBER,
    ("DELETE", "/v1/snapshot-schedules/{ref}"): MEMBER,
    ("GET", "/v1/instances/{ref}/nics"): VIEWER,
    ("POST", "/v1/instances/{ref}/nics"): MEMBER,
    ("PATCH", "/v1/instances/{ref}/nics/{nic}"): MEMBER,
    ("DELETE", "/v1/instances/{ref}/nics/{nic}"): MEMBER,
    ("PATCH", "/v1/instances/{ref}/hardware"): MEMBER,
    ("GET", "/v1/instances/{ref}/console-log"): Rule(Scope.PROJECT, Role.MEMBER, asks=True),
    ("POST", "/v1/instances/{ref}/console"): Rule(Scope.PROJECT, Role.MEMBER, reveals=True, always=True),
    ("POST", "/v1/instances/actions"): MEMBER,
    ("GET", "/v1/instances/{ref}/xml"): Rule(Scope.GLOBAL, Role.OPERATOR, asks=True),
    ("PUT", "/v1/instances/{ref}/xml"): OPERATOR,
    ("GET", "/v1/instances/{ref}/screenshot"): Rule(Scope.PROJECT, Role.MEMBER, asks=True),
    ("POST", "/v1/instances/{ref}/keys"): MEMBER,
    ("GET", "/v1/instances/{ref}/guest/filesystems"): Rule(Scope.PROJECT, Role.MEMBER, asks=True),
    ("GET", "/v1/instances/{ref}/guest/info"): Rule(Scope.PROJECT, Role.MEMBER, asks=True),
    ("POST", "/v1/instances/{ref}/guest/trim"): MEMBER,
    ("POST", "/v1/instances/{ref}/guest/time"): MEMBER,
    ("POST", "/v1/instances/{ref}/guest/password"): MEMBER,
    ("POST", "/v1/instances/{ref}/guest/freeze"): MEMBER,
    ("POST", "/v1/instances/{ref}/guest/thaw"): MEMBER,
    ("POST", "/v1/instances/{ref}/guest/commands"): ADMIN,
    ("GET", "/v1/instances/{ref}/guest/commands/{pid}"): Rule(Scope.GLOBAL, Role.ADMIN, asks=True),
    ("POST", "/v1/instances/{ref}/guest/file"): Rule(Scope.GLOBAL, Role.ADMIN, reveals=True),
    ("POST", "/v1/instances/{ref}/rename"): MEMBER,
    ("POST", "/v1/instances/{ref}/clone"): MEMBER,
    ("POST", "/v1/instances/{ref}/move"): MEMBER,
    ("POST", "/v1/instances/{ref}/template"): MEMBER,
    ("POST", "/v1/instances/{ref}/forget"): OPERATOR,
    ("POST", "/v1/instances/{ref}/pause"): MEMBER,
    ("POST", "/v1/instances/{ref}/resume"): MEMBER,
    ("POST", "/v1/instances/{ref}/reset"): MEMBER,
    ("POST", "/v1/instances/{ref}/save"): MEMBER,
    ("POST", "/v1/instances/{ref}/restore"): MEMBER,
    ("POST", "/v1/instances/{ref}/discard-saved"): MEMBER,
    ("POST", "/v1/instances/{ref}/insert"): MEMBER,
    ("POST", "/v1/instances/{ref}/eject"): MEMBER,
    ("GET", "/v1/trash"): VIEWER,
    ("POST", "/v1/trash/empty"): MEMBER,
    ("POST", "/v1/trash/{ref}/restore"): MEMBER,
    ("DELETE", "/v1/trash/{ref}"): MEMBER,
    ("GET", "/v1/operations"): VIEWER,
    ("GET", "/v1/operations/{id}"): VIEWER,
    ("POST", "/v1/operations/{id}/cancel"): MEMBER,
    ("POST", "/v1/operations/{id}/retry"): MEMBER,
    ("GET", "/v1/events"): VIEWER,
    ("GET", "/v1/audit"): ADMIN,
    ("GET", "/v1/reconcile"): LOOK,
    ("GET", "/v1/reconcile/differences"): LOOK,
    ("POST", "/v1/reconcile/finish"): Rule(Scope.GLOBAL, Role.ADMIN, always=True),
    ("GET", "/v1/backups"): LOOK,
}  # fmt: skip


def check_table(routes: Iterable[tuple[str, str]]) -> None:
    """Compare the routes that there are with the table; raises Internal naming every difference."""
    there = set(routes)
    without_row, without_route = sorted(there - ROUTES.keys()), sorted(ROUTES.keys() - there)
    if without_row or without_route:
        raise Internal(f"Routes without a row: {without_row}; rows without a route: {without_route}.")


def admit(actor: Actor, rule: Rule) -> None:
    """Let the actor pass as far as the table can tell; raises Forbidden."""
    if rule.scope is Scope.SESSION and not actor.has_session:
        raise Forbidden("A token cannot do this.", hint="Sign in with `zcloud login`.")
    if rule.scope is Scope.GLOBAL and (actor.role is None or not actor.role.includes(rule.role)):
        raise Forbidden(f"This takes the role {rule.role} everywhere.")
    looks_only = rule.role is Role.VIEWER  # a list is empty for those who may see nothing
    if rule.scope is Scope.PROJECT and not looks_only and not _holds_somewhere(actor, rule.role):
        raise Forbidden(f"This takes the role {rule.role}.")


def _holds_somewhere(actor: Actor, role: Role) -> bool:
    held = [actor.role, *(each for _, each in actor.project_roles)]
    return any(each is not None and each.includes(role) for each in held)
