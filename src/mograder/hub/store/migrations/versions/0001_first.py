"""The first tables: sessions, copies, results, logins."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("socket", sa.String, nullable=False),
        sa.Column("directory", sa.String, nullable=False),
        sa.Column("scratch", sa.String),
        sa.Column("handle", sa.Text),
        sa.Column("environment", sa.String, nullable=False),
        sa.Column("notebook", sa.String, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("last_seen", sa.Float, nullable=False),
    )
    op.create_table(
        "copies",
        sa.Column("user", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("base", sa.String),
        sa.Column("exported", sa.String),
        sa.PrimaryKeyConstraint("user", "item"),
    )
    op.create_table(
        "results",
        sa.Column("user", sa.String, nullable=False),
        sa.Column("item", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("when", sa.Float, nullable=False),
        sa.Column("passed", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user", "item"),
    )
    op.create_table(
        "logins",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("via", sa.String, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("last_seen", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Nothing is older than this."""
    raise NotImplementedError
