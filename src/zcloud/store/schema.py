"""Every table. Portable between SQLite and PostgreSQL: text, integers, floats and JSON only.

Ids are UUID text. Times are ISO 8601 text in UTC with microseconds (``2026-01-31T10:20:30.123456Z``), so they
sort as text on both stores. Keys that cursors walk are unique and compared bytewise.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Compared bytewise on both stores; PostgreSQL's default collation depends on the machine.
Key = String(255).with_variant(String(255, collation="C"), "postgresql")


def _id() -> Column[str]:
    return Column("id", Key, primary_key=True)


def _name(unique: bool = True) -> Column[str]:
    return Column("name", Key, nullable=False, unique=unique)


def _ref(name: str, target: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Key, ForeignKey(target), nullable=nullable, index=True)


def _time(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Key, nullable=nullable)


def _revision() -> Column[int]:
    return Column("revision", Integer, nullable=False, default=1)


def _json(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


# -- people --------------------------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    _id(),
    _name(),
    Column("role", Key),
    Column("disabled", Boolean, nullable=False),
    Column("password_hash", Text, nullable=False),
    _time("created_at"),
    _revision(),
)

projects = Table(
    "projects",
    metadata,
    _id(),
    _name(),
    Column("description", Text, nullable=False),
    _json("quota"),
    _time("created_at"),
    _revision(),
)

members = Table(
    "members",
    metadata,
    _ref("project_id", "projects.id"),
    _ref("user_id", "users.id"),
    Column("role", Key, nullable=False),
    PrimaryKeyConstraint("project_id", "user_id"),
)

tokens = Table(
    "tokens",
    metadata,
    _id(),
    _name(unique=False),
    _ref("user_id", "users.id"),
    Column("digest", Key, nullable=False, unique=True),
    Column("role", Key),
    _ref("project_id", "projects.id", nullable=True),
    _time("expires_at", nullable=True),
    _time("last_used_at", nullable=True),
    _time("created_at"),
    UniqueConstraint("user_id", "name"),
)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    Column("digest", Key, nullable=False, unique=True),
    _ref("user_id", "users.id"),
    Column("address", Key, nullable=False),
    Column("client", Text, nullable=False),
    _time("created_at"),
    _time("seen_at"),
    _time("expires_at"),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("key", Key, primary_key=True),  # "name:alice" or "address:192.0.2.1"
    Column("count", Integer, nullable=False),
    _time("last_at"),
    _time("blocked_until", nullable=True),
)

ssh_keys = Table(
    "ssh_keys",
    metadata,
    _id(),
    _ref("user_id", "users.id"),
    _name(unique=False),
    Column("public_key", Text, nullable=False),
    Column("fingerprint", Key, nullable=False),
    _time("created_at"),
    UniqueConstraint("user_id", "name"),
)

# Sealed with AES-256-GCM; the row's kind and owner are the associated data.
secrets = Table(
    "secrets",
    metadata,
    Column("kind", Key, nullable=False),
    Column("owner_id", Key, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("kind", "owner_id"),
)

tickets = Table(
    "tickets",
    metadata,
    Column("digest", Key, primary_key=True),
    Column("session_id", Key, nullable=False),
    Column("user_id", Key, nullable=False),
    Column("instance_id", Key, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("kind", Key, nullable=False),
    _time("expires_at"),
)

# -- machines ------------------------------------------------------------------------------------

hosts = Table(
    "hosts",
    metadata,
    _id(),
    _name(),
    Column("kind", Key, nullable=False),
    Column("address", Key, nullable=False),
    Column("port", Integer, nullable=False),
    Column("user", Key, nullable=False),
    Column("host_key", Text, nullable=False),
    Column("libvirt_socket", Text, nullable=False),
    Column("zone", Key, nullable=False),
    _json("labels"),
    Column("state", Key, nullable=False),
    Column("state_reason", Text, nullable=False),
    _time("state_since", nullable=True),
    Column("accel", Key, nullable=False),
    Column("accel_reason", Text, nullable=False),
    Column("cpu_ratio", Float, nullable=False),
    Column("memory_ratio", Float, nullable=False),
    Column("reserved_memory_mib", Integer, nullable=False),
    _json("inventory"),
    _time("seen_at", nullable=True),
    Column("operation_id", Key),
    _time("created_at"),
    _revision(),
)

pools = Table(
    "pools",
    metadata,
    _id(),
    _name(),
    Column("driver", Key, nullable=False),
    _ref("host_id", "hosts.id", nullable=True),
    _json("options"),
    Column("overcommit", Float, nullable=False),
    Column("state", Key, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("available", BigInteger, nullable=False),
    _time("observed_at", nullable=True),
    Column("is_default", Boolean, nullable=False),
    Column("operation_id", Key),
    _time("created_at"),
    _revision(),
)

networks = Table(
    "networks",
    metadata,
    _id(),
    _name(),
    Column("kind", Key, nullable=False),
    Column("scope", Key, nullable=False),
    _ref("host_id", "hosts.id", nullable=True),
    _ref("project_id", "projects.id", nullable=True),
    Column("cidr", Key, nullable=False),
    Column("gateway", Key, nullable=False),
    _json("dns"),
    Column("search", Key, nullable=False),
    _json("ranges"),
    _json("options"),
    Column("state", Key, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("operation_id", Key),
    _time("created_at"),
    _revision(),
)

# -- admission -----------------------------------------------------------------------------------

providers = Table(
    "providers",
    metadata,
    Column("kind", Key, nullable=False),
    Column("id", Key, nullable=False),
    Column("generation", BigInteger, nullable=False),
    _json("capacity"),
    PrimaryKeyConstraint("kind", "id"),
)

claims = Table(
    "claims",
    metadata,
    Column("provider_kind", Key, nullable=False),
    Column("provider_id", Key, nullable=False),
    Column("consumer_id", Key, nullable=False, index=True),
    Column("resource", Key, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("provider_kind", "provider_id", "consumer_id", "resource"),
)

# MACs that were ever given out; rows are never deleted, so a MAC never repeats.
macs = Table("macs", metadata, Column("mac", Key, primary_key=True), Column("port_id", Key, nullable=False))

# -- instances -----------------------------------------------------------------------------------

flavors = Table(
    "flavors",
    metadata,
    Column("name", Key, primary_key=True),
    Column("vcpus", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("root_size", BigInteger, nullable=False),
)

images = Table(
    "images",
    metadata,
    _id(),
    _name(unique=False),
    _ref("project_id", "projects.id", nullable=True),
    Column("state", Key, nullable=False),
    Column("digest", Key, nullable=False, index=True),
    Column("format", Key, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("virtual_size", BigInteger, nullable=False),
    Column("os_id", Key, nullable=False),
    Column("default_user", Key, nullable=False),
    Column("min_memory_mib", Integer, nullable=False),
    Column("min_disk", BigInteger, nullable=False),
    _json("source"),
    _json("error", nullable=True),
    Column("operation_id", Key),
    _time("created_at"),
    _revision(),
)

instances = Table(
    "instances",
    metadata,
    _id(),
    _name(unique=False),
    Column("domain_name", Key, nullable=False, unique=True),
    _ref("project_id", "projects.id"),
    _ref("host_id", "hosts.id"),
    _ref("image_id", "images.id"),
    Column("status", Key, nullable=False, index=True),
    Column("desired", Key, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("flavor", Key, nullable=False),
    Column("firmware", Key, nullable=False),
    Column("machine", Key, nullable=False),
    _json("hardware"),
    _json("guest"),
    Column("protected", Boolean, nullable=False),
    Column("incarnation", Integer, nullable=False),
    _revision(),
    Column("ready", Key, nullable=False),
    Column("ready_detail", Text, nullable=False),
    _time("ready_deadline", nullable=True),
    _json("observed"),
    _json("error", nullable=True),
    Column("operation_id", Key),
    Column("created_by", Key, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    _time("started_at", nullable=True),
    UniqueConstraint("project_id", "name"),
    Index(None, "name", "id"),
    Index(None, "created_at", "id"),
)

instance_tags = Table(
    "instance_tags",
    metadata,
    _ref("instance_id", "instances.id"),
    Column("tag", Key, nullable=False, index=True),
    PrimaryKeyConstraint("instance_id", "tag"),
)

volumes = Table(
    "volumes",
    metadata,
    _id(),
    _name(unique=False),
    _ref("project_id", "projects.id"),
    _ref("pool_id", "pools.id"),
    Column("role", Key, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("allocated", BigInteger, nullable=False),
    _ref("image_id", "images.id", nullable=True),
    _ref("instance_id", "instances.id", nullable=True),
    Column("slot", Integer),
    Column("state", Key, nullable=False),
    Column("operation_id", Key),
    _time("created_at"),
    _revision(),
    UniqueConstraint("project_id", "name"),
)

ports = Table(
    "ports",
    metadata,
    _id(),
    _ref("instance_id", "instances.id"),
    _ref("network_id", "networks.id"),
    Column("slot", Integer, nullable=False),
    Column("mac", Key, nullable=False, unique=True),
    Column("address", Key, nullable=False),
    Column("tap", Key, nullable=False, unique=True),
    Column("hostname", Key, nullable=False),
    _time("created_at"),
    UniqueConstraint("network_id", "address"),
    UniqueConstraint("instance_id", "slot"),
)

# -- operations, events, audit -------------------------------------------------------------------

operations = Table(
    "operations",
    metadata,
    _id(),
    Column("workflow", Key, nullable=False),
    Column("verb", Key, nullable=False),
    Column("resource_kind", Key, nullable=False),
    Column("resource_id", Key, nullable=False),
    Column("resource_name", Key, nullable=False),
    Column("project_id", Key),
    Column("actor", Key, nullable=False),
    _json("args"),
    Column("status", Key, nullable=False),
    _json("error", nullable=True),
    Column("cancel_requested", Boolean, nullable=False),
    Column("may_cancel", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("worker_id", Key),
    _time("wake_at", nullable=True),
    Column("wait_reason", Text, nullable=False),
    Column("retry_of", Key),
    Column("request_id", Key, nullable=False),
    _time("created_at"),
    _time("started_at", nullable=True),
    _time("ended_at", nullable=True),
    Index(None, "status", "created_at"),
    Index(None, "resource_kind", "resource_id"),
    Index(None, "created_at", "id"),
)

operation_steps = Table(
    "operation_steps",
    metadata,
    _ref("operation_id", "operations.id"),
    Column("seq", Integer, nullable=False),
    Column("name", Key, nullable=False),
    Column("title", Text, nullable=False),
    Column("status", Key, nullable=False),
    _time("started_at", nullable=True),
    _time("ended_at", nullable=True),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("operation_id", "seq"),
)

workers = Table(
    "workers",
    metadata,
    _id(),
    Column("node", Key, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("roles", Key, nullable=False),
    _time("started_at"),
    _time("heartbeat_at"),
)

# Numbered under a row lock, so the order of commits is the order of numbers.
counters = Table(
    "counters",
    metadata,
    Column("name", Key, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _time("time"),
    Column("kind", Key, nullable=False, index=True),
    Column("project_id", Key, index=True),
    Column("resource_kind", Key, nullable=False),
    Column("resource_id", Key, nullable=False, index=True),
    Column("resource_name", Key, nullable=False),
    Column("actor", Key, nullable=False),
    Column("message", Text, nullable=False),
    _json("data"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _time("time"),
    Column("actor", Key, nullable=False),
    Column("address", Key, nullable=False),
    Column("request_id", Key, nullable=False),
    Column("action", Key, nullable=False),
    Column("resource", Key, nullable=False),
    Column("outcome", Key, nullable=False),
    Column("detail", Text, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("user_id", Key, nullable=False),
    Column("key", Key, nullable=False),
    Column("fingerprint", Key, nullable=False),
    Column("status", Integer),  # NULL while the request is in flight
    _json("headers", nullable=True),
    Column("body", Text),
    _time("created_at"),
    PrimaryKeyConstraint("user_id", "key"),
)

# One compressed blob per host and tick.
samples = Table(
    "samples",
    metadata,
    Column("host_id", Key, nullable=False),
    _time("time"),
    Column("blob", LargeBinary, nullable=False),
    PrimaryKeyConstraint("host_id", "time"),
)

settings = Table(
    "settings",
    metadata,
    Column("key", Key, primary_key=True),
    _json("value"),
)
