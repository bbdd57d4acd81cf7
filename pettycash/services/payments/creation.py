"""Payments come to be: from a validation, or for what is left of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db, errors, money
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.foundation import (
    company_settings,
    destinations,
    duties,
    numbers,
    visibility,
)
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import facts, rules


class PaymentReferenceTaken(errors.Conflict):
    """This client has used this external reference for another payment."""

    code = "payment.external_reference_taken"


class NothingLeft(errors.RuleViolation):
    """Everything that was approved is committed to payments already."""

    code = "payment.nothing_left"


@dataclass(frozen=True, kw_only=True)
class PaymentPart:
    """One payment to be made. What is None comes from the requisition, the store by its place."""

    amount: Decimal
    store_id: UUID | None = None
    method: Method | None = None
    destination: str | None = None
    external_reference: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def create_for_validation(
    uow: Uow, *, requisition: Requisition, parts: Sequence[PaymentPart], maker_id: UUID | None
) -> list[Payment]:
    """Make the payments of a requisition that treasury validates, in the caller's transaction.

    The caller holds the requisition's lock and has set its approved amount. `maker_id` is None
    where validation changed nothing and the company is a small team (domain.md §3).

    Raises:
        ExceedsApproved: the parts are more than was approved.
        RedirectNeeded: nobody has approved that one goes there.
        and what `rules` refuses of a part.
    """
    return [
        make(
            uow.session,
            requisition=requisition,
            part=part,
            maker_id=maker_id,
            now=uow.now,
            actor=uow.actor,
        )
        for part in parts
    ]


def create(
    uow: Uow,
    *,
    requisition_id: UUID,
    amount: Decimal | None,
    currency: str | None = None,
    store_id: UUID | None = None,
    method: Method | None = None,
    destination: str | None = None,
    external_reference: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Payment:
    """Make a payment for what is left of a validated requisition. The actor is its maker.

    Raises:
        RequisitionNotFound: none such within scope.
        NotSeparate: the actor has another duty about it.
        RequisitionNotPayable, FailureUnconfirmed: not now.
        NothingLeft, ExceedsApproved: more than is left of the approved amount.
        RedirectNeeded: nobody has approved that it goes there.
        and what `rules` refuses.
    """
    requisition = visibility.requisition(uow, requisition_id=requisition_id, lock=True)
    check_maker(uow, requisition=requisition)
    rules.check_payable(uow.session, requisition=requisition)
    if currency is not None and currency != requisition.currency:
        raise rules.WrongCurrency(
            errors={"currency": [f"The requisition is in {requisition.currency}."]}
        )
    left = rules.remainder(uow.session, requisition=requisition)
    if left <= 0:
        raise NothingLeft
    part = PaymentPart(
        amount=left if amount is None else amount,
        store_id=store_id,
        method=method,
        destination=destination,
        external_reference=external_reference,
        metadata=metadata or {},
    )
    return make(
        uow.session,
        requisition=requisition,
        part=part,
        maker_id=uow.actor.user_id,
        now=uow.now,
        actor=uow.actor,
    )


def check_maker(uow: Uow, *, requisition: Requisition) -> None:
    """A maker has no other duty about the money of a payment, but that of recording evidence.

    Raises:
        NotSeparate: the actor has one.
    """
    duties.check(
        uow.session, user_id=uow.actor.user_id, duty=Duty.MAKER, requisition_id=requisition.id
    )


def make(
    session: Session,
    *,
    requisition: Requisition,
    part: PaymentPart,
    maker_id: UUID | None,
    now: datetime,
    actor: Actor | None = None,
    standing_validation_id: UUID | None = None,
) -> Payment:
    """One payment, its requisition locked and in payment. Without an actor the system makes it,
    under a standing validation.

    Raises:
        ExceedsApproved, RedirectNeeded: not what was approved.
        and what `rules` refuses.
    """
    method = part.method or requisition.method
    store = rules.fitting_store(
        session, store_id=part.store_id, requisition=requisition, method=method, actor=actor
    )
    destination = requisition.destination
    if part.destination is not None or method is not requisition.method:
        destination = destinations.normalise(
            part.destination or requisition.destination,
            method=method,
            currency=Currency(requisition.currency),
        )
    rules.check_amount(
        session,
        requisition_id=requisition.id,
        method=method,
        store=store,
        amount=part.amount,
        destination=destination,
    )
    left = rules.remainder(session, requisition=requisition)
    if part.amount > left:
        left_text = money.text(max(left, Decimal(0)), requisition.currency)
        raise rules.ExceedsApproved(
            f"Of the approved amount {left_text} is left.",
            errors={"amount": [f"At most {left_text}."]},
        )
    rules.check_destination(
        session,
        requisition=requisition,
        method=method,
        destination=destination,
        amount=part.amount,
    )
    ordinal = session.execute(
        select(func.coalesce(func.max(Payment.ordinal), 0)).where(
            Payment.requisition_id == requisition.id
        )
    ).scalar_one()
    floor = company_settings.current(session).otp_floor(requisition.currency)
    payment = Payment(
        id=new_id(),
        company_id=requisition.company_id,
        number=numbers.next_number(session, Payment, now=now),
        requisition_id=requisition.id,
        ordinal=ordinal + 1,
        store_id=store.id,
        provider_account_id=store.provider_account_id,
        client_id=None if actor is None else actor.client_id,
        external_reference=part.external_reference,
        client_metadata=dict(part.metadata),
        amount=part.amount,
        currency=requisition.currency,
        method=method,
        payee_name=requisition.payee_name,
        payee_user_id=requisition.payee_user_id,
        destination=destination,
        digest=b"",
        status=PaymentStatus.PENDING,
        status_changed_at=now,
        maker_id=maker_id,
        standing_validation_id=standing_validation_id,
        otp_required=part.amount >= floor,
    )
    payment.digest = facts.digest_of(payment)
    session.add(payment)
    try:
        with session.begin_nested():
            session.flush()  # the next part counts this one
    except IntegrityError as error:
        if db.constraint(error) == "uq_payments_external_reference":
            raise PaymentReferenceTaken from error
        raise
    return payment
