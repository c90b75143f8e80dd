"""Groups of instances, and operations that belong to another one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key, Time

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables and add the column."""
    op.create_table(
        "groups",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("operation_id", Key, nullable=True),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_groups_project_id"),
        sa.UniqueConstraint("project_id", "name", name="uq_groups_project_id_name"),
    )
    op.create_index("ix_groups_project_id", "groups", ["project_id"])
    op.create_table(
        "group_members",
        sa.Column("instance_id", Key, nullable=False),
        sa.Column("group_id", Key, nullable=False),
        sa.Column("order", sa.Integer, nullable=False),
        sa.Column("until", Key, nullable=False),
        sa.Column("delay_s", sa.Integer, nullable=False),
        sa.Column("otherwise", Key, nullable=False),
        sa.PrimaryKeyConstraint("instance_id", name="pk_group_members"),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], name="fk_group_members_instance_id"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_group_members_group_id"),
    )
    op.create_index("ix_group_members_group_id", "group_members", ["group_id"])
    op.add_column("operations", sa.Column("parent_id", Key, nullable=True))
    op.create_index("ix_operations_parent_id", "operations", ["parent_id"])
