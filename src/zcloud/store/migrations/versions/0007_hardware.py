"""The hardware that owners chose for their instances."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column."""
    op.add_column("instances", sa.Column("options", sa.JSON, nullable=False, server_default="{}"))
