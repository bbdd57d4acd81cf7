"""Tell whether a person works in a second company: then no single one may change their login.

Revision ID: 0008
"""

from alembic import op

from migrations.security import APP, function

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

WORKS_ELSEWHERE = """
BEGIN
    RETURN EXISTS (SELECT FROM memberships m
                   WHERE m.user_id = person AND m.company_id <> current_company());
END
"""


def upgrade() -> None:
    function(
        "works_elsewhere(person uuid)",
        WORKS_ELSEWHERE,
        returns="boolean",
        grant=APP,
        volatile="STABLE",
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION works_elsewhere")
