"""How people end cases about money: with evidence, after a day of trying, as two judges."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from pettycash.models.operations import Case
from pettycash.models.payments import Payment
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import case_resolutions
from pettycash.services.payments.case_resolutions import CaseProposal, Ending, files
from tests.factories import payments as making
from tests.factories.people import acting

RECORDER = "fpa"

WITH_EVIDENCE = frozenset({Ending.PAID, Ending.NOT_PAID, Ending.RETURNED})
WITH_REFERENCE = frozenset({Ending.PAID, Ending.RETURNED})


def statement() -> bytes:
    """A page of a statement that nobody has seen before."""
    return b"%PDF-1.7 " + uuid4().hex.encode()


def evidence(session: Session, case_id: UUID, *, by: str = RECORDER) -> UUID:
    """Upload a page to a case."""
    kept = files.record(
        Uow.of(session, acting(session, by)),
        case_id=case_id,
        filename="statement.pdf",
        content=statement(),
    )
    return kept.id


def tried_for_a_day(session: Session, payment: Payment) -> datetime:
    """The rail is asked once more, 25 hours later, and does not say; returns that time."""
    session.info["now"] += timedelta(hours=25)
    attempt = making.attempt_of(session, payment)
    payments.next_question(session, attempt_id=attempt.id, now=session.info["now"])
    return session.info["now"]


def proposal(session: Session, case: Case, ending: Ending, **more: Any) -> CaseProposal:
    """The proposal of an honest person, but for what `more` says."""
    facts: dict[str, Any] = {"note": "statement of 2026-11-20, line 14"}
    if ending in WITH_REFERENCE:
        facts["provider_reference"] = "RKT7654321"
    if ending is Ending.PAID:
        facts["occurred_at"] = session.info["now"]
    if ending in WITH_EVIDENCE and "evidence_id" not in more:
        facts["evidence_id"] = evidence(session, case.id)
    return CaseProposal(ending=ending, **facts | more)


def propose(session: Session, case: Case, ending: Ending, by: str = "cfo", **more: Any) -> Case:
    """Let one person say how a case ended."""
    said = proposal(session, case, ending, **more)
    return case_resolutions.propose(
        Uow.of(session, acting(session, by)), case_id=case.id, proposal=said
    )


def confirm(session: Session, case: Case, by: str = "group_finance_manager") -> Case:
    """Let a second person agree."""
    return case_resolutions.confirm(
        Uow.of(session, acting(session, by)), case_id=case.id, version=case.version
    )


def settled(session: Session, case: Case, ending: Ending, **more: Any) -> Case:
    """Both."""
    propose(session, case, ending, **more)
    return confirm(session, case)


def called_unpaid(session: Session, payment: Payment) -> Case:
    """After a day of trying, two people say that it was not paid."""
    tried_for_a_day(session, payment)
    return settled(session, making.the_case(session, payment), Ending.NOT_PAID)
