"""Cap how many calls to one provider account are under way, and pause one that is refused.

Revision ID: 0019
"""

import sqlalchemy as sa
from alembic import op

from migrations.security import secure

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

CASE_KINDS = (
    "in_doubt",
    "contradiction",
    "mismatch",
    "unmatched_callback",
    "short_delivery",
    "late_fact",
    "below_floor",
    "parked_obligation",
    "release_locked",
)


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

    op.add_column(
        "provider_accounts",
        sa.Column("refused_in_row", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.alter_column("pauses", "paused_by", nullable=True)
    _allow_cases((*CASE_KINDS, "credentials_refused"))


def downgrade() -> None:
    op.execute("DELETE FROM cases WHERE kind = 'credentials_refused'")
    _allow_cases(CASE_KINDS)
    op.execute("DELETE FROM pauses WHERE paused_by IS NULL")
    op.alter_column("pauses", "paused_by", nullable=False)
    op.drop_column("provider_accounts", "refused_in_row")
    op.drop_table("rail_slots")


def _allow_cases(kinds: tuple[str, ...]) -> None:
    name = op.f("ck_cases_kind")
    op.drop_constraint(name, "cases", type_="check")
    op.create_check_constraint(name, "cases", sa.column("kind").in_(kinds))
