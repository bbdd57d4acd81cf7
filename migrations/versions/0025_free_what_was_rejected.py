"""Free receipts and references of what was rejected or cancelled, and list three more categories.

A receipt proves one expense, and a client's own reference names one requisition, while it stands.
References of persons are apart now, as those of clients were. A downgrade needs that nothing was
used again since.

Revision ID: 0025
"""

from pathlib import Path

import sqlalchemy as sa
import uuid_utils.compat
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).parents[1] / "sql" / "functions"
ENDED = "status IN ('rejected', 'cancelled')"
CATEGORIES = ("fuel", "office", "stationery")


def upgrade() -> None:
    op.add_column(
        "attachments",
        sa.Column("in_force", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.execute(
        f"""UPDATE attachments a SET in_force = false FROM requisitions r
            WHERE r.id = a.requisition_id AND r.company_id = a.company_id AND r.{ENDED}"""
    )
    op.drop_constraint("uq_attachments_company_id_digest", "attachments", type_="unique")
    op.create_index(
        "uq_attachments_digest",
        "attachments",
        ["company_id", "digest"],
        unique=True,
        postgresql_where="in_force",
    )
    op.create_index(
        "ix_attachments_uploaded", "attachments", ["company_id", "uploaded_by", "created_at"]
    )
    op.execute((FUNCTIONS / "free_attachments.sql").read_text(encoding="utf-8"))
    op.execute(
        f"""CREATE TRIGGER free_attachments AFTER UPDATE OF status ON requisitions
            FOR EACH ROW WHEN (NEW.{ENDED} AND OLD.status <> NEW.status)
            EXECUTE FUNCTION free_attachments()"""
    )

    op.drop_index("uq_requisitions_external_reference", "requisitions")
    op.create_index(
        "uq_requisitions_external_reference",
        "requisitions",
        ["company_id", sa.text("coalesce(client_id, requester_id)"), "external_reference"],
        unique=True,
        postgresql_where="external_reference IS NOT NULL"
        " AND status NOT IN ('rejected', 'cancelled')",
    )
    op.drop_index("uq_payments_external_reference", "payments")
    op.create_index(
        "uq_payments_external_reference",
        "payments",
        ["company_id", "client_id", "external_reference"],
        unique=True,
        postgresql_where="external_reference IS NOT NULL AND status <> 'cancelled'",
        postgresql_nulls_not_distinct=True,
    )

    bind = op.get_bind()
    for company_id, currency in bind.execute(
        sa.text("SELECT id, currency FROM companies WHERE bootstrapped_at IS NOT NULL")
    ).all():
        for category in CATEGORIES:
            bind.execute(
                sa.text(
                    """INSERT INTO ledger_accounts
                           (id, company_id, code, name, kind, currency, category)
                       VALUES (:id, :company_id, :code, :name, 'expense', :currency, :category)
                       ON CONFLICT DO NOTHING"""
                ),
                {
                    "id": uuid_utils.compat.uuid7(),
                    "company_id": company_id,
                    "code": f"5000.{category}",
                    "name": f"Expense: {category}",
                    "currency": currency,
                    "category": category,
                },
            )


def downgrade() -> None:
    # The categories stay: by now requisitions may name them.
    op.drop_index("uq_payments_external_reference", "payments")
    op.create_index(
        "uq_payments_external_reference",
        "payments",
        ["company_id", "client_id", "external_reference"],
        unique=True,
        postgresql_where="external_reference IS NOT NULL",
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index("uq_requisitions_external_reference", "requisitions")
    op.create_index(
        "uq_requisitions_external_reference",
        "requisitions",
        ["company_id", "client_id", "external_reference"],
        unique=True,
        postgresql_where="external_reference IS NOT NULL",
        postgresql_nulls_not_distinct=True,
    )
    op.execute("DROP TRIGGER free_attachments ON requisitions")
    op.execute("DROP FUNCTION free_attachments")
    op.drop_index("ix_attachments_uploaded", "attachments")
    op.drop_index("uq_attachments_digest", "attachments")
    op.create_unique_constraint(
        "uq_attachments_company_id_digest", "attachments", ["company_id", "digest"]
    )
    op.drop_column("attachments", "in_force")
