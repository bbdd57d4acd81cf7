"""Redirects: what was approved goes elsewhere only if the last approver agrees."""

from typing import Any
from uuid import UUID

from pettycash.gateways.base import DestinationNotUnderstood
from pettycash.gateways.registry import RailNotServed
from pettycash.models.operations import Change
from pettycash.models.payments import IllegalTransition
from pettycash.models.requisitions import IllegalRequisitionState
from pettycash.services.approvals.resolution.core import NoApprover
from pettycash.services.foundation.destinations import InvalidDestination, MethodNotAvailable
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import PaymentNotFound, RequisitionNotFound
from pettycash.services.payments import redirects
from pettycash.services.payments.restored import MayHaveBeenPaid
from pettycash.services.payments.rules import (
    UNFIT,
    BlockedByCase,
    FailureUnconfirmed,
    RequisitionNotPayable,
)
from pettycash.services.requisitions.approved_facts import RedirectOpen
from pettycash.services.requisitions.creation import NotRequester
from pettycash.web.operations import operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import changes as shapes

EXAMPLE = {"destination": "0722000000", "reason": "The shop has a new number."}


@operation(
    "payments.redirect",
    takes=shapes.PaymentRedirectSchema,
    given=EXAMPLE,
    step_up=True,
    status=202,
    answers=shapes.ChangeSchema,
    example=shapes.EXAMPLE_REDIRECT,
)
@refuses(
    *UNFIT,
    BlockedByCase,
    DestinationNotUnderstood,
    FailureUnconfirmed,
    IllegalTransition,
    InvalidDestination,
    InvalidText,
    MayHaveBeenPaid,
    MethodNotAvailable,
    NoApprover,
    NotSeparate,
    redirects.NothingRedirected,
    PaymentNotFound,
    RedirectOpen,
    RequisitionNotPayable,
)
def redirect_payment(uow: Uow, /, *, payment_id: UUID, **facts: Any) -> Change:
    """Propose that a pending or failed payment goes elsewhere; its codes die at once.

    You become its maker if the last approver agrees.
    """
    return redirects.propose_for_payment(uow, payment_id=payment_id, **facts)


@operation(
    "requisitions.redirect",
    takes=shapes.RedirectSchema,
    given=EXAMPLE,
    step_up=True,
    status=202,
    answers=shapes.ChangeSchema,
    example=shapes.EXAMPLE_REDIRECT,
)
@refuses(
    DestinationNotUnderstood,
    IllegalRequisitionState,
    InvalidDestination,
    InvalidText,
    MethodNotAvailable,
    NoApprover,
    NotRequester,
    NotSeparate,
    redirects.NothingRedirected,
    RailNotServed,
    RedirectOpen,
    RequisitionNotFound,
)
def redirect_requisition(uow: Uow, /, *, requisition_id: UUID, **facts: Any) -> Change:
    """Propose, as its requester or treasury, that an approved requisition goes elsewhere."""
    return redirects.propose_for_requisition(uow, requisition_id=requisition_id, **facts)
