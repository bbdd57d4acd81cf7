"""Credentials that a rail refuses, or that nobody can read: the account is paused, people are told.

No payment is lost for it: what was not sent waits, and is sent once the credentials are mended.
"""

from collections.abc import Iterator
from functools import partial
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pettycash import composition
from pettycash.gateways.base import Outcome, OutcomeKind, PayoutInstruction
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import Case, CaseStatus, OutboxMessage, Pause, PauseScope
from pettycash.models.payments import (
    AttemptState,
    CallbackPurpose,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.runtime import db, settings
from pettycash.services.foundation import outbox
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.payments import callbacks, provider_accounts
from pettycash.services.reconciliation.invariants import check_books
from tests.factories import payments as making
from tests.factories import rails, working
from tests.factories.people import acting, company_id
from tests.races import together
from tests.servers import Database

A, K, S = AttemptState, OutcomeKind, PaymentStatus

REFUSED = rails.outcome(K.NOT_SENT, code="400.008.01", configuration_fault=True)
NOT_ALLOWED = rails.outcome(K.REJECTED, code="403", configuration_fault=True)
ASKED_IN_VAIN = rails.outcome(K.IN_DOUBT, code="400.008.01", configuration_fault=True)


@pytest.fixture
def company(live: Database) -> Iterator[UUID]:
    del live
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


@pytest.fixture
def rail(company: UUID) -> rails.FakeGateway:
    del company
    gateway = rails.FakeGateway()
    rails.serve(gateway)
    return gateway


def released(count: int) -> list[UUID]:
    """Attempts of as many payments, all on one account."""
    with db.transaction() as session:
        made = [making.executing(session, "100.00") for _ in range(count)]
        return [making.attempt_of(session, each).id for each in made]


def attempt(key: UUID) -> PaymentAttempt:
    with db.transaction() as session:
        return session.get_one(PaymentAttempt, key)


def payment_of(key: UUID) -> Payment:
    with db.transaction() as session:
        return session.get_one(Payment, session.get_one(PaymentAttempt, key).payment_id)


def the_account() -> ProviderAccount:
    with db.transaction() as session:
        return session.execute(select(ProviderAccount)).scalar_one()


def standing() -> list[Pause]:
    with db.transaction() as session:
        return list(session.execute(select(Pause).where(Pause.decided_at.is_(None))).scalars())


def told() -> list[Case]:
    """The open cases about credentials."""
    with db.transaction() as session:
        query = select(Case).where(
            Case.kind == "credentials_refused", Case.status != CaseStatus.RESOLVED
        )
        return list(session.execute(query).scalars())


def lift() -> None:
    """Two people let the account go on."""
    for who in ("operator", "cfo"):
        with db.transaction() as session:
            stopped = pauses.open_pause(
                session, scope=PauseScope.PROVIDER_ACCOUNT, object_id=the_account_id(session)
            )
            pauses.resume(Uow.of(session, acting(session, who)), pause_id=stopped.id)


def the_account_id(session: Session) -> UUID:
    return session.execute(select(ProviderAccount.id)).scalar_one()


def mend() -> None:
    """Somebody gives the account other credentials."""
    with db.transaction() as session:
        account = provider_accounts.get(session, account_id=the_account_id(session), lock=True)
        provider_accounts.change(
            Uow.of(session, acting(session, "admin")),
            account=account,
            changes={
                "base_url": "https://sandbox.safaricom.co.ke",
                "credentials": {"consumer_key": "new"},
            },
        )


def test_two_refusals_in_a_row_pause_the_account_and_tell_people(rail: rails.FakeGateway) -> None:
    rail.submits = [REFUSED]
    keys = released(5)

    working.work("payments.submit")

    assert len(rail.sent) == 2, "the others stay where they are"
    (stopped,) = standing()
    assert (stopped.scope, stopped.object_id) == (PauseScope.PROVIDER_ACCOUNT, the_account().id)
    assert stopped.paused_by is None
    assert "400.008.01" in stopped.reason
    (case,) = told()
    assert (case.severity, case.object_type) == ("severe", "provider_account")
    assert the_account().code in case.summary
    assert "400.008.01: said 400.008.01" in case.summary
    with db.transaction() as session:
        assert making.outbox_message(session, "notifications.alert", case.id) is not None
        assert check_books(session) == []
    assert {attempt(key).state for key in keys} == {A.QUEUED}, "nothing was burnt"
    assert {payment_of(key).status for key in keys} == {S.EXECUTING}

    rail.submits = [rails.ACCEPTED]
    lift()
    working.wait(20)
    working.work("payments.submit")

    assert {attempt(key).state for key in keys} == {A.ACCEPTED}
    assert told() == [], "the rail has taken the credentials"
    assert the_account().refused_in_row == 0
    assert len({each.originator_reference for each in rail.sent}) == len(keys)


def test_a_success_between_two_refusals_begins_the_count_anew(rail: rails.FakeGateway) -> None:
    rail.submits = [REFUSED, rails.ACCEPTED, REFUSED, rails.LOST, rails.ACCEPTED]
    for key in released(4):
        working.run_one("payments.submit", key)

    assert the_account().refused_in_row == 1, "a lost answer says nothing of credentials"
    assert standing() == []
    assert told() == []


def test_a_lift_without_a_remedy_lasts_until_the_next_refusal(rail: rails.FakeGateway) -> None:
    rail.submits = [REFUSED]
    released(4)
    working.work("payments.submit")
    first = standing()

    lift()
    working.wait(20)
    working.work("payments.submit")

    assert len(rail.sent) == 3
    (again,) = standing()
    assert again.id != first[0].id
    assert len(told()) == 1, "one case: it has never worked since"


def test_what_a_refusal_proves_unpaid_has_failed_and_the_rest_waits(
    rail: rails.FakeGateway,
) -> None:
    rail.submits = [NOT_ALLOWED]
    keys = released(4)

    working.work("payments.submit")

    states = sorted(attempt(key).state.value for key in keys)
    assert states == ["queued", "queued", "rejected", "rejected"]
    assert len(standing()) == 1


def test_questions_that_are_refused_count_and_stop(rail: rails.FakeGateway) -> None:
    keys = released(4)
    working.work("payments.submit")
    rail.queries = [ASKED_IN_VAIN]
    working.wait(21)

    working.work("payments.resolve")

    assert len(rail.asked) == 2, "the others would be two more wrong passwords"
    assert len(standing()) == 1
    assert len(told()) == 1
    rail.queries = [rails.ASKED]
    for _ in range(5):
        working.wait(900)
        working.work("payments.resolve")

    assert len(rail.asked) == 2
    assert {payment_of(key).status for key in keys} == {S.IN_DOUBT}, "time goes on"
    assert len(standing()) == len(told()) == 1, "people lift it, and are told of it until then"
    lift()
    working.work("payments.resolve")
    assert len(rail.asked) == 2 + len(keys), "asked as soon as somebody has lifted it"
    assert told() == []
    assert the_account().refused_in_row == 0


def test_a_pause_of_peoples_own_stops_no_question(rail: rails.FakeGateway) -> None:
    (key,) = released(1)
    working.work("payments.submit")
    with db.transaction() as session:
        pauses.pause(
            Uow.of(session, acting(session, "operator")),
            scope=PauseScope.PROVIDER_ACCOUNT,
            object_id=the_account_id(session),
            reason="counting",
        )
    working.wait(21)

    working.work("payments.resolve")

    assert [each.originator_reference for each in rail.asked] == [attempt(key).originator_reference]


def test_what_is_reported_and_what_the_door_refuses_are_counted_apart(
    rail: rails.FakeGateway,
) -> None:
    """The door took both orders; of the second it was reported that nobody may give them."""
    rail.submits = [rails.ACCEPTED, REFUSED, rails.ACCEPTED]
    first, second, third = released(3)

    working.run_one("payments.submit", first)
    report(first, configuration_fault=True)
    working.run_one("payments.submit", second)
    working.run_one("payments.submit", third)
    assert (the_account().refused_in_row, the_account().reported_refused_in_row) == (0, 1)
    assert standing() == []
    report(third, configuration_fault=True)

    assert the_account().reported_refused_in_row == 2
    assert len(standing()) == len(told()) == 1
    with db.transaction() as session:
        assert check_books(session) == []


def test_a_report_about_other_money_counts_nothing(rail: rails.FakeGateway) -> None:
    del rail
    keys = released(2)
    working.work("payments.submit")

    for key in keys:
        report(key, configuration_fault=True, originator_reference="X", conversation_id="AG_other")
        report(key, configuration_fault=True, originator_reference=None)

    assert the_account().reported_refused_in_row == 0
    assert standing() == []


def report(key: UUID, **facts: object) -> None:
    """Let the rail report by callback that it did not make a payment."""
    told_of = {"kind": "rejected", "code": "2001", "originator_reference": "ours", **facts}
    with db.transaction() as session:
        row = session.get_one(PaymentAttempt, key)
        callbacks.receive(
            session,
            address=callbacks.Address(
                attempt_id=key,
                company_id=row.company_id,
                purpose=CallbackPurpose.RESULT,
            ),
            body=making.as_json(**told_of),
            content_type="application/json",
            remote_address=None,
        )
    working.work("callbacks.process")


def test_refused_at_once_the_account_is_paused_once(rail: rails.FakeGateway) -> None:
    """As many calls as may be are under way before any is recorded."""
    keys = released(settings.current().rail_calls_at_once)

    def refuse(instruction: PayoutInstruction) -> Outcome:
        del instruction
        barrier.wait(20)
        return REFUSED

    barrier = Barrier(len(keys))
    rail.submits = [refuse]

    assert together([partial(working.run_one, "payments.submit", key) for key in keys]) == [
        None
    ] * len(keys)

    assert the_account().refused_in_row == len(keys)
    assert len(standing()) == 1
    assert len(told()) == 1


@pytest.fixture
def unreadable(company: UUID, live: Database) -> UUID:
    """The account, with a ciphertext that no key opens; the real adapter serves it."""
    del company
    composition.compose(live.settings)
    with db.transaction() as session:
        found = the_account_id(session)
        session.execute(update(ProviderAccount).values(credentials="gAAAAABtampered"))
    return found


def test_unreadable_credentials_pause_the_account_and_keep_the_payment(
    unreadable: UUID,
) -> None:
    keys = released(3)

    working.work("payments.submit")

    assert {attempt(key).state for key in keys} == {A.QUEUED}
    codes = [attempt(key).outcome_code for key in keys]
    assert codes.count("local.credentials") == 2
    assert len(standing()) == 1
    (case,) = told()
    assert "local.credentials" in case.summary
    with db.transaction() as session:
        assert check_books(session) == []

    mend()
    assert the_account().id == unreadable
    lift()
    rail = rails.FakeGateway()
    rails.serve(rail)
    working.wait(20)
    working.work("payments.submit")

    assert {attempt(key).state for key in keys} == {A.ACCEPTED}
    assert told() == []


def test_what_unreadable_credentials_kept_from_leaving_fails_after_its_tries(
    unreadable: UUID,
) -> None:
    """Nobody mends them: lifted again and again, the payment ends, and its money is free."""
    (key,) = released(1)

    for _ in range(settings.current().send_tries_max):
        if standing():
            lift()
        working.run_one("payments.submit", key)

    assert attempt(key).state is A.REJECTED
    assert payment_of(key).status is S.FAILED
    assert payment_of(key).failure_confirmed
    with db.transaction() as session:
        assert making.open_holds(session, payment_of(key)) == 0
    assert the_account().id == unreadable


def test_with_unreadable_credentials_a_question_is_asked_again_later(unreadable: UUID) -> None:
    (key,) = released(1)
    with db.transaction() as session:
        sent = session.get_one(PaymentAttempt, key)
        sent.state, sent.first_sent_at, sent.ever_unknown = A.UNKNOWN, session.info["now"], True
        outbox.complete(session, topic="payments.submit", key=key)

    for _ in range(2):
        working.wait(41)
        working.run_one("payments.resolve", key)

    assert attempt(key).queries == 2
    assert attempt(key).state is A.UNKNOWN
    assert len(told()) == 1
    with db.transaction() as session:
        enqueued = session.execute(
            select(OutboxMessage).where(
                OutboxMessage.topic == "payments.resolve", OutboxMessage.key == key
            )
        ).scalar_one()
        assert (enqueued.completed_at, enqueued.dead_lettered_at, enqueued.last_error) == (
            None,
            None,
            None,
        )
    assert the_account().id == unreadable
