"""Variances: a mismatch that one person records and another decides; approval posts (domain.md §8).

The cfo decides, or the group finance manager while the fund's variances of the month stay within
the company's materiality, or where no cfo may (control.md §4). Whom it benefits has no say in it.

Amounts are money *out*: `original` as the books have it, `adjusted` as it really was. A fee is an
extra outflow, so it raises what left; it never makes a payment smaller (D41).
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.base import new_id
from pettycash.models.imprest import (
    Store,
    StoreKind,
    VarianceAdjustment,
    VarianceKind,
    VarianceStatus,
)
from pettycash.models.ledger import LedgerAccount
from pettycash.models.operations import Case
from pettycash.models.payments import Payment
from pettycash.runtime import db, errors, money
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.money import Currency
from pettycash.services.foundation import (
    company_settings,
    decisions,
    duties,
    numbers,
    visibility,
)
from pettycash.services.foundation.decisions import DecisionKind
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.live_roles import holders_of
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import notices, replenishments
from pettycash.services.ledger import accounts, posting, posting_rules

RISES = frozenset({VarianceKind.FEE, VarianceKind.OVERPAID})
FALLS = frozenset({VarianceKind.UNDERPAID})


class VarianceNotFound(errors.NotFound):
    """There is no such variance in this company."""

    code = "variance.not_found"


class NotPaid(errors.Conflict):
    """A variance needs a payment that is paid in the books."""

    code = "variance.payment_not_paid"


class InvalidVariance(errors.RuleViolation):
    """The amounts, the kind and the counter account of the variance do not fit together."""

    code = "variance.invalid"


class WrongDirection(errors.RuleViolation):
    """The amount must be above the books for a fee or an overpayment, below for an underpayment."""

    code = "variance.wrong_direction"


class AlreadyPending(errors.Conflict):
    """A variance of this kind waits for the cfo's decision on this payment already."""

    code = "variance.already_pending"


class VarianceNeedsCfo(errors.KeptApart):
    """The fund's variances of this month would exceed materiality; the cfo must decide."""

    code = "variance.cfo_required"


def record(
    uow: Uow,
    *,
    payment_id: UUID,
    kind: VarianceKind,
    adjusted_amount: Decimal,
    reason: str,
    original_amount: Decimal | None = None,
    counter_account_id: UUID | None = None,
    case_id: UUID | None = None,
) -> VarianceAdjustment:
    """Record that another amount left for a payment than the books say. Posts nothing yet.

    `original_amount` is the books', with what the cfo has accepted since; a caller may send it to
    be told where they think otherwise. The same difference is so never posted twice.

    Raises:
        PaymentNotFound: none such within scope.
        NotSeparate: the actor asked for the money, or gets it.
        NotAProposer: their roles do not record variances.
        NotPaid: the books have no payment of it.
        AlreadyPending: one of this kind waits for a decision.
        WrongDirection, InvalidVariance, ReasonMissing: what was said can't be so.
    """
    session = uow.session
    visibility.payment(uow, payment_id=payment_id)
    # Two recorders take turns; nothing else is locked after it.
    payment = db.lock(session, Payment, payment_id)
    assert payment is not None, "payments are never deleted"
    paid_amount = check_recording(uow, payment)
    reason = decisions.required(reason)
    # Before the sum: what waits no more has either been refused or counts in it.
    pending = session.execute(
        select(VarianceAdjustment.id).where(
            VarianceAdjustment.payment_id == payment_id,
            VarianceAdjustment.kind == kind,
            VarianceAdjustment.status == VarianceStatus.PENDING,
        )
    ).first()
    if pending is not None:
        raise AlreadyPending
    store = session.get_one(Store, payment.store_id)
    accepted = _accepted(session, payment_id=payment_id, kind=kind)
    booked = max(paid_amount + accepted, Decimal(0))
    if original_amount not in (None, booked):
        shown = money.text(booked, payment.currency)
        raise InvalidVariance(errors={"original_amount": [f"The books have {shown}."]})
    _check_amounts(kind, booked, adjusted_amount, currency=payment.currency)
    if kind is VarianceKind.COUNT and store.kind is not StoreKind.DRAWER:
        raise InvalidVariance(errors={"kind": ["Only a drawer can be counted."]})
    if case_id is not None and session.get(Case, case_id) is None:
        raise InvalidVariance(errors={"case_id": ["There is no such case."]})
    counter = _counter(session, kind=kind, payment=payment, account_id=counter_account_id)
    adjustment = VarianceAdjustment(
        id=new_id(),
        company_id=uow.actor.company_id,
        number=numbers.next_number(session, VarianceAdjustment, now=uow.now),
        kind=kind,
        payment_id=payment_id,
        store_id=store.id,
        counter_account_id=counter,
        case_id=case_id,
        currency=payment.currency,
        original_amount=booked,
        adjusted_amount=adjusted_amount,
        reason=reason,
        status=VarianceStatus.PENDING,
        version=1,
    )
    decisions.propose(Uow(session, uow.actor, uow.now), VARIANCE, adjustment)
    session.add(adjustment)
    session.flush()  # the difference is the database's to compute
    notices.recorded(session, adjustment)
    crash_point("variances.recorded")
    return adjustment


