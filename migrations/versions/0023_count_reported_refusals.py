"""Count what a rail reports of refused credentials beside what it refuses at the door.

Revision ID: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "provider_accounts",
        sa.Column(
            "reported_refused_in_row", sa.Integer(), nullable=False, server_default=sa.text("0")
        ),
    )


def downgrade() -> None:
    op.drop_column("provider_accounts", "reported_refused_in_row")
