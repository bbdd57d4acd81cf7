"""Notices: who hears of what, once, without anything secret, and as they wish."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.access import User
from pettycash.models.approvals import ApprovalStep
from pettycash.models.base import new_id
from pettycash.models.imprest import VarianceKind
from pettycash.models.notices import Notice, Timing
from pettycash.models.operations import Case, CaseKind, OutboxMessage, Severity
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from pettycash.services import requisitions
from pettycash.services.foundation import notices
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import variances
from pettycash.services.operations import cases
from pettycash.services.requisitions import deciding
from pettycash.services.requisitions import notices as of_requisitions
from tests import books, replenishing
from tests.factories import payments as making
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import approve, approved, digest, submitted

STAFF = "staff"
KEEPERS = {"custodian", "custodian_2"}
DECIDERS = {"group_finance_manager", "group_finance_manager_2", "cfo"}


def heard(session: Session, kind: str, about: UUID | None = None) -> set[str]:
    """Everybody who has a notice of a kind."""
    found = select(User.username).join(Notice, Notice.user_id == User.id).where(Notice.kind == kind)
    if about is not None:
        found = found.where(Notice.about_id == about)
    return set(session.execute(found).scalars())


def newest(session: Session, kind: str) -> Notice:
    found = select(Notice).where(Notice.kind == kind).order_by(Notice.id.desc()).limit(1)
    return session.execute(found).scalar_one()


def wish(session: Session, name: str, **values: Timing) -> None:
    uow = Uow.of(session, acting(session, name))
    notices.wish(uow, {kind.replace("__", "."): timing for kind, timing in values.items()})


def mailed(session: Session, found: Notice) -> bool:
    """Whether an e-mail of its own is owed."""
    query = select(OutboxMessage.id).where(
        OutboxMessage.topic == notices.TOPIC, OutboxMessage.key == found.id
    )
    return session.execute(query).first() is not None


def test_each_step_is_told_to_who_decides_it(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    assert heard(session, "requisition.waits") == {"branch_manager"}

    approve(session, requisition, "branch_manager")

    assert heard(session, "requisition.waits") == {"branch_manager", "regional_manager"}
    found = newest(session, "requisition.waits")
    assert found.subject == f"Waits for your decision: {requisition.number}"
    assert found.sentence == (
        'A requisition of KES 20,000.00, for "Water for the office", waits for your decision.'
    )
    assert found.path == f"/console/requisitions/{requisition.id}/"
    assert mailed(session, found)


def test_what_is_urgent_says_so(session: Session) -> None:
    submitted(session, is_urgent=True, urgency_reason="The tap is dry")

    assert newest(session, "requisition.waits").sentence.endswith("decision. It is urgent.")


def test_who_asked_hears_the_end_and_treasury_what_comes(session: Session) -> None:
    requisition = approved(session)

    assert heard(session, "requisition.decided") == {STAFF}
    assert "was approved" in newest(session, "requisition.decided").sentence
    assert heard(session, "requisition.to_validate") == {"treasury", "treasury_2", "treasury_3"}
    assert not mailed(session, newest(session, "requisition.to_validate")), "once a day"

    requisitions.return_to_requester(
        Uow.of(session, acting(session, "treasury")),
        requisition_id=requisition.id,
        comment="The invoice is missing",
    )
    assert heard(session, "requisition.sent_back") == {STAFF}


def test_a_no_is_told_as_one(session: Session) -> None:
    requisition = submitted(session)

    deciding.reject(
        Uow.of(session, acting(session, "branch_manager")),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
        comment="Too dear",
    )

    assert "was rejected" in newest(session, "requisition.decided").sentence
    assert heard(session, "requisition.to_validate") == set()


def test_who_cancels_their_own_hears_nothing(session: Session) -> None:
    requisition = submitted(session)

    requisitions.cancel(
        Uow.of(session, acting(session, STAFF)), requisition_id=requisition.id, comment="No"
    )

    assert heard(session, "requisition.decided") == set()


def test_a_payment_is_told_to_who_may_release_it(session: Session) -> None:
    payment = making.pending(session)

    told = heard(session, "payment.to_release", payment.id)
    assert told == {"treasury_2", "treasury_3", "cfo"}, "never to its maker"
    assert heard(session, "cash.to_collect") == set()


def test_cash_is_told_to_who_pays_it_and_who_collects_it(session: Session) -> None:
    payment = making.cash(session)

    assert heard(session, "cash.to_pay", payment.id) == KEEPERS
    assert heard(session, "cash.to_collect", payment.id) == {STAFF}
    assert heard(session, "payment.to_release") == set()


def test_a_replenishment_is_told_to_who_decides_it(session: Session) -> None:
    fund = books.fund(session)
    found = replenishing.low(session, fund)
    assert heard(session, "replenishment.waits", found.id) == DECIDERS
    replenishing.consider(session, fund)
    told = session.execute(select(Notice.id).where(Notice.about_id == found.id)).all()
    assert len(told) == len(DECIDERS), "considered again, nothing new is told"


def test_who_funds_and_who_receives_hear_of_it_in_turn(session: Session) -> None:
    found = replenishing.funded(session, books.fund(session))

    assert {"treasury", "treasury_2"} <= heard(session, "replenishment.to_fund", found.id)
    assert heard(session, "replenishment.to_receive", found.id) == KEEPERS


def test_a_variance_is_told_to_who_decides_it(session: Session) -> None:
    found = variances.record(
        Uow.of(session, acting(session, "treasury")),
        payment_id=books.pay(session, "5000.00").id,
        kind=VarianceKind.OVERPAID,
        adjusted_amount=Decimal("5050.00"),
        reason="Statement",
    )

    assert heard(session, "variance.waits", found.id) == DECIDERS


def open_case(session: Session, severity: Severity) -> Case:
    return cases.open_case(
        session,
        kind=CaseKind.MISMATCH,
        object_type="payment",
        object_id=new_id(),
        summary="254712345678 says\r\nBcc: everybody",
        evidence={},
        severity=severity,
    )


def test_a_case_is_told_unless_it_is_alerted_and_so_is_its_owner(session: Session) -> None:
    severe, case = (open_case(session, each) for each in (Severity.SEVERE, Severity.WARNING))

    assert heard(session, "case.opened", severe.id) == set()
    assert {"treasury", "operator"} <= heard(session, "case.opened", case.id)
    assert "\n" not in newest(session, "case.opened").sentence
    for owner in ("cfo", "treasury"):
        cases.assign(
            Uow.of(session, acting(session, "treasury")),
            case_id=case.id,
            owner_id=user_id(session, owner),
        )
    assert heard(session, "case.assigned") == {"cfo"}, "not who takes it"


def tell(session: Session, requisition: Requisition, to: UUID, **more: Any) -> None:
    notices.notice(session, of_requisitions.DECIDED, to=[to], about=requisition, **more)


def test_an_event_that_is_told_twice_is_one_notice(session: Session) -> None:
    requisition, me = submitted(session), user_id(session, STAFF)

    for _ in range(2):
        tell(session, requisition, me)

    found = session.execute(select(Notice).where(Notice.about_id == requisition.id)).scalars().all()
    assert [each.user_id for each in found] == [me]


def test_who_acts_hears_nothing_of_it(session: Session) -> None:
    requisition, me = submitted(session), user_id(session, STAFF)
    scope = session.info["scope"]
    session.info["scope"] = scope.__class__(company_id=scope.company_id, actor_id=me)

    tell(session, requisition, me)

    assert heard(session, "requisition.decided") == set()


def test_nobody_of_another_company_hears_of_it(session: Session) -> None:
    requisition = submitted(session)
    stranger = acting_elsewhere()

    with pytest.raises(IntegrityError, match="fk_notices_company_id_user_id"):
        tell(session, requisition, stranger)


def acting_elsewhere() -> UUID:
    """A member of the other company alone."""
    with db.scope(company_id=company_id("OTHER")), db.system_transaction() as session:
        found = select(User.id).where(User.username == "other_treasury")
        return session.execute(found).scalar_one()


def test_nothing_that_people_wrote_breaks_out_of_its_quotation_marks(session: Session) -> None:
    submitted(
        session,
        purpose='Tea" for +254712345678\r\n\r\nhttps://evil.example <b>now</b>\u202e' + "x" * 300,
    )

    sentence = newest(session, "requisition.waits").sentence

    assert r'for "Tea\" for **********678\u000d\u000a' in sentence
    assert "254712345678" not in sentence
    assert "\u202e" not in sentence
    assert sentence.endswith('…", waits for your decision.')


def test_a_wish_holds_from_the_next_event_on(session: Session) -> None:
    submitted(session)
    before = newest(session, "requisition.waits")
    for timing in (Timing.DAILY, Timing.OFF):
        wish(session, "branch_manager", requisition__waits=timing)
        submitted(session)
        found = newest(session, "requisition.waits")
        assert found.timing is timing, "it can be read all the same"
        assert not mailed(session, found)
    assert before.timing is Timing.AT_ONCE


def test_wishes_are_those_of_what_one_may_hear(session: Session) -> None:
    def known(name: str) -> set[str]:
        return {each.kind for each in notices.wishes(Uow.of(session, acting(session, name)))}

    assert known(STAFF) == {"requisition.decided", "requisition.sent_back", "cash.to_collect"}
    assert known("treasury") >= {"payment.to_release", "requisition.to_validate", "case.opened"}
    with pytest.raises(notices.UnknownNoticeKind):
        wish(session, STAFF, requisition__waits=Timing.OFF)


def test_a_step_that_waits_is_the_event_not_what_it_is_about(session: Session) -> None:
    """Sent back and handed in again, it waits anew."""
    requisition = submitted(session)
    uow = Uow.of(session, acting(session, STAFF))
    requisitions.recall(uow, requisition_id=requisition.id)
    requisitions.submit(uow, requisition_id=requisition.id)

    steps = session.execute(
        select(ApprovalStep.id).where(ApprovalStep.subject_id == requisition.id)
    ).scalars()
    told = session.execute(select(Notice.about_id).where(Notice.kind == "requisition.waits"))
    assert set(told.scalars()) == set(steps)


def test_no_kind_is_for_nobody_and_each_leads_to_the_console() -> None:
    assert len(notices.kinds()) > 10
    for kind in notices.kinds():
        assert kind.path.startswith("/console/"), kind.name
        assert kind.default is not Timing.OFF, kind.name
