"""What was running when a host went down, and what becomes of it at the next boot."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; what is there comes back as it was."""
    op.add_column("hosts", sa.Column("boot_id", Key, nullable=False, server_default=""))
    op.add_column("instances", sa.Column("on_boot", Key, nullable=False, server_default="last"))
    op.add_column("instances", sa.Column("down_with", Key, nullable=False, server_default=""))
    op.create_index("ix_instances_down_with", "instances", ["down_with"])
