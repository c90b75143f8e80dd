"""People, hosts, pools, networks and what is claimed of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key, Time

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _users()
    _projects()
    _members()
    _tokens()
    _sessions()
    _login_failures()
    _ssh_keys()
    _secrets()
    _tickets()
    _hosts()
    _pools()
    _networks()
    _providers()
    _claims()
    _macs()


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("role", Key),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("quota", sa.JSON, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("name", name="uq_projects_name"),
    )


def _members() -> None:
    op.create_table(
        "members",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("role", Key, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "user_id", name="pk_members"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_members_project_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_members_user_id"),
    )
    op.create_index("ix_members_project_id", "members", ["project_id"])
    op.create_index("ix_members_user_id", "members", ["user_id"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("digest", Key, nullable=False),
        sa.Column("role", Key),
        sa.Column("project_id", Key),
        sa.Column("expires_at", Time),
        sa.Column("last_used_at", Time),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_tokens_project_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tokens_user_id"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        sa.UniqueConstraint("user_id", "name", name="uq_tokens_user_id_name"),
    )
    op.create_index("ix_tokens_project_id", "tokens", ["project_id"])
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", Key, nullable=False),
        sa.Column("digest", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("address", Key, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("seen_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
        sa.UniqueConstraint("digest", name="uq_sessions_digest"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])


def _login_failures() -> None:
    op.create_table(
        "login_failures",
        sa.Column("key", Key, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("last_at", Time, nullable=False),
        sa.Column("blocked_until", Time),
        sa.PrimaryKeyConstraint("key", name="pk_login_failures"),
    )


def _ssh_keys() -> None:
    op.create_table(
        "ssh_keys",
        sa.Column("id", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("fingerprint", Key, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ssh_keys"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_ssh_keys_user_id"),
        sa.UniqueConstraint("user_id", "name", name="uq_ssh_keys_user_id_name"),
    )
    op.create_index("ix_ssh_keys_user_id", "ssh_keys", ["user_id"])


def _secrets() -> None:
    op.create_table(
        "secrets",
        sa.Column("kind", Key, nullable=False),
        sa.Column("owner_id", Key, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("kind", "owner_id", name="pk_secrets"),
    )


def _tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("digest", Key, nullable=False),
        sa.Column("session_id", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("instance_id", Key, nullable=False),
        sa.Column("incarnation", sa.Integer, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_tickets"),
    )


def _hosts() -> None:
    op.create_table(
        "hosts",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("address", Key, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("user", Key, nullable=False),
        sa.Column("host_key", sa.Text, nullable=False),
        sa.Column("libvirt_socket", sa.Text, nullable=False),
        sa.Column("zone", Key, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("state_reason", sa.Text, nullable=False),
        sa.Column("state_since", Time),
        sa.Column("accel", Key, nullable=False),
        sa.Column("accel_reason", sa.Text, nullable=False),
        sa.Column("cpu_ratio", sa.Float, nullable=False),
        sa.Column("memory_ratio", sa.Float, nullable=False),
        sa.Column("reserved_memory_mib", sa.Integer, nullable=False),
        sa.Column("inventory", sa.JSON, nullable=False),
        sa.Column("seen_at", Time),
        sa.Column("operation_id", Key),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hosts"),
        sa.UniqueConstraint("name", name="uq_hosts_name"),
    )


def _pools() -> None:
    op.create_table(
        "pools",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("driver", Key, nullable=False),
        sa.Column("host_id", Key),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("overcommit", sa.Float, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("available", sa.BigInteger, nullable=False),
        sa.Column("observed_at", Time),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("operation_id", Key),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pools"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_pools_host_id"),
        sa.UniqueConstraint("name", name="uq_pools_name"),
    )
    op.create_index("ix_pools_host_id", "pools", ["host_id"])


def _networks() -> None:
    op.create_table(
        "networks",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("scope", Key, nullable=False),
        sa.Column("host_id", Key),
        sa.Column("project_id", Key),
        sa.Column("cidr", Key, nullable=False),
        sa.Column("gateway", Key, nullable=False),
        sa.Column("dns", sa.JSON, nullable=False),
        sa.Column("search", Key, nullable=False),
        sa.Column("ranges", sa.JSON, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("operation_id", Key),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_networks"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_networks_host_id"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_networks_project_id"),
        sa.UniqueConstraint("name", name="uq_networks_name"),
    )
    op.create_index("ix_networks_host_id", "networks", ["host_id"])
    op.create_index("ix_networks_project_id", "networks", ["project_id"])


def _providers() -> None:
    op.create_table(
        "providers",
        sa.Column("kind", Key, nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("capacity", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name="pk_providers"),
    )


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("provider_kind", Key, nullable=False),
        sa.Column("provider_id", Key, nullable=False),
        sa.Column("consumer_id", Key, nullable=False),
        sa.Column("resource", Key, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("provider_kind", "provider_id", "consumer_id", "resource", name="pk_claims"),
    )
    op.create_index("ix_claims_consumer_id", "claims", ["consumer_id"])


def _macs() -> None:
    op.create_table(
        "macs",
        sa.Column("mac", Key, nullable=False),
        sa.Column("port_id", Key, nullable=False),
        sa.PrimaryKeyConstraint("mac", name="pk_macs"),
    )
