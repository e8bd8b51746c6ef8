"""What the result of a validation stands on, beside the notebook alone."""

import sqlalchemy as sa
from alembic import op

revision = "0006_grounds"
down_revision = "0005_origins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of results that are there already nobody knows: the next click runs those notebooks again."""
    op.add_column("results", sa.Column("grounds", sa.String))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("results", "grounds")
