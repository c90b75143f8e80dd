"""Tables of hosts, pools, networks and what is claimed of them."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, Table

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
    number,
    ref,
    revision,
    text,
    time,
)

hosts = Table(
    "hosts",
    metadata,
    id_(),
    name(),
    key("kind"),
    key("address"),
    integer("port"),
    key("user"),
    text("host_key"),
    text("libvirt_socket"),
    key("zone"),
    json("labels"),
    key("state"),
    text("state_reason"),
    time("state_since", nullable=True),
    key("boot_id"),
    key("accel"),
    text("accel_reason"),
    number("cpu_ratio"),
    number("memory_ratio"),
    integer("reserved_memory_mib"),
    json("inventory"),
    time("seen_at", nullable=True),
    key("operation_id", nullable=True),
    time("created_at"),
    revision(),
)

pools = Table(
    "pools",
    metadata,
    id_(),
    name(),
    key("driver"),
    ref("host_id", "hosts.id", nullable=True),
    json("options"),
    number("overcommit"),
    key("state"),
    big("total"),
    big("available"),
    time("observed_at", nullable=True),
    flag("is_default"),
    key("operation_id", nullable=True),
    time("created_at"),
    revision(),
    json("hosts"),
    flag("draining"),
    flag("filling"),
    text("warning"),
)

# Where shared pools are joined.
pool_hosts = Table(
    "pool_hosts",
    metadata,
    ref("pool_id", "pools.id"),
    ref("host_id", "hosts.id"),
    key("state"),
    text("reason"),
    time("since"),
    PrimaryKeyConstraint("pool_id", "host_id"),
)

networks = Table(
    "networks",
    metadata,
    id_(),
    name(),
    key("kind"),
    key("scope"),
    ref("host_id", "hosts.id", nullable=True),
    ref("project_id", "projects.id", nullable=True),
    key("cidr"),
    key("gateway"),
    json("dns"),
    key("search"),
    json("ranges"),
    json("options"),
    key("state"),
    flag("is_default"),
    key("operation_id", nullable=True),
    time("created_at"),
    revision(),
)

providers = Table(
    "providers",
    metadata,
    key("kind"),
    key("id"),
    big("generation"),
    json("capacity"),
    PrimaryKeyConstraint("kind", "id"),
)

claims = Table(
    "claims",
    metadata,
    key("provider_kind"),
    key("provider_id"),
    key("consumer_id", index=True),
    key("resource"),
    big("amount"),
    PrimaryKeyConstraint("provider_kind", "provider_id", "consumer_id", "resource"),
)

# Domains of hosts that are nobody's instance.
foreign_domains = Table(
    "foreign_domains",
    metadata,
    id_(),
    ref("host_id", "hosts.id"),
    key("uuid"),
    name(unique=False),
    key("state"),
    flag("persistent"),
    integer("vcpus"),
    big("memory_mib"),
    time("seen_at"),
)

# Addresses that a host was seen to use although no port has them (after a restore): not given out.
fences = Table(
    "fences",
    metadata,
    ref("network_id", "networks.id"),
    key("address"),
    key("mac"),
    key("host_id"),
    time("seen_at"),
    PrimaryKeyConstraint("network_id", "address"),
)

# MACs that were ever given out; rows are never deleted, so a MAC never repeats.
macs = Table("macs", metadata, Column("mac", Key, primary_key=True), key("port_id"))
