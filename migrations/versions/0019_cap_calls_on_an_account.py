"""Cap how many calls to one provider account are under way at any moment.

Revision ID: 0019
"""

import sqlalchemy as sa
from alembic import op

from migrations.security import secure

revision = "0019"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rail_slots",
        sa.Column("provider_account_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_rail_slots_number")),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_rail_slots_company_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "provider_account_id"],
            ["provider_accounts.company_id", "provider_accounts.id"],
            name=op.f("fk_rail_slots_company_id_provider_account_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("provider_account_id", "number", name=op.f("pk_rail_slots")),
    )
    secure("rail_slots", system="SELECT")


def downgrade() -> None:
    op.drop_table("rail_slots")
