"""Pause and resume. The whole installation is paused on its host, not here."""

from uuid import UUID

from pettycash.models.operations import Pause, PauseScope
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.operations.pauses import PAUSES
from pettycash.web.operations import list_of, one_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import pauses as shapes

list_all = list_of(
    "pauses.list",
    PAUSES,
    "List pauses, the newest first, those that are over included.",
    answers=shapes.PauseSchema,
    example=shapes.EXAMPLE_PAUSE,
)

get = one_of(
    "pauses.get",
    PAUSES,
    pauses.PauseNotFound,
    "Read a pause.",
    answers=shapes.PauseSchema,
    example=shapes.EXAMPLE_PAUSE,
)


@operation(
    "pauses.pause",
    takes=shapes.NewPauseSchema,
    given=shapes.EXAMPLE_NEW_PAUSE,
    status=201,
    answers=shapes.PauseSchema,
    example=shapes.EXAMPLE_PAUSE,
)
@refuses(pauses.AlreadyPaused, pauses.NotAPauser, pauses.PauseNotFound, decisions.ReasonMissing)
def pause(uow: Uow, *, scope: PauseScope, object_id: UUID | None, reason: str) -> Pause:
    """Pause the company, a provider account or a store; one person is enough."""
    return pauses.pause(uow, scope=scope, object_id=object_id, reason=reason)


@operation(
    "pauses.resume",
    takes=shapes.PausedObjectSchema,
    given={name: shapes.EXAMPLE_NEW_PAUSE[name] for name in ("scope", "object_id")},
    answers=shapes.PauseSchema,
    example={
        **shapes.EXAMPLE_PAUSE,
        "resume_requested_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1004",
        "resumed_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1005",
        "resumed_at": "2026-11-20T09:00:00+00:00",
    },
)
@refuses(
    pauses.AlreadyPaused,
    decisions.AlreadyDecided,
    decisions.NotADecider,
    decisions.NotAProposer,
    decisions.OwnProposal,
    pauses.PauseNotFound,
)
def resume(uow: Uow, *, scope: PauseScope, object_id: UUID | None) -> Pause:
    """Ask to resume; asked by a second person, it resumes. See `resumed_at`."""
    standing = pauses.open_pause(uow.session, scope=scope, object_id=object_id)
    return pauses.resume(uow, pause_id=standing.id)
