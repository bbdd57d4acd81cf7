"""Replenishments: decided, released like a payment, received by the fund's keeper."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.access import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.etags import set_etag
from pettycash.api.idempotency import idempotent, refuse_and_store
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.schemas.replenishments import (
    EXAMPLE_APPROVED,
    EXAMPLE_CANCELLED,
    EXAMPLE_FUNDED,
    EXAMPLE_GRANT,
    EXAMPLE_RECEIVED,
    EXAMPLE_REJECTED,
    EXAMPLE_REPLENISHMENT,
    EXAMPLE_SENT,
    DeliverySchema,
    ReplenishmentReasonSchema,
    ReplenishmentSchema,
    TransferCodeSchema,
    TransferCodeSentSchema,
    TransferGrantSchema,
    TransferSchema,
)
from pettycash.db import transaction
from pettycash.models.imprest import Replenishment
from pettycash.models.releases import ReleaseChallenge, ReleaseGrant
from pettycash.services import numbers, replenishments
from pettycash.services.listings import ListPage, page
from pettycash.services.replenishments.lists import REPLENISHMENTS

blp = Blueprint(
    "replenishments",
    __name__,
    url_prefix="/api/replenishments",
    description="Filling funds up to their float: pending, approved, funded, received.",
)


@blp.route("/")
class Replenishments(MethodView):
    """All of them in scope."""

    @operation("replenishments.list")
    @blp.arguments(query_of(REPLENISHMENTS), location="query")
    @blp.response(200, page_of(ReplenishmentSchema), example=example_page(EXAMPLE_REPLENISHMENT))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List replenishments of the funds in your scope, the newest first."""
        with transaction() as session:
            return page(session, REPLENISHMENTS, current_actor(), arguments)


@blp.route("/<key:replenishment_id>/")
class OneReplenishment(MethodView):
    """One of them."""

    @operation("replenishments.get")
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_REPLENISHMENT)
    def get(self, replenishment_id: UUID | str) -> Replenishment:
        """Read a replenishment with the imprest identity printed on it."""
        with transaction() as session:
            replenishment_id = numbers.id_of(session, "REP", replenishment_id)
            found = replenishments.get(
                session, actor=current_actor(), replenishment_id=replenishment_id
            )
            set_etag(found.version)
            return found


@blp.route("/<uuid:replenishment_id>/approve/")
class ReplenishmentApproval(MethodView):
    """Yes."""

    @operation("replenishments.approve")
    @idempotent()
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_APPROVED)
    @blp.alt_response(
        403,
        description="replenishment.own_request, replenishment.judged, replenishment.cfo_required",
    )
    @blp.alt_response(409, description="replenishment.illegal_state")
    @blp.alt_response(
        422, description="replenishment.nothing_to_replenish, replenishment.drawer_too_small"
    )
    def post(self, replenishment_id: UUID) -> Replenishment:
        """Approve it for what the fund needs now; what is not ordinary is the cfo's."""
        with transaction() as session:
            return replenishments.approve(
                session,
                replenishment_id=replenishment_id,
                actor=current_actor(),
                now=session.info["now"],
            )


@blp.route("/<uuid:replenishment_id>/reject/")
class ReplenishmentRejection(MethodView):
    """No."""

    @operation("replenishments.reject")
    @idempotent()
    @blp.arguments(ReplenishmentReasonSchema, example={"reason": "Next month"})
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_REJECTED)
    @blp.alt_response(409, description="replenishment.illegal_state")
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> Replenishment:
        """Reject a pending replenishment, with a reason; the fund waits before it asks again."""
        with transaction() as session:
            return replenishments.reject(
                session,
                replenishment_id=replenishment_id,
                actor=current_actor(),
                now=session.info["now"],
                **body,
            )


@blp.route("/<uuid:replenishment_id>/cancel/")
class Cancellation(MethodView):
    """Never mind."""

    @operation("replenishments.cancel")
    @idempotent()
    @blp.arguments(ReplenishmentReasonSchema, example={"reason": "Not needed any more"})
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_CANCELLED)
    @blp.alt_response(409, description="replenishment.illegal_state")
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> Replenishment:
        """Cancel a replenishment that was not funded; a code that is out for it is void."""
        with transaction() as session:
            return replenishments.cancel(
                session,
                replenishment_id=replenishment_id,
                actor=current_actor(),
                now=session.info["now"],
                **body,
            )


