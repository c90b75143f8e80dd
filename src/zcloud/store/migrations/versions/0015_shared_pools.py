"""Pools that hosts share: on which hosts they are joined; and pools that take no new volumes or are nearly full."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key, Time

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table and add the columns."""
    op.create_table(
        "pool_hosts",
        sa.Column("pool_id", Key, nullable=False),
        sa.Column("host_id", Key, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", Time, nullable=False),
        sa.PrimaryKeyConstraint("pool_id", "host_id", name="pk_pool_hosts"),
        sa.ForeignKeyConstraint(["pool_id"], ["pools.id"], name="fk_pool_hosts_pool_id"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_pool_hosts_host_id"),
    )
    op.create_index("ix_pool_hosts_pool_id", "pool_hosts", ["pool_id"])
    op.create_index("ix_pool_hosts_host_id", "pool_hosts", ["host_id"])
    op.add_column("pools", sa.Column("hosts", sa.JSON(none_as_null=True), nullable=False, server_default="[]"))
    for name in ("draining", "filling"):
        op.add_column("pools", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false()))
