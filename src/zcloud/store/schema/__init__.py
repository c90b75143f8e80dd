"""Every table."""

from __future__ import annotations

from zcloud.store.schema.columns import Key, Time, metadata
from zcloud.store.schema.instances import (
    flavors,
    group_members,
    groups,
    images,
    instance_tags,
    instances,
    ports,
    volumes,
)
from zcloud.store.schema.machines import claims, fences, foreign_domains, hosts, macs, networks, pools, providers
from zcloud.store.schema.people import (
    login_failures,
    members,
    projects,
    secrets,
    sessions,
    ssh_keys,
    tickets,
    tokens,
    users,
)
from zcloud.store.schema.records import (
    audit,
    counters,
    events,
    idempotency,
    operation_steps,
    operations,
    samples,
    settings,
    workers,
)

__all__ = [
    "Key",
    "Time",
    "audit",
    "claims",
    "counters",
    "events",
    "fences",
    "flavors",
    "foreign_domains",
    "group_members",
    "groups",
    "hosts",
    "idempotency",
    "images",
    "instance_tags",
    "instances",
    "login_failures",
    "macs",
    "members",
    "metadata",
    "networks",
    "operation_steps",
    "operations",
    "pools",
    "ports",
    "projects",
    "providers",
    "samples",
    "secrets",
    "sessions",
    "settings",
    "ssh_keys",
    "tickets",
    "tokens",
    "users",
    "volumes",
    "workers",
]
