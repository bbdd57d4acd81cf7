"""Work: everything that waits for a person, by the very guards that decide who may act.

Of each kind the oldest are looked at, so that the list costs the same however much there is; where
more may wait, it says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select

from pettycash.models.imprest import Replenishment, ReplenishmentStatus
from pettycash.models.operations import Case, CaseStatus
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.releases import CashAcknowledgement
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime.rails import Method
from pettycash.services.foundation import decisions, permissions, requesters, visibility
from pettycash.services.foundation.decisions import DecisionKind
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments, variances
from pettycash.services.ledger import periods
from pettycash.services.operations import cases, changes, pauses
from pettycash.services.payments import (
    adoption,
    cash,
    changing,
    releasing,
    signatures,
    treasury_validation,
)
from pettycash.services.payments.case_resolutions import resolving
from pettycash.services.reports.offers import refusal_of
from pettycash.services.requisitions import deciding, inbox, lifecycle

LOOKED_AT_MAX = 20
"""Of each kind, the oldest."""

R = RequisitionStatus


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One thing that waits, and where it is read."""

    id: UUID
    link: str
    what: str
    """Its kind: of the money, of the case, of the change."""
    number: str | None
    amount: Decimal | None
    currency: str | None
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Work:
    """Work of one kind."""

    kind: str
    operation: str
    items: Sequence[WorkItem]
    has_more: bool
    """More may wait than were looked at."""

    @property
    def count(self) -> int:
        """Of those that were looked at."""
        return len(self.items)


@dataclass(frozen=True, kw_only=True)
class WorkKind:
    """One kind of work: what may wait, the guard of the verb, and how it is told."""

    kind: str
    operation: str
    query: Callable[[Uow], Select[*tuple[Any, ...]]]
    guard: Callable[[Uow, Any], object]
    item: Callable[[Any], WorkItem]


def waiting(uow: Uow) -> list[Work]:
    """List what waits for the actor, the oldest first; kinds of which nothing does are left out."""
    found = []
    for kind in KINDS:
        if permissions.reaches(uow.actor, kind.operation):
            work = _look(uow, kind)
            if work.items or work.has_more:
                found.append(work)
    return found


def _look(uow: Uow, kind: WorkKind) -> Work:
    query = kind.query(uow).limit(LOOKED_AT_MAX + 1)
    is_single = len(query.column_descriptions) == 1
    rows = [row[0] if is_single else row for row in uow.session.execute(query)]
    return Work(
        kind=kind.kind,
        operation=kind.operation,
        items=[
            kind.item(row)
            for row in rows[:LOOKED_AT_MAX]
            if refusal_of(lambda row=row: kind.guard(uow, row)) is None  # type: ignore[misc]
        ],
        has_more=len(rows) > LOOKED_AT_MAX,
    )


def _item(
    row: Requisition | Payment | Replenishment,
    place: str,
    *,
    what: StrEnum | str,
    since: datetime,
    amount: Decimal,
) -> WorkItem:
    return WorkItem(
        id=row.id,
        link=f"/api/{place}/{row.id}/",
        what=str(what),
        number=row.number,
        amount=amount,
        currency=row.currency,
        since=since,
    )


def _requisition(row: Requisition) -> WorkItem:
    since = row.status_changed_at
    return _item(row, "requisitions", what=row.kind, since=since, amount=row.amount)


def _payment(row: Payment) -> WorkItem:
    since = row.status_changed_at
    return _item(row, "payments", what=row.method, since=since, amount=row.amount)


def _replenishment(row: Replenishment) -> WorkItem:
    amount = row.approved_amount or row.requested_amount
    what = "automatic" if row.auto_triggered else "by_hand"
    return _item(row, "replenishments", what=what, since=row.status_changed_at, amount=amount)


def _decidable(kind: DecisionKind[Any], row: Any) -> WorkItem:
    return WorkItem(
        id=row.id,
        link=kind.link.format(id=row.id),
        what=str(kind.what(row)),
        number=getattr(row, "number", None),
        amount=None if kind.amount is None else kind.amount(row),
        currency=getattr(row, "currency", None),
        since=row.proposed_at or row.created_at,
    )


def _requisitions(uow: Uow, *statuses: R) -> Select[Requisition]:
    return (
        select(Requisition)
        .where(visibility.requisitions(uow.actor), Requisition.status.in_(statuses))
        .order_by(Requisition.id)
    )


def _payments(uow: Uow, *statuses: PaymentStatus) -> Select[Payment]:
    return (
        select(Payment)
        .where(visibility.payments(uow.actor), Payment.status.in_(statuses))
        .order_by(Payment.id)
    )


def _replenishments(uow: Uow, status: ReplenishmentStatus) -> Select[Replenishment]:
    return (
        select(Replenishment)
        .where(replenishments.visible(uow.actor), Replenishment.status == status)
        .order_by(Replenishment.id)
    )


def _to_validate(uow: Uow) -> Select[Requisition]:
    return _requisitions(uow, R.PENDING_TREASURY_VALIDATION).where(
        Requisition.held_at.is_(None), Requisition.open_redirect_id.is_(None)
    )


def _to_release(uow: Uow) -> Select[Payment]:
    return _payments(uow, PaymentStatus.PENDING, PaymentStatus.FAILED).where(
        Payment.maker_id.is_distinct_from(uow.actor.user_id),
        or_(Payment.executor_id.is_(None), Payment.executor_id == uow.actor.user_id),
    )


def _to_take_over(uow: Uow) -> Select[Payment]:
    """Vouchers that nobody validated, and that their fund's standing validation covers no more."""
    covering = func.standing_validation(Payment.requisition_id, Payment.store_id, uow.now)
    return _payments(uow, PaymentStatus.PENDING).where(
        Payment.standing_validation_id.is_not(None), covering.is_(None)
    )


