"""My inbox: the requisitions that wait for my decision."""

from typing import Any

from flask.views import MethodView

from pettycash.api.access import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.pages import example_page, matches, optional, page, page_of, within_days
from pettycash.api.schemas.approvals import InboxItemSchema, InboxQuery
from pettycash.api.schemas.requisition_examples import EXAMPLE_INBOX
from pettycash.db import transaction
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.models.workflow import ApprovalStep
from pettycash.services import approvals, approved_facts, company_settings
from pettycash.services.requisitions import reading

blp = Blueprint(
    "approvals",
    __name__,
    url_prefix="/api/approvals",
    description="What waits for my decision.",
)


@blp.route("/")
class Inbox(MethodView):
    """Open steps of mine."""

    @operation("approvals.list")
    @blp.arguments(InboxQuery, location="query")
    @blp.response(200, page_of(InboxItemSchema), example=example_page(EXAMPLE_INBOX))
    def get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List the requisitions that wait for you, the oldest first."""
        actor = current_actor()
        with transaction() as session:
            timezone = company_settings.current(session).timezone
            query = approvals.inbox(actor).where(
                *(
                    optional(getattr(Requisition, name), arguments[name])
                    for name in ("currency", "is_urgent", "branch_id", "department_id")
                ),
                matches(
                    arguments["q"],
                    Requisition.number,
                    Requisition.purpose,
                    Requisition.payee_name,
                ),
                within_days(ApprovalStep.created_at, arguments, timezone),
            )
            found = page(session, query, order=(ApprovalStep.id,), arguments=arguments)
            items = [
                {
                    "requisition": reading.summary(requisition, actor),
                    "step": reading.ShownStep(step=step, assignee_ids=(actor.user_id,)),
                    "asks_urgency": requisition.status
                    is RequisitionStatus.PENDING_URGENCY_CONFIRMATION,
                    "decision_digest": approved_facts.decision_digest(of_round),
                }
                for step, of_round, requisition in found["items"]
            ]
            return {**found, "items": items}
