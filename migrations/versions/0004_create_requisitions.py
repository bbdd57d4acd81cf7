"""Approval policy, requisitions and their trail.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.security import secure

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approval_thresholds",
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column(
            "origin",
            sa.Enum(
                "branch",
                "hq",
                "field",
                "any",
                name="origin",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("min_amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("max_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("roles_sequence", postgresql.JSONB(), nullable=False),
        sa.Column("allow_urgent_fasttrack", sa.Boolean(), nullable=False),
        sa.Column("requires_cfo", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("drafted_by", sa.Uuid(), nullable=True),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "jsonb_typeof(roles_sequence) = 'array'",
            name=op.f("ck_approval_thresholds_roles_sequence"),
        ),
        sa.CheckConstraint(
            "max_amount IS NULL OR max_amount > min_amount",
            name=op.f("ck_approval_thresholds_range"),
        ),
        sa.CheckConstraint("min_amount >= 0", name=op.f("ck_approval_thresholds_min_amount")),
        sa.CheckConstraint("tier >= 1", name=op.f("ck_approval_thresholds_tier")),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_until > valid_from",
            name=op.f("ck_approval_thresholds_validity"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "drafted_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_approval_thresholds_company_id_drafted_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "published_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_approval_thresholds_company_id_published_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_approval_thresholds_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_thresholds")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_approval_thresholds_company_id_id")),
    )
    op.create_index(
        "ix_approval_thresholds_find",
        "approval_thresholds",
        ["company_id", "currency", "origin", "min_amount"],
        unique=False,
    )
    op.create_table(
        "requisitions",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "expense",
                "reimbursement",
                "advance",
                "per_diem",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "origin",
            sa.Enum(
                "branch",
                "hq",
                "field",
                name="origin",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("external_reference", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("region_id", sa.Uuid(), nullable=True),
        sa.Column("branch_id", sa.Uuid(), nullable=True),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("cost_center_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("payee_name", sa.Text(), nullable=False),
        sa.Column("payee_user_id", sa.Uuid(), nullable=True),
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
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("is_urgent", sa.Boolean(), nullable=False),
        sa.Column("urgency_reason", sa.Text(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "draft",
                "pending",
                "pending_urgency_confirmation",
                "pending_dept_approval",
                "pending_branch_approval",
                "pending_regional_review",
                "pending_finance_review",
                "pending_cfo_approval",
                "pending_ceo_approval",
                "pending_treasury_validation",
                "in_payment",
                "paid",
                "reviewed",
                "rejected",
                "cancelled",
                "changes_requested",
                "closed_short",
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
        sa.Column("tier", sa.Integer(), nullable=True),
        sa.Column("approved_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("approved_digest", sa.LargeBinary(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("validated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("validated_by", sa.Uuid(), nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
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
            "origin <> 'branch' OR branch_id IS NOT NULL",
            name=op.f("ck_requisitions_branch_origin"),
        ),
        sa.CheckConstraint(
            "origin <> 'field' OR region_id IS NOT NULL", name=op.f("ck_requisitions_field_origin")
        ),
        sa.CheckConstraint(
            "NOT is_urgent OR urgency_reason IS NOT NULL",
            name=op.f("ck_requisitions_urgency_reason"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_requisitions_amount")),
        sa.CheckConstraint(
            "approved_amount IS NULL OR approved_amount > 0",
            name=op.f("ck_requisitions_approved_amount"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "branch_id"],
            ["branches.company_id", "branches.id"],
            name=op.f("fk_requisitions_company_id_branch_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "client_id"],
            ["api_keys.company_id", "api_keys.id"],
            name=op.f("fk_requisitions_company_id_client_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "cost_center_id"],
            ["cost_centers.company_id", "cost_centers.id"],
            name=op.f("fk_requisitions_company_id_cost_center_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "department_id"],
            ["departments.company_id", "departments.id"],
            name=op.f("fk_requisitions_company_id_department_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "payee_user_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_requisitions_company_id_payee_user_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "region_id"],
            ["regions.company_id", "regions.id"],
            name=op.f("fk_requisitions_company_id_region_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requester_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_requisitions_company_id_requester_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "validated_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_requisitions_company_id_validated_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_requisitions_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requisitions")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_requisitions_company_id_id")),
        sa.UniqueConstraint("company_id", "number", name=op.f("uq_requisitions_company_id_number")),
    )
    op.create_index(
        "ix_requisitions_branch", "requisitions", ["company_id", "branch_id", "id"], unique=False
    )
    op.create_index(
        "ix_requisitions_department",
        "requisitions",
        ["company_id", "department_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_requisitions_requester",
        "requisitions",
        ["company_id", "requester_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_requisitions_status", "requisitions", ["company_id", "status", "id"], unique=False
    )
    op.create_index(
        "uq_requisitions_external_reference",
        "requisitions",
        ["company_id", "client_id", "external_reference"],
        unique=True,
        postgresql_where="external_reference IS NOT NULL",
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "approval_rounds",
        sa.Column("requisition_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("threshold_id", sa.Uuid(), nullable=False),
        sa.Column("policy", postgresql.JSONB(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "approved",
                "rejected",
                "changes_requested",
                "voided",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("override", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requisition_id"],
            ["requisitions.company_id", "requisitions.id"],
            name=op.f("fk_approval_rounds_company_id_requisition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "threshold_id"],
            ["approval_thresholds.company_id", "approval_thresholds.id"],
            name=op.f("fk_approval_rounds_company_id_threshold_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_approval_rounds_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_rounds")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_approval_rounds_company_id_id")),
        sa.UniqueConstraint(
            "requisition_id", "number", name=op.f("uq_approval_rounds_requisition_id_number")
        ),
    )
    op.create_index(
        "uq_approval_rounds_open",
        "approval_rounds",
        ["requisition_id"],
        unique=True,
        postgresql_where="status = 'open'",
    )
    op.create_table(
        "approval_trail",
        sa.Column("requisition_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("on_behalf_of", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column(
            "action",
            sa.Enum(
                "submitted",
                "approved",
                "validated",
                "returned",
                "held",
                "paid",
                "reviewed",
                "rejected",
                "urgency_confirmed",
                "urgency_refused",
                "changes_requested",
                "recalled",
                "cancelled",
                "escalated",
                "changed",
                "released_from_hold",
                "closed_short",
                name="action",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("auto_escalated", sa.Boolean(), nullable=False),
        sa.Column("escalation_reason", sa.Text(), nullable=True),
        sa.Column("skipped_roles", postgresql.JSONB(), nullable=False),
        sa.Column("override", sa.Text(), nullable=True),
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
            ["company_id", "on_behalf_of"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_approval_trail_company_id_on_behalf_of"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requisition_id"],
            ["requisitions.company_id", "requisitions.id"],
            name=op.f("fk_approval_trail_company_id_requisition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_approval_trail_company_id_user_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_approval_trail_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_trail")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_approval_trail_company_id_id")),
    )
    op.create_index(
        "ix_approval_trail_requisition",
        "approval_trail",
        ["company_id", "requisition_id", "id"],
        unique=False,
    )
    op.create_table(
        "requisition_lines",
        sa.Column("requisition_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("cost_center_id", sa.Uuid(), nullable=True),
        sa.Column("budget_line_id", sa.Uuid(), nullable=True),
        sa.Column("tax_code", sa.Text(), nullable=True),
        sa.Column("tax_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_requisition_lines_amount")),
        sa.ForeignKeyConstraint(
            ["company_id", "cost_center_id"],
            ["cost_centers.company_id", "cost_centers.id"],
            name=op.f("fk_requisition_lines_company_id_cost_center_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requisition_id"],
            ["requisitions.company_id", "requisitions.id"],
            name=op.f("fk_requisition_lines_company_id_requisition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_requisition_lines_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requisition_lines")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_requisition_lines_company_id_id")),
        sa.UniqueConstraint(
            "requisition_id", "position", name=op.f("uq_requisition_lines_requisition_id_position")
        ),
    )
    op.create_table(
        "approval_steps",
        sa.Column("requisition_id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "original_role",
            sa.Enum(
                "staff",
                "department_head",
                "branch_manager",
                "regional_manager",
                "group_finance_manager",
                "treasury",
                "custodian",
                "cfo",
                "fpa",
                "ceo",
                "operator",
                "auditor",
                "admin",
                name="original_role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "waiting",
                "open",
                "approved",
                "rejected",
                "changes_requested",
                "skipped",
                "voided",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("confirms_urgency", sa.Boolean(), nullable=False),
        sa.Column("auto_escalated", sa.Boolean(), nullable=False),
        sa.Column("escalation_reason", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "auto_escalated = (escalation_reason IS NOT NULL)",
            name=op.f("ck_approval_steps_escalation"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "requisition_id"],
            ["requisitions.company_id", "requisitions.id"],
            name=op.f("fk_approval_steps_company_id_requisition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "round_id"],
            ["approval_rounds.company_id", "approval_rounds.id"],
            name=op.f("fk_approval_steps_company_id_round_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_approval_steps_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_steps")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_approval_steps_company_id_id")),
        sa.UniqueConstraint(
            "round_id", "position", name=op.f("uq_approval_steps_round_id_position")
        ),
    )
    op.create_index(
        "uq_approval_steps_open",
        "approval_steps",
        ["requisition_id"],
        unique=True,
        postgresql_where="status = 'open'",
    )
    op.create_table(
        "decisions",
        sa.Column("requisition_id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "approved",
                "rejected",
                "changes_requested",
                "urgency_confirmed",
                "urgency_refused",
                name="verdict",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
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
            ["company_id", "requisition_id"],
            ["requisitions.company_id", "requisitions.id"],
            name=op.f("fk_decisions_company_id_requisition_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "round_id"],
            ["approval_rounds.company_id", "approval_rounds.id"],
            name=op.f("fk_decisions_company_id_round_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "step_id"],
            ["approval_steps.company_id", "approval_steps.id"],
            name=op.f("fk_decisions_company_id_step_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_decisions_company_id_user_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_decisions_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_decisions_company_id_id")),
    )
    op.create_index(
        "ix_decisions_requisition", "decisions", ["requisition_id", "user_id"], unique=False
    )
    op.create_index(
        "uq_decisions_final",
        "decisions",
        ["step_id"],
        unique=True,
        postgresql_where="verdict <> 'urgency_refused'",
    )
    op.create_index(
        "uq_decisions_urgency_refused",
        "decisions",
        ["step_id"],
        unique=True,
        postgresql_where="verdict = 'urgency_refused'",
    )
    op.create_table(
        "step_assignees",
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "round_id"],
            ["approval_rounds.company_id", "approval_rounds.id"],
            name=op.f("fk_step_assignees_company_id_round_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "step_id"],
            ["approval_steps.company_id", "approval_steps.id"],
            name=op.f("fk_step_assignees_company_id_step_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_step_assignees_company_id_user_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_step_assignees_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_step_assignees")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_step_assignees_company_id_id")),
        sa.UniqueConstraint("round_id", "user_id", name=op.f("uq_step_assignees_round_id_user_id")),
    )
    op.create_index(
        "ix_step_assignees_user",
        "step_assignees",
        ["company_id", "user_id", "step_id"],
        unique=False,
    )

    for table in (
        "approval_thresholds",
        "approval_rounds",
        "approval_steps",
        "requisitions",
    ):
        secure(table)
    secure("requisition_lines", app="SELECT, INSERT, DELETE")
    for table in ("step_assignees", "decisions", "approval_trail"):
        secure(table, app="SELECT, INSERT")


def downgrade() -> None:
    op.drop_table("step_assignees")
    op.drop_table("decisions")
    op.drop_table("approval_steps")
    op.drop_table("requisition_lines")
    op.drop_table("approval_trail")
    op.drop_table("approval_rounds")
    op.drop_table("requisitions")
    op.drop_table("approval_thresholds")
