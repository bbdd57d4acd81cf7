"""Duties are kept apart by the database itself: plain SQL as the application role, no service.

In both directions: who approved can't release, and who released (or made) can't approve any more.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from pettycash.services.approvals import rounds
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import treasury_validation
from tests import books
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import approve, approved, digest, submitted
from tests.races import together
from tests.servers import Database

SEGREGATION, APPEND_ONLY, FACTS, NO_PRIVILEGE = "PC004", "PC002", "PC009", "42501"


def refused(session: Session, statement: str, **values: Any) -> str | None:
    """Run a statement and tell by which SQLSTATE it was refused; None where it was not."""
    try:
        with session.begin_nested():
            session.execute(text(statement), values)
    except DBAPIError as error:
        return db.sqlstate(error)
    return None


DECIDE = """
    INSERT INTO decisions (id, company_id, subject_id, round_id, step_id, user_id, role,
                           verdict, digest)
    SELECT :id, s.company_id, s.subject_id, s.round_id, s.id, :user, s.role, :verdict, '\\x00'
    FROM approval_steps s WHERE s.id = :step
"""
ASSIGN = """
    INSERT INTO step_assignees (id, company_id, step_id, round_id, user_id)
    SELECT :id, s.company_id, s.id, s.round_id, :user FROM approval_steps s WHERE s.id = :step
"""
EXECUTE = """
    INSERT INTO payment_executions (id, company_id, payment_id, requisition_id, attempt_number,
                                    originator_reference, executor_id, amount, currency, proof,
                                    grant_id)
    SELECT :id, p.company_id, p.id, p.requisition_id, :attempt, :id, :user, p.amount, p.currency,
           'code', :grant
    FROM payments p WHERE p.id = :payment
