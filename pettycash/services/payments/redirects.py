"""Redirects: after approval money goes elsewhere only if the last approver agrees (control.md §3).

A redirect is a two-person change about a payment, or about a requisition that treasury has not
validated. While it is open no code of the payment is made or counts, and the requisition is not
validated. Agreeing writes a round of one step: the approved destinations of a requisition are those
of its rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.approvals import ApprovalRound, RoundStatus, TrailAction
from pettycash.models.operations import CaseKind, Change, ChangeStatus, Severity
from pettycash.models.payments import IllegalTransition, Payment, PaymentStatus
from pettycash.models.releases import EndCause
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.runtime import db, errors, money
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.approvals import resolution, rounds, trail
from pettycash.services.foundation import (
    decisions,
    destinations,
    digests,
    duties,
    requesters,
    text_validation,
    visibility,
)
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases, changes
from pettycash.services.payments import changing, creation, facts, restored, rules
from pettycash.services.payments.treasury_validation import leave_to_releasers
from pettycash.services.requisitions import approved_facts
from pettycash.services.requisitions.creation import NotRequester

KIND = "redirect"
SURE = frozenset({PaymentStatus.PENDING, PaymentStatus.FAILED})


class NothingRedirected(errors.RuleViolation):
    """A redirect must name another destination or method than the present one."""

    code = "redirect.nothing_changes"


def propose_for_payment(
    uow: Uow,
    *,
    payment_id: UUID,
    method: Method | None = None,
    destination: str | None = None,
    store_id: UUID | None = None,
    reason: str,
) -> Change:
    """Propose that a payment goes elsewhere, as its maker to be; its codes die at once.

    What is left out stays; another method finds its store by the requisition's place.

    Raises:
        PaymentNotFound: none such within scope.
        RequisitionNotPayable, IllegalTransition, FailureUnconfirmed, BlockedByCase: not now.
        RedirectOpen: another one waits.
        NotSeparate: the actor has a duty that excludes its maker, or a person whom it would reach
            has one that excludes its recipient.
        NothingRedirected: it goes there already.
        MayHaveBeenPaid: its account may have paid it, in a time that a restore has lost.
        NoApprover: nobody is left to decide it.
        and what `rules` and `destinations` refuse.
    """
    session = uow.session
    requisition, payment = facts.locked(session, payment_id=payment_id, actor=uow.actor)
    check_payment(uow, requisition, payment)
    new = _target(
        method or payment.method,
        destination if destination is not None else payment.destination,
        currency=payment.currency,
        before=(payment.method, payment.destination),
    )
    if store_id is None and new[0] is payment.method:
        store_id = payment.store_id
    store = rules.fitting_store(
        session, store_id=store_id, requisition=requisition, method=new[0], actor=uow.actor
    )
    rules.check_amount(
        session,
        requisition_id=requisition.id,
        method=new[0],
        store=store,
        amount=payment.amount,
        destination=new[1],
        payment_id=payment.id,
    )
    restored.check_moved(session, payment=payment, account_id=store.provider_account_id)
    change = _propose(
        uow,
        requisition=requisition,
        payment=payment,
        old=_place(payment.method, payment.destination, payment.store_id),
        new=_place(*new, store.id),
        reason=reason,
    )
    payment.open_redirect_id = change.id
    payment.version += 1
    changing.void_release(
        session, payment=payment, requisition=requisition, cause=EndCause.CHANGED, now=uow.now
    )
    return change


def propose_for_requisition(
    uow: Uow,
    *,
    requisition_id: UUID,
    method: Method | None = None,
    destination: str | None = None,
    reason: str,
) -> Change:
    """Propose that an approved requisition goes elsewhere, as its requester or as treasury.

    Raises:
        RequisitionNotFound: none such within scope.
        NotRequester: neither its requester nor treasury.
        IllegalRequisitionState: it does not wait for treasury.
        and as `propose_for_payment`.
    """
    requisition = visibility.requisition(uow, requisition_id=requisition_id, lock=True)
    check_requisition(uow, requisition)
    new = _target(
        method or requisition.method,
        destination if destination is not None else requisition.destination,
        currency=requisition.currency,
        before=(requisition.method, requisition.destination),
    )
    change = _propose(
        uow,
        requisition=requisition,
        payment=None,
        old=_place(requisition.method, requisition.destination, None),
        new=_place(*new, None),
        reason=reason,
    )
    requisition.open_redirect_id = change.id
    requisition.version += 1
    return change


def _target(
    method: Method, destination: str, *, currency: str, before: tuple[Method, str]
) -> tuple[Method, str]:
    wanted = destinations.normalise(
        text_validation.required(destination, field="destination", longest=254),
        method=method,
        currency=Currency(currency),
    )
    if (method, wanted) == before:
        raise NothingRedirected(errors={"destination": ["It goes there already."]})
    return method, wanted


def _place(method: Method, destination: str, store_id: UUID | None) -> dict[str, str | None]:
    return {
        "method": method.value,
        "destination": destination,
        "store_id": str(store_id) if store_id is not None else None,
    }


def check_requisition(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not redirect a requisition as it stands.

    Raises:
        NotRequester, NotSeparate, IllegalRequisitionState, RedirectOpen: see
            `propose_for_requisition`.
    """
    is_own = requesters.is_own(uow.session, requisition, user_id=uow.actor.user_id)
    if not is_own:
        if not uow.actor.has(Role.TREASURY):
            raise NotRequester("Only its requester or treasury may redirect a requisition.")
        duties.check(
            uow.session, user_id=uow.actor.user_id, duty=Duty.MAKER, requisition_id=requisition.id
        )
    if requisition.status is not RequisitionStatus.PENDING_TREASURY_VALIDATION:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} can't be redirected."
        )
    if requisition.open_redirect_id is not None:
        raise approved_facts.RedirectOpen


