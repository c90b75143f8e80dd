"""Users, projects, members and SSH keys."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from typing import Any

from zcloud.base.ids import new_id
from zcloud.domain.errors import Forbidden, InUse, InvalidInput, NotFound
from zcloud.domain.names import check_name
from zcloud.domain.people import Actor, Member, Project, Quota, Role, SshKey, User
from zcloud.services.codes import forget
from zcloud.services.context import Services, authorize, expect, resolve_project, visible_projects
from zcloud.services.passwords import hash_password
from zcloud.store import Tx

_KEY_KINDS = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
              "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")  # fmt: skip


class People:
    """The service behind ``zcloud user``, ``zcloud project`` and ``zcloud key``."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    def users(self, actor: Actor) -> list[User]:
        """List all users."""
        authorize(actor, None, Role.ADMIN, "The list of users")
        with self._store.read() as tx:
            return tx.users.all()

    def show_user(self, actor: Actor, ref: str) -> User:
        """Give one user by name or id; raises NotFound."""
        authorize(actor, None, Role.ADMIN, "The list of users")
        with self._store.read() as tx:
            return tx.users.resolve(ref)

    def add_user(self, actor: Actor, name: str, password: str, role: Role | None) -> User:
        """Add a user; without a password the user has no password login. Raises InvalidInput, AlreadyExists."""
        authorize(actor, None, Role.ADMIN, "Adding users")
        check_name(name, "user name")
        hashed = hash_password(password) if password else ""
        return self._store.transact(lambda tx: add_user(tx, name, hashed, role))

    def change_user(self, actor: Actor, ref: str, changes: dict[str, Any], revision: int | None) -> User:
        """Change role, password or ``disabled``; the last enabled admin stays one. Raises RevisionMismatch."""
        authorize(actor, None, Role.ADMIN, "Changing users")
        values = dict(changes)
        password = values.pop("password", None)
        if password is not None:
            values["password_hash"] = hash_password(password)

        def work(tx: Tx) -> User:
            user = tx.users.update(tx.users.resolve(ref).id, expect_revision=revision, bump=True, **values)
            _keep_an_admin(tx)
            if user.disabled or password is not None:
                tx.sessions.delete_of_user(user.id)
            return user

        return self._store.transact(work)

    def delete_user(self, actor: Actor, ref: str, revision: int | None = None) -> None:
        """Delete a user with its sessions, tokens and keys; what the user made stays. Raises RevisionMismatch."""
        authorize(actor, None, Role.ADMIN, "Deleting users")

        def work(tx: Tx) -> None:
            user = tx.users.resolve(ref)
            expect(user, revision)
            tx.sessions.delete_of_user(user.id)
            for token in tx.tokens.of_user(user.id):
                tx.tokens.delete(token.id)
            for key in tx.ssh_keys.of_user(user.id):
                tx.ssh_keys.delete(key.id)
            forget(tx, user.id)
            for project_id, _ in tx.projects.roles_of(user.id):
                tx.projects.remove_member(project_id, user.id)
            tx.users.delete(user.id)
            _keep_an_admin(tx)

        self._store.transact(work)

    def projects(self, actor: Actor) -> list[Project]:
        """List the projects that the actor may see."""
        visible = visible_projects(actor)
        with self._store.read() as tx:
            return [each for each in tx.projects.all() if visible is None or each.id in visible]

    def show_project(self, actor: Actor, ref: str) -> tuple[Project, list[tuple[Member, str]], dict[str, int]]:
        """Give a project, its members with their names, and what it uses of its quota."""
        with self._store.read() as tx:
            project = resolve_project(tx, actor, ref, Role.VIEWER)
            members = tx.projects.members(project.id)
            names = tx.users.many({each.user_id for each in members})
            told = [(each, names[each.user_id].name) for each in members]
            return project, told, dataclasses.asdict(tx.claims.totals_by_project(project.id))

    def add_project(self, actor: Actor, name: str, description: str, quota: Quota) -> Project:
        """Add a project; raises InvalidInput, AlreadyExists."""
        authorize(actor, None, Role.ADMIN, "Adding projects")
        check_name(name, "project name")
        _check_quota(quota)
        return self._store.transact(lambda tx: tx.projects.add(Project(new_id(), name, description, quota, tx.now, 1)))

    def change_project(self, actor: Actor, ref: str, changes: dict[str, Any], revision: int | None) -> Project:
        """Change description or quota; raises RevisionMismatch."""
        authorize(actor, None, Role.ADMIN, "Changing projects")
        if "quota" in changes:
            _check_quota(changes["quota"])
        return self._store.transact(
            lambda tx: tx.projects.update(tx.projects.resolve(ref).id, expect_revision=revision, bump=True, **changes)
        )

    def delete_project(self, actor: Actor, ref: str, revision: int | None = None) -> None:
        """Delete an empty project; raises InUse, RevisionMismatch."""
        authorize(actor, None, Role.ADMIN, "Deleting projects")

        def work(tx: Tx) -> None:
            project = tx.projects.resolve(ref)
            expect(project, revision)
            if project.name == "default":
                raise InUse("The project named default stays.")
            for member in tx.projects.members(project.id):
                tx.projects.remove_member(project.id, member.user_id)
            for schedule in tx.schedules.of_project(project.id):
                tx.schedules.delete(schedule.id)
            tx.projects.delete(project.id)

        self._store.transact(work)

    def set_member(self, actor: Actor, project: str, user: str, role: Role | None) -> None:
        """Give a user a role in a project, or take it away (``role`` None); raises NotFound, Forbidden."""
        authorize(actor, None, Role.ADMIN, "Changing members")

        def work(tx: Tx) -> None:
            project_id, user_id = tx.projects.resolve(project).id, tx.users.resolve(user).id
            if role is None:
                tx.projects.remove_member(project_id, user_id)
            elif role is Role.ADMIN:
                raise Forbidden("The role admin holds everywhere; give it to the user, not in a project.")
            else:
                tx.projects.set_member(project_id, user_id, role)

        self._store.transact(work)

    def keys(self, actor: Actor) -> list[SshKey]:
        """List the actor's own SSH keys."""
        with self._store.read() as tx:
            return tx.ssh_keys.of_user(actor.user_id)

    def add_key(self, actor: Actor, name: str, public_key: str) -> SshKey:
        """Keep a public key of the actor's; raises InvalidInput, AlreadyExists."""
        check_name(name, "key name")
        line = " ".join(public_key.split())
        fingerprint = key_fingerprint(line)
        return self._store.transact(
            lambda tx: tx.ssh_keys.add(SshKey(new_id(), actor.user_id, name, line, fingerprint, tx.now))
        )

    def delete_key(self, actor: Actor, name: str) -> None:
        """Forget one of the actor's keys, by name or id; raises NotFound."""

        def work(tx: Tx) -> None:
            for key in tx.ssh_keys.of_user(actor.user_id):
                if name in (key.name, key.id):
                    tx.ssh_keys.delete(key.id)
                    return
            raise NotFound(f"You have no SSH key {name[:80]!r}.")

        self._store.transact(work)


