"""The image in an instance's CD drive, which cannot be deleted as long as it is there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the reference."""
    with op.batch_alter_table("instances") as instances:
        instances.add_column(sa.Column("driver_image_id", Key, nullable=True))
        instances.create_foreign_key("fk_instances_driver_image_id", "images", ["driver_image_id"], ["id"])
    op.create_index("ix_instances_driver_image_id", "instances", ["driver_image_id"])