def check_payment(uow: Uow, requisition: Requisition, payment: Payment) -> None:
    """Refuse who may not redirect a payment as it stands.

    Raises:
        RequisitionNotPayable, IllegalTransition, FailureUnconfirmed, BlockedByCase, RedirectOpen,
        NotSeparate: see `propose_for_payment`.
    """
    _check_payment(requisition, payment)
    if payment.open_redirect_id is not None:
        raise approved_facts.RedirectOpen
    duties.check(
        uow.session,
        user_id=uow.actor.user_id,
        duty=Duty.MAKER,
        requisition_id=payment.requisition_id,
    )


def _check_payment(requisition: Requisition, payment: Payment) -> None:
    if requisition.status is not RequisitionStatus.IN_PAYMENT:
        raise rules.RequisitionNotPayable(f"The requisition is {requisition.status}.")
    if payment.status not in SURE:
        raise IllegalTransition(f"A payment that is {payment.status} can't be redirected.")
    if not payment.failure_confirmed:
        raise rules.FailureUnconfirmed
    if payment.blocked_by_case_id is not None:
        raise rules.BlockedByCase


def _propose(
    uow: Uow,
    *,
    requisition: Requisition,
    payment: Payment | None,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    reason: str,
) -> Change:
    session, actor = uow.session, uow.actor
    reached = duties.reached_at(session, destination=new["destination"])
    is_own = requesters.is_own(session, requisition, user_id=actor.user_id)
    if actor.user_id in reached and not is_own:
        raise duties.NotSeparate("You get the money there: that excludes you as its maker.")
    duties.check_recipients(session, people=reached, requisition_id=requisition.id)
    seat = _seat(
        session,
        requisition=requisition,
        proposed_by=actor.user_id,
        destination=new["destination"],
        now=uow.now,
    )
    of = requisition if payment is None else payment
    payload = {
        "requisition_id": str(requisition.id),
        "requisition_number": requisition.number,
        "payment_id": str(payment.id) if payment is not None else None,
        "payment_number": payment.number if payment is not None else None,
        "amount": money.text(of.amount, of.currency),
        "currency": of.currency,
        "payee_name": of.payee_name,
        "old": dict(old),
        "new": dict(new),
    }
    approved = _approved_round(session, requisition)
    after = _facts_after(approved, payment=payment, payload=payload)
    change = changes.propose(
        uow,
        kind=KIND,
        object_id=of.id,
        payload=payload,
        reason=reason,
        digest=_digest(payload, after),
        decider_id=seat.user_id,
    )
    _write_trail(session, requisition, change, "proposed", change.reason, actor=actor)
    return change


def _approved_round(session: Session, requisition: Requisition) -> ApprovalRound:
    found = rounds.latest(session, requisition.id)
    if found is None or found.status is not RoundStatus.APPROVED:
        raise IllegalRequisitionState("The requisition has no approved round.")
    return found


