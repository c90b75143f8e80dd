"""What is wrong with what a pool lies in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the column."""
    op.add_column("pools", sa.Column("warning", sa.Text, nullable=False, server_default=""))
