"""Tables of instances and what they are made of."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, UniqueConstraint

from zcloud.store.schema.columns import (
    Key,
    big,
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

flavors = Table(
    "flavors",
    metadata,
    Column("name", Key, primary_key=True),
    integer("vcpus"),
    integer("memory_mib"),
    big("root_size"),
)

images = Table(
    "images",
    metadata,
    id_(),
    name(unique=False),
    ref("project_id", "projects.id", nullable=True),
    key("state"),
    key("digest", index=True),
    key("format"),
    big("size"),
    big("virtual_size"),
    key("os_id"),
    key("default_user"),
    integer("min_memory_mib"),
    big("min_disk"),
    json("source"),
    json("error", nullable=True),
    key("operation_id", nullable=True),
    time("created_at"),
    revision(),
)

instances = Table(
    "instances",
    metadata,
    id_(),
    name(unique=False),
    key("domain_name", unique=True),
    ref("project_id", "projects.id"),
    ref("host_id", "hosts.id"),
    ref("image_id", "images.id"),
    key("status", index=True),
    key("desired"),
    integer("vcpus"),
    integer("memory_mib"),
    key("flavor"),
    key("firmware"),
    key("machine"),
    json("hardware"),
    json("guest"),
    flag("protected"),
    integer("incarnation"),
    revision(),
    key("ready", index=True),
    text("ready_detail"),
    time("ready_deadline", nullable=True),
    json("observed"),
    json("error", nullable=True),
    key("operation_id", nullable=True),
    key("created_by"),
    time("created_at"),
    time("updated_at"),
    time("started_at", nullable=True),
    UniqueConstraint("project_id", "name"),
    Index(None, "name", "id"),
    Index(None, "created_at", "id"),
)

instance_tags = Table(
    "instance_tags",
    metadata,
    ref("instance_id", "instances.id"),
    key("tag", index=True),
    PrimaryKeyConstraint("instance_id", "tag"),
)

volumes = Table(
    "volumes",
    metadata,
    id_(),
    name(unique=False),
    ref("project_id", "projects.id"),
    ref("pool_id", "pools.id"),
    key("role"),
    big("size"),
    big("allocated"),
    ref("image_id", "images.id", nullable=True),
    ref("instance_id", "instances.id", nullable=True),
    integer("slot", nullable=True),
    key("state"),
    key("operation_id", nullable=True),
    time("created_at"),
    revision(),
    UniqueConstraint("project_id", "name"),
)

ports = Table(
    "ports",
    metadata,
    id_(),
    ref("instance_id", "instances.id"),
    ref("network_id", "networks.id"),
    integer("slot"),
    key("mac", unique=True),
    key("address"),
    key("tap", unique=True),
    key("hostname"),
    time("created_at"),
    UniqueConstraint("network_id", "address"),
    UniqueConstraint("instance_id", "slot"),
)