def _facts_after(
    approved: ApprovalRound, *, payment: Payment | None, payload: Mapping[str, Any]
) -> dict[str, Any]:
    """The approved facts as they would be; of a payment also which part of them it is."""
    new = payload["new"]
    after = {**approved.facts, "method": new["method"], "destination": new["destination"]}
    if payment is not None:
        after |= {"payment_id": payload["payment_id"], "payment_amount": payload["amount"]}
    return after


def _digest(payload: Mapping[str, Any], after: Mapping[str, Any]) -> bytes:
    return digests.digest({**payload, "facts": rounds.digest_of(after).hex()})


def _seat(
    session: Session,
    *,
    requisition: Requisition,
    proposed_by: UUID,
    destination: str,
    now: datetime,
) -> resolution.ChainStep:
    """The last approver; where they are gone or a party to it, the next higher rank.

    Raises:
        NoApprover: nobody is left, the escalation approver included.
    """
    out = {
        proposed_by,
        *duties.reached_at(session, destination=destination),
        *duties.barred(session, duty=Duty.APPROVER, requisition_id=requisition.id),
    }
    last, user_id = rounds.last_approval(session, _approved_round(session, requisition))
    if user_id not in out and resolution.holds_step_role(
        session,
        user_id=user_id,
        role=last.role,
        scope_id=last.scope_id,
        subject=rounds.for_resolution(requisition, ()),
        now=now,
    ):
        return resolution.ChainStep(
            role=last.role,
            original_role=last.original_role,
            user_id=user_id,
            scope_id=last.scope_id,
            escalation_reason=last.escalation_reason,
        )
    subject = rounds.for_resolution(requisition, ())
    is_rank = last.role != resolution.ESCALATION_APPROVER
    return resolution.next_above(
        Role(last.role) if is_rank else last.original_role,
        subject=subject,
        # Not the least burdened, who may be another one when it is decided.
        people=replace(
            resolution.load_people(session, subject=subject, now=now), open_approvals={}
        ),
        taken=out,
    )


def _lock(session: Session, change: Change) -> None:
    """The requisition, then the payment: the order of every writer, before the proposal."""
    db.lock(session, Requisition, UUID(change.payload["requisition_id"]))
    if change.payload["payment_id"] is not None:
        db.lock(session, Payment, UUID(change.payload["payment_id"]))


def _about(session: Session, change: Change) -> tuple[Requisition, Payment | None]:
    """Requisition and payment of a proposal; `_lock` has locked them."""
    requisition = session.get_one(Requisition, UUID(change.payload["requisition_id"]))
    if change.payload["payment_id"] is None:
        return requisition, None
    return requisition, session.get_one(Payment, UUID(change.payload["payment_id"]))


def waiting(session: Session, *, user_id: UUID) -> Sequence[UUID]:
    """The open redirects that a person was asked to decide."""
    return (
        session.execute(
            select(Change.id)
            .where(
                Change.kind == KIND,
                Change.status == ChangeStatus.PROPOSED,
                Change.decider_id == user_id,
            )
            .order_by(Change.id)
        )
        .scalars()
        .all()
    )


def ask_anew(session: Session, *, change_id: UUID, now: datetime) -> None:
    """Ask who would be asked now, where whoever was asked is gone or became a party to it.

    Where nobody would, a case tells those who can name somebody.
    """
    _lock(session, session.get_one(Change, change_id))
    change = db.lock(session, Change, change_id)
    assert change is not None, "a proposal is never deleted"
    if change.status is not ChangeStatus.PROPOSED:
        return
    requisition = _about(session, change)[0]
    try:
        seat = _seat_of(session, change, now=now)
    except resolution.NoApprover as refusal:
        cases.open_case(
            session,
            kind=CaseKind.MISMATCH,
            object_type="requisition",
            object_id=requisition.id,
            summary=f"A redirect of {requisition.number} waits for somebody who left.",
            evidence={"change_id": str(change.id), "refusal": refusal.detail},
            severity=Severity.SEVERE,
        )
        return
    if seat.user_id == change.decider_id:
        return
    change.decider_id = seat.user_id
    _write_trail(session, requisition, change, "handed over", seat.escalation_reason, actor=None)


def _check_decider(uow: Uow, change: Change) -> None:
    """Refuse all but the one who was asked, or who would be asked now that they are gone."""
    if _seat_of(uow.session, change, now=uow.now).user_id != uow.actor.user_id:
        raise decisions.NotADecider("Only the last approver may decide a redirect.")


