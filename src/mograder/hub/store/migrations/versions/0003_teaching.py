"""Messages to everybody, visits of instructors, and how each student's checks went."""

import sqlalchemy as sa
from alembic import op

revision = "0003_teaching"
down_revision = "0002_tokens"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; who has a copy already began before now, nobody knows when: they count from their next."""
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("when", sa.Float, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "dismissals",
        sa.Column("message", sa.Integer, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("message", "user"),
    )
    op.create_table(
        "visits",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("visitor", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("when", sa.Float, nullable=False),
    )
    op.create_index("visits_by_owner", "visits", ["owner", "when"])
    op.create_table(
        "begun",
        sa.Column("user", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("when", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("user", "item"),
    )
    op.create_table(
        "attempts",
        sa.Column("user", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("first_tried", sa.Float, nullable=False),
        sa.Column("first_passed", sa.Float),
        sa.PrimaryKeyConstraint("item", "user", "label"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("attempts", "begun", "visits", "dismissals", "messages"):
        op.drop_table(name)
