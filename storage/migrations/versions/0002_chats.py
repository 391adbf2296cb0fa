"""What Slack and Telegram need: accounts, buttons, wishes, updates that are not lost, an audit; and the retired."""

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Go to this version."""
    _rooms()
    _people()
    _deliveries()


def _rooms() -> None:
    with op.batch_alter_table("rooms", schema=None) as batch:
        batch.add_column(sa.Column("lost", sa.Text(), nullable=False, server_default=sa.text("''")))
        batch.add_column(sa.Column("moved", sa.String(length=128), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("cards", schema=None) as batch:
        batch.add_column(sa.Column("told", sa.Integer(), nullable=False, server_default="0"))
        batch.create_index("ix_cards_run", ["run"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("room", sa.String(length=128), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("wants", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("room", "pipeline", name=op.f("pk_subscriptions")),
    )
    op.create_index("ix_subscriptions_pipeline", "subscriptions", ["pipeline"])
    op.create_table(
        "buttons",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("room", sa.String(length=128), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("danger", sa.Boolean(), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_buttons")),
    )
    op.create_index("ix_buttons_at", "buttons", ["at"])


def _people() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("direct", sa.String(length=128), nullable=False),
        sa.Column("linked_at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_index("ix_accounts_person", "accounts", ["person"])
    op.create_table(
        "link_codes",
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_link_codes")),
        sa.UniqueConstraint("code", name=op.f("uq_link_codes_code")),
    )
    op.create_table(
        "link_tries",
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_link_tries")),
    )


def _deliveries() -> None:
    op.create_table(
        "retired",
        sa.Column("workload", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("workload", name=op.f("pk_retired")),
    )
    op.create_table(
        "updates",
        sa.Column("seq", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_updates")),
        sa.UniqueConstraint("key", name=op.f("uq_updates_key")),
    )
    op.create_index("ix_updates_at", "updates", ["at"])
    is_open = sa.text("is_open")
    op.create_index("ix_updates_open", "updates", ["seq"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "audit",
        sa.Column("seq", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("room", sa.String(length=128), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sa.UniqueConstraint("key", name=op.f("uq_audit_key")),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
