"""Credentials that the simulated rail refuses, at its door or behind it: the account stands still.

The real adapter, tasks and callback route over HTTP; a wrong password of the operator comes back as
a result callback, and the third one in a row would lock the operator at the provider.
"""

import json
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.lab.seeds import money
from pettycash.models.imprest import ProviderAccount
from pettycash.models.payments import AttemptState, Callback, PaymentAttempt, PaymentStatus
from pettycash.runtime import db
from pettycash.services.foundation import encryption
from pettycash.services.reconciliation.invariants import check_books
from tests.factories import payments as making
from tests.factories import working
from tests.lab.simulators.daraja import Simulator, until
from tests.tasks.payments.test_against_simulator import company, pay, simulator, statuses
from tests.tasks.payments.test_credential_refusals import attempt, lift, standing, told

__all__ = ["company", "simulator"]

A, S = AttemptState, PaymentStatus
PAYMENTS = 6
TOKEN, PAYMENT, QUERY = (
    "/oauth/v1/generate",
    "/mpesa/b2c/v3/paymentrequest",
    "/mpesa/transactionstatus/v1/query",
)


def give(simulator: Simulator, **wrong: str) -> None:
    """Let the account hold the simulator's credentials, some of them wrong."""
    certificate = simulator.certificate().decode()
    credentials = {**money.SIMULATOR_CREDENTIALS, "certificate_pem": certificate, **wrong}
    with db.transaction() as session:
        account = session.execute(select(ProviderAccount)).scalar_one()
        account.credentials = encryption.encrypt(json.dumps(credentials), bound_to=account.id)


def received(simulator: Simulator, path: str) -> int:
    return int(simulator.page(f"requests?path={path}")["total"])


def attempts_of(made: dict[UUID, str]) -> list[UUID]:
    with db.transaction() as session:
        query = select(PaymentAttempt.id).where(PaymentAttempt.payment_id.in_(made))
        return list(session.execute(query.order_by(PaymentAttempt.id)).scalars())


def unread(session: Session) -> bool:
    query = select(Callback.id).where(Callback.processed_at.is_(None))
    return session.execute(query.limit(1)).first() is not None


def hear() -> None:
    """Wait for what the rail reports, and weigh it."""

    def came() -> bool:
        with db.transaction() as session:
            return unread(session)

    assert until(came, seconds=20)
    working.wait(15)
    working.work("callbacks.process")


def released(number: int = PAYMENTS) -> dict[UUID, str]:
    return pay({f"{800 + each}": "no fault" for each in range(number)})


def hours_pass() -> None:
    """All that is due is run, again and again, for more than an hour."""
    for seconds in (25, 45, 90, 200, 400, 900, 900, 900, 900):
        working.wait(seconds)
        working.work("payments.submit", "payments.resolve", "callbacks.process")


@pytest.mark.usefixtures("company")
def test_a_password_that_the_door_refuses_is_tried_twice(simulator: Simulator) -> None:
    give(simulator, consumer_secret="wrong")
    made = released()

    working.work("payments.submit")
    hours_pass()

    assert received(simulator, TOKEN) == 2, "nothing more goes over the account"
    assert received(simulator, PAYMENT) == 0
    assert {attempt(key).state for key in attempts_of(made)} == {A.QUEUED}
    assert len(standing()) == len(told()) == 1
    with db.transaction() as session:
        assert making.outbox_message(session, "notifications.alert", told()[0].id) is not None

    give(simulator)
    lift()
    working.wait(1)
    working.work("payments.submit")
    hear()
    hours_pass()

    assert {each.status for each in statuses(made).values()} == {S.SUCCESS}
    assert told() == []


@pytest.mark.usefixtures("company")
def test_an_operator_whose_password_is_wrong_is_not_locked_at_the_provider(
    simulator: Simulator,
) -> None:
    """The door takes the order each time; the result says 2001, and so does that of a question."""
    give(simulator, initiator_password="wrong")
    made = released()
    first, second, *rest = attempts_of(made)

    for key in (first, second):
        working.run_one("payments.submit", key)
        hear()
    working.work("payments.submit")
    hours_pass()

    assert received(simulator, PAYMENT) == 2
    assert received(simulator, QUERY) == 0, "a question would count as one more wrong password"
    assert simulator.page("switches")["initiator_locked"] is False
    assert {attempt(key).state for key in rest} == {A.QUEUED}
    assert len(standing()) == 1
    (case,) = told()
    assert case.severity == "severe"
    assert "2001" in case.summary
    with db.transaction() as session:
        assert check_books(session) == []

    give(simulator)
    lift()
    working.wait(1)
    working.work("payments.submit", "payments.resolve")
    hear()
    hours_pass()

    paid = [each for each in statuses(made).values() if each.status is S.SUCCESS]
    failed = [each for each in statuses(made).values() if each.status is S.FAILED]
    assert (len(paid), len(failed)) == (PAYMENTS - 2, 2)
    assert all(each.failure_confirmed for each in failed), "asked as soon as somebody lifted it"
    assert told() == []
    assert standing() == []


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("code", ["20", "21", "8006"])
def test_each_code_that_refuses_the_initiator_counts(simulator: Simulator, code: str) -> None:
    made = released(3)
    first, second, third = attempts_of(made)
    for payment in statuses(made).values():
        simulator.order(
            "faults", scenario=f"fail_{code}", originator_reference=payment.originator_reference
        )

    for key in (first, second):
        working.run_one("payments.submit", key)
        hear()
    working.work("payments.submit")

    assert attempt(third).state is A.QUEUED
    assert len(standing()) == len(told()) == 1


@pytest.mark.usefixtures("company")
def test_a_payment_that_the_rail_made_between_them_begins_the_count_anew(
    simulator: Simulator,
) -> None:
    made = released(3)
    refused = list(statuses(made).values())
    for payment in (refused[0], refused[2]):
        simulator.order(
            "faults", scenario="fail_2001", originator_reference=payment.originator_reference
        )
    by_payment = {attempt(key).payment_id: key for key in attempts_of(made)}

    for payment in refused:
        working.run_one("payments.submit", by_payment[payment.id])
        hear()

    assert standing() == []
    assert told() == []


@pytest.mark.usefixtures("company")
def test_one_report_that_comes_twice_is_one_refusal(simulator: Simulator) -> None:
    made = released(2)
    (payment, _) = statuses(made).values()
    simulator.order(
        "faults", scenario="fail_2001", originator_reference=payment.originator_reference
    )
    by_payment = {attempt(key).payment_id: key for key in attempts_of(made)}

    working.run_one("payments.submit", by_payment[payment.id])
    hear()
    simulator.order("callbacks", originator_reference=payment.originator_reference, times=2)
    until(lambda: received_twice(payment.id), seconds=3)
    working.work("callbacks.process")

    assert standing() == []


def received_twice(payment_id: UUID) -> bool:
    with db.transaction() as session:
        query = select(Callback.deliveries).join(
            PaymentAttempt, PaymentAttempt.id == Callback.attempt_id
        )
        rows = session.execute(query.where(PaymentAttempt.payment_id == payment_id)).scalars()
        return sum(rows) >= 2
