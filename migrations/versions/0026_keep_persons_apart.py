"""Know whose a destination is, whenever that was, and which duties and roles are never one person's.

The pairs are a copy of what `pettycash/services/duties.py` said when this was written: a migration
never changes, and a test compares module, tables and a reviewed file.

Revision ID: 0026
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from migrations.security import secure

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).parents[1] / "sql" / "functions"
TRIGGERED = ("begin_contacts", "keep_contacts", "role_duties", "role_ends")

ALONE = ("requester", "recipient")
ACTING = ("approver", "maker", "releaser", "judge", "recorder")
DUTY_PAIRS = (
    *((one, other) for one in ALONE for other in ACTING),
    ("approver", "maker"),
    ("approver", "releaser"),
    ("maker", "releaser"),
    ("maker", "judge"),
    ("releaser", "judge"),
    ("releaser", "matcher"),
)

APPROVING = (
    "department_head",
    "branch_manager",
    "regional_manager",
    "group_finance_manager",
    "cfo",
    "ceo",
)
INCOMPATIBLE_ROLES = (
    *(("admin", each) for each in ("treasury", "custodian", *APPROVING)),
    *(
        ("auditor", each)
        for each in ("treasury", "custodian", *APPROVING, "fpa", "operator", "admin")
    ),
    *(("treasury", each) for each in ("custodian", "cfo", "group_finance_manager", "ceo")),
    *(("custodian", each) for each in ("cfo", "group_finance_manager")),
    *(("operator", each) for each in ("treasury", "custodian", "cfo")),
)

BACK_TO_APPROVAL = (
    "pending",
    "pending_urgency_confirmation",
    "pending_dept_approval",
    "pending_branch_approval",
    "pending_regional_review",
    "pending_finance_review",
    "pending_cfo_approval",
    "pending_ceo_approval",
)
"""Where a requisition in payment goes whose approver turns out to have another duty."""

TWO_PEOPLE = "ck_role_assignments_two_people"
TWO_PEOPLE_BEFORE = "proposed_by IS NULL OR proposed_by <> confirmed_by"
TWO_PEOPLE_NOW = (
    "is_bootstrap OR (proposed_by IS NOT NULL AND confirmed_by IS NOT NULL"
    " AND proposed_by <> confirmed_by)"
)

TRIGGERS = (
    ("memberships", "contacts_begin", "AFTER INSERT", "begin_contacts"),
    ("memberships", "contacts", "AFTER UPDATE OF phone", "keep_contacts"),
    ("users", "contacts", "AFTER UPDATE OF email", "keep_contacts"),
    ("role_assignments", "duties", "BEFORE INSERT", "role_duties"),
    ("role_assignments", "ends", "BEFORE UPDATE", "role_ends"),
)


def upgrade() -> None:
    _write_pairs("duty_pairs", "duty", DUTY_PAIRS)
    _write_pairs("incompatible_roles", "role", INCOMPATIBLE_ROLES)
    op.execute((FUNCTIONS / "contact_value.sql").read_text(encoding="utf-8"))
    op.execute("REVOKE ALL ON FUNCTION contact_value FROM PUBLIC")
    _keep_contacts()
    op.add_column(
        "role_assignments",
        sa.Column("is_bootstrap", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.execute(
        "UPDATE role_assignments SET is_bootstrap = true"
        " WHERE proposed_by IS NULL OR confirmed_by IS NULL"
    )
    op.drop_constraint(TWO_PEOPLE, "role_assignments")
    op.create_check_constraint(op.f(TWO_PEOPLE), "role_assignments", TWO_PEOPLE_NOW)
    op.create_index(
        "ix_payments_named",
        "payments",
        ["company_id", "destination"],
        postgresql_where="payee_user_id IS NOT NULL",
    )
    op.create_index("ix_cases_object", "cases", ["company_id", "object_type", "object_id"])
    op.create_index(
        "ix_attachments_payment",
        "attachments",
        ["payment_id"],
        postgresql_where="payment_id IS NOT NULL",
    )
    for status in BACK_TO_APPROVAL:
        op.execute(
            f"INSERT INTO allowed_transitions VALUES ('requisitions', 'in_payment', '{status}')"
        )
    for name in TRIGGERED:
        op.execute((FUNCTIONS / f"{name}.sql").read_text(encoding="utf-8"))
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"ALTER FUNCTION {name} SET plan_cache_mode = force_generic_plan")
        op.execute(f"ALTER FUNCTION {name} SET enable_seqscan = off")
    for table, name, when, function in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        )


def downgrade() -> None:
    for table, name, _, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in (*TRIGGERED, "contact_value"):
        op.execute(f"DROP FUNCTION {name}")
    op.execute(
        "DELETE FROM allowed_transitions WHERE machine = 'requisitions'"
        " AND from_status = 'in_payment' AND to_status LIKE 'pending%'"
    )
    op.drop_index("ix_attachments_payment", "attachments")
    op.drop_index("ix_cases_object", "cases")
    op.drop_index("ix_payments_named", "payments")
    op.drop_constraint(TWO_PEOPLE, "role_assignments")
    op.create_check_constraint(op.f(TWO_PEOPLE), "role_assignments", TWO_PEOPLE_BEFORE)
    op.drop_column("role_assignments", "is_bootstrap")
    for table in ("contacts", "incompatible_roles", "duty_pairs"):
        op.drop_table(table)


def _write_pairs(table: str, column: str, pairs: tuple[tuple[str, str], ...]) -> None:
    """Each pair in both directions, so that a trigger joins by one of them."""
    op.execute(f"CREATE TABLE {table} ({column} text, other text, PRIMARY KEY ({column}, other))")
    secure(table, app="SELECT", system="SELECT", rows="true")
    for one, other in pairs:
        op.execute(f"INSERT INTO {table} VALUES ('{one}', '{other}'), ('{other}', '{one}')")


def _keep_contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "phone", "email", name="kind", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("held_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "held_until IS NULL OR held_until >= held_from", name=op.f("ck_contacts_held")
        ),
        sa.ForeignKeyConstraint(
            ["company_id", "user_id"],
            ["memberships.company_id", "memberships.user_id"],
            name=op.f("fk_contacts_company_id_user_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["companies.id"],
            name=op.f("fk_contacts_company_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    op.create_index("ix_contacts_value", "contacts", ["company_id", "value"])
    op.create_index("ix_contacts_user", "contacts", ["user_id", "kind"])
    op.create_index(
        "uq_contacts_held",
        "contacts",
        ["company_id", "user_id", "kind"],
        unique=True,
        postgresql_where="held_until IS NULL",
    )
    secure("contacts", app="SELECT")
    # Nothing is known of what was held before: what is held now counts from the beginning on.
    op.execute(
        """INSERT INTO contacts (id, company_id, user_id, kind, value, held_from)
           SELECT new_key(), m.company_id, m.user_id, k.kind, k.value, m.created_at
           FROM memberships m JOIN users u ON u.id = m.user_id CROSS JOIN LATERAL (VALUES
               ('phone', contact_value('phone', m.phone)),
               ('email', contact_value('email', u.email))) AS k (kind, value)
           WHERE k.value IS NOT NULL"""
    )
