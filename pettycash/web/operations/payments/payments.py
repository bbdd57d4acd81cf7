"""Payments: read them, make one for a remainder, change, cancel."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pettycash.models.payments import IllegalTransition, Payment
from pettycash.models.requisitions import Requisition
from pettycash.services import payments
from pettycash.services.foundation import numbers
from pettycash.services.foundation.destinations import InvalidDestination
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import PaymentNotFound, RequisitionNotFound
from pettycash.services.payments import reading, treasury_validation
from pettycash.services.payments.creation import NothingLeft, PaymentReferenceTaken
from pettycash.services.payments.lists import PAYMENTS
from pettycash.services.payments.restored import MayHaveBeenPaid
from pettycash.services.payments.rules import (
    UNFIT,
    BlockedByCase,
    ExceedsApproved,
    FailureUnconfirmed,
    RequisitionNotPayable,
)
from pettycash.services.requisitions.approved_facts import RedirectNeeded, RedirectOpen
from pettycash.web.etags import Expected, Tagged
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import payments as shapes
from pettycash.web.schemas.payment_examples import EXAMPLE_DETAIL, EXAMPLE_PAYMENT


def shown(uow: Uow, payment_id: UUID) -> Tagged:
    """A payment with the state of its release."""
    return Tagged(*reading.detail(uow, payment_id=payment_id))


list_all = list_of(
    "payments.list",
    PAYMENTS,
    "List payments within your scope, the newest first.",
    answers=shapes.PaymentSchema,
    example=EXAMPLE_PAYMENT,
)


@operation(
    "payments.create",
    takes=shapes.NewPaymentSchema,
    given={"requisition_id": EXAMPLE_PAYMENT["requisition_id"], "amount": "500.00"},
    key="required",
    status=201,
    answers=shapes.PaymentDetailSchema,
    example={**EXAMPLE_DETAIL, "amount": "500.00"},
    etag=True,
)
@refuses(
    *UNFIT,
    ExceedsApproved,
    FailureUnconfirmed,
    InvalidDestination,
    treasury_validation.NobodyLeft,
    NotSeparate,
    NothingLeft,
    PaymentReferenceTaken,
    RedirectNeeded,
    RequisitionNotFound,
    RequisitionNotPayable,
)
def create(uow: Uow, /, **facts: Any) -> Tagged:
    """Make a payment for what is left of a validated requisition; you are its maker."""
    made = payments.create(uow, **{"amount": None, **facts})
    treasury_validation.leave_to_releasers(
        uow.session,
        requisition=uow.session.get_one(Requisition, made.requisition_id),
        payment=made,
        now=uow.now,
    )
    return shown(uow, made.id)


@operation("payments.get", answers=shapes.PaymentDetailSchema, example=EXAMPLE_DETAIL, etag=True)
@refuses(PaymentNotFound)
def get(uow: Uow, *, payment_id: UUID | str) -> Tagged:
    """Read a payment and where its release stands."""
    payment_id = numbers.id_of(uow.session, Payment, payment_id)
    found, tag = shown(uow, payment_id)
    return Tagged(found | {"people": reading.people(uow, found)}, tag)


@operation(
    "payments.update",
    takes=shapes.PaymentChangeSchema,
    given={"amount": "1400.00"},
    key="optional",
    answers=shapes.PaymentDetailSchema,
    example={**EXAMPLE_DETAIL, "amount": "1400.00"},
    etag=True,
)
@refuses(
    *UNFIT,
    ExceedsApproved,
    IllegalTransition,
    MayHaveBeenPaid,
    treasury_validation.NobodyLeft,
    NotSeparate,
    PaymentNotFound,
    RedirectNeeded,
    RedirectOpen,
)
def update(
    uow: Uow, *, payment_id: UUID | str, changes: Mapping[str, Any], expected: Expected
) -> Tagged:
    """Change amount, store or metadata of a pending payment; another destination is a redirect.

    You become its maker, and any code for it ends.
    """
    payment_id = numbers.id_of(uow.session, Payment, payment_id)
    requisition, payment = payments.locked(uow.session, payment_id=payment_id, actor=uow.actor)
    expected.check(reading.version_tag(uow.session, payment))
    before = payment.maker_id
    payments.change(uow, requisition=requisition, payment=payment, changes=changes)
    if payment.maker_id != before:
        treasury_validation.leave_to_releasers(
            uow.session, requisition=requisition, payment=payment, now=uow.now
        )
    return shown(uow, payment_id)


@operation(
    "payments.cancel",
    answers=shapes.PaymentDetailSchema,
    example={**EXAMPLE_DETAIL, "status": "cancelled"},
    etag=True,
)
@refuses(BlockedByCase, FailureUnconfirmed, IllegalTransition, NotSeparate, PaymentNotFound)
def cancel(uow: Uow, *, payment_id: UUID) -> Tagged:
    """Cancel what was not sent; as its custodian, void cash that nobody collected."""
    payments.cancel(uow, payment_id=payment_id)
    return shown(uow, payment_id)
