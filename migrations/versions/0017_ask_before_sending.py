"""Know that a database was restored, and ask the rail before sending what it may have had already.

Revision ID: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.security import append_only, secure

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LOST = "(attempt_id IS NULL) = (lost_attempt_id IS NOT NULL)"


def upgrade() -> None:
    op.create_table(
        "restores",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("covers_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("stamped_by", sa.Text(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_restores_number")),
        sa.CheckConstraint("taken_at <= covers_until", name=op.f("ck_restores_order")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_restores")),
    )
    secure("restores", app="SELECT", system="SELECT", rows="true")
    append_only("restores")

    op.add_column(
        "payment_attempts",
        sa.Column("asks_first", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.add_column(
        "payment_attempts",
        sa.Column("asked_ahead", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
    )
    for name, kind in (
        ("not_known_at", sa.DateTime(timezone=True)),
        ("asked_reference", sa.Text()),
    ):
        op.add_column("payment_attempts", sa.Column(name, kind, nullable=True))

    op.alter_column("callbacks", "attempt_id", nullable=True)
    for name, kind in (
        ("lost_attempt_id", sa.Uuid()),
        ("provider_account_id", sa.Uuid()),
        ("told_reference", sa.Text()),
        ("told_receipt", sa.Text()),
        ("told_destination", sa.Text()),
        ("told_amount", sa.Numeric(precision=18, scale=2)),
    ):
        op.add_column("callbacks", sa.Column(name, kind, nullable=True))
    op.create_check_constraint(op.f("ck_callbacks_lost"), "callbacks", LOST)
    op.create_foreign_key(
        op.f("fk_callbacks_company_id_provider_account_id"),
        "callbacks",
        "provider_accounts",
        ["company_id", "provider_account_id"],
        ["company_id", "id"],
        ondelete="RESTRICT",
    )
    op.create_index(
        "uq_callbacks_lost",
        "callbacks",
        ["lost_attempt_id", "purpose", "dedup_key"],
        unique=True,
        postgresql_where="lost_attempt_id IS NOT NULL",
    )
    op.create_index(
        "ix_callbacks_told",
        "callbacks",
        ["company_id", "told_destination", "told_amount"],
        postgresql_where="told_destination IS NOT NULL",
    )


def downgrade() -> None:
    op.execute("DELETE FROM callbacks WHERE attempt_id IS NULL")
    op.drop_index("ix_callbacks_told", "callbacks")
    op.drop_index("uq_callbacks_lost", "callbacks")
    op.drop_constraint(op.f("fk_callbacks_company_id_provider_account_id"), "callbacks")
    op.drop_constraint(op.f("ck_callbacks_lost"), "callbacks", type_="check")
    for name in (
        "told_amount",
        "told_destination",
        "told_receipt",
        "told_reference",
        "provider_account_id",
        "lost_attempt_id",
    ):
        op.drop_column("callbacks", name)
    op.alter_column("callbacks", "attempt_id", nullable=False)
    for name in ("asked_reference", "not_known_at", "asked_ahead", "asks_first"):
        op.drop_column("payment_attempts", name)
    op.drop_table("restores")
