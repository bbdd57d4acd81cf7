"""The security log, for those who audit it. Reading it is logged too."""

from pettycash.services.access.identity.lists import SECURITY_EVENTS
from pettycash.web.operations import list_of
from pettycash.web.schemas.security_events import EXAMPLE_SECURITY_EVENT, SecurityEventSchema

list_all = list_of(
    "security_events.list",
    SECURITY_EVENTS,
    "List security events, the newest first; administrators see those about access.",
    answers=SecurityEventSchema,
    example=EXAMPLE_SECURITY_EVENT,
)
