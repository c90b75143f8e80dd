"""Snapshots with memory."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the column; the snapshots that are there have disks only."""
    op.add_column("snapshots", sa.Column("memory", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
