"""Obligations: what is owed and not done; operators retry or park."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy import ColumnElement, select, true

from pettycash.api.access import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, optional, page, page_of
from pettycash.api.schemas.inbox import (
    EXAMPLE_OBLIGATION,
    ObligationQuery,
    ObligationSchema,
    ObligationState,
)
from pettycash.db import transaction
from pettycash.models.platform import Obligation
from pettycash.services import obligations

blp = Blueprint(
    "obligations",
    __name__,
    url_prefix="/api/obligations",
    description="What must happen, as rows; messages are only hints to look at them.",
)


def shown(row: Obligation, now: datetime) -> dict[str, Any]:
    """An obligation with where it stands."""
    facts = {column.key: getattr(row, column.key) for column in Obligation.__table__.columns}
    if row.done_at is not None:
        state = ObligationState.DONE
    elif row.parked_at is not None:
        state = ObligationState.PARKED
    else:
        state = ObligationState.DUE if row.due_at <= now else ObligationState.WAITING
    return {**facts, "state": state}


def _in_state(state: ObligationState | None, now: datetime) -> ColumnElement[bool]:
    is_open = Obligation.done_at.is_(None) & Obligation.parked_at.is_(None)
    match state:
        case None:
            return true()
        case ObligationState.DONE:
            return Obligation.done_at.is_not(None)
        case ObligationState.PARKED:
            return Obligation.parked_at.is_not(None) & Obligation.done_at.is_(None)
        case ObligationState.DUE:
            return is_open & (Obligation.due_at <= now)
        case ObligationState.WAITING:
            return is_open & (Obligation.due_at > now)


@blp.route("/")
class Obligations(MethodView):
    """All obligations of the company."""

    @operation("obligations.list")
    @blp.arguments(ObligationQuery, location="query")
    @blp.response(200, page_of(ObligationSchema), example=example_page(EXAMPLE_OBLIGATION))
    def get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List obligations, the newest first."""
        with transaction() as session:
            now = session.info["now"]
            query = select(Obligation).where(
                optional(Obligation.topic, arguments["topic"]),
                optional(Obligation.key, arguments["key"]),
                _in_state(arguments["state"], now),
            )
            found = page(session, query, order=(Obligation.id.desc(),), arguments=arguments)
            return {**found, "items": [shown(row, now) for row in found["items"]]}


@blp.route("/<uuid:obligation_id>/retry/")
class ObligationRetry(MethodView):
    """Now."""

    @operation("obligations.retry")
    @idempotent()
    @blp.response(
        200,
        ObligationSchema,
        example={
            **EXAMPLE_OBLIGATION,
            "state": "due",
            "attempts": 0,
            "failures": 0,
            "parked_at": None,
        },
    )
    @blp.alt_response(404, description="obligation.not_found")
    @blp.alt_response(409, description="obligation.done")
    def post(self, obligation_id: UUID) -> dict[str, Any]:
        """Make an obligation due now, parked or not."""
        with transaction() as session:
            now = session.info["now"]
            row = obligations.retry(
                session, obligation_id=obligation_id, actor=current_actor(), now=now
            )
            return shown(row, now)


@blp.route("/<uuid:obligation_id>/park/")
class ObligationParking(MethodView):
    """Not any more."""

    @operation("obligations.park")
    @idempotent()
    @blp.response(200, ObligationSchema, example=EXAMPLE_OBLIGATION)
    @blp.alt_response(404, description="obligation.not_found")
    @blp.alt_response(409, description="obligation.done")
    @blp.alt_response(422, description="obligation.guards_money, obligation.tells_people")
    def post(self, obligation_id: UUID) -> dict[str, Any]:
        """Take an obligation out of the relay's hands until somebody retries it."""
        with transaction() as session:
            now = session.info["now"]
            row = obligations.park(
                session, obligation_id=obligation_id, actor=current_actor(), now=now
            )
            return shown(row, now)
