"""Routes of what runs the company: cases, changes, settings, pauses, the outbox."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.services.access import head_offices, people_changes
from pettycash.services.imprest import fund_limits, standing_validations
from pettycash.services.operations import setting_changes
from pettycash.web.operations.operations import (
    cases,
    changes,
    company_settings,
    jobs,
    notices,
    outbox,
    pauses,
    security_events,
)

CASES = Blueprint(
    "cases",
    __name__,
    url_prefix="/api/cases",
    description="What the system can't decide alone, with evidence.",
)
serve(CASES, "/", get=cases.list_all)
serve(CASES, "/<uuid:case_id>/", get=cases.get)
serve(CASES, "/<uuid:case_id>/assign/", post=cases.assign)

CHANGES = Blueprint(
    "changes",
    __name__,
    url_prefix="/api/changes",
    description="What no one may change alone: proposed by one person, confirmed by a second."
    f" Proposed here: `{setting_changes.KIND}`, `{fund_limits.KIND}`,"
    f" `{standing_validations.KIND}`, `{people_changes.CONTACT}`,"
    f" `{people_changes.SECOND_FACTOR}`, `{head_offices.KIND}`, `custodian` and"
    " `escalation_approver`; the others at endpoints of their own.",
)
serve(CHANGES, "/", get=changes.list_all, post=changes.propose, location="/api/changes/{id}/")
serve(CHANGES, "/<uuid:change_id>/", get=changes.get)
serve(CHANGES, "/<uuid:change_id>/confirm/", post=changes.confirm)
serve(CHANGES, "/<uuid:change_id>/reject/", post=changes.reject)
serve(CHANGES, "/<uuid:change_id>/withdraw/", post=changes.withdraw)

SETTINGS = Blueprint(
    "settings", __name__, url_prefix="/api/settings", description="What holds in the company."
)
serve(SETTINGS, "/", get=company_settings.get, patch=company_settings.update)

JOBS = Blueprint(
    "jobs", __name__, url_prefix="/api/jobs", description="What runs beside the requests."
)
serve(JOBS, "/", get=jobs.get)

OUTBOX = Blueprint(
    "outbox",
    __name__,
    url_prefix="/api/outbox",
    description="What must happen, as rows; messages are only hints to look at them.",
)
serve(OUTBOX, "/", get=outbox.list_all)
serve(OUTBOX, "/<uuid:message_id>/", get=outbox.get)
serve(OUTBOX, "/<uuid:message_id>/retry/", post=outbox.retry)
serve(OUTBOX, "/<uuid:message_id>/dead-letter/", post=outbox.dead_letter)

PAUSES = Blueprint(
    "pauses",
    __name__,
    url_prefix="/api",
    description="Stop new releases and sends; queries and callbacks go on.",
)
serve(PAUSES, "/pause/", get=pauses.list_all, post=pauses.pause)
serve(PAUSES, "/pause/<uuid:pause_id>/", get=pauses.get)
serve(PAUSES, "/resume/", post=pauses.resume)

SECURITY_EVENTS = Blueprint(
    "security_events",
    __name__,
    url_prefix="/api/security-events",
    description="Sign-ins, refusals, money steps and changes of consequence; append-only.",
)
serve(SECURITY_EVENTS, "/", get=security_events.list_all)

NOTICES = Blueprint(
    "notices",
    __name__,
    url_prefix="/api/me/notices",
    description="What you were to hear of, and how you wish to hear of it.",
)
serve(NOTICES, "/", get=notices.list_own)
serve(NOTICES, "/read/", post=notices.mark_read)
serve(NOTICES, "/wishes/", get=notices.get_wishes, patch=notices.update_wishes)