"""


def decide(session: Session, step: UUID, user: UUID, verdict: str = "approved") -> str | None:
    return refused(session, DECIDE, id=uuid4(), step=step, user=user, verdict=verdict)


def execute(session: Session, payment: UUID, user: UUID, attempt: int = 1) -> str | None:
    """With a code of theirs, so that nothing but another duty stands in the way."""
    grant = books.grant(session, session.get_one(Payment, payment), user).id
    return refused(
        session,
        EXECUTE,
        id=str(uuid4()),
        payment=payment,
        user=user,
        attempt=attempt,
        grant=grant,
    )


def paying(session: Session, amount: str = "20000.00", **more: Any) -> tuple[Requisition, Payment]:
    requisition = approved(session, amount, **more)
    _, (payment,) = treasury_validation.validate(
        Uow.of(session, acting(session, "treasury")),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
    )
    session.flush()
    return requisition, payment


def another_round(session: Session, requisition: Requisition, user: UUID) -> UUID:
    """A further round whose one step waits for a person in a role of theirs, past every service."""
    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    round_id, step_id = uuid4(), uuid4()
    session.execute(
        text(
            "INSERT INTO approval_rounds (id, company_id, subject_kind, subject_id, requester_id,"
            " number, threshold_id, policy, facts, digest, status) SELECT :id, company_id,"
            " subject_kind, subject_id, requester_id, number + 1, threshold_id, policy, facts,"
            " digest, 'open' FROM approval_rounds WHERE id = :latest"
        ),
        {"id": round_id, "latest": latest.id},
    )
    session.execute(
        text(
            "INSERT INTO approval_steps (id, company_id, subject_id, round_id, position, role,"
            " original_role, status, confirms_urgency, auto_escalated) SELECT :id, r.company_id,"
            " subject_id, r.id, 1, a.role, a.role, 'open', false, false FROM approval_rounds r"
            " JOIN role_assignments a ON a.user_id = :user WHERE r.id = :round LIMIT 1"
        ),
        {"id": step_id, "round": round_id, "user": user},
    )
    session.execute(text(ASSIGN), {"id": uuid4(), "step": step_id, "user": user})
    return step_id


def open_step(session: Session, requisition: Requisition) -> UUID:
    session.flush()
    return session.execute(
        text("SELECT id FROM approval_steps WHERE subject_id = :id AND status = 'open'"),
        {"id": requisition.id},
    ).scalar_one()


@pytest.mark.parametrize("verdict", ["approved", "rejected", "urgency_confirmed"])
def test_the_maker_decides_nothing_even_when_assigned(session: Session, verdict: str) -> None:
    requisition = submitted(session)
    step = open_step(session, requisition)
    session.execute(text(ASSIGN), {"id": uuid4(), "step": step, "user": requisition.requester_id})

    assert decide(session, step, requisition.requester_id, verdict) == SEGREGATION


def test_who_is_not_assigned_decides_nothing(session: Session) -> None:
    requisition = submitted(session)

    assert decide(session, open_step(session, requisition), user_id(session, "cfo")) == SEGREGATION


def test_nobody_is_assigned_twice_in_a_round(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    second = rounds.steps_of(session, latest.id)[1]

    refusal = refused(
        session, ASSIGN, id=uuid4(), step=second.id, user=user_id(session, "branch_manager")
    )

    assert refusal == "23505"


def test_a_step_is_decided_once(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    step = open_step(session, requisition)
    approve(session, requisition, "branch_manager")
    session.flush()

    manager = user_id(session, "branch_manager")
    assert decide(session, step, manager, "rejected") == "23505"
    assert decide(session, step, manager) in ("23505", SEGREGATION)


@pytest.mark.parametrize("who", ["staff", "branch_manager", "regional_manager", "treasury"])
def test_requester_approvers_and_maker_release_nothing(session: Session, who: str) -> None:
    _, payment = paying(session)

    assert execute(session, payment.id, user_id(session, who)) == SEGREGATION


def test_the_recipient_releases_nothing(session: Session) -> None:
    _, payment = paying(session, payee_user_id=user_id(session, "treasury_2"))

    assert execute(session, payment.id, user_id(session, "treasury_2")) == SEGREGATION
    assert execute(session, payment.id, user_id(session, "treasury_3")) is None


@pytest.mark.parametrize("verdict", ["approved", "urgency_confirmed"])
def test_who_released_approves_nothing_afterwards(session: Session, verdict: str) -> None:
    requisition, payment = paying(session)
    executor = user_id(session, "treasury_2")
    assert execute(session, payment.id, executor) is None

    step = another_round(session, requisition, executor)

    assert decide(session, step, executor, verdict) == SEGREGATION


def test_who_made_a_payment_approves_nothing_afterwards(session: Session) -> None:
    requisition, _ = paying(session)
    maker = user_id(session, "treasury")

    step = another_round(session, requisition, maker)

    assert decide(session, step, maker) == SEGREGATION


def test_a_stranger_may_approve_afterwards(session: Session) -> None:
    """The control of the two tests above: the same rows, a person without any other duty."""
    requisition, payment = paying(session)
    assert execute(session, payment.id, user_id(session, "treasury_2")) is None
    stranger = user_id(session, "cfo")

    assert decide(session, another_round(session, requisition, stranger), stranger) is None
    assert execute(session, payment.id, stranger, attempt=2) == SEGREGATION


@pytest.mark.parametrize("who", ["staff", "branch_manager", "treasury_2"])
def test_nobody_with_another_duty_becomes_maker_later(session: Session, who: str) -> None:
    _, payment = paying(session)
    assert execute(session, payment.id, user_id(session, "treasury_2")) is None

    refusal = refused(
        session,
        "UPDATE payments SET maker_id = :user WHERE id = :id",
        user=user_id(session, who),
        id=payment.id,
    )

    assert refusal == SEGREGATION


@pytest.mark.parametrize(
    "change",
    [
        "requester_id = (SELECT user_id FROM memberships WHERE user_id <> requester_id LIMIT 1)",
        "number = 'REQ-0'",
        "currency = 'USD'",
    ],
)
def test_a_requisition_keeps_its_maker_number_and_currency(session: Session, change: str) -> None:
    requisition, _ = paying(session)

    statement = f"UPDATE requisitions SET {change} WHERE id = :id"

    assert refused(session, statement, id=requisition.id) == FACTS


@pytest.mark.parametrize("table", ["decisions", "approval_trail", "step_assignees"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET company_id = company_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"],
)
def test_the_story_is_never_rewritten(session: Session, table: str, statement: str) -> None:
    paying(session)

    assert refused(session, statement.format(table)) in (NO_PRIVILEGE, APPEND_ONLY)


def test_payments_stay_within_what_was_approved(session: Session) -> None:
    requisition, payment = paying(session)
    refusal = refused(
        session,
        "UPDATE payments SET amount = amount + 0.01 WHERE id = :id",
        id=payment.id,
    )
    assert refusal == "PC005"
    assert requisition.approved_amount == Decimal("20000.00")


def test_approving_and_releasing_at_once_by_one_person_has_one_winner(live: Database) -> None:
    demo = company_id("DEMO")
    with db.scope(company_id=demo), db.transaction() as session:
        requisition, payment = paying(session)
        person = user_id(session, "cfo")
        step = another_round(session, requisition, person)

    def run(statement: str, **values: Any) -> None:
        with db.scope(company_id=demo), db.transaction() as session:
            session.execute(text(statement), {"id": str(uuid4()), "user": person} | values)

    def release() -> None:
        with db.scope(company_id=demo), db.transaction() as session:
            grant = books.grant(session, session.get_one(Payment, payment.id), person).id
            values = {"id": str(uuid4()), "payment": payment.id, "user": person, "grant": grant}
            session.execute(text(EXECUTE), values | {"attempt": 1})

    results = together([lambda: run(DECIDE, step=step, verdict="approved"), release])
    refusals = [db.sqlstate(each) for each in results if isinstance(each, DBAPIError)]
    assert refusals == [SEGREGATION]
    with db.scope(company_id=demo), db.transaction() as session:
        both = session.execute(
            text(
                "SELECT (SELECT count(*) FROM decisions WHERE step_id = :step),"
                " (SELECT count(*) FROM payment_executions WHERE payment_id = :payment)"
            ),
            {"step": step, "payment": payment.id},
        ).one()
    assert sorted(both) == [0, 1]
