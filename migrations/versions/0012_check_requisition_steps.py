"""Refuse a step of a requisition that its status does not allow, as for payments.

Until now only the application knew the steps; plain SQL could take a cancelled requisition back
into payment.

Revision ID: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

IN_APPROVAL = (
    "pending",
    "pending_urgency_confirmation",
    "pending_dept_approval",
    "pending_branch_approval",
    "pending_regional_review",
    "pending_finance_review",
    "pending_cfo_approval",
    "pending_ceo_approval",
)
LEAVING_APPROVAL = (
    "pending_treasury_validation",
    "rejected",
    "changes_requested",
    "cancelled",
    "draft",
)

TRANSITIONS = {
    "draft": (*IN_APPROVAL, "cancelled"),
    **dict.fromkeys(IN_APPROVAL, (*IN_APPROVAL, *LEAVING_APPROVAL)),
    "changes_requested": (*IN_APPROVAL, "cancelled"),
    "pending_treasury_validation": (
        *IN_APPROVAL,
        "in_payment",
        "changes_requested",
        "rejected",
        "cancelled",
    ),
    "in_payment": ("paid", "closed_short", "cancelled"),
    "paid": ("reviewed", "in_payment"),
    "reviewed": ("in_payment",),
    "closed_short": ("reviewed", "paid"),
}


def upgrade() -> None:
    for start, ends in TRANSITIONS.items():
        for end in ends:
            if end != start:
                op.execute(
                    f"INSERT INTO allowed_transitions VALUES ('requisitions', '{start}', '{end}')"
                )
    op.execute(
        "CREATE TRIGGER states BEFORE UPDATE ON requisitions"
        " FOR EACH ROW EXECUTE FUNCTION check_state()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER states ON requisitions")
    op.execute("DELETE FROM allowed_transitions WHERE machine = 'requisitions'")