def check_recording(uow: Uow, payment: Payment) -> Decimal:
    """Refuse who may not record a variance of a payment as it stands; what the books have paid.

    Raises:
        NotSeparate, NotPaid: see `record`.
    """
    _check_benefit(uow, requisition_id=payment.requisition_id)
    if payment.paid_amount is None:
        raise NotPaid
    return payment.paid_amount


def get(session: Session, *, variance_id: UUID) -> VarianceAdjustment:
    """One variance.

    Raises:
        VarianceNotFound: none such.
    """
    found = session.get(VarianceAdjustment, variance_id)
    if found is None:
        raise VarianceNotFound
    return found


def approve(uow: Uow, *, variance_id: UUID, comment: str | None = None) -> VarianceAdjustment:
    """Accept a variance and post it, dated today.

    Raises:
        VarianceNotFound, AlreadyDecided: there is nothing to decide.
        OwnProposal, NotADecider: see `decisions.accept`.
        NotSeparate: the approver asked for the money, or gets it.
        VarianceNeedsCfo: it is too much for the group finance manager.
        PeriodClosed: this month is closed for decisions.
    """
    session = uow.session
    uow = Uow(session, uow.actor, uow.now)
    found = _locked(uow, variance_id)
    decisions.accept(uow, VARIANCE, found, reason=comment)
    found.status = VarianceStatus.APPROVED
    found.version += 1
    payment = session.get(Payment, found.payment_id) if found.payment_id is not None else None
    entry = posting_rules.variance(
        session, adjustment=found, payment=payment, occurred_at=uow.now, by=uow.actor.user_id
    )
    crash_point("variances.posting")
    [found.entry_id] = posting.post(session, [entry])
    session.flush()  # an approved variance counts in what is considered next
    store = session.get_one(Store, found.store_id)
    replenishments.consider(session, fund_id=store.fund_id, now=uow.now, store_id=store.id)
    crash_point("variances.approved")
    return found


def reject(uow: Uow, *, variance_id: UUID, reason: str) -> VarianceAdjustment:
    """Refuse a variance; nothing is posted.

    Raises:
        VarianceNotFound, AlreadyDecided: there is nothing to decide.
        OwnProposal, NotADecider, ReasonMissing: see `decisions.refuse`.
        NotSeparate: the decider asked for the money, or gets it.
        VarianceNeedsCfo: it is too much for the group finance manager.
    """
    found = _locked(uow, variance_id)
    decisions.refuse(uow, VARIANCE, found, reason=reason)
    found.status = VarianceStatus.REJECTED
    found.version += 1
    return found


def _locked(uow: Uow, variance_id: UUID) -> VarianceAdjustment:
    found = db.lock(uow.session, VarianceAdjustment, variance_id)
    if found is None:
        raise VarianceNotFound
    if not uow.actor.has(Role.CFO):
        _take_turns(uow.session, found)
    return found


def _check_decider(uow: Uow, found: VarianceAdjustment) -> None:
    """Refuse whom it benefits, and the group finance manager what is too much for them."""
    session, actor, now = uow.session, uow.actor, uow.now
    benefits = frozenset[UUID]()
    if found.payment_id is not None:
        requisition_id = session.get_one(Payment, found.payment_id).requisition_id
        benefits = _check_benefit(Uow.of(session, actor), requisition_id=requisition_id)
    cfos = holders_of(session, Role.CFO, now=now)
    if not actor.has(Role.CFO) and cfos - benefits - {found.proposed_by}:
        _check_materiality(session, found, now=now)


