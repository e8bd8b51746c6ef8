"""How the checks of each content went, beside the last result alone."""

import sqlalchemy as sa
from alembic import op

revision = "0004_checked"
down_revision = "0003_teaching"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and put in what is known: the last result of each copy."""
    op.create_table(
        "checked",
        sa.Column("user", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("when", sa.Float, nullable=False),
        sa.Column("passed", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("user", "item", "digest"),
    )
    op.execute(
        'INSERT INTO checked (user, item, digest, "when", passed, total) '
        'SELECT user, item, digest, "when", passed, total FROM results'
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("checked")
