"""Which volume a linked clone's lies over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column."""
    op.add_column("volumes", sa.Column("parent_id", Key, nullable=True))
    op.create_index("ix_volumes_parent_id", "volumes", ["parent_id"])
