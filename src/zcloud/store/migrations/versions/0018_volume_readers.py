"""Volumes that several instances read at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "volume_readers",
        sa.Column("volume_id", Key, nullable=False),
        sa.Column("instance_id", Key, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("attachment", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", "instance_id", name="pk_volume_readers"),
        sa.ForeignKeyConstraint(["volume_id"], ["volumes.id"], name="fk_volume_readers_volume_id"),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_volume_readers_instance_id"),
        sa.UniqueConstraint("instance_id", "slot", name="uq_volume_readers_instance_id_slot"),
    )
    op.create_index("ix_volume_readers_volume_id", "volume_readers", ["volume_id"])
    op.create_index("ix_volume_readers_instance_id", "volume_readers", ["instance_id"])