def add_user(tx: Tx, name: str, password_hash: str, role: Role | None) -> User:
    """Add a user within a transaction (the installation adds its first admin so)."""
    return tx.users.add(User(new_id(), name, role, False, password_hash, tx.now, 1))


def key_fingerprint(line: str) -> str:
    """Give the SHA-256 fingerprint of a public key line as ssh-keygen prints it; raises InvalidInput."""
    parts = line.split(" ")
    try:
        blob = base64.b64decode(parts[1], validate=True)
        kind = blob[4 : 4 + int.from_bytes(blob[:4])].decode()
    except (IndexError, ValueError) as error:
        raise InvalidInput(
            "That is not an SSH public key line.", hint="ssh-ed25519 AAAA… comment", field="public_key"
        ) from error
    if parts[0] not in _KEY_KINDS or kind != parts[0] or len(line) > 8192:
        raise InvalidInput(
            f"SSH keys of the kind {parts[0][:40]!r} are not taken.",
            hint=", ".join(_KEY_KINDS[:3]),
            field="public_key",
        )
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _keep_an_admin(tx: Tx) -> None:
    if not tx.users.count_admins():
        raise InUse("That was the last admin; the cloud needs one.", hint="Make another user an admin first.")


def _check_quota(quota: Quota) -> None:
    for name in ("instances", "vcpus", "memory_mib", "volume_bytes"):
        value = getattr(quota, name)
        if value is not None and not 0 <= value < 1 << 60:
            raise InvalidInput(f"The quota's {name} is out of bounds.", field=f"quota.{name}")
