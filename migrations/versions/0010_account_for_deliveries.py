"""Say what became of a short delivery, and take a bank's reference as evidence once.

Revision ID: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "replenishments",
        sa.Column(
            "lost_amount",
            sa.Numeric(precision=18, scale=2),
            nullable=False,
            server_default=sa.text("0"),
        ),
    )
    op.create_check_constraint(
        op.f("ck_replenishments_received_amount"),
        "replenishments",
        "received_amount IS NULL OR received_amount + lost_amount <= approved_amount",
    )
    op.create_index(
        "uq_replenishments_bank_reference",
        "replenishments",
        ["company_id", "bank_reference"],
        unique=True,
        postgresql_where="bank_reference IS NOT NULL",
    )


def downgrade() -> None:
    op.drop_index("uq_replenishments_bank_reference", table_name="replenishments")
    op.drop_constraint(op.f("ck_replenishments_received_amount"), "replenishments", type_="check")
    op.drop_column("replenishments", "lost_amount")
