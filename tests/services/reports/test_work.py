"""What waits for a person: what they may do now, and nothing else."""

from decimal import Decimal
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from pettycash.models.imprest import VarianceKind
from pettycash.models.operations import PauseScope
from pettycash.services import requisitions
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import variances
from pettycash.services.operations import pauses
from pettycash.services.payments import redirects
from pettycash.services.reports import work
from tests import books, replenishing
from tests.factories import payments as making
from tests.factories.people import acting
from tests.factories.requisitions import approve, approved, raised, submitted, waiting_for


def waits(session: Session, name: str) -> dict[str, set[Any]]:
    found = work.waiting(Uow.of(session, acting(session, name)))
    assert all(each.count == len(each.items) for each in found)
    return {each.kind: {item.id for item in each.items} for each in found}


def test_a_requisition_waits_for_one_after_the_other(session: Session) -> None:
    found = submitted(session)
    first = waiting_for(session, found)

    assert found.id in waits(session, first)["decisions"]
    assert "decisions" not in waits(session, "staff")
    assert "decisions" not in waits(session, "branch_manager_mombasa")

    while found.status.value.startswith("pending_") and "treasury" not in found.status.value:
        approve(session, found, waiting_for(session, found))
    assert found.id not in waits(session, first).get("decisions", set())
    assert found.id in waits(session, "treasury")["validations"]
    assert "validations" not in waits(session, "cfo")

    requisitions.return_to_requester(
        Uow.of(session, acting(session, "treasury")),
        requisition_id=found.id,
        comment="The phone is wrong.",
    )
    session.flush()
    assert found.id in waits(session, "staff")["sent_back"]
    assert found.id not in waits(session, "treasury").get("validations", set())


def test_a_payment_waits_for_who_may_release_it_and_not_for_its_maker(session: Session) -> None:
    payment = making.pending(session)
    session.flush()

    assert payment.id in waits(session, making.EXECUTOR)["releases"]
    assert payment.id not in waits(session, making.MAKER).get("releases", set())
    assert payment.id not in waits(session, "cfo").get("releases", set())  # treasury comes first
    [item] = [
        item
        for each in work.waiting(Uow.of(session, acting(session, making.EXECUTOR)))
        for item in each.items
        if item.id == payment.id
    ]
    assert (item.number, item.link) == (payment.number, f"/api/payments/{payment.id}/")
    assert (item.amount, item.currency) == (payment.amount, payment.currency)

    pauses.pause(
        Uow.of(session, acting(session, "cfo")),
        scope=PauseScope.STORE,
        object_id=payment.store_id,
        reason="It is counted.",
    )
    session.flush()
    assert payment.id not in waits(session, making.EXECUTOR).get("releases", set())


def test_a_pause_waits_for_the_second_person_once_the_first_has_asked(session: Session) -> None:
    paused = pauses.pause(
        Uow.of(session, acting(session, "cfo")),
        scope=PauseScope.COMPANY,
        object_id=None,
        reason="An exercise.",
    )
    session.flush()
    assert "resumes" not in waits(session, "operator")
    pauses.resume(Uow.of(session, acting(session, "cfo")), pause_id=paused.id)
    session.flush()

    assert waits(session, "operator")["resumes"] == {paused.id}
    assert "resumes" not in waits(session, "cfo")


def test_cash_waits_for_the_custodian_who_gives_it_out(session: Session) -> None:
    payment = making.cash(session)
    session.flush()
    assert payment.id in waits(session, "custodian")["cash_to_pay"]
    making.released(session, payment, by="custodian")

    assert payment.id in waits(session, "custodian")["acknowledgements"]
    assert "acknowledgements" not in waits(session, "treasury")


def test_a_replenishment_waits_for_approver_then_sender_then_keeper(session: Session) -> None:
    fund = books.fund(session)
    found = replenishing.approved(session, fund)
    session.flush()
    assert found.id in waits(session, "treasury")["replenishments_to_fund"]
    assert "replenishments_to_approve" not in waits(session, "group_finance_manager")


def test_variances_and_redirects_wait_for_their_deciders(session: Session) -> None:
    adjustment = variances.record(
        Uow.of(session, acting(session, "group_finance_manager")),
        payment_id=books.pay(session, "1500.00").id,
        kind=VarianceKind.FEE,
        adjusted_amount=Decimal("1550.00"),
        reason="A fee of the statement",
    )
    requisition = approved(session)
    change = redirects.propose_for_requisition(
        Uow.of(session, acting(session, "staff")),
        requisition_id=requisition.id,
        destination="0712345679",
        reason="A new phone",
    )
    session.flush()

    assert waits(session, "cfo")["variances"] == {adjustment.id}
    assert "variances" not in waits(session, "group_finance_manager")
    holders = [
        name
        for name in ("branch_manager", "regional_manager", "group_finance_manager", "cfo")
        if change.id in waits(session, name).get("decisions", set())
    ]
    assert len(holders) == 1


def test_the_list_costs_the_same_however_much_waits(session: Session) -> None:
    for _ in range(work.LOOKED_AT_MAX + 3):
        requisition = raised(session)
        requisitions.submit(
            Uow.of(session, acting(session, "staff")), requisition_id=requisition.id
        )
    reader = acting(session, waiting_for(session, requisition))
    statements: list[str] = []

    def watch(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", watch)
    try:
        [decisions] = [
            each for each in work.waiting(Uow.of(session, reader)) if each.kind == "decisions"
        ]
    finally:
        event.remove(connection, "before_cursor_execute", watch)
    assert decisions.has_more
    assert len(decisions.items) == work.LOOKED_AT_MAX
    assert len(statements) < work.LOOKED_AT_MAX * 8
