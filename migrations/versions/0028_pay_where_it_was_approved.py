"""Pay where it was approved: redirects are proposed and decided, and no release goes elsewhere.

Until now treasury could send an approved payment to another destination, and nobody who had
approved it was asked.

Revision ID: 0028
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parent.parent / "sql" / "functions"
RELEASES = ("payment_executions", "payment_attempts")


def upgrade() -> None:
    op.add_column("changes", sa.Column("digest", sa.LargeBinary()))
    op.add_column("changes", sa.Column("decider_id", sa.Uuid()))
    op.create_foreign_key(
        op.f("fk_changes_company_id_decider_id"),
        "changes",
        "memberships",
        ["company_id", "decider_id"],
        ["company_id", "user_id"],
        ondelete="RESTRICT",
    )
    op.create_index("ix_changes_decider", "changes", ["company_id", "decider_id", "id"])
    op.create_index(
        "ix_changes_redirects",
        "changes",
        ["object_id"],
        postgresql_where=sa.text("kind = 'redirect'"),
    )
    for table in ("requisitions", "payments"):
        op.add_column(table, sa.Column("open_redirect_id", sa.Uuid()))
        op.create_foreign_key(
            op.f(f"fk_{table}_company_id_open_redirect_id"),
            table,
            "changes",
            ["company_id", "open_redirect_id"],
            ["company_id", "id"],
            ondelete="RESTRICT",
        )
        op.create_index(
            f"ix_{table}_open_redirect",
            table,
            ["open_redirect_id"],
            postgresql_where=sa.text("open_redirect_id IS NOT NULL"),
        )
    op.add_column("requisitions", sa.Column("origin_reason", sa.Text()))
    op.create_index(
        "ix_requisitions_amount", "requisitions", ["company_id", "amount", "submitted_at"]
    )
    op.add_column("approval_steps", sa.Column("scope_id", sa.Uuid()))
    op.add_column(
        "branches",
        sa.Column("is_head_office", sa.Boolean(), nullable=False, server_default=sa.false()),
    )

    for name in ("approved_destination", "release_where_approved"):
        op.execute((FUNCTIONS / f"{name}.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION approved_destination TO pettycash_app, pettycash_system")
    for table in RELEASES:
        # After "duties", which locks the payment.
        op.execute(
            f"CREATE TRIGGER where_approved BEFORE INSERT ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION release_where_approved()"
        )


def downgrade() -> None:
    for table in RELEASES:
        op.execute(f"DROP TRIGGER where_approved ON {table}")
    for name in ("release_where_approved", "approved_destination"):
        op.execute(f"DROP FUNCTION {name}")
    op.drop_column("branches", "is_head_office")
    op.drop_column("approval_steps", "scope_id")
    op.drop_index("ix_requisitions_amount", "requisitions")
    op.drop_column("requisitions", "origin_reason")
    for table in ("payments", "requisitions"):
        op.drop_column(table, "open_redirect_id")
    op.drop_index("ix_changes_redirects", "changes")
    op.drop_index("ix_changes_decider", "changes")
    op.drop_column("changes", "decider_id")
    op.drop_column("changes", "digest")
