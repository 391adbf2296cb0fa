"""Code accounts, webhooks that are attached to repositories, and what they deliver."""

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment, Number

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    _make_code_accounts()
    _make_attached()
    _make_pushes()


def _make_code_accounts() -> None:
    op.create_table(
        "code_accounts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("forge", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=300), nullable=False),
        sa.Column("login", sa.String(length=200), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("installation", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.Column("bound_at", Moment(timezone=True), nullable=False),
        sa.Column("used_at", Moment(timezone=True), nullable=True),
        sa.Column("leaving_at", Moment(timezone=True), nullable=True),
        sa.Column("room", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_code_accounts")),
    )
    op.create_index(op.f("ix_code_accounts_person"), "code_accounts", ["person"])


def _make_attached() -> None:
    op.create_table(
        "attached",
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("repository", sa.String(length=500), nullable=False),
        sa.Column("forge", sa.String(length=16), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("pushes", sa.Boolean(), nullable=False),
        sa.Column("tags", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("hook", sa.String(length=128), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("checked_at", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("pipeline", "repository", name=op.f("pk_attached")),
    )
    op.create_index(op.f("ix_attached_account"), "attached", ["account"])
    op.create_index(op.f("ix_attached_mark"), "attached", ["mark"])


def _make_pushes() -> None:
    op.create_table(
        "pushes",
        sa.Column("seq", Number, autoincrement=True, nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_pushes")),
    )
    op.create_index(op.f("ix_pushes_at"), "pushes", ["at"])
    op.create_index("ix_pushes_pipeline", "pushes", ["pipeline", "seq"])
    is_open = sa.text("is_open")
    op.create_index("ix_pushes_open", "pushes", ["seq"], sqlite_where=is_open, postgresql_where=is_open)
