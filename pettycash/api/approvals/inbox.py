"""My inbox: the requisitions and redirects that wait for my decision."""

from typing import Any

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.requisitions.inbox import INBOX
from pettycash.web.admission import current_actor, operation
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.schemas.approvals import InboxItemSchema
from pettycash.web.schemas.requisition_examples import EXAMPLE_INBOX

blp = Blueprint(
    "approvals",
    __name__,
    url_prefix="/api/approvals",
    description="What waits for my decision.",
)


@blp.route("/")
class ApprovalInbox(MethodView):
    @operation("approvals.list")
    @blp.arguments(query_of(INBOX), location="query")
    @blp.response(200, page_of(InboxItemSchema), example=example_page(EXAMPLE_INBOX))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the requisitions and redirects that wait for you, the oldest first."""
        with transaction() as session:
            return page(session, INBOX, current_actor(), arguments)