@blp.route("/<uuid:replenishment_id>/send_otp/")
class CodeRequest(MethodView):
    """A code, please."""

    @operation("replenishments.send_otp")
    @idempotent()
    @blp.response(202, TransferCodeSentSchema, example=EXAMPLE_SENT)
    @blp.alt_response(
        409, description="replenishment.illegal_state, release.claimed, release.locked"
    )
    @blp.alt_response(429, description="release.too_many_codes")
    @blp.alt_response(503, description="platform.paused")
    def post(self, replenishment_id: UUID) -> ReleaseChallenge:
        """Claim the transfer and have a code sent to you; a TOTP app's code does as well."""
        with transaction() as session:
            return replenishments.request_code(
                session,
                replenishment_id=replenishment_id,
                actor=current_actor(),
                now=session.info["now"],
            )


@blp.route("/<uuid:replenishment_id>/verify_otp/")
class CodeCheck(MethodView):
    """The code."""

    @operation("replenishments.verify_otp")
    @idempotent()
    @blp.arguments(TransferCodeSchema, example={"code": "123456"})
    @blp.response(200, TransferGrantSchema, example=EXAMPLE_GRANT)
    @blp.alt_response(409, description="replenishment.illegal_state, release.locked")
    @blp.alt_response(
        422,
        description="release.wrong_code, release.code_expired, release.code_used,"
        " release.tries_exhausted, release.no_challenge, release.subject_changed",
    )
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> ReleaseGrant | None:
        """Check the code; a wrong try counts, a right one allows one transfer within minutes."""
        with transaction() as session:
            result = replenishments.check_code(
                session,
                replenishment_id=replenishment_id,
                actor=current_actor(),
                now=session.info["now"],
                **body,
            )
            if result.refusal is not None:
                raise refuse_and_store(result.refusal)
            return result.grant


@blp.route("/<uuid:replenishment_id>/unlock_release/")
class Unlocking(MethodView):
    """Unlocking after too many failed codes."""

    @operation("replenishments.unlock_release")
    @idempotent()
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_APPROVED)
    @blp.alt_response(409, description="release.not_locked, replenishment.illegal_state")
    def post(self, replenishment_id: UUID) -> Replenishment:
        """Unlock a release after too many failed codes; their executor may not do it."""
        with transaction() as session:
            return replenishments.unlock(
                session,
                replenishment_id=replenishment_id,
                actor=current_actor(),
                now=session.info["now"],
            )


@blp.route("/<uuid:replenishment_id>/fund/")
class Funding(MethodView):
    """The transfer."""

    @operation("replenishments.fund")
    @idempotent(required=True)
    @blp.arguments(TransferSchema, example={"bank_reference": "FT26325XYZ"})
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_FUNDED)
    @blp.alt_response(
        409, description="replenishment.illegal_state, replenishment.bank_reference_used"
    )
    @blp.alt_response(
        422,
        description="release.code_required, release.grant_expired, release.grant_used,"
        " release.subject_changed, replenishment.invalid_evidence, ledger.period_closed",
    )
    @blp.alt_response(503, description="platform.paused")
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> Replenishment:
        """Record the transfer that your verified code released: Dr in transit, Cr bank."""
        with transaction() as session:
            return replenishments.fund(
                session,
                replenishment_id=replenishment_id,
                actor=current_actor(),
                now=session.info["now"],
                **body,
            )


@blp.route("/<uuid:replenishment_id>/receive/")
class Receipt(MethodView):
    """The money is here."""

    @operation("replenishments.receive")
    @idempotent(required=True)
    @blp.arguments(DeliverySchema, example={"amount": "11000.00"})
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_RECEIVED)
    @blp.alt_response(409, description="replenishment.illegal_state, replenishment.nothing_missing")
    @blp.alt_response(422, description="replenishment.more_than_funded, replenishment.invalid")
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> Replenishment:
        """Record what arrived: Dr store, Cr in transit. What is missing stays in transit, a case.

        The fund's custodian or alternate does, never who funded it. The rest of a short delivery
        is received the same way when it comes.
        """
        with transaction() as session:
            return replenishments.receive(
                session,
                replenishment_id=replenishment_id,
                actor=current_actor(),
                now=session.info["now"],
                **body,
            )
