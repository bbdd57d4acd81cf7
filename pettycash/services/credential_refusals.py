"""Two refusals of an account's credentials in a row pause it until people lift that.

Every payment of the account would fare the same, and rails lock out who keeps knocking.
"""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from pettycash import db
from pettycash.gateways.base import Asked, Outcome, OutcomeKind
from pettycash.models.funds import ProviderAccount
from pettycash.models.platform import CaseKind, PauseScope, Severity
from pettycash.services import cases, pauses

PAUSES_AT = 2
TAKEN = frozenset({OutcomeKind.ACCEPTED, OutcomeKind.SETTLED})


def weigh(
    session: Session, *, account_id: UUID, said: Outcome | Asked, refused_before: int
) -> None:
    """Count an answer to a sending or a question that speaks of the credentials.

    `refused_before` is what `rail_slots.free` told: as a rule nothing is to be forgotten, and
    nothing written.
    """
    if isinstance(said, Asked) or said.kind in TAKEN:
        if refused_before:
            _taken(session, account_id)
    elif said.configuration_fault:
        _refused(session, account_id, said)


def _refused(session: Session, account_id: UUID, said: Outcome) -> None:
    # Whoever counts waits here for the other: of two at once the second one pauses.
    row = session.execute(
        update(ProviderAccount)
        .where(ProviderAccount.id == account_id)
        .values(refused_in_row=ProviderAccount.refused_in_row + 1)
        .returning(ProviderAccount.code, ProviderAccount.refused_in_row)
        .execution_options(synchronize_session=False, **db.PREPARED)
    ).one()
    if row.refused_in_row < PAUSES_AT:
        return
    answer = f"{said.code}: {said.message}"[:300]
    reason = f"The credentials of {row.code} were refused twice in a row ({answer})."
    pauses_now = pauses.pause_account(session, account_id=account_id, reason=reason)
    if not pauses_now and row.refused_in_row > PAUSES_AT:
        return
    cases.open_case(
        session,
        kind=CaseKind.CREDENTIALS_REFUSED,
        object_type="provider_account",
        object_id=account_id,
        summary=f"{reason} Nothing is sent from it until two people resume it.",
        evidence={
            "provider_account": row.code,
            "refused_in_row": row.refused_in_row,
            "code": said.code,
            "message": said.message,
        },
        severity=Severity.SEVERE,
    )


def _taken(session: Session, account_id: UUID) -> None:
    if _is_paused(session, account_id):
        # Questions go on; but nothing is sent, and people are told of it, until they lift that.
        return
    session.execute(
        update(ProviderAccount)
        .where(ProviderAccount.id == account_id)
        .values(refused_in_row=0)
        .execution_options(synchronize_session=False)
    )
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
