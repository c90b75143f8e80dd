"""Tables of people and what lets them in."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, PrimaryKeyConstraint, Table, UniqueConstraint

from zcloud.store.schema.columns import (
    Key,
    big,
    blob,
    flag,
    id_,
    integer,
    json,
    key,
    metadata,
    name,
    ref,
    revision,
    text,
    time,
)

users = Table(
    "users",
    metadata,
    id_(),
    name(),
    key("role", nullable=True),
    flag("disabled"),
    text("password_hash"),
    time("created_at"),
    revision(),
)

projects = Table(
    "projects",
    metadata,
    id_(),
    name(),
    text("description"),
    json("quota"),
    time("created_at"),
    revision(),
)

members = Table(
    "members",
    metadata,
    ref("project_id", "projects.id"),
    ref("user_id", "users.id"),
    key("role"),
    PrimaryKeyConstraint("project_id", "user_id"),
)

tokens = Table(
    "tokens",
    metadata,
    id_(),
    name(unique=False),
    ref("user_id", "users.id"),
    key("digest", unique=True),
    key("role", nullable=True),
    ref("project_id", "projects.id", nullable=True),
    time("expires_at", nullable=True),
    time("last_used_at", nullable=True),
    time("created_at"),
    UniqueConstraint("user_id", "name"),
)

sessions = Table(
    "sessions",
    metadata,
    id_(),
    key("digest", unique=True),
    ref("user_id", "users.id"),
    key("address"),
    text("client"),
    time("created_at"),
    time("seen_at"),
    time("expires_at"),
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("user_id", Key, ForeignKey("users.id"), primary_key=True),
    time("confirmed_at", nullable=True),
    big("last_step"),
    json("recovery"),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("key", Key, primary_key=True),  # "name:alice" or "address:192.0.2.1"
    integer("count"),
    time("last_at"),
    time("blocked_until", nullable=True),
)

ssh_keys = Table(
    "ssh_keys",
    metadata,
    id_(),
    ref("user_id", "users.id"),
    name(unique=False),
    text("public_key"),
    key("fingerprint"),
    time("created_at"),
    UniqueConstraint("user_id", "name"),
)

# Sealed with AES-256-GCM; the row's kind and owner are the associated data.
secrets = Table(
    "secrets",
    metadata,
    key("kind"),
    key("owner_id"),
    blob("sealed"),
    PrimaryKeyConstraint("kind", "owner_id"),
)

tickets = Table(
    "tickets",
    metadata,
    Column("digest", Key, primary_key=True),
    key("session_id"),
    key("user_id"),
    key("instance_id"),
    integer("incarnation"),
    key("kind"),
    time("expires_at"),
)
