"""What is told to others and what others say: hooks, channels, notifications."""

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment, Number

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    _definitions()
    _calls()
    _messages()


def _definitions() -> None:
    """What definitions say of hooks and channels."""
    op.create_table(
        "wirings",
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", name=op.f("pk_wirings")),
    )
    op.create_table(
        "wires",
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "role", "channel", name=op.f("pk_wires")),
    )
    op.create_index(op.f("ix_wires_channel"), "wires", ["channel"])
    op.create_table(
        "hooks",
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("called_at", Moment(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "scope", "name", name=op.f("pk_hooks")),
    )
    op.create_index(op.f("ix_hooks_mark"), "hooks", ["mark"])


def _calls() -> None:
    """What was called."""
    op.create_table(
        "hook_calls",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_hook_calls")),
    )
    op.create_index(op.f("ix_hook_calls_at"), "hook_calls", ["at"])
    op.create_table(
        "triggers",
        sa.Column("seq", Number, autoincrement=True, nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_triggers")),
    )
    op.create_index(op.f("ix_triggers_at"), "triggers", ["at"])
    op.create_index(op.f("ix_triggers_pipeline"), "triggers", ["pipeline"])


def _messages() -> None:
    """What is told."""
    op.create_table(
        "outbox",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("about", sa.String(length=200), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("shown", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Moment(timezone=True), nullable=True),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("done_at", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_outbox")),
    )
    is_open = sa.text("due_at IS NOT NULL")
    op.create_index("ix_outbox_due", "outbox", ["due_at"], sqlite_where=is_open, postgresql_where=is_open)
    for column in ("at", "pipeline", "run"):
        op.create_index(op.f(f"ix_outbox_{column}"), "outbox", [column])
    op.create_table(
        "heralds",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("cursor", Number, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heralds")),
    )
