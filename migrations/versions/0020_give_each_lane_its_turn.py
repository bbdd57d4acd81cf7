"""Give what is owed lanes that take turns, keep a person's parking, count periodic jobs.

Revision ID: 0020
"""

import sqlalchemy as sa
from alembic import op

from migrations.security import secure

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

OPEN = "done_at IS NULL AND parked_at IS NULL"


def upgrade() -> None:
    op.add_column("obligations", sa.Column("lane", sa.Uuid(), nullable=True))
    op.add_column("obligations", sa.Column("handed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "obligations",
        sa.Column("parked_by_hand", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.execute(
        """
        UPDATE obligations o SET lane = coalesce(
            (SELECT t.provider_account_id FROM payment_attempts t
             WHERE o.topic IN ('payments.submit', 'payments.resolve') AND t.id = o.key),
            o.company_id)
        WHERE o.done_at IS NULL
        """
    )
    op.execute(
        """
        UPDATE obligations o SET parked_by_hand = true
        WHERE o.parked_at IS NOT NULL AND EXISTS (
            SELECT FROM security_events e WHERE e.event = 'obligation.parked'
                AND e.detail ->> 'obligation_id' = o.id::text AND e.created_at >= o.parked_at)
        """
    )
    # Alerts are not given up any more: what an outage of mail has parked is told late.
    op.execute(
        """
        UPDATE obligations SET parked_at = NULL, due_at = now(), attempts = 0
        WHERE topic = 'notifications.alert' AND done_at IS NULL AND NOT parked_by_hand
            AND parked_at IS NOT NULL
        """
    )
    # What is done has none until it is owed again: to write a month of it anew, everybody would wait.
    op.create_check_constraint(
        op.f("ck_obligations_lane"), "obligations", "lane IS NOT NULL OR done_at IS NOT NULL"
    )
    op.create_index(
        "ix_obligations_lane", "obligations", ["topic", "lane", "due_at"], postgresql_where=OPEN
    )
    # It would be taken where statistics are old, and then leads past all that is due elsewhere.
    op.drop_index("ix_obligations_due", "obligations")
    # Whoever owes without knowing of lanes, or owes again what was done before there were any: the
    # release before, while it still runs.
    op.execute(
        """CREATE FUNCTION obligation_lane() RETURNS trigger LANGUAGE plpgsql
           AS $$ BEGIN NEW.lane := NEW.company_id; RETURN NEW; END $$"""
    )
    for setting in ("plan_cache_mode = force_generic_plan", "enable_seqscan = off"):
        op.execute(f"ALTER FUNCTION obligation_lane SET {setting}")
    op.execute(
        """CREATE TRIGGER own_lane BEFORE INSERT OR UPDATE ON obligations FOR EACH ROW
           WHEN (NEW.lane IS NULL AND NEW.done_at IS NULL) EXECUTE FUNCTION obligation_lane()"""
    )

    op.create_table(
        "periodic_jobs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_periodic_jobs")),
    )
    secure("periodic_jobs", app="SELECT", system="SELECT, INSERT, UPDATE", rows="true")


def downgrade() -> None:
    op.drop_table("periodic_jobs")
    op.execute("DROP TRIGGER own_lane ON obligations")
    op.execute("DROP FUNCTION obligation_lane()")
    op.create_index("ix_obligations_due", "obligations", ["due_at"], postgresql_where=OPEN)
    op.drop_index("ix_obligations_lane", "obligations")
    op.drop_constraint(op.f("ck_obligations_lane"), "obligations", type_="check")
    for name in ("parked_by_hand", "handed_at", "lane"):
        op.drop_column("obligations", name)
