"""What each run has applied, object by object."""

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "applied",
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("thing", sa.String(length=400), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run", "stage", "thing", name=op.f("pk_applied")),
    )
    op.create_index(op.f("ix_applied_at"), "applied", ["at"])
