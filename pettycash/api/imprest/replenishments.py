"""Replenishments: decided, released like a payment, received by the fund's keeper."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.etags import set_etag
from pettycash.api.headers import sends
from pettycash.api.idempotency import idempotent, refuse_and_store
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.refusals import refuses
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
from pettycash.models.imprest import IllegalReplenishmentState, Replenishment
from pettycash.models.releases import ReleaseChallenge, ReleaseGrant
from pettycash.runtime.db import transaction
from pettycash.services.foundation import numbers
from pettycash.services.foundation.decisions import (
    AboutYourself,
    AlreadyDecided,
    NotADecider,
    OwnProposal,
    ReasonMissing,
)
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments
from pettycash.services.imprest.replenishments.creation import (
    InvalidReplenishment,
    NothingToReplenish,
)
from pettycash.services.imprest.replenishments.deciding import (
    DrawerTooSmall,
    JudgedIt,
    ReplenishmentNeedsCfo,
)
from pettycash.services.imprest.replenishments.funding import BankReferenceUsed, InvalidEvidence
from pettycash.services.imprest.replenishments.lists import REPLENISHMENTS
from pettycash.services.imprest.replenishments.receiving import (
    MoreThanFunded,
    NothingMissing,
    NotTheKeeper,
)
from pettycash.services.imprest.replenishments.scope import ReplenishmentNotFound
from pettycash.services.ledger.posting import PeriodClosed
from pettycash.services.operations.pauses import Paused
from pettycash.services.releases.challenges import NotLocked, ReleaseClaimed, TooManyCodes
from pettycash.services.releases.checking import (
    CodeExpired,
    CodeRequired,
    CodeUsed,
    GrantExpired,
    GrantUsed,
    NoChallenge,
    SubjectChanged,
    TriesExhausted,
    WrongCode,
)
from pettycash.services.releases.subjects import NotTheExecutor, ReleaseLocked, TreasuryFirst

blp = Blueprint(
    "replenishments",
    __name__,
    url_prefix="/api/replenishments",
    description="Filling funds up to their float: pending, approved, funded, received.",
)


@blp.route("/")
class Replenishments(MethodView):
    @operation("replenishments.list")
    @blp.arguments(query_of(REPLENISHMENTS), location="query")
    @blp.response(200, page_of(ReplenishmentSchema), example=example_page(EXAMPLE_REPLENISHMENT))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List replenishments of the funds in your scope, the newest first."""
        with transaction() as session:
            return page(Uow.of(session, current_actor()), REPLENISHMENTS, arguments)


@blp.route("/<key:replenishment_id>/")
class OneReplenishment(MethodView):
    @operation("replenishments.get")
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_REPLENISHMENT)
    @refuses(ReplenishmentNotFound)
    @sends("ETag")
    def get(self, replenishment_id: UUID | str) -> Replenishment:
        """Read a replenishment with the imprest identity printed on it."""
        with transaction() as session:
            replenishment_id = numbers.id_of(session, "REP", replenishment_id)
            found = replenishments.get(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id
            )
            set_etag(found.version)
            return found


@blp.route("/<uuid:replenishment_id>/approve/")
class ReplenishmentApproval(MethodView):
    @operation("replenishments.approve")
    @idempotent()
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_APPROVED)
    @refuses(
        AboutYourself,
        AlreadyDecided,
        DrawerTooSmall,
        JudgedIt,
        NotADecider,
        NothingToReplenish,
        OwnProposal,
        ReplenishmentNeedsCfo,
        ReplenishmentNotFound,
    )
    def post(self, replenishment_id: UUID) -> Replenishment:
        """Approve it for what the fund needs now; what is not ordinary is the cfo's."""
        with transaction() as session:
            return replenishments.approve(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id
            )


@blp.route("/<uuid:replenishment_id>/reject/")
class ReplenishmentRejection(MethodView):
    @operation("replenishments.reject")
    @idempotent()
    @blp.arguments(ReplenishmentReasonSchema, example={"reason": "Next month"})
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_REJECTED)
    @refuses(AlreadyDecided, NotADecider, OwnProposal, ReasonMissing, ReplenishmentNotFound)
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> Replenishment:
        """Reject a pending replenishment, with a reason; the fund waits before it asks again."""
        with transaction() as session:
            return replenishments.reject(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id, **body
            )


