"""Addresses that hosts were seen to use although no port has them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key, Time

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "fences",
        sa.Column("network_id", Key, nullable=False),
        sa.Column("address", Key, nullable=False),
        sa.Column("mac", Key, nullable=False),
        sa.Column("host_id", Key, nullable=False),
        sa.Column("seen_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("network_id", "address", name="pk_fences"),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name="fk_fences_network_id"),
    )
    op.create_index("ix_fences_network_id", "fences", ["network_id"])
