"""Let one worker at a time make and send a code.

Revision ID: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("challenge_sends", "cash_acknowledgements"):
        op.add_column(table, sa.Column("claimed_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for table in ("cash_acknowledgements", "challenge_sends"):
        op.drop_column(table, "claimed_at")
