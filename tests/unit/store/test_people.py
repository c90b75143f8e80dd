"""Users, projects, members, tokens, sessions, keys and tickets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests import builders
from tests.threads import in_threads

from zcloud.base.ids import new_id
from zcloud.domain.errors import AlreadyExists, InUse, NotFound
from zcloud.domain.people import Member, Project, Role, Session, SshKey, Ticket, Token, User
from zcloud.store import OwnerFilter, ProjectFilter, Store

SOON = timedelta(hours=1)


@pytest.fixture
def alice(store: Store) -> User:
    record = builders.admin(name="alice")
    with store.write() as tx:
        return tx.users.add(record)


@pytest.fixture
def project(store: Store) -> Project:
    with store.write() as tx:
        return tx.projects.add(builders.project(name="p"))


def test_users(store: Store, alice: User) -> None:
    with store.write() as tx:
        assert tx.users.count_admins() == 1
        tx.users.add(builders.user())
        tx.users.update(alice.id, disabled=True)
        assert tx.users.count_admins() == 0
        assert tx.users.update(alice.id, role=None).role is None


def test_members(store: Store, alice: User, project: Project) -> None:
    with store.write() as tx:
        tx.projects.add(builders.project(name="other"))
        tx.projects.set_member(project.id, alice.id, Role.VIEWER)
        tx.projects.set_member(project.id, alice.id, Role.MEMBER)
        assert tx.projects.members(project.id) == [Member(project.id, alice.id, Role.MEMBER)]
        assert tx.projects.roles_of(alice.id) == ((project.id, Role.MEMBER),)
        assert tx.projects.page(ProjectFilter(frozenset({project.id}))).items == (project,)
        assert len(tx.projects.page(ProjectFilter()).items) == 2
    with pytest.raises(InUse), store.write() as tx:
        tx.projects.delete(project.id)
    with store.write() as tx:
        tx.projects.remove_member(project.id, alice.id)
        tx.projects.delete(project.id)
        with pytest.raises(NotFound):
            tx.projects.remove_member(project.id, alice.id)


def test_tokens(store: Store, alice: User) -> None:
    token = Token(new_id(), "d1", "ci", alice.id, Role.VIEWER, None, builders.NOW + SOON, None, builders.NOW)
    with store.write() as tx:
        tx.tokens.add(token)
        tx.tokens.used(token.id)
        assert tx.tokens.by_digest("d1") == replace(token, last_used_at=tx.now)
        assert tx.tokens.by_digest("d2") is None
        assert len(tx.tokens.of_user(alice.id)) == len(tx.tokens.page(OwnerFilter(alice.id)).items) == 1
    with pytest.raises(AlreadyExists, match="token 'ci'"), store.write() as tx:
        tx.tokens.add(replace(token, id=new_id(), digest="d2"))


def test_sessions(store: Store, alice: User) -> None:
    first = Session(new_id(), "d1", alice.id, "192.0.2.1", "curl", builders.NOW, builders.NOW, builders.NOW + SOON)
    second = replace(first, id=new_id(), digest="d2", expires_at=builders.NOW)
    with store.write() as tx:
        tx.sessions.add(first)
        tx.sessions.add(second)
        assert tx.sessions.by_digest("d1") == first
        assert len(tx.sessions.of_user(alice.id)) == 2
        assert tx.sessions.prune(builders.NOW) == 1
        assert tx.sessions.page(OwnerFilter(alice.id), sort="-seen_at").items == (first,)
        assert tx.sessions.update(first.id, seen_at=builders.NOW + SOON).seen_at == builders.NOW + SOON
        tx.sessions.delete_of_user(alice.id)
        assert tx.sessions.by_digest("d1") is None


def test_failed_logins_are_counted(store: Store) -> None:
    def fail() -> int:
        with store.write() as tx:
            return tx.sessions.login_failed("name:alice")

    assert sorted(in_threads([fail] * 6)) == [1, 2, 3, 4, 5, 6]
    with store.write() as tx:
        assert tx.sessions.login_failed("name:alice", blocked_until=tx.now + SOON) == 7
        assert tx.sessions.login_failed("address:192.0.2.1") == 1
        found = tx.sessions.failures("name:alice")
        assert found is not None
        assert (found.count, found.blocked_until) == (7, tx.now + SOON)
        tx.sessions.clear_failures("name:alice")
        assert tx.sessions.failures("name:alice") is None
        tx.sessions.clear_failures(before=tx.now + SOON)
        assert tx.sessions.failures("address:192.0.2.1") is None


def test_ssh_keys(store: Store, alice: User) -> None:
    key = SshKey(new_id(), alice.id, "laptop", "ssh-ed25519 AAAA", "SHA256:x", builders.NOW)
    with store.write() as tx:
        tx.ssh_keys.add(key)
        assert tx.ssh_keys.find(alice.id, "laptop") == tx.ssh_keys.get(key.id) == key
        assert tx.ssh_keys.find(new_id(), "laptop") is None
        assert tx.ssh_keys.of_user(alice.id) == list(tx.ssh_keys.page(OwnerFilter(alice.id)).items) == [key]


def test_a_ticket_lets_one_in(store: Store) -> None:
    with store.write() as tx:
        ticket = Ticket("d", "s", "u", "i", 3, "serial", tx.now + SOON)
        tx.tickets.add(ticket)
        tx.tickets.add(replace(ticket, digest="late", expires_at=tx.now - SOON))
        tx.tickets.add(replace(ticket, digest="later", expires_at=tx.now - SOON))
        assert tx.tickets.take("late") is None
        assert tx.tickets.prune() == 1

    def take() -> Ticket | None:
        with store.write() as tx:
            return tx.tickets.take("d")

    assert sorted(in_threads([take] * 5), key=lambda found: found is not None) == [None] * 4 + [ticket]
