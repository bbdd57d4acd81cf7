"""Let a second person confirm an API key, people set their own passwords by a link, and others
take over the steps of somebody who leaves.

Revision ID: 0027
"""

import sqlalchemy as sa
from alembic import op

from migrations.security import secure

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

CHECKS = {
    "two_people": "confirmed_by <> created_by",
    "confirmed": "(confirmed_by IS NULL) = (confirmed_at IS NULL)",
    "one_unit": "branch_id IS NULL OR department_id IS NULL",
}


ROUND_STATES = ("open", "approved", "rejected", "changes_requested", "voided")


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
    _links()
    _round_states(*ROUND_STATES, "handed_over")


def _round_states(*states: str) -> None:
    name = op.f("ck_approval_rounds_status")
    op.drop_constraint(name, "approval_rounds")
    listed = ", ".join(f"'{state}'" for state in states)
    op.create_check_constraint(name, "approval_rounds", f"status IN ({listed})")


def _links() -> None:
    op.create_table(
        "sign_in_links",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("made_by", sa.Uuid()),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        *(
            sa.ForeignKeyConstraint(
                ["company_id", person],
                ["memberships.company_id", "memberships.user_id"],
                name=op.f(f"fk_sign_in_links_company_id_{person}"),
                ondelete="RESTRICT",
            )
            for person in ("user_id", "made_by")
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_sign_in_links_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_sign_in_links_digest")),
    )
    secure("sign_in_links", system="SELECT, UPDATE")


def downgrade() -> None:
    op.execute("UPDATE approval_rounds SET status = 'voided' WHERE status = 'handed_over'")
    _round_states(*ROUND_STATES)
    op.drop_table("sign_in_links")
    for name in ("confirmed_by", "branch_id", "department_id", "confirmed_at"):
        op.drop_column("api_keys", name)
