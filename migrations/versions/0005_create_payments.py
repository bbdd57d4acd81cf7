"""Payments, releases, attempts, replenishments, variances, reconciliation.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.security import secure

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reconciliation_runs",
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "running",
                "waiting",
                "closed",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("started_by", sa.Uuid(), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("totals", postgresql.JSONB(), nullable=False),
        sa.Column("mismatches", postgresql.JSONB(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "started_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_reconciliation_runs_company_id_started_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_reconciliation_runs_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_runs")),
        sa.UniqueConstraint(
            "company_id",
            "business_date",
            "sequence",
            name=op.f("uq_reconciliation_runs_company_id_business_date_sequence"),
        ),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_reconciliation_runs_company_id_id")),
    )
    op.create_index(
        "ix_reconciliation_runs_list", "reconciliation_runs", ["company_id", "id"], unique=False
    )
    op.create_index(
        "uq_reconciliation_runs_open",
        "reconciliation_runs",
        ["company_id", "business_date"],
        unique=True,
        postgresql_where="status <> 'closed'",
    )
    op.create_table(
        "payments",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("requisition_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("provider_account_id", sa.Uuid(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("external_reference", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column(
            "method",
            sa.Enum(
                "mpesa",
                "airtel_money",
                "mtn_momo",
                "bank_transfer",
                "cash",
                "wallet",
                "card",
                name="method",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("payee_name", sa.Text(), nullable=False),
        sa.Column("payee_user_id", sa.Uuid(), nullable=True),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "scheduled",
                "executing",
                "in_doubt",
                "success",
                "failed",
                "cancelled",
                "reversed",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "status_changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("maker_id", sa.Uuid(), nullable=True),
        sa.Column("executor_id", sa.Uuid(), nullable=True),
        sa.Column("otp_required", sa.Boolean(), nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_confirmed", sa.Boolean(), nullable=False),
        sa.Column("blocked_by_case_id", sa.Uuid(), nullable=True),
        sa.Column("release_locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("max_retries", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("originator_reference", sa.Text(), nullable=True),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("gateway_status", sa.Text(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(status IN ('success', 'reversed')) = (paid_at IS NOT NULL)",
            name=op.f("ck_payments_paid_at"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount")),
        sa.CheckConstraint("ordinal >= 1", name=op.f("ck_payments_ordinal")),
        sa.CheckConstraint(
            "retry_count >= 0 AND max_retries >= 0", name=op.f("ck_payments_retries")
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "client_id"],
            ["api_keys.company_id", "api_keys.id"],
            name=op.f("fk_payments_company_id_client_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "executor_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_payments_company_id_executor_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "maker_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_payments_company_id_maker_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payee_user_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_payments_company_id_payee_user_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "provider_account_id"],
            ["provider_accounts.company_id", "provider_accounts.id"],
            name=op.f("fk_payments_company_id_provider_account_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requisition_id"],
            ["requisitions.company_id", "requisitions.id"],
            name=op.f("fk_payments_company_id_requisition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "store_id"],
            ["stores.company_id", "stores.id"],
            name=op.f("fk_payments_company_id_store_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_payments_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_payments_company_id_id")),
        sa.UniqueConstraint("company_id", "number", name=op.f("uq_payments_company_id_number")),
        sa.UniqueConstraint(
            "requisition_id", "ordinal", name=op.f("uq_payments_requisition_id_ordinal")
        ),
    )
    op.create_index("ix_payments_paid", "payments", ["company_id", "paid_at"], unique=False)
    op.create_index("ix_payments_status", "payments", ["company_id", "status", "id"], unique=False)
    op.create_index("ix_payments_store", "payments", ["company_id", "store_id", "id"], unique=False)
    op.create_index(
        "uq_payments_external_reference",
        "payments",
        ["company_id", "client_id", "external_reference"],
        unique=True,
        postgresql_where="external_reference IS NOT NULL",
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "replenishments",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "approved",
                "funded",
                "received",
                "rejected",
                "cancelled",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "status_changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("auto_triggered", sa.Boolean(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("current_balance", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("available", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("requested_amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("identity", postgresql.JSONB(), nullable=False),
        sa.Column("approved_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rejected_by", sa.Uuid(), nullable=True),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.Uuid(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("executor_id", sa.Uuid(), nullable=True),
        sa.Column("funded_by", sa.Uuid(), nullable=True),
        sa.Column("funded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bank_reference", sa.Text(), nullable=True),
        sa.Column("received_by", sa.Uuid(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("release_locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "approved_by IS NULL OR requested_by IS NULL OR approved_by <> requested_by",
            name=op.f("ck_replenishments_approver"),
        ),
        sa.CheckConstraint(
            "auto_triggered = (requested_by IS NULL)", name=op.f("ck_replenishments_requester")
        ),
        sa.CheckConstraint(
            "funded_by IS NULL OR funded_by <> approved_by", name=op.f("ck_replenishments_funder")
        ),
        sa.CheckConstraint(
            "funded_by IS NULL OR requested_by IS NULL OR funded_by <> requested_by",
            name=op.f("ck_replenishments_funder_requester"),
        ),
        sa.CheckConstraint(
            "received_by IS NULL OR received_by <> funded_by",
            name=op.f("ck_replenishments_receiver"),
        ),
        sa.CheckConstraint("requested_amount > 0", name=op.f("ck_replenishments_requested_amount")),
        sa.ForeignKeyConstraint(
            ["company_id", "approved_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_replenishments_company_id_approved_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "cancelled_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_replenishments_company_id_cancelled_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "executor_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_replenishments_company_id_executor_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "fund_id"],
            ["funds.company_id", "funds.id"],
            name=op.f("fk_replenishments_company_id_fund_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "funded_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_replenishments_company_id_funded_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "received_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_replenishments_company_id_received_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "rejected_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_replenishments_company_id_rejected_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requested_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_replenishments_company_id_requested_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "store_id"],
            ["stores.company_id", "stores.id"],
            name=op.f("fk_replenishments_company_id_store_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_replenishments_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replenishments")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_replenishments_company_id_id")),
        sa.UniqueConstraint(
            "company_id", "number", name=op.f("uq_replenishments_company_id_number")
        ),
    )
    op.create_index(
        "ix_replenishments_fund", "replenishments", ["company_id", "fund_id", "id"], unique=False
    )
    op.create_index(
        "uq_replenishments_open",
        "replenishments",
        ["fund_id"],
        unique=True,
        postgresql_where="status IN ('pending', 'approved', 'funded')",
    )
    op.create_table(
        "attachments",
        sa.Column("requisition_id", sa.Uuid(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(requisition_id IS NULL) <> (payment_id IS NULL)", name=op.f("ck_attachments_owner")
        ),
        sa.CheckConstraint("size <= 10485760", name=op.f("ck_attachments_size")),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_attachments_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requisition_id"],
            ["requisitions.company_id", "requisitions.id"],
            name=op.f("fk_attachments_company_id_requisition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "uploaded_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_attachments_company_id_uploaded_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_attachments_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sa.UniqueConstraint("company_id", "digest", name=op.f("uq_attachments_company_id_digest")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_attachments_company_id_id")),
    )
    op.create_index(
        "ix_attachments_requisition", "attachments", ["company_id", "requisition_id"], unique=False
    )
    op.create_table(
        "payment_reconciliations",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column(
            "source",
            sa.Enum(
                "callback",
                "gateway_query",
                "statement",
                "manual",
                "acknowledgement",
                name="source",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reconciled_by", sa.Uuid(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_payment_reconciliations_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "reconciled_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_payment_reconciliations_company_id_reconciled_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "run_id"],
            ["reconciliation_runs.company_id", "reconciliation_runs.id"],
            name=op.f("fk_payment_reconciliations_company_id_run_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_payment_reconciliations_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_reconciliations")),
        sa.UniqueConstraint(
            "company_id", "id", name=op.f("uq_payment_reconciliations_company_id_id")
        ),
        sa.UniqueConstraint("payment_id", name=op.f("uq_payment_reconciliations_payment_id")),
    )
    op.create_table(
        "reconciliation_items",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "asking",
                "waiting",
                "matched",
                "broken",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_reconciliation_items_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "run_id"],
            ["reconciliation_runs.company_id", "reconciliation_runs.id"],
            name=op.f("fk_reconciliation_items_company_id_run_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_reconciliation_items_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_items")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_reconciliation_items_company_id_id")),
        sa.UniqueConstraint(
            "run_id", "payment_id", name=op.f("uq_reconciliation_items_run_id_payment_id")
        ),
    )
    op.create_index(
        "ix_reconciliation_items_state", "reconciliation_items", ["run_id", "state"], unique=False
    )
    op.create_table(
        "release_challenges",
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("replenishment_id", sa.Uuid(), nullable=True),
        sa.Column("executor_id", sa.Uuid(), nullable=False),
        sa.Column("subject_digest", sa.LargeBinary(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "live",
                "verified",
                "dead",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "death_cause",
            sa.Enum(
                "tries",
                "expired",
                "changed",
                "reassigned",
                name="death_cause",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(payment_id IS NULL) <> (replenishment_id IS NULL)",
            name=op.f("ck_release_challenges_subject"),
        ),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_release_challenges_tries")),
        sa.ForeignKeyConstraint(
            ["company_id", "executor_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_release_challenges_company_id_executor_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_release_challenges_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "replenishment_id"],
            ["replenishments.company_id", "replenishments.id"],
            name=op.f("fk_release_challenges_company_id_replenishment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_release_challenges_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_challenges")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_release_challenges_company_id_id")),
    )
    op.create_index(
        "ix_release_challenges_payment", "release_challenges", ["payment_id", "id"], unique=False
    )
    op.create_index(
        "ix_release_challenges_replenishment",
        "release_challenges",
        ["replenishment_id", "id"],
        unique=False,
    )
    op.create_index(
        "uq_release_challenges_live_payment",
        "release_challenges",
        ["payment_id"],
        unique=True,
        postgresql_where="state = 'live'",
    )
    op.create_index(
        "uq_release_challenges_live_replenishment",
        "release_challenges",
        ["replenishment_id"],
        unique=True,
        postgresql_where="state = 'live'",
    )
    op.create_table(
        "variance_adjustments",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "fee",
                "overpaid",
                "underpaid",
                "count",
                "other",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("counter_account_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("original_amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("adjusted_amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column(
            "variance_amount",
            sa.Numeric(precision=18, scale=2),
            sa.Computed("adjusted_amount - original_amount", persisted=True),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "approved",
                "rejected",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("initiated_by", sa.Uuid(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("entry_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "decided_by IS NULL OR decided_by <> initiated_by",
            name=op.f("ck_variance_adjustments_two_people"),
        ),
        sa.CheckConstraint(
            "original_amount <> adjusted_amount", name=op.f("ck_variance_adjustments_difference")
        ),
        sa.CheckConstraint(
            "original_amount >= 0 AND adjusted_amount >= 0",
            name=op.f("ck_variance_adjustments_amounts"),
        ),
        sa.CheckConstraint(
            "payment_id IS NOT NULL OR store_id IS NOT NULL",
            name=op.f("ck_variance_adjustments_subject"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "case_id"],
            ["cases.company_id", "cases.id"],
            name=op.f("fk_variance_adjustments_company_id_case_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "counter_account_id"],
            ["ledger_accounts.company_id", "ledger_accounts.id"],
            name=op.f("fk_variance_adjustments_company_id_counter_account_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "decided_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_variance_adjustments_company_id_decided_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "initiated_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_variance_adjustments_company_id_initiated_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_variance_adjustments_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "store_id"],
            ["stores.company_id", "stores.id"],
            name=op.f("fk_variance_adjustments_company_id_store_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_variance_adjustments_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variance_adjustments")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_variance_adjustments_company_id_id")),
        sa.UniqueConstraint(
            "company_id", "number", name=op.f("uq_variance_adjustments_company_id_number")
        ),
    )
    op.create_index(
        "ix_variance_adjustments_status",
        "variance_adjustments",
        ["company_id", "status", "id"],
        unique=False,
    )
    op.create_table(
        "attachment_contents",
        sa.Column("attachment_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "attachment_id"],
            ["attachments.company_id", "attachments.id"],
            name=op.f("fk_attachment_contents_company_id_attachment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_attachment_contents_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment_contents")),
        sa.UniqueConstraint("attachment_id", name=op.f("uq_attachment_contents_attachment_id")),
    )
    op.create_table(
        "challenge_sends",
        sa.Column("challenge_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "challenge_id"],
            ["release_challenges.company_id", "release_challenges.id"],
            name=op.f("fk_challenge_sends_company_id_challenge_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_challenge_sends_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenge_sends")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_challenge_sends_company_id_id")),
    )
    op.create_index(
        "ix_challenge_sends_challenge", "challenge_sends", ["challenge_id"], unique=False
    )
    op.create_table(
        "release_grants",
        sa.Column("challenge_id", sa.Uuid(), nullable=False),
        sa.Column("executor_id", sa.Uuid(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "challenge_id"],
            ["release_challenges.company_id", "release_challenges.id"],
            name=op.f("fk_release_grants_company_id_challenge_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "executor_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_release_grants_company_id_executor_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_release_grants_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_grants")),
        sa.UniqueConstraint("challenge_id", name=op.f("uq_release_grants_challenge_id")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_release_grants_company_id_id")),
    )
    op.create_table(
        "payment_executions",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("requisition_id", sa.Uuid(), nullable=False),
        sa.Column("attempt_number", sa.Integer(), nullable=False),
        sa.Column("originator_reference", sa.Text(), nullable=False),
        sa.Column("executor_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ip_address", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "executor_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_payment_executions_company_id_executor_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "grant_id"],
            ["release_grants.company_id", "release_grants.id"],
            name=op.f("fk_payment_executions_company_id_grant_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_payment_executions_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requisition_id"],
            ["requisitions.company_id", "requisitions.id"],
            name=op.f("fk_payment_executions_company_id_requisition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_payment_executions_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_executions")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_payment_executions_company_id_id")),
        sa.UniqueConstraint("grant_id", name=op.f("uq_payment_executions_grant_id")),
        sa.UniqueConstraint(
            "payment_id",
            "attempt_number",
            name=op.f("uq_payment_executions_payment_id_attempt_number"),
        ),
    )
    op.create_index(
        "ix_payment_executions_requisition",
        "payment_executions",
        ["requisition_id", "executor_id"],
        unique=False,
    )
    op.create_table(
        "cash_acknowledgements",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("attachment_id", sa.Uuid(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_cash_acknowledgements_tries")),
        sa.ForeignKeyConstraint(
            ["company_id", "attachment_id"],
            ["attachments.company_id", "attachments.id"],
            name=op.f("fk_cash_acknowledgements_company_id_attachment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "execution_id"],
            ["payment_executions.company_id", "payment_executions.id"],
            name=op.f("fk_cash_acknowledgements_company_id_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_cash_acknowledgements_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_cash_acknowledgements_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cash_acknowledgements")),
        sa.UniqueConstraint(
            "company_id", "id", name=op.f("uq_cash_acknowledgements_company_id_id")
        ),
        sa.UniqueConstraint("execution_id", name=op.f("uq_cash_acknowledgements_execution_id")),
    )
    op.create_table(
        "payment_attempts",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider_account_id", sa.Uuid(), nullable=True),
        sa.Column("base_url", sa.Text(), nullable=True),
        sa.Column("originator_reference", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("payee_name", sa.Text(), nullable=False),
        sa.Column("remarks", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "claimed",
                "sending",
                "accepted",
                "unknown",
                "settled",
                "rejected",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "state_changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ever_unknown", sa.Boolean(), nullable=False),
        sa.Column("failure_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("provider_originator_id", sa.Text(), nullable=True),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("outcome_code", sa.Text(), nullable=True),
        sa.Column("outcome_message", sa.Text(), nullable=True),
        sa.Column("settled_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("fee", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("fee_evidence", sa.Text(), nullable=True),
        sa.Column("decide_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queries", sa.Integer(), nullable=False),
        sa.Column("last_query_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_query_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_payment_attempts_tries")),
        sa.ForeignKeyConstraint(
            ["company_id", "execution_id"],
            ["payment_executions.company_id", "payment_executions.id"],
            name=op.f("fk_payment_attempts_company_id_execution_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_payment_attempts_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "provider_account_id"],
            ["provider_accounts.company_id", "provider_accounts.id"],
            name=op.f("fk_payment_attempts_company_id_provider_account_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_payment_attempts_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempts")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_payment_attempts_company_id_id")),
        sa.UniqueConstraint("execution_id", name=op.f("uq_payment_attempts_execution_id")),
        sa.UniqueConstraint(
            "payment_id", "number", name=op.f("uq_payment_attempts_payment_id_number")
        ),
    )
    op.create_index(
        "ix_payment_attempts_payment", "payment_attempts", ["payment_id", "number"], unique=False
    )
    op.create_index(
        "uq_payment_attempts_live",
        "payment_attempts",
        ["payment_id"],
        unique=True,
        postgresql_where="state NOT IN ('settled', 'rejected')",
    )
    op.create_index(
        "uq_payment_attempts_provider_reference",
        "payment_attempts",
        ["provider_account_id", "provider_reference"],
        unique=True,
        postgresql_where="provider_reference IS NOT NULL",
    )
    op.create_index(
        "uq_payment_attempts_reference",
        "payment_attempts",
        ["provider_account_id", "originator_reference"],
        unique=True,
    )
    op.create_table(
        "callbacks",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "result",
                "timeout",
                "query_result",
                "query_timeout",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("dedup_key", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("remote_address", sa.Text(), nullable=True),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "attempt_id"],
            ["payment_attempts.company_id", "payment_attempts.id"],
            name=op.f("fk_callbacks_company_id_attempt_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_callbacks_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        sa.UniqueConstraint(
            "attempt_id",
            "purpose",
            "dedup_key",
            name=op.f("uq_callbacks_attempt_id_purpose_dedup_key"),
        ),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_callbacks_company_id_id")),
    )
    op.create_index("ix_callbacks_company", "callbacks", ["company_id", "id"], unique=False)
    op.create_table(
        "payment_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column(
            "request_type",
            sa.Enum(
                "INITIATE",
                "QUERY",
                "CONFIRM",
                "CANCEL",
                "REFUND",
                name="request_type",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("response", postgresql.JSONB(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("processing_time_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id", "attempt_id"],
            ["payment_attempts.company_id", "payment_attempts.id"],
            name=op.f("fk_payment_transactions_company_id_attempt_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payment_id"],
            ["payments.company_id", "payments.id"],
            name=op.f("fk_payment_transactions_company_id_payment_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_payment_transactions_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_transactions")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_payment_transactions_company_id_id")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "ix_payment_transactions_payment",
        "payment_transactions",
        ["payment_id", "id"],
        unique=False,
    )

    for table in (
        "payments",
        "release_challenges",
        "challenge_sends",
        "release_grants",
        "cash_acknowledgements",
        "replenishments",
        "variance_adjustments",
        "reconciliation_runs",
        "reconciliation_items",
    ):
        secure(table)
    secure("payment_attempts", system="SELECT")
    secure("callbacks", system="SELECT, INSERT, UPDATE")
    for table in (
        "attachments",
        "attachment_contents",
        "payment_executions",
        "payment_transactions",
        "payment_reconciliations",
    ):
        secure(table, app="SELECT, INSERT")


def downgrade() -> None:
    op.drop_table("payment_transactions")
    op.drop_table("callbacks")
    op.drop_table("payment_attempts")
    op.drop_table("cash_acknowledgements")
    op.drop_table("payment_executions")
    op.drop_table("release_grants")
    op.drop_table("challenge_sends")
    op.drop_table("attachment_contents")
    op.drop_table("variance_adjustments")
    op.drop_table("release_challenges")
    op.drop_table("reconciliation_items")
    op.drop_table("payment_reconciliations")
    op.drop_table("attachments")
    op.drop_table("replenishments")
    op.drop_table("payments")
    op.drop_table("reconciliation_runs")