@blp.route("/<uuid:replenishment_id>/cancel/")
class Cancellation(MethodView):
    @operation("replenishments.cancel")
    @idempotent()
    @blp.arguments(ReplenishmentReasonSchema, example={"reason": "Not needed any more"})
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_CANCELLED)
    @refuses(IllegalReplenishmentState, ReasonMissing, ReplenishmentNotFound)
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> Replenishment:
        """Cancel a replenishment that was not funded; a code that is out for it is void."""
        with transaction() as session:
            return replenishments.cancel(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id, **body
            )


@blp.route("/<uuid:replenishment_id>/send_otp/")
class CodeRequest(MethodView):
    @operation("replenishments.send_otp")
    @idempotent()
    @blp.response(202, TransferCodeSentSchema, example=EXAMPLE_SENT)
    @refuses(
        IllegalReplenishmentState,
        NotSeparate,
        Paused,
        ReleaseClaimed,
        ReleaseLocked,
        ReplenishmentNotFound,
        TooManyCodes,
    )
    def post(self, replenishment_id: UUID) -> ReleaseChallenge:
        """Claim the transfer and have a code sent to you; a TOTP app's code does as well."""
        with transaction() as session:
            return replenishments.request_code(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id
            )


@blp.route("/<uuid:replenishment_id>/verify_otp/")
class CodeCheck(MethodView):
    @operation("replenishments.verify_otp")
    @idempotent()
    @blp.arguments(TransferCodeSchema, example={"code": "123456"})
    @blp.response(200, TransferGrantSchema, example=EXAMPLE_GRANT)
    @refuses(
        CodeExpired,
        CodeUsed,
        IllegalReplenishmentState,
        NoChallenge,
        NotSeparate,
        NotTheExecutor,
        ReleaseLocked,
        ReplenishmentNotFound,
        SubjectChanged,
        TriesExhausted,
        WrongCode,
    )
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> ReleaseGrant | None:
        """Check the code; a wrong try counts, a right one allows one transfer within minutes."""
        with transaction() as session:
            result = replenishments.check_code(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id, **body
            )
            if result.refusal is not None:
                raise refuse_and_store(result.refusal)
            return result.grant


@blp.route("/<uuid:replenishment_id>/unlock_release/")
class Unlocking(MethodView):
    @operation("replenishments.unlock_release")
    @idempotent()
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_APPROVED)
    @refuses(IllegalReplenishmentState, NotLocked, NotSeparate, ReplenishmentNotFound)
    def post(self, replenishment_id: UUID) -> Replenishment:
        """Unlock a release after too many failed codes; their executor may not do it."""
        with transaction() as session:
            return replenishments.unlock(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id
            )


@blp.route("/<uuid:replenishment_id>/fund/")
class Funding(MethodView):
    @operation("replenishments.fund")
    @idempotent(required=True)
    @blp.arguments(TransferSchema, example={"bank_reference": "FT26325XYZ"})
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_FUNDED)
    @refuses(
        BankReferenceUsed,
        CodeRequired,
        GrantExpired,
        GrantUsed,
        IllegalReplenishmentState,
        InvalidEvidence,
        NotSeparate,
        NotTheExecutor,
        Paused,
        PeriodClosed,
        ReplenishmentNotFound,
        SubjectChanged,
        TreasuryFirst,
    )
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> Replenishment:
        """Record the transfer that your verified code released: Dr in transit, Cr bank."""
        with transaction() as session:
            return replenishments.fund(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id, **body
            )


@blp.route("/<uuid:replenishment_id>/receive/")
class Receipt(MethodView):
    @operation("replenishments.receive")
    @idempotent(required=True)
    @blp.arguments(DeliverySchema, example={"amount": "11000.00"})
    @blp.response(200, ReplenishmentSchema, example=EXAMPLE_RECEIVED)
    @refuses(
        IllegalReplenishmentState,
        InvalidReplenishment,
        MoreThanFunded,
        NotTheKeeper,
        NothingMissing,
        ReplenishmentNotFound,
    )
    def post(self, body: dict[str, Any], replenishment_id: UUID) -> Replenishment:
        """Record what arrived: Dr store, Cr in transit. What is missing stays in transit, a case.

        The fund's custodian or alternate does, never who funded it. The rest of a short delivery
        is received the same way when it comes.
        """
        with transaction() as session:
            return replenishments.receive(
                Uow.of(session, current_actor()), replenishment_id=replenishment_id, **body
            )