def _check_taking_over(uow: Uow, row: Payment) -> None:
    changing.check_changing(uow, uow.session.get_one(Requisition, row.requisition_id), row)


def _check_sending(uow: Uow, row: Payment) -> None:
    releasing.check_sending(uow, uow.session.get_one(Requisition, row.requisition_id), row)


def _to_acknowledge(uow: Uow) -> Select[Payment]:
    return _payments(uow, PaymentStatus.EXECUTING).where(Payment.method == Method.CASH)


def _to_witness(uow: Uow) -> Select[Payment, CashAcknowledgement]:
    return (
        select(Payment, CashAcknowledgement)
        .join(CashAcknowledgement, CashAcknowledgement.payment_id == Payment.id)
        .where(
            visibility.payments(uow.actor),
            CashAcknowledgement.witness_id == uow.actor.user_id,
            CashAcknowledgement.acknowledged_at.is_(None),
            Payment.status == PaymentStatus.EXECUTING,
        )
        .order_by(Payment.id)
    )


def _to_decide(uow: Uow) -> Select[*tuple[Any, ...]]:
    return inbox.waiting(uow).order_by(inbox.KEY)


def _check_decision(uow: Uow, row: inbox.Row) -> None:
    _step, _round, redirect, requisition = row
    if redirect is None:
        deciding.waiting_step(uow, requisition)
    else:
        decisions.check(uow, changes.CHANGE, redirect)


def _decision(row: inbox.Row) -> WorkItem:
    step, _round, redirect, requisition = row
    if redirect is not None:
        return _decidable(changes.CHANGE, redirect)
    assert step is not None, "an item of the inbox is a step or a redirect"
    return _item(
        requisition,
        "requisitions",
        what=requisition.kind,
        since=step.created_at,
        amount=requisition.amount,
    )


def _decides(kind: DecisionKind[Any]) -> WorkKind:
    """A decision that a second person is waited for."""
    return WorkKind(
        kind=kind.name,
        operation=kind.accepting,
        query=lambda uow: decisions.waiting(uow, kind),
        guard=lambda uow, row: decisions.check(uow, kind, row),
        item=partial(_decidable, kind),
    )


def _cases(uow: Uow) -> Select[Case]:
    """Those whose proposed end is somebody else's, and open ones that the reader looks after."""
    mine = and_(Case.status == CaseStatus.OPEN, Case.owner_id == uow.actor.user_id)
    proposed = decisions.waiting(uow, cases.ENDING).whereclause
    assert proposed is not None
    return select(Case).where(or_(mine, proposed)).order_by(Case.id)


KINDS: Sequence[WorkKind] = (
    WorkKind(
        kind="decisions",
        operation="approvals.list",
        query=_to_decide,
        guard=_check_decision,
        item=_decision,
    ),
    WorkKind(
        kind="sent_back",
        operation="requisitions.submit",
        query=lambda uow: _requisitions(uow, R.CHANGES_REQUESTED).where(
            Requisition.requester_id == uow.actor.user_id
        ),
        guard=lifecycle.check_submitting,
        item=_requisition,
    ),
    WorkKind(
        kind="validations",
        operation="requisitions.validate",
        query=_to_validate,
        guard=treasury_validation.check_validating,
        item=_requisition,
    ),
    WorkKind(
        kind="releases",
        operation="payments.send_otp",
        query=lambda uow: _to_release(uow).where(Payment.method != Method.CASH),
        guard=_check_sending,
        item=_payment,
    ),
    WorkKind(
        kind="cash_to_pay",
        operation="payments.send_otp",
        query=lambda uow: _to_release(uow).where(Payment.method == Method.CASH),
        guard=_check_sending,
        item=_payment,
    ),
    WorkKind(
        kind="vouchers_to_take_over",
        operation="payments.update",
        query=_to_take_over,
        guard=_check_taking_over,
        item=_payment,
    ),
    WorkKind(
        kind="acknowledgements",
        operation="payments.acknowledge",
        query=_to_acknowledge,
        guard=cash.check_acknowledging,
        item=_payment,
    ),
    WorkKind(
        kind="signatures",
        operation="payments.acknowledge",
        query=_to_witness,
        guard=lambda uow, row: signatures.check_witnessing(uow, *row),
        item=lambda row: _payment(row[0]),
    ),
    WorkKind(
        kind="reviews",
        operation="requisitions.review",
        query=lambda uow: _requisitions(uow, R.PAID, R.CLOSED_SHORT),
        guard=lifecycle.check_reviewing,
        item=_requisition,
    ),
    WorkKind(
        kind="left_behind",
        operation="requisitions.adopt",
        query=lambda uow: _requisitions(uow, *requesters.ANSWERED).where(requesters.left_behind()),
        guard=adoption.check_adopting,
        item=_requisition,
    ),
    WorkKind(
        kind="replenishments_to_fund",
        operation="replenishments.send_otp",
        query=lambda uow: _replenishments(uow, ReplenishmentStatus.APPROVED),
        guard=replenishments.check_claim,
        item=_replenishment,
    ),
    WorkKind(
        kind="replenishments_to_receive",
        operation="replenishments.receive",
        query=lambda uow: _replenishments(uow, ReplenishmentStatus.FUNDED),
        guard=replenishments.check_receipt,
        item=_replenishment,
    ),
    WorkKind(
        kind="cases",
        operation="cases.resolve",
        query=_cases,
        guard=resolving.check_resolving,
        item=partial(_decidable, cases.ENDING),
    ),
    _decides(replenishments.REPLENISHMENT),
    _decides(variances.VARIANCE),
    _decides(changes.CHANGE),
    _decides(pauses.RESUMPTION),
    _decides(periods.CLOSING),
)
