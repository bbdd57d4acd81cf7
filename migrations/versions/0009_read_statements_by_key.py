"""Find an account's newest posting before a key: running balances without adding up history.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_postings_statement", "postings", ["account_id", "entry_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_postings_statement", table_name="postings")