def _check_benefit(uow: Uow, *, requisition_id: UUID) -> frozenset[UUID]:
    """Everybody whom the money of a requisition benefits; the actor is none of them."""
    known = duties.holders(uow.session, requisition_id=requisition_id)
    for own in (Duty.REQUESTER, Duty.RECIPIENT):
        if uow.actor.user_id in known[own]:
            raise duties.NotSeparate(
                f"You {duties.PHRASES[own]}: you can't record or decide a variance of it."
            )
    return known[Duty.REQUESTER] | known[Duty.RECIPIENT]


def _take_turns(session: Session, found: VarianceAdjustment) -> None:
    """One at a time of a fund: two that do not see each other could both be the last that fits."""
    store = session.get_one(Store, found.store_id)
    name = func.hashtextextended(f"variances.materiality:{store.fund_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(name)))


def _check_materiality(session: Session, found: VarianceAdjustment, *, now: datetime) -> None:
    """Refuse what would bring the fund's variances of the month above materiality."""
    store = session.get_one(Store, found.store_id)
    timezone = company_settings.current(session).timezone
    month = func.date_trunc("month", func.timezone(timezone, now))
    decided = session.execute(
        select(func.coalesce(func.sum(func.abs(VarianceAdjustment.variance_amount)), 0)).where(
            VarianceAdjustment.store_id.in_(select(Store.id).where(Store.fund_id == store.fund_id)),
            VarianceAdjustment.status == VarianceStatus.APPROVED,
            func.date_trunc("month", func.timezone(timezone, VarianceAdjustment.decided_at))
            == month,
        )
    ).scalar_one()
    limit = company_settings.current(session).materiality(found.currency)
    if Decimal(decided) + abs(found.variance_amount) > limit:
        shown = money.text(limit, found.currency)
        raise VarianceNeedsCfo(
            f"The group finance manager decides at most {found.currency} {shown} a month."
        )


def _accepted(session: Session, *, payment_id: UUID, kind: VarianceKind) -> Decimal:
    """The sum by which approved variances changed the payment's amount; fees are apart."""
    is_fee = VarianceAdjustment.kind == VarianceKind.FEE
    return session.execute(
        select(func.coalesce(func.sum(VarianceAdjustment.variance_amount), Decimal(0))).where(
            VarianceAdjustment.payment_id == payment_id,
            VarianceAdjustment.status == VarianceStatus.APPROVED,
            is_fee if kind is VarianceKind.FEE else ~is_fee,
        )
    ).scalar_one()


def _check_amounts(
    kind: VarianceKind, original: Decimal, adjusted: Decimal, *, currency: str
) -> None:
    try:
        money.checked(adjusted, Currency(currency))
    except money.InvalidAmount as error:
        raise InvalidVariance(errors={"adjusted_amount": [error.detail]}) from error
    if adjusted == original:
        raise InvalidVariance(errors={"adjusted_amount": ["It equals what the books have."]})
    is_more = adjusted > original
    if (kind in RISES and not is_more) or (kind in FALLS and is_more):
        raise WrongDirection


def _counter(
    session: Session, *, kind: VarianceKind, payment: Payment, account_id: UUID | None
) -> UUID:
    """The account on the other side: the kind's own; only `other` names one."""
    own = posting_rules.VARIANCE_COUNTER.get(kind)
    if own is not None:
        if account_id is not None:
            raise InvalidVariance(
                errors={"counter_account_id": [f"A variance of kind {kind} has its own."]}
            )
        return accounts.find(session, kind=own, currency=payment.currency).id
    account = session.get(LedgerAccount, account_id) if account_id is not None else None
    if (
        account is None
        or account.kind not in posting_rules.OTHER_COUNTERS
        or account.currency != payment.currency
        or not account.is_active
    ):
        allowed = ", ".join(sorted(posting_rules.OTHER_COUNTERS))
        raise InvalidVariance(
            errors={"counter_account_id": [f"It is an active account of kind {allowed}."]}
        )
    return account.id


VARIANCE = decisions.declare(
    DecisionKind(
        name="variances",
        model=VarianceAdjustment,
        waits={"status": VarianceStatus.PENDING},
        proposing="payments.record_variance",
        accepting="variances.approve",
        refusing="variances.reject",
        check=_check_decider,
        link="/api/variances/{id}/",
        what=lambda found: found.kind,
        amount=lambda found: found.variance_amount,
    )
)