def _seat_of(session: Session, change: Change, *, now: datetime) -> resolution.ChainStep:
    return _seat(
        session,
        requisition=_about(session, change)[0],
        proposed_by=change.proposed_by,
        destination=change.payload["new"]["destination"],
        now=now,
    )


def _apply(uow: Uow, change: Change) -> None:
    session = uow.session
    requisition, payment = _about(session, change)
    payload, new = change.payload, change.payload["new"]
    method, destination = Method(new["method"]), new["destination"]
    approved = _approved_round(session, requisition)
    after = _facts_after(approved, payment=payment, payload=payload)
    if _digest(payload, after) != change.digest:
        raise decisions.StaleDecision
    duties.check_recipients(
        session,
        people=duties.reached_at(session, destination=destination),
        requisition_id=requisition.id,
    )
    seat = _seat_of(session, change, now=uow.now)
    written = rounds.write_redirect(
        uow, subject=requisition, approved=approved, facts=after, seat=seat
    )
    if payment is None:
        requisition.method = method
        requisition.destination = destination
        requisition.approved_digest = written.digest
        requisition.open_redirect_id = None
        requisition.version += 1
    else:
        _check_payment(requisition, payment)
        duties.check(
            session,
            user_id=change.proposed_by,
            duty=Duty.MAKER,
            requisition_id=requisition.id,
        )
        goes = _send_elsewhere(uow, requisition=requisition, payment=payment, change=change)
        leave_to_releasers(session, requisition=requisition, payment=goes, now=uow.now)
    _write_trail(session, requisition, change, "approved", change.decision_reason, actor=uow.actor)


def _send_elsewhere(
    uow: Uow, *, requisition: Requisition, payment: Payment, change: Change
) -> Payment:
    """Rewrite a pending payment; cancel a failed one and make another in its place."""
    session = uow.session
    new = change.payload["new"]
    method, store_id = Method(new["method"]), UUID(new["store_id"])
    store = rules.fitting_store(session, store_id=store_id, requisition=requisition, method=method)
    restored.check_moved(session, payment=payment, account_id=store.provider_account_id)
    payment.open_redirect_id = None
    changing.void_release(
        session, payment=payment, requisition=requisition, cause=EndCause.CHANGED, now=uow.now
    )
    if payment.status is PaymentStatus.PENDING:
        changing.reshape(
            session,
            payment=payment,
            amount=payment.amount,
            method=method,
            destination=new["destination"],
            store=store,
        )
        changing.name_maker(
            uow, requisition=requisition, payment=payment, maker_id=change.proposed_by
        )
        session.flush()  # the database's own check of duties comes before anything follows
        return payment
    payment.move_to(PaymentStatus.CANCELLED, at=uow.now)
    session.flush()  # what is left of the approved amount is counted in the table
    return creation.make(
        session,
        requisition=requisition,
        part=creation.PaymentPart(
            amount=payment.amount,
            store_id=store_id,
            method=method,
            destination=new["destination"],
            metadata=payment.client_metadata,
        ),
        maker_id=change.proposed_by,
        now=uow.now,
        actor=uow.actor,
    )


def _ended(uow: Uow, change: Change) -> None:
    requisition, payment = _about(uow.session, change)
    of = requisition if payment is None else payment
    of.open_redirect_id = None
    of.version += 1
    word = "refused" if change.status is ChangeStatus.REJECTED else "withdrawn"
    _write_trail(uow.session, requisition, change, word, change.decision_reason, actor=uow.actor)


def _write_trail(
    session: Session,
    requisition: Requisition,
    change: Change,
    word: str,
    why: str | None,
    *,
    actor: Actor | None,
) -> None:
    old, new = (
        f"{Method(place['method']).facts.label} {place['destination']}"
        for place in (change.payload["old"], change.payload["new"])
    )
    number = change.payload["payment_number"] or requisition.number
    trail.write(
        session,
        requisition,
        TrailAction.CHANGED,
        actor=actor,
        comment=f"redirect {word}: {number} from {old} to {new}" + (f": {why}" if why else ""),
        digest=change.digest,
    )


changes.register(
    KIND,
    proposers=frozenset(Role),
    confirmers=frozenset(),
    apply=_apply,
    check_decider=_check_decider,
    ended=_ended,
    lock=_lock,
    names_payees=True,
)
