"""Funds, stores, accounts, holds and the journal.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.security import APP, SYSTEM, secure

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal_sources",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_journal_sources_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("company_id", "source", name=op.f("pk_journal_sources")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_journal_sources_entry_id")),
    )
    op.create_table(
        "funds",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("region_id", sa.Uuid(), nullable=True),
        sa.Column("branch_id", sa.Uuid(), nullable=True),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("custodian_id", sa.Uuid(), nullable=True),
        sa.Column("alternate_custodian_id", sa.Uuid(), nullable=True),
        sa.Column("target_balance", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("reorder_level", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("minimum_balance", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("maximum_balance", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("cash_limit", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
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
            "alternate_custodian_id IS NULL OR alternate_custodian_id <> custodian_id",
            name=op.f("ck_funds_alternate"),
        ),
        sa.CheckConstraint(
            "cash_limit IS NULL OR cash_limit > 0", name=op.f("ck_funds_cash_limit")
        ),
        sa.CheckConstraint(
            "maximum_balance IS NULL OR maximum_balance >= target_balance",
            name=op.f("ck_funds_maximum_balance"),
        ),
        sa.CheckConstraint("minimum_balance >= 0", name=op.f("ck_funds_minimum_balance")),
        sa.CheckConstraint(
            "reorder_level >= 0 AND reorder_level < target_balance",
            name=op.f("ck_funds_reorder_level"),
        ),
        sa.CheckConstraint("target_balance > 0", name=op.f("ck_funds_target_balance")),
        sa.ForeignKeyConstraint(
            ["company_id", "alternate_custodian_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_funds_company_id_alternate_custodian_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "branch_id"],
            ["branches.company_id", "branches.id"],
            name=op.f("fk_funds_company_id_branch_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "custodian_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_funds_company_id_custodian_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "department_id"],
            ["departments.company_id", "departments.id"],
            name=op.f("fk_funds_company_id_department_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "region_id"],
            ["regions.company_id", "regions.id"],
            name=op.f("fk_funds_company_id_region_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_funds_company_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_funds")),
        sa.UniqueConstraint("company_id", "code", name=op.f("uq_funds_company_id_code")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_funds_company_id_id")),
    )
    op.create_index(
        "uq_funds_place",
        "funds",
        ["company_id", "region_id", "branch_id", "department_id", "currency"],
        unique=True,
        postgresql_where="is_active",
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "journal_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("accounting_date", sa.Date(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("execution_id", sa.Uuid(), nullable=True),
        sa.Column("reverses_entry_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id", "created_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_journal_entries_company_id_created_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_journal_entries_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_entries")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_journal_entries_company_id_id")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "ix_journal_entries_date",
        "journal_entries",
        ["company_id", "accounting_date"],
        unique=False,
    )
    op.create_index("ix_journal_entries_payment", "journal_entries", ["payment_id"], unique=False)
    op.create_table(
        "ledger_periods",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "soft_closed",
                "hard_closed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("soft_closed_by", sa.Uuid(), nullable=True),
        sa.Column("soft_closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hard_closed_by", sa.Uuid(), nullable=True),
        sa.Column("hard_closed_at", sa.DateTime(timezone=True), nullable=True),
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
            "month = date_trunc('month', month)::date", name=op.f("ck_ledger_periods_month")
        ),
        sa.CheckConstraint(
            "hard_closed_by IS NULL OR hard_closed_by <> soft_closed_by",
            name=op.f("ck_ledger_periods_two_people"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "hard_closed_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_ledger_periods_company_id_hard_closed_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "soft_closed_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_ledger_periods_company_id_soft_closed_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_ledger_periods_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_periods")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_ledger_periods_company_id_id")),
        sa.UniqueConstraint("company_id", "month", name=op.f("uq_ledger_periods_company_id_month")),
    )
    op.create_table(
        "provider_accounts",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
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
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("shortcode", sa.Text(), nullable=False),
        sa.Column("credentials", sa.Text(), nullable=False),
        sa.Column("credentials_key_id", sa.Text(), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("amount_min", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("amount_max", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
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
            "amount_max IS NULL OR amount_max >= amount_min",
            name=op.f("ck_provider_accounts_amount_max"),
        ),
        sa.CheckConstraint(
            "amount_min IS NULL OR amount_min > 0", name=op.f("ck_provider_accounts_amount_min")
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "created_by"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_provider_accounts_company_id_created_by"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_provider_accounts_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_accounts")),
        sa.UniqueConstraint(
            "company_id", "code", name=op.f("uq_provider_accounts_company_id_code")
        ),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_provider_accounts_company_id_id")),
        sa.UniqueConstraint(
            "company_id",
            "method",
            "shortcode",
            name=op.f("uq_provider_accounts_company_id_method_shortcode"),
        ),
    )
    op.create_table(
        "ledger_accounts",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "store",
                "bank",
                "in_transit",
                "unallocated",
                "provider_charges",
                "advances",
                "expense",
                "fees",
                "input_vat",
                "wht_payable",
                "receivable",
                "payable",
                "wallet",
                "differences_pending",
                "over_short",
                "recoverable",
                "fx_clearing",
                "suspense",
                "equity",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=True),
        sa.Column("provider_account_id", sa.Uuid(), nullable=True),
        sa.Column("party_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("floor", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("balance", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("held", sa.Numeric(precision=18, scale=2), server_default="0", nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("floor >= 0", name=op.f("ck_ledger_accounts_floor")),
        sa.CheckConstraint("held >= 0", name=op.f("ck_ledger_accounts_held")),
        sa.ForeignKeyConstraint(
            ["company_id", "fund_id"],
            ["funds.company_id", "funds.id"],
            name=op.f("fk_ledger_accounts_company_id_fund_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "party_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_ledger_accounts_company_id_party_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "provider_account_id"],
            ["provider_accounts.company_id", "provider_accounts.id"],
            name=op.f("fk_ledger_accounts_company_id_provider_account_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_ledger_accounts_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint(
            "company_id",
            "code",
            "currency",
            name=op.f("uq_ledger_accounts_company_id_code_currency"),
        ),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_ledger_accounts_company_id_id")),
    )
    op.create_index(
        "uq_ledger_accounts_of",
        "ledger_accounts",
        [
            "company_id",
            "kind",
            "currency",
            "fund_id",
            "provider_account_id",
            "party_id",
            "category",
        ],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where="kind <> 'store'",
    )
    op.create_table(
        "holds",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("expected_fee", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "posted",
                "voided",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_holds_amount")),
        sa.CheckConstraint("expected_fee >= 0", name=op.f("ck_holds_expected_fee")),
        sa.ForeignKeyConstraint(
            ["company_id", "account_id"],
            ["ledger_accounts.company_id", "ledger_accounts.id"],
            name=op.f("fk_holds_company_id_account_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_holds_company_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_holds_company_id_id")),
        sa.UniqueConstraint("company_id", "source", name=op.f("uq_holds_company_id_source")),
    )
    op.create_index(
        "ix_holds_open", "holds", ["account_id"], unique=False, postgresql_where="state = 'open'"
    )
    op.create_table(
        "postings",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "side",
            sa.Enum(
                "debit", "credit", name="side", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.Numeric(precision=20, scale=2), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=True),
        sa.Column("branch_id", sa.Uuid(), nullable=True),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("cost_center_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("budget_line_id", sa.Uuid(), nullable=True),
        sa.Column("party_id", sa.Uuid(), nullable=True),
        sa.Column("tax_code", sa.Text(), nullable=True),
        sa.Column("memo", sa.Text(), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_postings_amount")),
        sa.ForeignKeyConstraint(
            ["company_id", "account_id"],
            ["ledger_accounts.company_id", "ledger_accounts.id"],
            name=op.f("fk_postings_company_id_account_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "entry_id"],
            ["journal_entries.company_id", "journal_entries.id"],
            name=op.f("fk_postings_company_id_entry_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("entry_id", "id", name=op.f("pk_postings")),
        sa.UniqueConstraint(
            "company_id", "entry_id", "id", name=op.f("uq_postings_company_id_entry_id_id")
        ),
        postgresql_partition_by="RANGE (entry_id)",
    )
    op.create_index("ix_postings_account", "postings", ["account_id", "sequence"], unique=False)
    op.create_index("ix_postings_id", "postings", ["id"], unique=False)
    op.create_table(
        "stores",
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "drawer",
                "provider_share",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("provider_account_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
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
            "(kind = 'drawer') = (provider_account_id IS NULL)",
            name=op.f("ck_stores_provider_account"),
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "account_id"],
            ["ledger_accounts.company_id", "ledger_accounts.id"],
            name=op.f("fk_stores_company_id_account_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "fund_id"],
            ["funds.company_id", "funds.id"],
            name=op.f("fk_stores_company_id_fund_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "provider_account_id"],
            ["provider_accounts.company_id", "provider_accounts.id"],
            name=op.f("fk_stores_company_id_provider_account_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_stores_company_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stores")),
        sa.UniqueConstraint("account_id", name=op.f("uq_stores_account_id")),
        sa.UniqueConstraint("company_id", "code", name=op.f("uq_stores_company_id_code")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_stores_company_id_id")),
    )
    op.create_index("ix_stores_fund", "stores", ["company_id", "fund_id"], unique=False)

    for table in ("funds", "stores", "provider_accounts", "ledger_periods"):
        secure(table)
    op.execute(f"GRANT SELECT ON provider_accounts TO {SYSTEM}")
    op.execute(f"CREATE POLICY across_companies ON provider_accounts TO {SYSTEM} USING (true)")
    secure("ledger_accounts", app="SELECT")
    op.execute(
        f"""GRANT INSERT (id, company_id, code, name, kind, currency, fund_id, provider_account_id,
                party_id, category, floor, is_active),
            UPDATE (name, floor, is_active) ON ledger_accounts TO {APP}"""
    )
    for table in ("holds", "journal_sources", "journal_entries", "postings"):
        secure(table, app="SELECT")


def downgrade() -> None:
    op.drop_table("stores")
    op.drop_table("postings")
    op.drop_table("holds")
    op.drop_table("ledger_accounts")
    op.drop_table("provider_accounts")
    op.drop_table("ledger_periods")
    op.drop_table("journal_entries")
    op.drop_table("funds")
    op.drop_table("journal_sources")
