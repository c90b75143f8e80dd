"""Schedules of snapshots, and which of them made a snapshot."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key, Time

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Make the table, and add the column."""
    op.create_table(
        "snapshot_schedules",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("instance_id", Key, nullable=True),
        sa.Column("tag", Key, nullable=False),
        sa.Column("every_h", sa.Integer, nullable=False),
        sa.Column("at", Key, nullable=False),
        sa.Column("keep", sa.Integer, nullable=False),
        sa.Column("last_at", Time, nullable=True),
        sa.Column("created_by", Key, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("skipped", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_snapshot_schedules"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_snapshot_schedules_project_id"),
        sa.UniqueConstraint("project_id", "name", name="uq_snapshot_schedules_project_id_name"),
    )
    op.create_index("ix_snapshot_schedules_project_id", "snapshot_schedules", ["project_id"])
    op.add_column("snapshots", sa.Column("schedule_id", Key, nullable=True))
    op.create_index("ix_snapshots_schedule_id", "snapshots", ["schedule_id"])
