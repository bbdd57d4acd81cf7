"""Variances: recorded on a payment, decided by the cfo, posted when approved."""

from typing import Any
from uuid import UUID

from pettycash.models.imprest import VarianceAdjustment
from pettycash.runtime.money import InvalidAmount
from pettycash.services.foundation import decisions, numbers
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import PaymentNotFound
from pettycash.services.imprest import variance_lists, variances
from pettycash.services.imprest.variance_lists import VARIANCES
from pettycash.services.imprest.variances import VarianceNotFound
from pettycash.services.ledger.posting import PeriodClosed
from pettycash.web.etags import Tagged
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import variances as shapes

DECIDED = (
    NotSeparate,
    VarianceNotFound,
    decisions.AlreadyDecided,
    decisions.NotADecider,
    decisions.OwnProposal,
    variances.VarianceNeedsCfo,
)

list_all = list_of(
    "variances.list",
    VARIANCES,
    "List variances, the newest first.",
    answers=shapes.VarianceSchema,
    example=shapes.EXAMPLE_VARIANCE,
)


@operation(
    "payments.record_variance",
    takes=shapes.VarianceRecordSchema,
    given=shapes.EXAMPLE_RECORD,
    status=201,
    answers=shapes.VarianceSchema,
    example=shapes.EXAMPLE_VARIANCE,
    etag=True,
)
@refuses(
    InvalidAmount,
    NotSeparate,
    PaymentNotFound,
    variances.AlreadyPending,
    variances.InvalidVariance,
    variances.NotPaid,
    decisions.NotAProposer,
    decisions.ReasonMissing,
    variances.WrongDirection,
)
def record(uow: Uow, /, *, payment_id: UUID, **facts: Any) -> VarianceAdjustment:
    """Record that another amount left than the books say. Nothing is posted until approval."""
    return variances.record(uow, payment_id=payment_id, **facts)


@operation(
    "variances.get",
    answers=shapes.VarianceDetailSchema,
    example=shapes.EXAMPLE_VARIANCE_DETAIL,
    etag=True,
)
@refuses(VarianceNotFound)
def get(uow: Uow, *, variance_id: UUID | str) -> Tagged:
    """Read a variance."""
    variance_id = numbers.id_of(uow.session, VarianceAdjustment, variance_id)
    return Tagged(*variance_lists.detail(uow, variance_id=variance_id))


@operation(
    "variances.approve",
    takes=shapes.VarianceApprovalSchema,
    given={"comment": "As on the statement"},
    answers=shapes.VarianceSchema,
    example=shapes.EXAMPLE_APPROVED_VARIANCE,
)
@refuses(*DECIDED, PeriodClosed)
def approve(uow: Uow, *, variance_id: UUID, comment: str | None) -> VarianceAdjustment:
    """Approve a variance, which posts it, dated today."""
    return variances.approve(uow, variance_id=variance_id, comment=comment)


@operation(
    "variances.reject",
    takes=shapes.VarianceRejectionSchema,
    given={"reason": "That fee is of another payment"},
    answers=shapes.VarianceSchema,
    example=shapes.EXAMPLE_REJECTED_VARIANCE,
)
@refuses(*DECIDED, decisions.ReasonMissing)
def reject(uow: Uow, *, variance_id: UUID, reason: str) -> VarianceAdjustment:
    """Reject a variance, with a reason; nothing is posted."""
    return variances.reject(uow, variance_id=variance_id, reason=reason)
