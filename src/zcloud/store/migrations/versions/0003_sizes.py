"""How far instances can grow, and what their present run has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    for name, kind, default in (
        ("max_vcpus", sa.Integer, "0"),
        ("max_memory_mib", sa.Integer, "0"),
        ("live", sa.JSON, "{}"),
    ):
        op.add_column("instances", sa.Column(name, kind, nullable=False, server_default=default))
