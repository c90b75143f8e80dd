"""Tables of instances and what they are made of."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table, UniqueConstraint

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
    integer("max_vcpus"),
    integer("max_memory_mib"),
    json("live"),
    json("options"),
    key("flavor"),
    key("firmware"),
    key("machine"),
    json("hardware"),
    json("guest"),
    flag("protected"),
    key("on_boot"),
    key("down_with", index=True),
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

groups = Table(
    "groups",
    metadata,
    id_(),
    name(unique=False),
    ref("project_id", "projects.id"),
    key("operation_id", nullable=True),
    time("created_at"),
    revision(),
    UniqueConstraint("project_id", "name"),
)

group_members = Table(
    "group_members",
    metadata,
    Column("instance_id", Key, ForeignKey("instances.id"), primary_key=True),
    ref("group_id", "groups.id"),
    integer("order"),
    key("until"),
    integer("delay_s"),
    key("otherwise"),
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
    json("attachment"),
    key("state"),
    key("operation_id", nullable=True),
    time("created_at"),
    revision(),
    UniqueConstraint("project_id", "name"),
    Index(None, "instance_id", "slot", unique=True),
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
    flag("link_up"),
    time("created_at"),
    UniqueConstraint("network_id", "address"),
    UniqueConstraint("instance_id", "slot"),
)
