"""Snapshots of instances."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key, Time

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "snapshots",
        sa.Column("id", Key, nullable=False),
        sa.Column("instance_id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("parent_id", Key, nullable=True),
        sa.Column("state", Key, nullable=False),
        sa.Column("quiesced", sa.Boolean, nullable=False),
        sa.Column("created_by", Key, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("disks", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_snapshots"),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_snapshots_instance_id"),
        sa.UniqueConstraint("instance_id", "name", name="uq_snapshots_instance_id_name"),
    )
    op.create_index("ix_snapshots_instance_id", "snapshots", ["instance_id"])
