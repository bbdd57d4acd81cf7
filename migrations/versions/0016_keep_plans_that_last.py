"""Let what looks up by key plan by key, whatever its tables hold at the time.

PL/pgSQL keeps a plan for as long as its connection lives. One that was made while a table was empty
reads all of it, and goes on to until statistics come: each posting then read every source and
posting of the month. For a partitioned table the planner also takes a plan for the value at hand to
be cheaper each time than one for all, and makes it anew each time, which costs more than running it.

Revision ID: 0016
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BY_KEY = (
    "attempt_facts",
    "check_entry",
    "check_state",
    "decision_duties",
    "execution_duties",
    "hold_close",
    "hold_place",
    "lines_add_up",
    "payment_duties",
    "reconciler_duties",
    "requisition_facts",
)


def upgrade() -> None:
    # The one look-up among them that had no key: who has approved in this round.
    op.create_index("ix_decisions_round", "decisions", ["round_id", "user_id"])
    for name in BY_KEY:
        op.execute(f"ALTER FUNCTION {name} SET plan_cache_mode = force_generic_plan")
        op.execute(f"ALTER FUNCTION {name} SET enable_seqscan = off")


def downgrade() -> None:
    for name in BY_KEY:
        op.execute(f"ALTER FUNCTION {name} RESET plan_cache_mode")
        op.execute(f"ALTER FUNCTION {name} RESET enable_seqscan")
    op.drop_index("ix_decisions_round")
