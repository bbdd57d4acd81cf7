"""Paying by word: what two people may say of money, with which evidence, and when."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, Role
from pettycash.models.operations import Case
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.services import payments, releases
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from pettycash.services.payments import case_resolutions
from pettycash.services.payments.case_resolutions import CaseProposal, Ending, files
from pettycash.services.payments.results import Source
from pettycash.services.requisitions import attachments
from tests.factories import judging, rails
from tests.factories import payments as making
from tests.factories.evidence import proven
from tests.factories.judging import confirm, propose, settled, tried_for_a_day
from tests.factories.people import acting, user_id
from tests.services.payments.test_case_resolutions import (
    contradicted,
    in_doubt,
    paid_by_a_forged_callback,
)

S = PaymentStatus

pytestmark = pytest.mark.usefixtures("rail")


def test_the_attack_that_booked_five_million_for_a_hundred_is_refused(session: Session) -> None:
    """An invented receipt, tomorrow's date, by the payment's maker: it was booked."""
    payment = making.executing(session, "100.00")
    making.answered(session, payment, rails.ACCEPTED)
    instruction = payments.instruction_of(session, making.attempt_of(session, payment))
    told = rails.proof(instruction, amount=Decimal(5_000_000))
    making.said(session, payment, told, Source.CALLBACK)
    case = making.the_case(session, payment)

    with pytest.raises(TypeError):
        CaseProposal(ending=Ending.PAID, note="x", amount=Decimal(5_000_000))  # type: ignore[call-arg]
    with pytest.raises(case_resolutions.EvidenceMissing) as late:
        propose(session, case, Ending.PAID, occurred_at=session.info["now"] + timedelta(days=1))
    assert list(late.value.errors) == ["occurred_at"]
    with pytest.raises(releases.NotSeparate, match="made or changed the payment"):
        propose(session, case, Ending.PAID, by=making.MAKER)
    propose(session, case, Ending.PAID, by="treasury_3")
    with pytest.raises(case_resolutions.HeadRequired, match="ceo or cfo"):
        confirm(session, case, by="group_finance_manager")
    assert payment.status is S.EXECUTING


def test_what_people_prove_is_the_attempts_own_amount(session: Session) -> None:
    payment, case = contradicted(session)  # the rail spoke of 15,000

    settled(session, case, Ending.PAID)

    assert (payment.status, payment.paid_amount) == (S.SUCCESS, payment.amount)


def ready(session: Session, ending: Ending) -> tuple[Payment, Case]:
    """A case that may end so, but for its evidence."""
    if ending is Ending.RETURNED:
        return paid_by_a_forged_callback(session)
    payment, case = in_doubt(session)
    if ending is Ending.NOT_PAID:
        tried_for_a_day(session, payment)
    return payment, case


class TestEvidence:
    @pytest.mark.parametrize("ending", [Ending.PAID, Ending.NOT_PAID, Ending.RETURNED])
    def test_it_is_a_file(self, session: Session, ending: Ending) -> None:
        _, case = ready(session, ending)

        for evidence_id in (None, uuid4()):
            with pytest.raises(case_resolutions.EvidenceMissing) as refused:
                propose(session, case, ending, evidence_id=evidence_id)
            assert list(refused.value.errors) == ["evidence_id"]

    def test_who_recorded_it_may_propose_and_never_confirms(self, session: Session) -> None:
        _, case = in_doubt(session)
        own = judging.evidence(session, case.id, by="group_finance_manager")

        propose(session, case, Ending.PAID, by="cfo", evidence_id=own)
        with (
            pytest.raises(releases.NotSeparate, match="recorded the evidence"),
            session.begin_nested(),
        ):
            confirm(session, case, by="group_finance_manager")
        case_resolutions.decline(
            Uow.of(session, acting(session, "cfo")),
            case_id=case.id,
            version=case.version,
            reason="the other way round",
        )
        propose(session, case, Ending.PAID, by="group_finance_manager", evidence_id=own)
        assert confirm(session, case, by="cfo").decided_at is not None

    @pytest.mark.parametrize("who", ["requester", "payee"])
    def test_who_has_a_part_in_the_money_records_none(self, session: Session, who: str) -> None:
        facts = {"by": "fpa"} if who == "requester" else {"destination": phone_of(session, "fpa")}
        _, case = in_doubt(session, **facts)

        with pytest.raises(releases.NotSeparate):
            judging.evidence(session, case.id, by="fpa")

    def test_it_may_come_to_the_requisition_after_the_sending(self, session: Session) -> None:
        payment, case = in_doubt(session)
        kept = attachments.attach(
            Uow.of(session, acting(session, "cfo")),
            requisition_id=payment.requisition_id,
            filename="statement.pdf",
            content=judging.statement(),
        )
        session.flush()
        session.refresh(kept)

        propose(session, case, Ending.PAID, evidence_id=kept.id)

    def test_a_custodians_receipt_shows_no_outcome(self, session: Session) -> None:
        """Theirs shows what they paid out, and nothing of what became of money."""
        _, case = in_doubt(session)
        own = files.record(
            Uow.of(session, acting(session, "custodian", Role.FPA)),  # a judge's role besides
            case_id=case.id,
            filename="receipt.pdf",
            content=judging.statement(),
        ).id

        with pytest.raises(releases.NotSeparate, match="custodian of the fund"):
            propose(session, case, Ending.PAID, evidence_id=own)

    def test_what_was_there_before_the_sending_shows_no_outcome(self, session: Session) -> None:
        payment, case = in_doubt(session)
        kept = attachments.attach(
            Uow.of(session, acting(session, "cfo")),
            requisition_id=payment.requisition_id,
            filename="quotation.pdf",
            content=judging.statement(),
        )
        session.flush()
        session.refresh(kept)
        later = session.info["now"] + timedelta(minutes=5)
        making.set_attempt(session, making.attempt_of(session, payment), first_sent_at=later)
        session.info["now"] = later

        with pytest.raises(case_resolutions.EvidenceMissing):
            propose(session, case, Ending.PAID, evidence_id=kept.id)

    def test_a_case_that_is_over_takes_none(self, session: Session) -> None:
        _, case = in_doubt(session)
        settled(session, case, Ending.PAID)

        with pytest.raises(cases.CaseResolved):
            judging.evidence(session, case.id)

    def test_paid_says_when_and_that_is_after_the_first_byte(self, session: Session) -> None:
        _, case = in_doubt(session)
        before = session.info["now"] - timedelta(minutes=2)

        for occurred_at in (None, before):
            with pytest.raises(case_resolutions.EvidenceMissing) as refused:
                propose(session, case, Ending.PAID, occurred_at=occurred_at)
            assert list(refused.value.errors) == ["occurred_at"]

    @pytest.mark.parametrize("spelt", ["RKT1111111 ", "rkt1111111", "RKT 111 1111", "RKT-1111111"])
    @pytest.mark.parametrize("first", ["RKT1111111", " RKT1111111 "])
    def test_a_reference_proves_one_payment_however_it_is_spelt(
        self, session: Session, first: str, spelt: str
    ) -> None:
        _, one = in_doubt(session)
        settled(session, one, Ending.PAID, provider_reference=first)
        _, other = in_doubt(session)

        with pytest.raises(case_resolutions.ReferenceTaken):
            propose(session, other, Ending.PAID, provider_reference=spelt)

    def test_a_return_has_a_reference_of_its_own(self, session: Session) -> None:
        payment, case = paid_by_a_forged_callback(session)

        with pytest.raises(case_resolutions.EvidenceMissing):
            propose(session, case, Ending.RETURNED, provider_reference=None)
        with pytest.raises(case_resolutions.ReferenceTaken):
            propose(session, case, Ending.RETURNED, provider_reference=payment.provider_reference)
        settled(session, case, Ending.RETURNED, provider_reference="RETURN1")
        assert payment.return_reference == "RETURN1"
        _, second = in_doubt(session)
        with pytest.raises(case_resolutions.ReferenceTaken):
            propose(session, second, Ending.PAID, provider_reference="RETURN1")


class TestNotPaid:
    def test_it_is_refused_seconds_after_the_rail_accepted(self, session: Session) -> None:
        """The attack: two people say no, a new release, and the rail pays both."""
        payment, case = contradicted(session)
        asked(session, payment, after=timedelta(seconds=30))

        with pytest.raises(case_resolutions.TooEarly) as refused:
            propose(session, case, Ending.NOT_PAID)
        attempt = making.attempt_of(session, payment)
        assert attempt.last_sent_at is not None
        assert (attempt.last_sent_at + timedelta(days=1)).isoformat() in refused.value.detail
        assert payment.status is S.EXECUTING

    def test_it_takes_a_day_of_trying(self, session: Session) -> None:
        payment, case = in_doubt(session)
        asked(session, payment, after=timedelta(hours=23))

        with pytest.raises(case_resolutions.TooEarly):
            propose(session, case, Ending.NOT_PAID)
        asked(session, payment, after=timedelta(hours=2))
        propose(session, case, Ending.NOT_PAID)

    def test_it_takes_a_question_since_decide_by(self, session: Session) -> None:
        payment, case = in_doubt(session)
        attempt = making.attempt_of(session, payment)
        session.info["now"] += timedelta(hours=25)
        making.set_attempt(session, attempt, last_query_at=attempt.first_sent_at)

        with pytest.raises(case_resolutions.TooEarly):
            propose(session, case, Ending.NOT_PAID)

    def test_the_case_shows_what_the_rail_said_and_from_when_it_may_be(
        self, session: Session
    ) -> None:
        payment, case = in_doubt(session)

        shown = case_resolutions.rails_report(session, case=case, now=session.info["now"])

        attempt = making.attempt_of(session, payment)
        assert shown is not None
        assert (shown["answer"], shown["code"]) == ("in_doubt", rails.LOST.code)
        assert shown["asked_at"] == attempt.last_query_at
        assert attempt.last_sent_at is not None
        assert shown["not_paid_from"] == attempt.last_sent_at + timedelta(days=1)


def asked(session: Session, payment: Payment, *, after: timedelta) -> None:
    """Time passes, and the rail is asked."""
    session.info["now"] += after
    attempt = making.attempt_of(session, payment)
    making.set_attempt(session, attempt, next_query_at=session.info["now"])
    payments.next_question(session, attempt_id=attempt.id, now=session.info["now"])


def phone_of(session: Session, name: str) -> str:
    return session.execute(
        select(Membership.phone).where(Membership.user_id == user_id(session, name))
    ).scalar_one()


def test_what_speaks_against_unpaid_by_word_is_not_noted_without_a_head(session: Session) -> None:
    """A callback says that what people had called unpaid was paid. Two of those who could not have
    said so note it, and the payment would be released again."""
    payment, _ = in_doubt(session)
    judging.called_unpaid(session, payment)
    for _ in range(2):
        tried_for_a_day(session, payment)
    assert payment.failure_confirmed, "a day after two people said so"
    making.said(session, payment, proven(session, payment), Source.CALLBACK)
    case = making.the_case(session, payment)

    propose(session, case, Ending.NOTED, by="treasury_3")
    with pytest.raises(case_resolutions.HeadRequired):
        confirm(session, case, by="fpa")
