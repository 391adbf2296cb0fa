"""Software packages: which files there are, tokens for machines, uploads that come in pieces."""

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PACKAGE, _VERSION, _FILE = 200, 340, 540
"""Three names of 64 characters, a version of 128, a file of 200; the slashes between them, and room."""


def upgrade() -> None:
    """Go to this version."""
    _index()
    _files()
    _tokens()
    _uploads()


def _index() -> None:
    op.create_table(
        "packages",
        sa.Column("path", sa.String(length=_PACKAGE), nullable=False),
        sa.Column("organization", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_packages")),
    )
    op.create_index("ix_packages_organization", "packages", ["organization"])
    op.create_table(
        "package_versions",
        sa.Column("key", sa.String(length=_VERSION), nullable=False),
        sa.Column("path", sa.String(length=_VERSION), nullable=False),
        sa.Column("package", sa.String(length=_PACKAGE), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("closed_at", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_package_versions")),
    )
    op.create_index("ix_package_versions_package", "package_versions", ["package"])


def _files() -> None:
    op.create_table(
        "package_files",
        sa.Column("key", sa.String(length=_FILE), nullable=False),
        sa.Column("path", sa.String(length=_FILE), nullable=False),
        sa.Column("version", sa.String(length=_VERSION), nullable=False),
        sa.Column("package", sa.String(length=_PACKAGE), nullable=False),
        sa.Column("organization", sa.String(length=64), nullable=False),
        sa.Column("size", _NUMBER, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("deleted_at", Moment(timezone=True), nullable=True),
        sa.Column("deleted_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_package_files")),
    )
    for column in ("version", "package", "organization", "sha256"):
        op.create_index(f"ix_package_files_{column}", "package_files", [column])


def _tokens() -> None:
    op.create_table(
        "package_tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("organization", sa.String(length=64), nullable=False),
        sa.Column("rights", sa.String(length=16), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("expires_at", Moment(timezone=True), nullable=True),
        sa.Column("revoked_at", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package_tokens")),
    )
    op.create_index("ix_package_tokens_person", "package_tokens", ["person"])


def _uploads() -> None:
    op.create_table(
        "package_uploads",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=_FILE), nullable=False),
        sa.Column("organization", sa.String(length=64), nullable=False),
        sa.Column("size", _NUMBER, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("expires_at", Moment(timezone=True), nullable=False),
        sa.Column("is_done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package_uploads")),
    )
    op.create_index("ix_package_uploads_path", "package_uploads", ["path"])
    op.create_index("ix_package_uploads_organization", "package_uploads", ["organization"])
