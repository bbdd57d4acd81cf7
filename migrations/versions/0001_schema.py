"""The first schema: tables as `sql/schema` says them, who may touch them, and the database's code.

`sql/schema` never changes after this. What the schema is now stands in docs/schema.sql.

Revision ID: 0001
"""

from alembic import op

from migrations.files import SQL, drop_all, install, install_all, run
from migrations.security import APP, SYSTEM, create_roles, partition_monthly, secure

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WRITTEN = (
    "approval_rounds",
    "approval_steps",
    "approval_thresholds",
    "branches",
    "cases",
    "cash_acknowledgements",
    "challenge_sends",
    "changes",
    "cost_centers",
    "counters",
    "departments",
    "funds",
    "ledger_periods",
    "notice_wishes",
    "pauses",
    "payments",
    "positions",
    "reconciliation_items",
    "reconciliation_runs",
    "regions",
    "release_challenges",
    "release_grants",
    "replenishments",
    "requisitions",
    "stores",
    "variance_adjustments",
)
"""Rows of the company: read, inserted and updated by the application."""

RECORDED = (
    "approval_trail",
    "attachment_contents",
    "attachments",
    "decisions",
    "payment_executions",
    "payment_reconciliations",
    "payment_transactions",
    "standing_validations",
    "step_assignees",
)
"""Rows of the company that the application adds and never changes."""

BY_FUNCTIONS = ("contacts", "holds", "journal_entries", "journal_sources", "postings")
"""Rows of the company that functions and triggers write; the application reads them."""

PARTITIONED = ("journal_entries", "payment_transactions", "postings")
MONTHS_AHEAD = 2


def upgrade() -> None:
    create_roles()
    # /readyz compares it with what the program knows.
    op.execute(f"GRANT SELECT ON alembic_version TO {APP}, {SYSTEM}")
    install("current_company")
    for path in sorted((SQL / "schema").glob("*.sql")):
        run(path)
    _secure_tables()
    install_all()
    for table in PARTITIONED:
        partition_monthly(table)
        for ahead in range(MONTHS_AHEAD + 1):
            op.execute(
                f"SELECT ensure_partition('{table}',"
                f" (now() AT TIME ZONE 'UTC' + interval '{ahead} months')::date)"
            )


def downgrade() -> None:
    drop_all()


def _secure_tables() -> None:
    for table in WRITTEN:
        secure(table)
    for table in RECORDED:
        secure(table, app="SELECT, INSERT")
    for table in BY_FUNCTIONS:
        secure(table, app="SELECT")
    secure("requisition_lines", app="SELECT, INSERT, DELETE")
    secure("ledger_accounts", app="SELECT")
    # Balances are written by functions alone.
    op.execute(
        f"""GRANT INSERT (id, company_id, code, name, kind, currency, fund_id, provider_account_id,
                party_id, category, floor, is_active),
            UPDATE (name, floor, is_active) ON ledger_accounts TO {APP}"""
    )

    # Work across companies: signing in, the relay, callbacks, the watch over rails.
    secure("api_keys", system="SELECT, UPDATE")
    secure("auth_sessions", app="SELECT, UPDATE", system="SELECT, INSERT, UPDATE, DELETE")
    secure("callbacks", system="SELECT, INSERT, UPDATE")
    secure("company_settings", app="SELECT, INSERT", system="SELECT")
    secure("idempotency_keys", app="SELECT, INSERT", system="SELECT, DELETE")
    op.execute(f"GRANT UPDATE (status, headers, body) ON idempotency_keys TO {APP}")
    secure("memberships", system="SELECT")
    secure("notices", app="SELECT, INSERT", system="SELECT, DELETE")
    op.execute(f"GRANT UPDATE (timing, claimed_at, sent_at, read_at) ON notices TO {APP}")
    secure("outbox_messages", system="SELECT, INSERT, UPDATE, DELETE")
    secure("payment_attempts", system="SELECT")
    secure("provider_accounts", system="SELECT")
    secure("rail_slots", system="SELECT")
    # Of files: how far they are, and that they go when their day is over.
    secure("report_chunks", app="SELECT, INSERT", system="SELECT (run_id), DELETE")
    secure("report_runs", system="SELECT (id, status, expires_at), UPDATE (status, rows)")
    secure("role_assignments", system="SELECT")
    secure("sign_in_links", system="SELECT, UPDATE")
    secure(
        "companies",
        app="SELECT, UPDATE",
        system="SELECT, INSERT, UPDATE",
        rows="id = current_company()",
    )
    secure(
        "users",
        system="SELECT, INSERT, UPDATE",
        rows=(
            "EXISTS (SELECT FROM memberships m"
            " WHERE m.user_id = users.id AND m.company_id = current_company())"
        ),
        check="true",
    )
    # The host reads what belongs to no company: sign-ins of nobody, or of people in several.
    secure(
        "security_events",
        app="SELECT, INSERT",
        system="SELECT, INSERT",
        check="company_id = current_company() OR company_id IS NULL",
    )

    # Of the installation, not of a company.
    for table in ("heartbeats", "periodic_jobs", "platform_pauses"):
        secure(table, app="SELECT", system="SELECT, INSERT, UPDATE", rows="true")
    for table in ("duty_pairs", "incompatible_roles", "restores"):
        secure(table, app="SELECT", system="SELECT", rows="true")
    secure("throttles", app=None, system="SELECT, INSERT, UPDATE, DELETE")
    secure("partitioned_tables", app=None, system="SELECT")
    secure("allowed_transitions", app=None)
