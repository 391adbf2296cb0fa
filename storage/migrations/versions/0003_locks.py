"""Locks, gray releases that are left standing, and names of workloads that say where in which cluster they are."""

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WORKLOAD = 200
_RELEASE = 220
"""A workload's name, an @, and 18 characters; and room."""


def upgrade() -> None:
    """Go to this version."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite heeds no length, and would copy whole tables to change one
        for table in ("runs", "holders", "releases", "deployments", "retired"):
            _widen(table, "workload", 64, _WORKLOAD)
        _widen("releases", "id", 128, _RELEASE)
        _widen("deployments", "release", 128, _RELEASE)
    op.create_table(
        "locks",
        sa.Column("workload", sa.String(length=_WORKLOAD), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("barred", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workload", name=op.f("pk_locks")),
    )
    op.create_table(
        "left_grays",
        sa.Column("workload", sa.String(length=_WORKLOAD), nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("workload", name=op.f("pk_left_grays")),
    )


def _widen(table: str, column: str, before: int, after: int) -> None:
    op.alter_column(
        table,
        column,
        existing_type=sa.String(length=before),
        type_=sa.String(length=after),
        existing_nullable=False,
    )
