"""After a restore the rail may have had what the books do not know: it is asked before we send.

Each test begins where a database begins that was restored from last night's backup; what the rail
has done in the lost hour is what it answers.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from pettycash.gateways.base import Asked, Outcome
from pettycash.models.access import Membership
from pettycash.models.payments import (
    AttemptState,
    Callback,
    CallbackPurpose,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.runtime.rails import Method
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes
from pettycash.services.payments import callbacks as service
from pettycash.services.payments import case_resolutions, facts, redirects, restored
from pettycash.services.payments.callbacks import Address
from pettycash.services.payments.case_resolutions import CaseProposal, Ending
from pettycash.services.payments.results import ReportEffect, Source
from pettycash.services.releases import NotSeparate
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import failed, proven
from tests.factories.judging import settled, tried_for_a_day
from tests.factories.people import acting
from tests.factories.rails import FakeGateway
from tests.servers import Database

pytestmark = pytest.mark.usefixtures("rail")

S, A, K = PaymentStatus, AttemptState, rails.K

QUIET = timedelta(seconds=601)
"""What was sent before the restore has arrived by then."""


Restore = Callable[..., None]


@pytest.fixture
def now(session: Session) -> datetime:
    at: datetime = session.info["now"]
    return at


@pytest.fixture
def restore(database: Database, now: datetime) -> Iterator[Restore]:
    """Stamp the database, as `pettycash restore` does, some time ago; taken away afterwards."""
    owner = create_engine(database.superuser_url, poolclass=NullPool)

    def stamp(*, ago: timedelta = QUIET, covers_until: datetime = now) -> None:
        taken_at = min(now - ago, covers_until) - timedelta(hours=1)
        with owner.begin() as connection:
            connection.execute(
                text("INSERT INTO restores VALUES (1, :taken, :stamped, :covers, '{}', 'root')"),
                {"taken": taken_at, "stamped": now - ago, "covers": covers_until},
            )

    yield stamp
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM restores"))


def released(session: Session, restore: Restore) -> tuple[Payment, PaymentAttempt]:
    """A payment that was pending in the backup, released again after the restore."""
    payment = making.pending(session)
    restore()
    making.released(session, payment)
    return payment, making.attempt_of(session, payment)


def answered(
    session: Session, attempt: PaymentAttempt, answer: Outcome | Asked, at: datetime
) -> ReportEffect:
    """Put the next question and record what the rail says to it."""
    question = payments.next_question(session, attempt_id=attempt.id, now=at)
    assert question is not None
    return payments.record_answer(session, question=question, answer=answer, now=at)


def knows_nothing(
    session: Session, attempt: PaymentAttempt, at: datetime, *, most: int = 20
) -> int:
    """Let the rail say so of whatever it is asked about, until nothing more is asked."""
    asked = 0
    while restored.must_ask(attempt):
        answered(session, attempt, rails.outcome(K.NOT_KNOWN), at)
        asked += 1
        assert asked < most
    return asked


def sends(session: Session, attempt: PaymentAttempt, at: datetime) -> payments.Claim | None:
    claim = payments.claim(session, attempt_id=attempt.id, now=at)
    if claim is not None:
        payments.mark_sending(session, claim=claim, now=at)
        session.refresh(attempt)
    return claim


class TestAskingFirst:
    def test_nothing_leaves_before_the_rail_was_asked(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        _, attempt = released(session, restore)

        assert attempt.asks_first
        assert sends(session, attempt, now) is None
        resolve = making.outbox_message(session, "payments.resolve", attempt.id)
        assert resolve is not None
        assert resolve.due_at <= now, "the rail is asked at once"

    def test_what_was_paid_in_the_lost_hour_is_paid_once(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        hour_ago = now - timedelta(minutes=50)

        answered(session, attempt, proven(session, payment, occurred_at=hour_ago), now)

        assert (payment.status, attempt.first_sent_at) == (S.SUCCESS, None)
        assert payment.paid_at == hour_ago
        assert making.entries(session, payment) == ["expense"]
        assert sends(session, attempt, now) is None

    def test_what_the_rail_never_had_leaves_now(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)

        asked = knows_nothing(session, attempt, now)
        claim = sends(session, attempt, now)

        assert asked == 4 + 2 * 4, "its own, its next three, and those of two further payments"
        assert claim is not None
        assert claim.instruction.originator_reference == payment.originator_reference
        payments.record_outcome(session, claim=claim, outcome=rails.ACCEPTED, now=now)
        assert attempt.state is A.ACCEPTED

    def test_never_heard_of_it_counts_once_the_lost_hour_has_arrived(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment = making.pending(session)
        restore(ago=timedelta(seconds=30))
        making.released(session, payment)
        attempt = making.attempt_of(session, payment)

        answered(session, attempt, rails.outcome(K.NOT_KNOWN), now)
        assert sends(session, attempt, now) is None, "it may still be on its way to the rail"

        later = now + QUIET
        knows_nothing(session, attempt, later)
        assert sends(session, attempt, later) is not None

    def test_what_failed_in_the_lost_hour_has_failed(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)

        answered(session, attempt, rails.outcome(K.REJECTED), now)

        assert (payment.status, payment.failure_confirmed) == (S.FAILED, True)
        making.released(session, payment)
        second = making.attempt_of(session, payment)
        assert (second.number, second.asks_first) == (2, True), "it may have had that one as well"

    def test_silence_is_doubt_and_then_a_case(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)

        answered(session, attempt, rails.ASKED, now)
        answered(session, attempt, rails.ASKED, now + timedelta(seconds=301))
        assert payment.status is S.IN_DOUBT
        answered(session, attempt, rails.ASKED, now + timedelta(hours=1))

        case = making.the_case(session, payment)
        assert sends(session, attempt, now + timedelta(hours=1)) is None
        tried_for_a_day(session, payment)
        settled(session, case, Ending.NOT_PAID)
        assert payment.status is S.FAILED

    def test_what_waited_in_the_backup_asks_as_well(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment = making.executing(session)
        attempt = making.attempt_of(session, payment)
        restore()
        making.set_attempt(session, attempt, asks_first=True)  # the stamp's own statement

        assert sends(session, attempt, now) is None
        knows_nothing(session, attempt, now)
        assert sends(session, attempt, now) is not None

    def test_what_was_raised_after_the_restore_is_sent_as_ever(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        restore(covers_until=now - timedelta(hours=1))
        payment = making.executing(session)

        attempt = making.attempt_of(session, payment)
        assert not attempt.asks_first
        assert sends(session, attempt, now) is not None


class TestTheReferencesAfterIt:
    """The rail refused the first one at its door in the lost hour, and paid a later one."""

    @pytest.mark.parametrize("said", ["settled", "rejected", "pending"])
    def test_a_later_attempt_that_the_rail_knows_takes_its_place(
        self, session: Session, now: datetime, restore: Restore, said: str
    ) -> None:
        payment, attempt = released(session, restore)
        answered(session, attempt, rails.outcome(K.NOT_KNOWN), now)
        question = payments.next_question(session, attempt_id=attempt.id, now=now)
        assert question is not None
        later = question.instruction.originator_reference
        assert later != attempt.originator_reference
        answer = {
            "settled": rails.proof(question.instruction, receipt="RKTLATER01"),
            "rejected": rails.outcome(K.REJECTED),
            "pending": rails.outcome(K.IN_DOUBT, provider_originator_id=later),
        }[said]

        payments.record_answer(session, question=question, answer=answer, now=now)

        assert (payment.status, attempt.outcome_code) == (S.FAILED, "local.sent_later")
        assert making.entries(session, payment) == []
        making.released(session, payment)
        second = making.attempt_of(session, payment)
        assert (second.originator_reference, second.asks_first) == (later, True)
        answered(session, second, proven(session, payment), now)
        assert payment.status is S.SUCCESS

    def test_a_further_payment_of_the_requisition_is_known_too(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        for _ in range(4):
            answered(session, attempt, rails.outcome(K.NOT_KNOWN), now)

        answered(session, attempt, proven(session, payment), now)

        assert payment.status is S.FAILED
        payments.cancel(Uow(session, acting(session, "treasury"), now), payment_id=payment.id)
        anew = payments.create(
            Uow(session, acting(session, making.MAKER), now),
            requisition_id=payment.requisition_id,
            amount=None,
        )
        making.released(session, anew)
        answered(session, making.attempt_of(session, anew), proven(session, anew), now)
        assert anew.status is S.SUCCESS

    def test_a_question_that_failed_says_nothing_of_them(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        _, attempt = released(session, restore)
        answered(session, attempt, rails.outcome(K.NOT_KNOWN), now)

        answered(session, attempt, rails.LOST, now)

        assert attempt.asked_ahead == 1
        assert restored.must_ask(attempt)

    def test_once_asked_a_further_release_is_sent_as_ever(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        knows_nothing(session, attempt, now)
        claim = sends(session, attempt, now)
        assert claim is not None
        payments.record_outcome(session, claim=claim, outcome=rails.ACCEPTED, now=now)
        answered(session, attempt, rails.outcome(K.REJECTED), now + timedelta(minutes=1))

        making.released(session, payment)

        assert not making.attempt_of(session, payment).asks_first

    def test_a_payment_that_was_here_already_asks_for_itself(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        """One of two parts asks about what is not here; the lost hour may have paid the other."""
        first = making.pending(session)
        requisition, _ = payments.locked(session, payment_id=first.id)
        payments.change(
            Uow(session, acting(session, making.MAKER), now),
            requisition=requisition,
            payment=first,
            changes={"amount": Decimal("500.00")},
        )
        second = payments.create(
            Uow(session, acting(session, making.MAKER), now),
            requisition_id=first.requisition_id,
            amount=None,
        )
        restore()
        making.released(session, first)
        knows_nothing(session, making.attempt_of(session, first), now)

        making.released(session, second)

        assert making.attempt_of(session, second).asks_first


class TestAPaymentThatIsMadeInPlaceOfAnother:
    """The lost hour paid one that is cancelled, or left alone, after the restore."""

    @pytest.mark.parametrize("over", ["cancelled", "failed"])
    def test_it_asks_what_became_of_that_one(
        self, session: Session, now: datetime, restore: Restore, over: str
    ) -> None:
        first = making.pending(session) if over == "cancelled" else failed(session)
        restore()
        if over == "cancelled":
            payments.cancel(Uow(session, acting(session, "treasury"), now), payment_id=first.id)
        second = payments.create(
            Uow(session, acting(session, making.MAKER), now),
            requisition_id=first.requisition_id,
            amount=None,
        )
        making.released(session, second)
        attempt = making.attempt_of(session, second)
        lost = facts.derived_reference(
            requisition_id=first.requisition_id,
            ordinal=first.ordinal,
            number=1 if over == "cancelled" else 2,
        )
        paid = FakeGateway().shape_reference(lost)
        asked = set()

        for _ in range(12):
            question = payments.next_question(session, attempt_id=attempt.id, now=now)
            assert question is not None
            reference = question.instruction.originator_reference
            asked.add(reference)
            answer = rails.outcome(K.NOT_KNOWN)
            if reference == paid:
                answer = rails.proof(question.instruction, receipt="RKTBEFORE1")
            payments.record_answer(session, question=question, answer=answer, now=now)
            if reference == paid:
                break
            assert restored.must_ask(attempt), "it would be paid twice"

        assert paid in asked
        assert sends(session, attempt, now) is None
        assert making.open_cases(session, second.id) == ["contradiction"]
        case = making.the_case(session, second)
        settled(session, case, Ending.PAID, provider_reference="RKTBEFORE1")
        assert second.status is S.SUCCESS

    def test_it_asks_beyond_all_that_are_here(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        first = making.pending(session)
        for _ in range(3):
            payments.cancel(Uow(session, acting(session, "treasury"), now), payment_id=first.id)
            made = payments.create(
                Uow(session, acting(session, making.MAKER), now),
                requisition_id=first.requisition_id,
                amount=None,
            )
            first = made
        restore()
        making.released(session, first)

        asked = knows_nothing(session, making.attempt_of(session, first), now, most=30)

        assert asked == 4 + 3 * 4 + 2 * 4, "its own, those before it, and two further payments"


class TestAnswersThatAreSaidTwice:
    """Each answer is about the reference that was asked about, and about no further one."""

    def test_the_same_answer_by_callback_counts_once(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        answered(session, attempt, rails.ASKED, now)
        word = rails.outcome(K.NOT_KNOWN, asked_reference="Q_1")

        for _ in range(3):
            making.said(session, payment, word, Source.QUERY_CALLBACK)

        assert attempt.asked_ahead == 1

    def test_the_answer_to_an_older_question_is_not_about_the_next_reference(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        _, attempt = released(session, restore)
        older = payments.next_question(session, attempt_id=attempt.id, now=now)
        assert older is not None
        making.set_attempt(session, attempt, next_query_at=now)
        answered(session, attempt, rails.outcome(K.NOT_KNOWN), now)

        for answer in (rails.outcome(K.NOT_KNOWN), rails.outcome(K.REJECTED)):
            payments.record_answer(session, question=older, answer=answer, now=now)

        assert (attempt.state, attempt.asked_ahead) == (A.QUEUED, 1)


def sent(session: Session, attempt: PaymentAttempt, now: datetime, answer: Outcome) -> datetime:
    """Send what the rail says it never had, and record its answer; a second later."""
    knows_nothing(session, attempt, now)
    at = now + timedelta(seconds=1)
    claim = sends(session, attempt, at)
    assert claim is not None
    payments.record_outcome(session, claim=claim, outcome=answer, now=at)
    return at


class TestRefusalsBeforeTheReference:
    """401, 403, 400.x: the rail refuses before it looks whether it had this reference."""

    @pytest.mark.parametrize("refusal", [rails.REJECTED, rails.NOT_SENT], ids=["400.x", "401"])
    def test_such_a_refusal_proves_nothing_of_the_lost_hour(
        self, session: Session, now: datetime, refusal: Outcome, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        making.set_attempt(session, attempt, tries=7)
        sent(session, attempt, now, refusal)

        assert (payment.status, attempt.state) == (S.EXECUTING, A.UNKNOWN)
        with pytest.raises(Exception, match=r"executing|can't be released"):
            making.released(session, payment)

    def test_it_counts_when_the_rail_still_knows_nothing(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        at = sent(session, attempt, now, rails.REJECTED)

        answered(session, attempt, rails.outcome(K.NOT_KNOWN), at + timedelta(seconds=1))

        assert (payment.status, payment.failure_confirmed) == (S.FAILED, True)
        assert attempt.outcome_code == "400.002.02"

    def test_what_it_had_all_the_same_is_paid(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        at = sent(session, attempt, now, rails.REJECTED)

        answered(session, attempt, proven(session, payment), at + timedelta(seconds=1))

        assert payment.status is S.SUCCESS

    def test_an_answer_that_was_lost_makes_never_heard_of_it_worthless(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        at = sent(session, attempt, now, rails.LOST)

        answered(session, attempt, rails.outcome(K.NOT_KNOWN), at + timedelta(seconds=1))

        assert (payment.status, attempt.state) == (S.EXECUTING, A.UNKNOWN)


def lost_callback(session: Session, payment: Payment, **facts: object) -> Callback:
    """What the rail reports to the address of an attempt that the restore has lost."""
    assert payment.provider_account_id is not None
    told: dict[str, object] = {
        "kind": "settled",
        "provider_originator_id": "T-lost",
        "provider_reference": "RKTLOST123",
        "amount": str(payment.amount),
        "destination": payment.destination,
    }
    callback_id = service.receive(
        session,
        address=Address(
            attempt_id=uuid4(),
            company_id=payment.company_id,
            purpose=CallbackPurpose.RESULT,
            lost_from=payment.provider_account_id,
        ),
        body=making.as_json(**told | facts),
        content_type="application/json",
        remote_address=None,
    )
    service.process(session, callback_id=callback_id, now=session.info["now"])
    return session.get_one(Callback, callback_id, populate_existing=True)


def note(session: Session, case_id: UUID) -> None:
    """Two people have looked into it."""
    case_resolutions.propose(
        Uow.of(session, acting(session, "cfo")),
        case_id=case_id,
        proposal=CaseProposal(ending=Ending.NOTED, note="raised again by nobody"),
    )


class TestACallbackOfALostAttempt:
    def test_it_is_kept_and_becomes_a_case(self, session: Session, restore: Restore) -> None:
        payment = making.pending(session)
        restore()

        callback = lost_callback(session, payment)

        assert callback.verdict == "case"
        assert making.open_cases(session, callback.id) == ["unmatched_callback"]

    def test_the_same_money_is_not_released_until_its_case_ends(
        self, session: Session, restore: Restore
    ) -> None:
        payment = making.pending(session)
        restore()
        callback = lost_callback(session, payment)

        with pytest.raises(restored.BlockedByLostCallback):
            making.released(session, payment)

        case = making.case_about(session, callback.id)
        note(session, case.id)
        making.confirmed(session, case, by="group_finance_manager")
        making.released(session, payment)
        assert payment.status is S.EXECUTING

    @pytest.mark.parametrize(
        "other", [{"amount": "1499.00"}, {"destination": "254799999999"}], ids=["amount", "payee"]
    )
    def test_other_money_is_not_held_up(
        self, session: Session, other: dict[str, str], restore: Restore
    ) -> None:
        payment = making.pending(session)
        restore()
        lost_callback(session, payment, **other)

        making.released(session, payment)

        assert payment.status is S.EXECUTING

    def test_a_payee_whom_the_rail_does_not_name_may_be_this_one(
        self, session: Session, restore: Restore
    ) -> None:
        payment = making.pending(session)
        restore()
        lost_callback(session, payment, destination=None)

        with pytest.raises(restored.BlockedByLostCallback):
            making.released(session, payment)

    def test_cash_to_the_same_person_is_the_same_money(
        self, session: Session, restore: Restore
    ) -> None:
        on_the_rail, in_cash = making.pending(session), making.cash(session)
        restore()
        assert in_cash.destination == "+254712345678"
        lost_callback(session, on_the_rail, destination="254712345678")

        with pytest.raises(restored.BlockedByLostCallback):
            making.released(session, in_cash, by="custodian")

    def test_a_failure_holds_nothing_up(self, session: Session, restore: Restore) -> None:
        payment = making.pending(session)
        restore()

        callback = lost_callback(session, payment, kind="rejected")

        assert making.open_cases(session, callback.id) == ["unmatched_callback"]
        making.released(session, payment)

    def test_under_the_same_reference_it_goes_on_and_settles(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        """A release of the same requisition has the lost one's reference: it is that payment."""
        payment = making.pending(session)
        restore()
        with session.begin_nested() as attempt_it:
            making.released(session, payment)
            reference = making.attempt_of(session, payment).originator_reference
            attempt_it.rollback()
        session.expire_all()
        callback = lost_callback(session, payment, provider_originator_id=reference)

        making.released(session, payment)
        attempt = making.attempt_of(session, payment)
        answered(session, attempt, proven(session, payment), now)

        assert payment.status is S.SUCCESS
        assert making.open_cases(session, callback.id) == []

    def test_one_that_comes_after_the_release_has_the_rail_asked(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        answered(session, attempt, rails.ASKED, now)

        callback = lost_callback(
            session, payment, provider_originator_id=attempt.originator_reference
        )

        assert callback.verdict == "asked"
        assert making.open_cases(session, callback.id) == []
        resolve = making.outbox_message(session, "payments.resolve", attempt.id)
        assert resolve is not None
        assert resolve.due_at <= now

    def test_one_that_names_what_was_called_unknown_has_it_asked_about_anew(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        knows_nothing(session, attempt, now)

        lost_callback(session, payment, provider_originator_id=attempt.originator_reference)

        assert restored.must_ask(attempt)
        assert sends(session, attempt, now) is None

    def test_its_payee_does_not_say_that_it_may_be_paid_again(
        self, session: Session, restore: Restore
    ) -> None:
        payment = making.pending(session)
        restore()
        callback = lost_callback(session, payment)
        payee = acting(session, "cfo").user_id
        phone = f"+{payment.destination}"
        session.execute(update(Membership).where(Membership.user_id == payee).values(phone=phone))

        with pytest.raises(NotSeparate):
            note(session, making.case_about(session, callback.id).id)

    def test_rubbish_is_kept_too(self, session: Session, restore: Restore) -> None:
        payment = making.pending(session)
        restore()

        callback = lost_callback(session, payment, kind="nonsense")
        huge = lost_callback(session, payment, amount=str(Decimal(10) ** 30))

        assert making.open_cases(session, callback.id) == ["unmatched_callback"]
        assert huge.verdict == "case"

    def test_a_repeat_is_counted(self, session: Session, restore: Restore) -> None:
        payment = making.pending(session)
        restore()
        address = Address(
            attempt_id=uuid4(),
            company_id=payment.company_id,
            purpose=CallbackPurpose.RESULT,
            lost_from=payment.provider_account_id,
        )

        first, second = (
            service.receive(
                session, address=address, body=b"{}", content_type=None, remote_address=None
            )
            for _ in range(2)
        )

        assert first == second
        assert session.get_one(Callback, first, populate_existing=True).deliveries == 2


class TestAnotherAccount:
    """What an account may have paid in the lost time is not paid in cash, or from elsewhere."""

    def test_a_payment_is_not_moved_before_its_account_was_asked(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment = making.pending(session)
        restore()

        with pytest.raises(restored.MayHaveBeenPaid):
            moved_to_cash(session, payment, now)
        assert payment.method is Method.MPESA

    def test_nor_is_one_made_in_its_place(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment = making.pending(session)
        restore()
        treasury = acting(session, "treasury")
        payments.cancel(Uow(session, treasury, now), payment_id=payment.id)
        anew = payments.create(
            Uow(session, acting(session, making.MAKER), now),
            requisition_id=payment.requisition_id,
            amount=None,
        )

        with pytest.raises(restored.MayHaveBeenPaid):
            restored.check_elsewhere(session, payment=anew, account_id=None, until=now)

    def test_once_it_was_asked_anything_may_pay(
        self, session: Session, now: datetime, restore: Restore
    ) -> None:
        payment, attempt = released(session, restore)
        at = sent(session, attempt, now, rails.ACCEPTED)
        answered(session, attempt, rails.outcome(K.REJECTED), at + timedelta(minutes=1))
        assert payment.status is S.FAILED

        restored.check_moved(session, payment=payment, account_id=None)

    def test_without_a_restore_nobody_is_asked(self, session: Session, now: datetime) -> None:
        payment = making.pending(session)

        moved_to_cash(session, payment, now)

        assert payment.method is Method.CASH


def moved_to_cash(session: Session, payment: Payment, now: datetime) -> None:
    """The custodian of Westlands pays it instead: treasury proposes, the approver agrees."""
    change = redirects.propose_for_payment(
        Uow(session, acting(session, making.MAKER), now),
        payment_id=payment.id,
        method=Method.CASH,
        destination="+254712345678",
        reason="The rail is down.",
    )
    assert change.digest is not None
    changes.confirm(
        Uow(session, acting(session, "branch_manager"), now),
        change_id=change.id,
        digest=change.digest.hex(),
    )
