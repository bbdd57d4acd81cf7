"""Replenishments: decided, released like a payment, received by the fund's keeper."""

from decimal import Decimal
from uuid import UUID

from pettycash.models.imprest import IllegalReplenishmentState, Replenishment
from pettycash.models.releases import ReleaseChallenge, ReleaseGrant
from pettycash.services.foundation import decisions, numbers
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments
from pettycash.services.imprest.replenishments import reading
from pettycash.services.imprest.replenishments.lists import REPLENISHMENTS
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
from pettycash.web.etags import Tagged
from pettycash.web.idempotency import refuse_and_store
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import replenishments as shapes

list_all = list_of(
    "replenishments.list",
    REPLENISHMENTS,
    "List replenishments of the funds in your scope, the newest first.",
    answers=shapes.ReplenishmentSchema,
    example=shapes.EXAMPLE_REPLENISHMENT,
)


@operation(
    "replenishments.get",
    answers=shapes.ReplenishmentDetailSchema,
    example=shapes.EXAMPLE_DETAIL,
    etag=True,
)
@refuses(replenishments.ReplenishmentNotFound)
def get(uow: Uow, *, replenishment_id: UUID | str) -> Tagged:
    """Read a replenishment, the imprest identity printed on it, and where its release stands."""
    replenishment_id = numbers.id_of(uow.session, Replenishment, replenishment_id)
    return Tagged(*reading.detail(uow, replenishment_id=replenishment_id))


@operation(
    "replenishments.approve", answers=shapes.ReplenishmentSchema, example=shapes.EXAMPLE_APPROVED
)
@refuses(
    replenishments.DrawerTooSmall,
    decisions.AboutYourself,
    decisions.AlreadyDecided,
    decisions.NotADecider,
    decisions.OwnProposal,
    replenishments.JudgedIt,
    replenishments.NothingToReplenish,
    replenishments.ReplenishmentNeedsCfo,
    replenishments.ReplenishmentNotFound,
)
def approve(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    """Approve it for what the fund needs now; what is not ordinary is the cfo's."""
    return replenishments.approve(uow, replenishment_id=replenishment_id)


@operation(
    "replenishments.reject",
    takes=shapes.ReplenishmentReasonSchema,
    given={"reason": "Next month"},
    answers=shapes.ReplenishmentSchema,
    example=shapes.EXAMPLE_REJECTED,
)
@refuses(
    decisions.AlreadyDecided,
    decisions.NotADecider,
    decisions.OwnProposal,
    decisions.ReasonMissing,
    replenishments.ReplenishmentNotFound,
)
def reject(uow: Uow, *, replenishment_id: UUID, reason: str) -> Replenishment:
    """Reject a pending replenishment, with a reason; the fund waits before it asks again."""
    return replenishments.reject(uow, replenishment_id=replenishment_id, reason=reason)


@operation(
    "replenishments.cancel",
    takes=shapes.ReplenishmentReasonSchema,
    given={"reason": "Not needed any more"},
    answers=shapes.ReplenishmentSchema,
    example=shapes.EXAMPLE_CANCELLED,
)
@refuses(
    IllegalReplenishmentState,
    decisions.ReasonMissing,
    replenishments.ReplenishmentNotFound,
)
def cancel(uow: Uow, *, replenishment_id: UUID, reason: str) -> Replenishment:
    """Cancel a replenishment that was not funded; a code that is out for it is void."""
    return replenishments.cancel(uow, replenishment_id=replenishment_id, reason=reason)


@operation(
    "replenishments.send_otp",
    status=202,
    answers=shapes.TransferCodeSentSchema,
    example=shapes.EXAMPLE_SENT,
)
@refuses(
    IllegalReplenishmentState,
    NotSeparate,
    Paused,
    ReleaseClaimed,
    ReleaseLocked,
    replenishments.ReplenishmentNotFound,
    TooManyCodes,
)
def send_otp(uow: Uow, *, replenishment_id: UUID) -> ReleaseChallenge:
    """Claim the transfer and have a code sent to you; a TOTP app's code does as well."""
    return replenishments.request_code(uow, replenishment_id=replenishment_id)


@operation(
    "replenishments.verify_otp",
    takes=shapes.TransferCodeSchema,
    given={"code": "123456"},
    answers=shapes.TransferGrantSchema,
    example=shapes.EXAMPLE_GRANT,
)
@refuses(
    CodeExpired,
    CodeUsed,
    IllegalReplenishmentState,
    NoChallenge,
    NotSeparate,
    NotTheExecutor,
    ReleaseLocked,
    replenishments.ReplenishmentNotFound,
    SubjectChanged,
    TriesExhausted,
    WrongCode,
)
def verify_otp(uow: Uow, *, replenishment_id: UUID, code: str) -> ReleaseGrant | None:
    """Check the code; a wrong try counts, a right one allows one transfer within minutes."""
    result = replenishments.check_code(uow, replenishment_id=replenishment_id, code=code)
    if result.refusal is not None:
        raise refuse_and_store(result.refusal)
    return result.grant


@operation(
    "replenishments.unlock_release",
    answers=shapes.ReplenishmentSchema,
    example=shapes.EXAMPLE_APPROVED,
)
@refuses(IllegalReplenishmentState, NotLocked, NotSeparate, replenishments.ReplenishmentNotFound)
def unlock_release(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    """Unlock a release after too many failed codes; their executor may not do it."""
    return replenishments.unlock(uow, replenishment_id=replenishment_id)


@operation(
    "replenishments.fund",
    takes=shapes.TransferSchema,
    given={"bank_reference": "FT26325XYZ"},
    key="required",
    answers=shapes.ReplenishmentSchema,
    example=shapes.EXAMPLE_FUNDED,
)
@refuses(
    replenishments.BankReferenceUsed,
    CodeRequired,
    GrantExpired,
    GrantUsed,
    IllegalReplenishmentState,
    replenishments.InvalidEvidence,
    NotSeparate,
    NotTheExecutor,
    Paused,
    PeriodClosed,
    replenishments.ReplenishmentNotFound,
    SubjectChanged,
    TreasuryFirst,
)
def fund(
    uow: Uow, *, replenishment_id: UUID, bank_reference: str, bank_account_id: UUID | None
) -> Replenishment:
    """Record the transfer that your verified code released: Dr in transit, Cr bank."""
    return replenishments.fund(
        uow,
        replenishment_id=replenishment_id,
        bank_reference=bank_reference,
        bank_account_id=bank_account_id,
    )


@operation(
    "replenishments.receive",
    takes=shapes.DeliverySchema,
    given={"amount": "11000.00"},
    key="required",
    answers=shapes.ReplenishmentSchema,
    example=shapes.EXAMPLE_RECEIVED,
)
@refuses(
    IllegalReplenishmentState,
    replenishments.InvalidReplenishment,
    replenishments.MoreThanFunded,
    replenishments.NotTheKeeper,
    replenishments.NothingMissing,
    replenishments.ReplenishmentNotFound,
)
def receive(uow: Uow, *, replenishment_id: UUID, amount: Decimal) -> Replenishment:
    """Record what arrived: Dr store, Cr in transit. What is missing stays in transit, a case.

    The fund's custodian or alternate does, never who funded it. The rest of a short delivery
    is received the same way when it comes.
    """
    return replenishments.receive(uow, replenishment_id=replenishment_id, amount=amount)
