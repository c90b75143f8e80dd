"""Domains that are nobody's instance; instances that were such have no image, and their host's name for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from zcloud.store.schema import Key, Time

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table; let instances be without an image, and domains of two hosts have the same name."""
    op.create_table(
        "foreign_domains",
        sa.Column("id", Key, nullable=False),
        sa.Column("host_id", Key, nullable=False),
        sa.Column("uuid", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("persistent", sa.Boolean, nullable=False),
        sa.Column("vcpus", sa.Integer, nullable=False),
        sa.Column("memory_mib", sa.BigInteger, nullable=False),
        sa.Column("seen_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_foreign_domains"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_foreign_domains_host_id"),
    )
    op.create_index("ix_foreign_domains_host_id", "foreign_domains", ["host_id"])
    with op.batch_alter_table("instances") as instances:
        instances.alter_column("image_id", existing_type=Key, nullable=True)
        instances.drop_constraint("uq_instances_domain_name", type_="unique")
        instances.create_unique_constraint("uq_instances_host_id_domain_name", ["host_id", "domain_name"])
