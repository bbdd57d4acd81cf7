"""Let rows name the request that they go back to, number the rotations of a sign-in.

Revision ID: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TABLES = ("obligations", "payment_attempts", "payment_transactions")
REQUEST_ID = "nullif(current_setting('app.request_id', true), '')"


def upgrade() -> None:
    for table in TABLES:
        # The default comes later, or what is there would be written anew.
        op.add_column(table, sa.Column("request_id", sa.Text()))
        op.alter_column(table, "request_id", server_default=sa.text(REQUEST_ID))

    # Those of before, and of the release that still runs meanwhile, all count as sign-ins.
    op.add_column(
        "auth_sessions",
        sa.Column("generation", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )

    op.create_index("ix_security_events_event", "security_events", ["company_id", "event", "id"])
    op.create_index("ix_security_events_user", "security_events", ["company_id", "user_id", "id"])
    # The host reads what belongs to no company: sign-ins of nobody, or of people in several.
    op.execute("GRANT SELECT ON security_events TO pettycash_system")


def downgrade() -> None:
    op.execute("REVOKE SELECT ON security_events FROM pettycash_system")
    op.drop_index("ix_security_events_user", "security_events")
    op.drop_index("ix_security_events_event", "security_events")
    op.drop_column("auth_sessions", "generation")
    for table in TABLES:
        op.drop_column(table, "request_id")
