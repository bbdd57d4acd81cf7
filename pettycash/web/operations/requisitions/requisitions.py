"""Requisitions: raise, read, change, submit, recall, cancel, and their story."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pettycash.gateways.base import DestinationNotUnderstood
from pettycash.gateways.registry import RailNotServed
from pettycash.models.requisitions import IllegalRequisitionState, Requisition
from pettycash.runtime import errors
from pettycash.runtime.money import InvalidAmount
from pettycash.services import requisitions
from pettycash.services.approvals.resolution.core import MissingScope, NoApprover
from pettycash.services.approvals.thresholds.finding import NoThreshold
from pettycash.services.foundation import numbers, visibility
from pettycash.services.foundation.destinations import InvalidDestination, MethodNotAvailable
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.rail_limits import AboveCashLimit, RailRefuses
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import adoption
from pettycash.services.requisitions import DraftLine, RequisitionDraft, reading
from pettycash.services.requisitions.approved_facts import RedirectNeeded, RedirectOpen
from pettycash.services.requisitions.creation import NotRequester, RequisitionReferenceTaken
from pettycash.services.requisitions.lifecycle import MoneyHasMoved, PaymentsUnderWay
from pettycash.services.requisitions.reading import REQUISITIONS, TRAIL
from pettycash.services.requisitions.validation import (
    AdvancesOff,
    InvalidRequisition,
    LinesDoNotAddUp,
    OutsideYourUnits,
    UnknownCategory,
)
from pettycash.web.etags import Expected, Tagged
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import requisitions as shapes
from pettycash.web.schemas.requisition_examples import (
    EXAMPLE_DETAIL,
    EXAMPLE_NEW,
    EXAMPLE_REQUISITION,
    EXAMPLE_TRAIL,
    example_in,
)


class OnBehalfOfNeedsKey(errors.RuleViolation):
    """Only a machine client may raise a requisition on behalf of a person."""

    code = "requisition.on_behalf_of_needs_key"


WHAT_IT_SAYS = (
    AboveCashLimit,
    AdvancesOff,
    DestinationNotUnderstood,
    InvalidAmount,
    InvalidDestination,
    InvalidRequisition,
    InvalidText,
    LinesDoNotAddUp,
    MethodNotAvailable,
    OutsideYourUnits,
    RailNotServed,
    RailRefuses,
    RequisitionReferenceTaken,
    UnknownCategory,
)
"""Of what a requisition asks for, when it is written."""


def draft_lines(body: list[dict[str, Any]]) -> list[DraftLine]:
    """The lines as the service takes them."""
    return [DraftLine(**line) for line in body]


def shown(uow: Uow, found: Requisition) -> Tagged:
    """A requisition with its lines, round and payments."""
    return Tagged(*reading.detail(uow, found))


list_all = list_of(
    "requisitions.list",
    REQUISITIONS,
    "List requisitions within your scope, the newest first.",
    answers=shapes.RequisitionSchema,
    example=EXAMPLE_REQUISITION,
)


@operation(
    "requisitions.create",
    takes=shapes.RequisitionCreateSchema,
    given=EXAMPLE_NEW,
    key="required",
    status=201,
    answers=shapes.RequisitionDetailSchema,
    example=example_in(
        "draft", approval=None, decision_digest=None, tier=None, submitted_at=None, version=1
    ),
    etag=True,
)
@refuses(*WHAT_IT_SAYS, OnBehalfOfNeedsKey)
def create(uow: Uow, /, **facts: Any) -> Tagged:
    """Raise a requisition, as a draft; you are its requester."""
    if facts.pop("on_behalf_of", None) is not None and uow.actor.client_id is None:
        raise OnBehalfOfNeedsKey(errors={"on_behalf_of": ["It is for machine clients."]})
    draft = RequisitionDraft(**facts | {"lines": draft_lines(facts["lines"])})
    raised, lines = requisitions.create_with_lines(uow, draft=draft)
    return Tagged(*reading.fresh(raised, lines, uow.actor))


@operation(
    "requisitions.get", answers=shapes.RequisitionDetailSchema, example=EXAMPLE_DETAIL, etag=True
)
@refuses(visibility.RequisitionNotFound)
def get(uow: Uow, *, requisition_id: UUID | str) -> Tagged:
    """Read a requisition with its lines, its newest round and its payments."""
    requisition_id = numbers.id_of(uow.session, Requisition, requisition_id)
    found = visibility.requisition(uow, requisition_id=requisition_id)
    body, tag = shown(uow, found)
    return Tagged(body | {"people": reading.people(uow, body)}, tag)


@operation(
    "requisitions.update",
    takes=shapes.RequisitionChangeSchema,
    given={"purpose": "Water for the front office"},
    key="optional",
    answers=shapes.RequisitionDetailSchema,
    example=EXAMPLE_DETAIL,
    etag=True,
)
@refuses(
    *WHAT_IT_SAYS,
    IllegalRequisitionState,
    MissingScope,
    NoApprover,
    NoThreshold,
    NotRequester,
    RedirectNeeded,
    RedirectOpen,
    visibility.RequisitionNotFound,
)
def update(
    uow: Uow, *, requisition_id: UUID | str, changes: Mapping[str, Any], expected: Expected
) -> Tagged:
    """Change a requisition of yours.

    After submit a lower amount voids nothing; another destination of the same payee is for the
    last approver to see, and after their approval a redirect; anything else that was approved
    starts a new round.
    """
    if "lines" in changes:
        changes = {**changes, "lines": draft_lines(changes["lines"])}
    requisition_id = numbers.id_of(uow.session, Requisition, requisition_id)
    found = visibility.requisition(uow, requisition_id=requisition_id, lock=True)
    expected.check(reading.version_tag(uow, found))
    changed = requisitions.update(uow, requisition_id=requisition_id, changes=changes)
    return shown(uow, changed)


@operation(
    "requisitions.submit", answers=shapes.RequisitionDetailSchema, example=EXAMPLE_DETAIL, etag=True
)
@refuses(
    AboveCashLimit,
    AdvancesOff,
    IllegalRequisitionState,
    MissingScope,
    NoApprover,
    NoThreshold,
    NotRequester,
    RailRefuses,
    visibility.RequisitionNotFound,
    UnknownCategory,
)
def submit(uow: Uow, *, requisition_id: UUID) -> Tagged:
    """Submit a requisition of yours: its approvers are found and the first one is asked."""
    found = requisitions.submit(uow, requisition_id=requisition_id)
    return shown(uow, found)


@operation(
    "requisitions.recall",
    takes=shapes.RequisitionCommentSchema,
    given={"comment": "The amount is wrong."},
    answers=shapes.RequisitionDetailSchema,
    example=example_in("draft"),
    etag=True,
)
@refuses(IllegalRequisitionState, InvalidText, NotRequester, visibility.RequisitionNotFound)
def recall(uow: Uow, *, requisition_id: UUID, comment: str | None) -> Tagged:
    """Take a requisition of yours back into draft while it waits for approval."""
    found = requisitions.recall(uow, requisition_id=requisition_id, comment=comment)
    return shown(uow, found)


@operation(
    "requisitions.cancel",
    takes=shapes.RequisitionCommentSchema,
    given={"comment": "Not needed any more."},
    answers=shapes.RequisitionDetailSchema,
    example=example_in("cancelled"),
    etag=True,
)
@refuses(
    IllegalRequisitionState,
    InvalidText,
    MoneyHasMoved,
    NotRequester,
    PaymentsUnderWay,
    visibility.RequisitionNotFound,
)
def cancel(uow: Uow, *, requisition_id: UUID, comment: str | None) -> Tagged:
    """Cancel a requisition of yours; in payment, treasury may do so too, and of somebody who
    left, their manager."""
    found = requisitions.cancel(uow, requisition_id=requisition_id, comment=comment)
    return shown(uow, found)


@operation(
    "requisitions.adopt",
    takes=shapes.RequisitionReasonSchema,
    given={"comment": "The water is still needed."},
    answers=shapes.RequisitionDetailSchema,
    example=EXAMPLE_DETAIL,
    etag=True,
)
@refuses(
    IllegalRequisitionState,
    InvalidText,
    MissingScope,
    NoApprover,
    adoption.NotManager,
    NotSeparate,
    adoption.RequesterAnswers,
    visibility.RequisitionNotFound,
)
def adopt(uow: Uow, *, requisition_id: UUID, comment: str) -> Tagged:
    """Adopt a requisition of somebody who left, as their manager: you answer for it then.

    No fact of it changes. You are its requester too, so an approval of yours is void, and a
    step that waits for you goes to somebody else.
    """
    found = adoption.adopt(uow, requisition_id=requisition_id, comment=comment)
    return shown(uow, found)


@operation(
    "requisitions.trail",
    listing=TRAIL,
    without=("requisition_id",),
    answers=shapes.ApprovalTrailSchema,
    example=EXAMPLE_TRAIL,
)
@refuses(visibility.RequisitionNotFound)
def trail(uow: Uow, /, *, requisition_id: UUID, **arguments: Any) -> ListPage:
    """Read what happened to a requisition, in order."""
    visibility.requisition(uow, requisition_id=requisition_id)
    return page(uow, TRAIL, arguments, requisition_id=requisition_id)
