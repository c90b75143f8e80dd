"""Tables of what happens and happened."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table

from zcloud.store.schema.columns import Key, big, blob, flag, id_, integer, json, key, metadata, ref, text, time

operations = Table(
    "operations",
    metadata,
    id_(),
    key("workflow"),
    key("verb"),
    key("resource_kind"),
    key("resource_id"),
    key("resource_name"),
    key("project_id", nullable=True),
    key("actor"),
    json("args"),
    key("status"),
    json("error", nullable=True),
    flag("cancel_requested"),
    flag("may_cancel"),
    integer("epoch"),
    key("worker_id", nullable=True),
    time("wake_at", nullable=True),
    text("wait_reason"),
    key("blocked_on", nullable=True),  # the host that does not answer
    key("retry_of", nullable=True),
    key("request_id"),
    key("parent_id", nullable=True, index=True),
    time("created_at"),
    time("started_at", nullable=True),
    time("ended_at", nullable=True),
    Index(None, "status", "created_at"),
    Index(None, "resource_kind", "resource_id"),
    Index(None, "created_at", "id"),
)

operation_steps = Table(
    "operation_steps",
    metadata,
    ref("operation_id", "operations.id"),
    integer("seq"),
    key("name"),
    text("title"),
    key("status"),
    time("started_at", nullable=True),
    time("ended_at", nullable=True),
    big("done"),
    big("total"),
    text("detail"),
    PrimaryKeyConstraint("operation_id", "seq"),
)

workers = Table(
    "workers",
    metadata,
    id_(),
    key("node"),
    integer("pid"),
    key("roles"),
    time("started_at"),
    time("heartbeat_at"),
)

# Numbered under a row lock, so the order of commits is the order of numbers.
counters = Table(
    "counters",
    metadata,
    Column("name", Key, primary_key=True),
    big("value"),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    time("time"),
    key("kind", index=True),
    key("project_id", nullable=True, index=True),
    key("resource_kind"),
    key("resource_id", index=True),
    key("resource_name"),
    key("actor"),
    text("message"),
    json("data"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    time("time"),
    key("actor"),
    key("address"),
    key("request_id"),
    key("action"),
    key("resource"),
    key("outcome"),
    text("detail"),
)

idempotency = Table(
    "idempotency",
    metadata,
    key("user_id"),
    key("key"),
    key("fingerprint"),
    integer("status", nullable=True),  # NULL while the request is in flight
    json("headers", nullable=True),
    text("body", nullable=True),
    time("created_at"),
    PrimaryKeyConstraint("user_id", "key"),
)

# One compressed blob per host and tick.
samples = Table(
    "samples",
    metadata,
    key("host_id"),
    time("time"),
    blob("blob"),
    PrimaryKeyConstraint("host_id", "time"),
)

settings = Table(
    "settings",
    metadata,
    Column("key", Key, primary_key=True),
    json("value"),
)
