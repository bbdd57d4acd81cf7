"""Lock rows without their keys: who refers to a locked row does not wait for it.

FOR UPDATE keeps out FOR KEY SHARE, which every foreign key to the row takes: a callback could not
be stored while its attempt was locked. Keys never change here, so the lesser lock is enough. A
function's definition is taken as it stands, with its settings and its owner's eyes.

Revision ID: 0018
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

LOCKING = (
    "decision_duties",
    "execution_duties",
    "hold_close",
    "hold_place",
    "ledger_post",
    "payment_duties",
)


def upgrade() -> None:
    _replace("FOR UPDATE", "FOR NO KEY UPDATE")


def downgrade() -> None:
    _replace("FOR NO KEY UPDATE", "FOR UPDATE")


def _replace(before: str, after: str) -> None:
    for name in LOCKING:
        op.execute(
            f"""DO $$ BEGIN
                EXECUTE replace(pg_get_functiondef('{name}'::regproc), '{before}', '{after}');
            END $$"""
        )
