"""Until when the file systems of a guest are frozen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Time

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column."""
    op.add_column("instances", sa.Column("frozen_until", Time, nullable=True))
    op.create_index("ix_instances_frozen_until", "instances", ["frozen_until"])
