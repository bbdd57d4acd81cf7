"""My inbox: the requisitions and redirects that wait for my decision."""

from pettycash.services.requisitions.inbox import INBOX
from pettycash.web.operations import list_of
from pettycash.web.schemas.approvals import InboxItemSchema
from pettycash.web.schemas.requisition_examples import EXAMPLE_INBOX

list_all = list_of(
    "approvals.list",
    INBOX,
    "List the requisitions and redirects that wait for you, the oldest first.",
    answers=InboxItemSchema,
    example=EXAMPLE_INBOX,
)
