"""Let a second person confirm an API key, and name the unit that it serves.

Revision ID: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0022"
branch_labels = None
depends_on = None

CHECKS = {
    "two_people": "confirmed_by <> created_by",
    "confirmed": "(confirmed_by IS NULL) = (confirmed_at IS NULL)",
    "one_unit": "branch_id IS NULL OR department_id IS NULL",
}


def upgrade() -> None:
    for name in ("confirmed_by", "branch_id", "department_id"):
        op.add_column("api_keys", sa.Column(name, sa.Uuid()))
    op.add_column("api_keys", sa.Column("confirmed_at", sa.DateTime(timezone=True)))
    op.create_foreign_key(
        op.f("fk_api_keys_company_id_confirmed_by"),
        "api_keys",
        "memberships",
        ["company_id", "confirmed_by"],
        ["company_id", "user_id"],
        ondelete="RESTRICT",
    )
    for unit, table in (("branch_id", "branches"), ("department_id", "departments")):
        op.create_foreign_key(
            op.f(f"fk_api_keys_company_id_{unit}"),
            "api_keys",
            table,
            ["company_id", unit],
            ["company_id", "id"],
            ondelete="RESTRICT",
        )
    for name, rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_api_keys_{name}"), "api_keys", rule)


def downgrade() -> None:
    for name in ("confirmed_by", "branch_id", "department_id", "confirmed_at"):
        op.drop_column("api_keys", name)
