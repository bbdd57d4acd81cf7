"""Keep the evidence of a case with it, and ask on about what people called unpaid.

Revision ID: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

ONE_OWNER = "num_nonnulls(requisition_id, payment_id, case_id) = 1"
ONE_OWNER_BEFORE = "(requisition_id IS NULL) <> (payment_id IS NULL)"

WITNESSED = (
    "proof IN ('code', 'sign_in') OR (proof = 'signature'"
    " AND witness_id IS NOT NULL AND witnessed_at IS NOT NULL)"
)


def upgrade() -> None:
    op.add_column("attachments", sa.Column("case_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_attachments_company_id_case_id"),
        "attachments",
        "cases",
        ["company_id", "case_id"],
        ["company_id", "id"],
        ondelete="RESTRICT",
    )
    op.drop_constraint(op.f("ck_attachments_owner"), "attachments")
    op.create_check_constraint(op.f("ck_attachments_owner"), "attachments", ONE_OWNER)
    op.create_index(
        "ix_attachments_case",
        "attachments",
        ["company_id", "case_id"],
        postgresql_where="case_id IS NOT NULL",
    )

    op.add_column(
        "payment_attempts", sa.Column("called_unpaid_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("payments", sa.Column("return_reference", sa.Text(), nullable=True))
    op.create_index(
        "uq_payments_return_reference",
        "payments",
        ["provider_account_id", "return_reference"],
        unique=True,
        postgresql_where="return_reference IS NOT NULL",
    )

    op.add_column("cash_acknowledgements", sa.Column("witness_id", sa.Uuid(), nullable=True))
    op.add_column(
        "cash_acknowledgements",
        sa.Column("witnessed_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_foreign_key(
        op.f("fk_cash_acknowledgements_company_id_witness_id"),
        "cash_acknowledgements",
        "memberships",
        ["company_id", "witness_id"],
        ["company_id", "user_id"],
        ondelete="RESTRICT",
    )
    op.create_index(
        "ix_cash_acknowledgements_witness",
        "cash_acknowledgements",
        ["company_id", "witness_id"],
        postgresql_where="witness_id IS NOT NULL",
    )
    op.create_check_constraint(
        op.f("ck_cash_acknowledgements_witness"), "cash_acknowledgements", WITNESSED
    )


def downgrade() -> None:
    # The evidence of a case has no place before this revision, and is never deleted.
    op.drop_constraint(op.f("ck_cash_acknowledgements_witness"), "cash_acknowledgements")
    op.drop_index("ix_cash_acknowledgements_witness", "cash_acknowledgements")
    for column in ("witnessed_at", "witness_id"):
        op.drop_column("cash_acknowledgements", column)
    op.drop_index("uq_payments_return_reference", "payments")
    op.drop_column("payments", "return_reference")
    op.drop_column("payment_attempts", "called_unpaid_at")
    op.drop_constraint(op.f("ck_attachments_owner"), "attachments")
    op.create_check_constraint(op.f("ck_attachments_owner"), "attachments", ONE_OWNER_BEFORE)
    op.drop_index("ix_attachments_case", "attachments")
    op.drop_column("attachments", "case_id")
