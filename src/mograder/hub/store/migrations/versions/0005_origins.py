"""Which release each copy comes from."""

import sqlalchemy as sa
from alembic import op

revision = "0005_origins"
down_revision = "0004_checked"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; of copies that are there already nobody knows: they are told of the next release but one."""
    op.create_table(
        "origins",
        sa.Column("user", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("release", sa.String, nullable=False),
        sa.Column("before", sa.String),
        sa.PrimaryKeyConstraint("user", "item"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("origins")
