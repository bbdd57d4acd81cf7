"""Funding: treasury releases the transfer like a payment, with a code and the bank's evidence."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.imprest import (
    Fund,
    IllegalReplenishmentState,
    Replenishment,
    ReplenishmentStatus,
    Store,
)
from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.models.releases import ReleaseChallenge
from pettycash.runtime import db, errors, money
from pettycash.runtime.crash_points import crash_point
from pettycash.services import releases
from pettycash.services.foundation import digests
from pettycash.services.foundation.quoting import quoted
from pettycash.services.foundation.references import spelt_like
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import notices
from pettycash.services.imprest.replenishments import ordinary
from pettycash.services.imprest.replenishments.scope import locked
from pettycash.services.ledger import posting, posting_rules
from pettycash.services.operations import pauses


class BankReferenceUsed(errors.Conflict):
    """Another replenishment shows this bank reference as its evidence."""

    code = "replenishment.bank_reference_used"


class InvalidEvidence(errors.RuleViolation):
    """The bank reference is missing, or the account named is no bank account of this currency."""

    code = "replenishment.invalid_evidence"


def subject(session: Session, found: Replenishment) -> releases.ReleaseSubject:
    """The subject of a release: this amount to this store of this fund.

    Who asked for it, approved it or will receive it can't release it, nor who judged one of its
    vouchers.
    """
    fund = session.get_one(Fund, found.fund_id)
    amount = found.approved_amount
    if amount is None or found.approved_at is None:
        raise IllegalReplenishmentState("Only an approved replenishment can be released.")
    people = (
        (fund.custodian_id, "keep the fund that gets it"),
        (fund.alternate_custodian_id, "keep the fund that gets it"),
        (found.approved_by, "approved it"),
        (found.proposed_by, "asked for it"),
    )
    story = ordinary.story(session, found, now=found.approved_at)
    judges = ((each, "judged one of its vouchers") for each in story.judges)
    return releases.ReleaseSubject(
        kind=RELEASES.name,
        id=found.id,
        digest=digests.digest(
            {
                "replenishment": found.id,
                "fund": found.fund_id,
                "store": found.store_id,
                "amount": amount,
                "currency": found.currency,
                "approved_by": found.approved_by,
            }
        ),
        amount=amount,
        currency=found.currency,
        payee_text=f"the fund {fund.name}",
        excluded={
            person: releases.NotSeparate(f"You {did}, so somebody else releases it.")
            for person, did in (*judges, *people)
            if person is not None
        },
    )


def _message(session: Session, replenishment_id: UUID) -> tuple[str, ...]:
    found = session.get_one(Replenishment, replenishment_id)
    fund = session.get_one(Fund, found.fund_id)
    store = session.get_one(Store, found.store_id)
    amount = money.text(found.approved_amount or found.requested_amount, found.currency)
    return (
        f"{found.currency} {amount}",
        f"to the fund {quoted(fund.name)}",
        f"at {quoted(store.name)}",
        f"({found.number}).",
    )


RELEASES = releases.ReleaseKind(
    name="replenishment",
    lock=lambda session, replenishment_id: db.lock(session, Replenishment, replenishment_id),
    lines=_message,
)


def request_code(uow: Uow, *, replenishment_id: UUID) -> ReleaseChallenge:
    """Claim the release of an approved replenishment and have a code sent.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: it is not approved.
        Paused: its store is paused.
        and what `releases.request_code` refuses.
    """
    found = locked(uow, replenishment_id=replenishment_id)
    about = _releasable(uow.session, found)
    return releases.request_code(uow, subject=about)


def check_claim(uow: Uow, found: Replenishment) -> None:
    """Refuse who may not ask for the code of a replenishment as it stands.

    Raises:
        as `request_code`.
    """
    about = _releasable(uow.session, found)
    releases.check_claim(uow, subject=about, row=found)


def check_code(uow: Uow, *, replenishment_id: UUID, code: str) -> releases.CodeResult:
    """Count and check a code. A refusal is returned: the caller commits before raising it.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: it is not approved.
        and what `releases.check_code` raises.
    """
    found = _approved(uow, replenishment_id=replenishment_id)
    return releases.check_code(uow, subject=subject(uow.session, found), code=code)


def unlock(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    """Unlock the release after too many failed codes.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: it is not approved.
        and what `releases.unlock` refuses.
    """
    found = _approved(uow, replenishment_id=replenishment_id)
    releases.unlock(uow, subject=subject(uow.session, found))
    return found


def fund(
    uow: Uow, *, replenishment_id: UUID, bank_reference: str, bank_account_id: UUID | None = None
) -> Replenishment:
    """Spend the grant of a verified code and record that the transfer left the bank.

    Raises:
        ReplenishmentNotFound: none such within scope.
        IllegalReplenishmentState: it is not approved, or was funded already.
        Paused: its store is paused.
        InvalidEvidence, BankReferenceUsed: the bank's reference can't serve as evidence.
        PeriodClosed: today lies in a closed period.
        and what `releases.spend_grant` refuses.
    """
    session = uow.session
    found = locked(uow, replenishment_id=replenishment_id)
    about = _releasable(session, found)
    reference = bank_reference.strip()
    if not reference:
        raise InvalidEvidence(
            errors={"bank_reference": ["Give the reference that the bank shows."]}
        )
    if bank_account_id is not None:
        _check_bank(session, account_id=bank_account_id, currency=found.currency)
    releases.check_releaser(uow, subject=about)
    releases.spend_grant(uow, subject=about)
    used = select(Replenishment.id).where(
        Replenishment.id != found.id, spelt_like(Replenishment.bank_reference, reference)
    )
    if session.execute(used.limit(1)).first() is not None:
        raise BankReferenceUsed
    found.executor_id = uow.actor.user_id
    found.funded_by = uow.actor.user_id
    found.funded_at = uow.now
    found.bank_reference = reference
    found.move_to(ReplenishmentStatus.FUNDED, at=uow.now)
    try:
        with session.begin_nested():
            session.flush()  # the unique index decides whether the evidence is new
    except IntegrityError as error:
        if db.constraint(error) == "uq_replenishments_bank_reference":
            raise BankReferenceUsed from error
        raise
    crash_point("replenishments.funding")
    posting.post(
        session,
        [
            posting_rules.top_up_sent(
                session,
                replenishment=found,
                bank_account_id=bank_account_id,
                amount=about.amount,
                occurred_at=uow.now,
                by=uow.actor.user_id,
            )
        ],
    )
    notices.funded(session, found)
    crash_point("replenishments.funded")
    return found


def check_funding(uow: Uow, found: Replenishment) -> None:
    """Refuse who may not record the transfer of a replenishment as it stands.

    Raises:
        as `fund`, but for what the bank's reference may be refused for.
    """
    about = _releasable(uow.session, found)
    releases.check_releaser(uow, subject=about)
    releases.find_grant(uow, subject=about)


def check_unlocking(uow: Uow, found: Replenishment) -> None:
    """Refuse who may not unlock the release of a replenishment as it stands.

    Raises:
        as `unlock`.
    """
    _check_approved(found)
    releases.check_unlocking(uow, subject=subject(uow.session, found), row=found)


def _releasable(session: Session, found: Replenishment) -> releases.ReleaseSubject:
    _check_approved(found)
    pauses.check(session, store_id=found.store_id)
    return subject(session, found)


def _approved(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    found = locked(uow, replenishment_id=replenishment_id)
    _check_approved(found)
    return found


def _check_approved(found: Replenishment) -> None:
    if found.status is not ReplenishmentStatus.APPROVED:
        raise IllegalReplenishmentState(f"The replenishment is {found.status.value}.")


def _check_bank(session: Session, *, account_id: UUID, currency: str) -> None:
    account = session.get(LedgerAccount, account_id)
    if (
        account is None
        or account.kind is not AccountKind.BANK
        or account.currency != currency
        or not account.is_active
    ):
        raise InvalidEvidence(
            errors={"bank_account_id": [f"There is no such bank account in {currency}."]}
        )
