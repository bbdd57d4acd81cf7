"""Pause and resume. The whole installation is paused on its host, not here."""

from typing import Any

from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.refusals import refuses
from pettycash.api.schemas.pauses import (
    EXAMPLE_NEW_PAUSE,
    EXAMPLE_PAUSE,
    NewPauseSchema,
    PausedObjectSchema,
    PauseSchema,
)
from pettycash.models.operations import Pause
from pettycash.runtime.db import transaction
from pettycash.services.foundation.decisions import (
    AlreadyDecided,
    NotADecider,
    NotAProposer,
    OwnProposal,
    ReasonMissing,
)
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.operations.pauses import PAUSES, AlreadyPaused, NotAPauser, PauseNotFound

blp = Blueprint(
    "pauses",
    __name__,
    url_prefix="/api",
    description="Stop new releases and sends; queries and callbacks go on.",
)


@blp.route("/pause/")
class Pauses(MethodView):
    @operation("pauses.list")
    @blp.arguments(query_of(PAUSES), location="query")
    @blp.response(200, page_of(PauseSchema), example=example_page(EXAMPLE_PAUSE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List pauses, the newest first, those that are over included."""
        with transaction() as session:
            return page(Uow.of(session, current_actor()), PAUSES, arguments)

    @operation("pauses.pause")
    @idempotent()
    @blp.arguments(NewPauseSchema, example=EXAMPLE_NEW_PAUSE)
    @blp.response(201, PauseSchema, example=EXAMPLE_PAUSE)
    @refuses(AlreadyPaused, NotAPauser, PauseNotFound, ReasonMissing)
    def post(self, body: dict[str, Any]) -> Pause:
        """Pause the company, a provider account or a store; one person is enough."""
        with transaction() as session:
            return pauses.pause(Uow.of(session, current_actor()), **body)


@blp.route("/resume/")
class Resumption(MethodView):
    @operation("pauses.resume")
    @idempotent()
    @blp.arguments(
        PausedObjectSchema,
        example={name: EXAMPLE_NEW_PAUSE[name] for name in ("scope", "object_id")},
    )
    @blp.response(
        200,
        PauseSchema,
        example={
            **EXAMPLE_PAUSE,
            "resume_requested_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1004",
            "resumed_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f1005",
            "resumed_at": "2026-11-20T09:00:00+00:00",
        },
    )
    @refuses(AlreadyDecided, AlreadyPaused, NotADecider, NotAProposer, OwnProposal, PauseNotFound)
    def post(self, body: dict[str, Any]) -> Pause:
        """Ask to resume; asked by a second person, it resumes. See `resumed_at`."""
        with transaction() as session:
            standing = pauses.open_pause(session, **body)
            return pauses.resume(Uow.of(session, current_actor()), pause_id=standing.id)
