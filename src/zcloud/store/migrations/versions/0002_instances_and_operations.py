"""Instances and what they are made of, operations, events and the rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key, Time

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    _flavors()
    _images()
    _instances()
    _instance_tags()
    _volumes()
    _ports()
    _operations()
    _operation_steps()
    _workers()
    _counters()
    _events()
    _audit()
    _idempotency()
    _samples()
    _settings()


def _flavors() -> None:
    op.create_table(
        "flavors",
        sa.Column("name", Key, nullable=False),
        sa.Column("vcpus", sa.Integer, nullable=False),
        sa.Column("memory_mib", sa.Integer, nullable=False),
        sa.Column("root_size", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_flavors"),
    )


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("project_id", Key),
        sa.Column("state", Key, nullable=False),
        sa.Column("digest", Key, nullable=False),
        sa.Column("format", Key, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("virtual_size", sa.BigInteger, nullable=False),
        sa.Column("os_id", Key, nullable=False),
        sa.Column("default_user", Key, nullable=False),
        sa.Column("min_memory_mib", sa.Integer, nullable=False),
        sa.Column("min_disk", sa.BigInteger, nullable=False),
        sa.Column("source", sa.JSON, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("operation_id", Key),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_images_project_id"),
    )
    op.create_index("ix_images_digest", "images", ["digest"])
    op.create_index("ix_images_project_id", "images", ["project_id"])


def _instances() -> None:
    op.create_table(
        "instances",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("domain_name", Key, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("host_id", Key, nullable=False),
        sa.Column("image_id", Key, nullable=False),
        sa.Column("status", Key, nullable=False),
        sa.Column("desired", Key, nullable=False),
        sa.Column("vcpus", sa.Integer, nullable=False),
        sa.Column("memory_mib", sa.Integer, nullable=False),
        sa.Column("flavor", Key, nullable=False),
        sa.Column("firmware", Key, nullable=False),
        sa.Column("machine", Key, nullable=False),
        sa.Column("hardware", sa.JSON, nullable=False),
        sa.Column("guest", sa.JSON, nullable=False),
        sa.Column("protected", sa.Boolean, nullable=False),
        sa.Column("incarnation", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("ready", Key, nullable=False),
        sa.Column("ready_detail", sa.Text, nullable=False),
        sa.Column("ready_deadline", Time),
        sa.Column("observed", sa.JSON, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("operation_id", Key),
        sa.Column("created_by", Key, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("started_at", Time),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_instances_host_id"),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_instances_image_id"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_instances_project_id"),
        sa.UniqueConstraint("domain_name", name="uq_instances_domain_name"),
        sa.UniqueConstraint("project_id", "name", name="uq_instances_project_id_name"),
    )
    _instance_indexes()


def _instance_indexes() -> None:
    op.create_index("ix_instances_created_at_id", "instances", ["created_at", "id"])
    op.create_index("ix_instances_host_id", "instances", ["host_id"])
    op.create_index("ix_instances_image_id", "instances", ["image_id"])
    op.create_index("ix_instances_name_id", "instances", ["name", "id"])
    op.create_index("ix_instances_project_id", "instances", ["project_id"])
    op.create_index("ix_instances_ready", "instances", ["ready"])
    op.create_index("ix_instances_status", "instances", ["status"])


def _instance_tags() -> None:
    op.create_table(
        "instance_tags",
        sa.Column("instance_id", Key, nullable=False),
        sa.Column("tag", Key, nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "tag", name="pk_instance_tags"),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_instance_tags_instance_id"),
    )
    op.create_index("ix_instance_tags_instance_id", "instance_tags", ["instance_id"])
    op.create_index("ix_instance_tags_tag", "instance_tags", ["tag"])


def _volumes() -> None:
    op.create_table(
        "volumes",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("pool_id", Key, nullable=False),
        sa.Column("role", Key, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("allocated", sa.BigInteger, nullable=False),
        sa.Column("image_id", Key),
        sa.Column("instance_id", Key),
        sa.Column("slot", sa.Integer),
        sa.Column("state", Key, nullable=False),
        sa.Column("operation_id", Key),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_volumes"),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_volumes_image_id"),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_volumes_instance_id"),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name="fk_volumes_pool_id"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_volumes_project_id"),
        sa.UniqueConstraint("project_id", "name", name="uq_volumes_project_id_name"),
    )
    op.create_index("ix_volumes_image_id", "volumes", ["image_id"])
    op.create_index("ix_volumes_instance_id", "volumes", ["instance_id"])
    op.create_index("ix_volumes_pool_id", "volumes", ["pool_id"])
    op.create_index("ix_volumes_project_id", "volumes", ["project_id"])


def _ports() -> None:
    op.create_table(
        "ports",
        sa.Column("id", Key, nullable=False),
        sa.Column("instance_id", Key, nullable=False),
        sa.Column("network_id", Key, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("mac", Key, nullable=False),
        sa.Column("address", Key, nullable=False),
        sa.Column("tap", Key, nullable=False),
        sa.Column("hostname", Key, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ports"),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_ports_instance_id"),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name="fk_ports_network_id"),
        sa.UniqueConstraint("instance_id", "slot", name="uq_ports_instance_id_slot"),
        sa.UniqueConstraint("mac", name="uq_ports_mac"),
        sa.UniqueConstraint("network_id", "address", name="uq_ports_network_id_address"),
        sa.UniqueConstraint("tap", name="uq_ports_tap"),
    )
    op.create_index("ix_ports_instance_id", "ports", ["instance_id"])
    op.create_index("ix_ports_network_id", "ports", ["network_id"])


def _operations() -> None:
    op.create_table(
        "operations",
        sa.Column("id", Key, nullable=False),
        sa.Column("workflow", Key, nullable=False),
        sa.Column("verb", Key, nullable=False),
        sa.Column("resource_kind", Key, nullable=False),
        sa.Column("resource_id", Key, nullable=False),
        sa.Column("resource_name", Key, nullable=False),
        sa.Column("project_id", Key),
        sa.Column("actor", Key, nullable=False),
        sa.Column("args", sa.JSON, nullable=False),
        sa.Column("status", Key, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("may_cancel", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("worker_id", Key),
        sa.Column("wake_at", Time),
        sa.Column("wait_reason", sa.Text, nullable=False),
        sa.Column("blocked_on", Key),
        sa.Column("retry_of", Key),
        sa.Column("request_id", Key, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("started_at", Time),
        sa.Column("ended_at", Time),
        sa.PrimaryKeyConstraint("id", name="pk_operations"),
    )
    op.create_index("ix_operations_created_at_id", "operations", ["created_at", "id"])
    op.create_index("ix_operations_resource_kind_resource_id", "operations", ["resource_kind", "resource_id"])
    op.create_index("ix_operations_status_created_at", "operations", ["status", "created_at"])


def _operation_steps() -> None:
    op.create_table(
        "operation_steps",
        sa.Column("operation_id", Key, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("status", Key, nullable=False),
        sa.Column("started_at", Time),
        sa.Column("ended_at", Time),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("operation_id", "seq", name="pk_operation_steps"),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name="fk_operation_steps_operation_id"),
    )
    op.create_index("ix_operation_steps_operation_id", "operation_steps", ["operation_id"])


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", Key, nullable=False),
        sa.Column("node", Key, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("roles", Key, nullable=False),
        sa.Column("started_at", Time, nullable=False),
        sa.Column("heartbeat_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )


def _counters() -> None:
    op.create_table(
        "counters",
        sa.Column("name", Key, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", Time, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("project_id", Key),
        sa.Column("resource_kind", Key, nullable=False),
        sa.Column("resource_id", Key, nullable=False),
        sa.Column("resource_name", Key, nullable=False),
        sa.Column("actor", Key, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
    )
    op.create_index("ix_events_kind", "events", ["kind"])
    op.create_index("ix_events_project_id", "events", ["project_id"])
    op.create_index("ix_events_resource_id", "events", ["resource_id"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", Time, nullable=False),
        sa.Column("actor", Key, nullable=False),
        sa.Column("address", Key, nullable=False),
        sa.Column("request_id", Key, nullable=False),
        sa.Column("action", Key, nullable=False),
        sa.Column("resource", Key, nullable=False),
        sa.Column("outcome", Key, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("user_id", Key, nullable=False),
        sa.Column("key", Key, nullable=False),
        sa.Column("fingerprint", Key, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.JSON),
        sa.Column("body", sa.Text),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_idempotency"),
    )


def _samples() -> None:
    op.create_table(
        "samples",
        sa.Column("host_id", Key, nullable=False),
        sa.Column("time", Time, nullable=False),
        sa.Column("blob", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("host_id", "time", name="pk_samples"),
    )


def _settings() -> None:
    op.create_table(
        "settings",
        sa.Column("key", Key, nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_settings"),
    )
