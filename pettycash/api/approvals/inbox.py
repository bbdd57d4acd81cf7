"""My inbox: the requisitions and redirects that wait for my decision."""

from typing import Any

from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.pages import example_page, matches, optional, page, page_of, within_days
from pettycash.api.schemas.approvals import InboxItemSchema, InboxQuery
from pettycash.api.schemas.requisition_examples import EXAMPLE_INBOX
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime.db import transaction
from pettycash.services.approvals import approved_facts, deciding
from pettycash.services.foundation import company_settings
from pettycash.services.requisitions import cautions, reading

blp = Blueprint(
    "approvals",
    __name__,
    url_prefix="/api/approvals",
    description="What waits for my decision.",
)


@blp.route("/")
class ApprovalInbox(MethodView):
    """Open steps and redirects of mine."""

    @operation("approvals.list")
    @blp.arguments(InboxQuery, location="query")
    @blp.response(200, page_of(InboxItemSchema), example=example_page(EXAMPLE_INBOX))
    def get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List the requisitions and redirects that wait for you, the oldest first."""
        actor = current_actor()
        with transaction() as session:
            timezone = company_settings.current(session).timezone
            inbox = deciding.inbox(actor)
            query = inbox.query.where(
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
                within_days(inbox.since, arguments, timezone),
            )
            found = page(session, query, order=(inbox.key,), arguments=arguments)
            of_page = [requisition for *_, requisition in found["items"]]
            warned = cautions.of(session, of_page, actor)
            items = [
                {
                    "requisition": reading.summary(requisition, actor),
                    "step": None
                    if step is None
                    else reading.ShownStep(step=step, assignee_ids=(actor.user_id,)),
                    "redirect": redirect,
                    "warnings": warned[requisition.id],
                    "asks_urgency": requisition.status
                    is RequisitionStatus.PENDING_URGENCY_CONFIRMATION,
                    "decision_digest": redirect.digest.hex()
                    if of_round is None
                    else approved_facts.decision_digest(of_round),
                }
                for step, of_round, redirect, requisition in found["items"]
            ]
            return {**found, "items": items}
