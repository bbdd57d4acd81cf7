"""Two refusals of an account's credentials in a row pause it until people lift that.

Every payment of the account would fare the same, and rails lock out who keeps knocking: nothing is
sent or asked over it meanwhile. A rail refuses at the door (`weigh`), or takes an order and reports
later that it refuses who gave it (`weigh_report`). Each has a count of its own, since what the door
takes says nothing of what is looked at behind it.
"""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from pettycash.gateways.base import Asked, Outcome, OutcomeKind
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import CaseKind, PauseScope, Severity
from pettycash.runtime import db
from pettycash.services.operations import cases, pauses

PAUSES_AT = 2
TAKEN = frozenset({OutcomeKind.ACCEPTED, OutcomeKind.SETTLED})
LOOKED_AT = frozenset({OutcomeKind.SETTLED, OutcomeKind.REJECTED, OutcomeKind.NOT_KNOWN})
"""Reports that a rail makes of an order or a question only after it has let its sender in."""

Count = InstrumentedAttribute[int]
DOOR: Count = ProviderAccount.refused_in_row
REPORTED: Count = ProviderAccount.reported_refused_in_row


def weigh(
    session: Session, *, account_id: UUID, outcome: Outcome | Asked, refused_before: int
) -> None:
    """Count an answer to a sending or a question that speaks of the credentials.

    `refused_before` is what `rail_slots.free` told: as a rule nothing is to be forgotten, and
    nothing written.
    """
    if isinstance(outcome, Asked) or outcome.kind in TAKEN:
        if refused_before:
            _taken(session, account_id, DOOR)
    elif outcome.configuration_fault:
        _refused(session, account_id, DOOR, outcome)


def weigh_report(session: Session, *, account_id: UUID, outcome: Outcome) -> None:
    """Count what a callback reports of the credentials: an initiator that is locked or unknown."""
    if outcome.configuration_fault:
        _refused(session, account_id, REPORTED, outcome)
    elif outcome.kind in LOOKED_AT:
        account = db.get_cached(session, ProviderAccount, account_id)
        if account.reported_refused_in_row:
            _taken(session, account_id, REPORTED)


def is_stopped(session: Session, *, account_id: UUID) -> bool:
    """Whether the account is paused, and the rail would refuse whatever is said over it."""
    account = db.get_cached(session, ProviderAccount, account_id)
    refused = max(account.refused_in_row, account.reported_refused_in_row)
    return refused >= PAUSES_AT and _is_paused(session, account_id)


def _refused(session: Session, account_id: UUID, count: Count, outcome: Outcome) -> None:
    # Whoever counts waits here for the other: of two at once the second one pauses.
    row = session.execute(
        update(ProviderAccount)
        .where(ProviderAccount.id == account_id)
        .values({count: count + 1})
        .returning(ProviderAccount.code, count.label("refused"))
        .execution_options(synchronize_session=False, **db.PREPARED)
    ).one()
    if row.refused < PAUSES_AT:
        return
    answer = f"{outcome.code}: {outcome.message}"[:300]
    reason = f"The credentials of {row.code} were refused twice in a row ({answer})."
    pauses_now = pauses.pause_account(session, account_id=account_id, reason=reason)
    if not pauses_now and row.refused > PAUSES_AT:
        return
    cases.open_case(
        session,
        kind=CaseKind.CREDENTIALS_REFUSED,
        object_type="provider_account",
        object_id=account_id,
        summary=f"{reason} Nothing goes over it until two people resume it.",
        evidence={
            "provider_account": row.code,
            "refused_in_row": row.refused,
            "code": outcome.code,
            "message": outcome.message,
        },
        severity=Severity.SEVERE,
    )


def _taken(session: Session, account_id: UUID, count: Count) -> None:
    if _is_paused(session, account_id):
        # What was under way is answered; but people are told of it until they have lifted it.
        return
    left = session.execute(
        update(ProviderAccount)
        .where(ProviderAccount.id == account_id)
        .values({count: 0})
        .returning(ProviderAccount.refused_in_row + ProviderAccount.reported_refused_in_row)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    if left >= PAUSES_AT:
        return
    cases.close(
        session,
        kind=CaseKind.CREDENTIALS_REFUSED,
        object_type="provider_account",
        object_id=account_id,
        resolved_by=None,
        note="The rail has taken the credentials.",
        now=session.info["now"],
    )


def _is_paused(session: Session, account_id: UUID) -> bool:
    try:
        pauses.open_pause(session, scope=PauseScope.PROVIDER_ACCOUNT, object_id=account_id)
    except pauses.PauseNotFound:
        return False
    return True
