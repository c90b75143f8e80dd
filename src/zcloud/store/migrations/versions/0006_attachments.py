"""How volumes and NICs are plugged in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Give volumes their attachment, each a place of its own in its instance, and NICs their link."""
    op.add_column("volumes", sa.Column("attachment", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
    op.create_index("ix_volumes_instance_id_slot", "volumes", ["instance_id", "slot"], unique=True)
    op.add_column("ports", sa.Column("link_up", sa.Boolean, nullable=False, server_default=sa.true()))
