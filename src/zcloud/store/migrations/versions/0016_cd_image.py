"""The image that an owner put into an instance's CD drive."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the reference."""
    with op.batch_alter_table("instances") as instances:
        instances.add_column(sa.Column("cd_image_id", Key, nullable=True))
        instances.create_foreign_key("fk_instances_cd_image_id", "images", ["cd_image_id"], ["id"])
    op.create_index("ix_instances_cd_image_id", "instances", ["cd_image_id"])
