"""Whose money it is: a phone, an e-mail, an earlier payment or a key makes somebody a party."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from pettycash.models.access import ApiKey, Membership, Role, User
from pettycash.models.base import new_id
from pettycash.models.operations import Case, CaseKind
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import IN_APPROVAL, Requisition, RequisitionStatus
from pettycash.runtime.rails import Method
from pettycash.services import payments, releases, requisitions
from pettycash.services.access import people
from pettycash.services.foundation import duties
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import conflicts, signatures, treasury_validation
from pettycash.services.reconciliation import payment_proofs
from pettycash.services.releases.challenges import CannotRelease
from pettycash.services.requisitions import lifecycle
from pettycash.services.requisitions.deciding import Urgency
from tests import books
from tests.factories import payments as making
from tests.factories.people import acting, user_id
from tests.factories.pictures import picture
from tests.factories.requisitions import (
    a_draft,
    approve,
    approved,
    chain,
    decide,
    digest,
    submitted,
    waiting_for,
)
from tests.factories.shaping import change as reshape
from tests.factories.shaping import execute, remainder_of

R = RequisitionStatus
PHONE = "+254712345678"
"""Where the money of the factories goes."""


def phone_of(session: Session, name: str) -> str:
    return session.execute(
        select(Membership.phone).where(Membership.user_id == user_id(session, name))
    ).scalar_one()


def gets_phone(session: Session, name: str, phone: str | None = PHONE) -> None:
    """Let a member register another number."""
    session.execute(
        update(Membership).where(Membership.user_id == user_id(session, name)).values(phone=phone)
    )


def settle(session: Session, requisition: Requisition) -> None:
    conflicts.settle(Uow.of(session, acting(session, "treasury_2")), requisition_id=requisition.id)


def recipients(session: Session, requisition_id: UUID) -> frozenset[UUID]:
    return duties.holders(session, requisition_id=requisition_id)[Duty.RECIPIENT]


# Whose a destination is


@pytest.mark.parametrize(
    ("method", "destination"),
    [
        (Method.MPESA, "{phone}"),
        (Method.MPESA, "0{national}"),
        (Method.CASH, "{phone}"),
        (Method.CASH, "Branch_Manager@Demo.Example"),
    ],
)
def test_a_members_phone_and_mail_make_them_the_recipient(
    session: Session, method: Method, destination: str
) -> None:
    phone = phone_of(session, "branch_manager")
    where = destination.format(phone=phone, national=phone.removeprefix("+254"))
    requisition = submitted(session, method=method, destination=where)

    assert recipients(session, requisition.id) == {user_id(session, "branch_manager")}
    assert all(name != "branch_manager" for _, name, _ in chain(session, requisition))


def test_a_number_that_was_theirs_when_it_was_submitted_stays_theirs(session: Session) -> None:
    phone = phone_of(session, "treasury_2")
    payment = making.pending(session, destination=phone)
    gets_phone(session, "treasury_2", "+254700000001")

    with pytest.raises(releases.NotSeparate, match="get the money"):
        making.code_for(session, payment, by="treasury_2")


def test_a_number_that_was_given_up_before_is_nobodys(session: Session) -> None:
    phone = phone_of(session, "treasury_2")
    gets_phone(session, "treasury_2", "+254700000001")
    requisition = submitted(session, destination=phone)
    # Within one transaction no time passes.
    session.execute(
        text(
            "UPDATE approval_rounds SET created_at = now() + interval '1 second'"
            " WHERE requisition_id = :id"
        ),
        {"id": requisition.id},
    )

    assert recipients(session, requisition.id) == frozenset()


def test_a_number_that_is_registered_later_is_theirs_too(session: Session) -> None:
    payment = making.pending(session)
    gets_phone(session, "treasury_2")

    with pytest.raises(releases.NotSeparate, match="get the money"):
        making.code_for(session, payment, by="treasury_2")


def test_a_changed_mail_address_is_kept_with_its_time(session: Session) -> None:
    requisition = submitted(session, method=Method.CASH, destination="mine@demo.example")
    cfo = user_id(session, "cfo")
    assert recipients(session, requisition.id) == frozenset()

    for address in ("Mine@Demo.Example", "another@demo.example"):
        session.execute(update(User).where(User.id == cfo).values(email=address))
        assert recipients(session, requisition.id) == {cfo}
    held = session.execute(
        text(
            "SELECT value, held_until IS NULL FROM contacts"
            " WHERE user_id = :id AND kind = 'email' ORDER BY id"
        ),
        {"id": cfo},
    ).all()
    assert [tuple(row) for row in held] == [
        ("cfo@demo.example", False),
        ("mine@demo.example", False),
        ("another@demo.example", True),
    ]


def test_whom_an_earlier_payment_to_it_named_is_its_recipient(session: Session) -> None:
    making.pending(session, payee_user_id=user_id(session, "treasury_2"))
    later = making.pending(session)
    by_cash = approved(session, method=Method.CASH, destination=PHONE)

    assert recipients(session, later.requisition_id) == {user_id(session, "treasury_2")}
    assert recipients(session, by_cash.id) == {user_id(session, "treasury_2")}


def test_a_number_that_two_registered_counts_for_both_and_is_told(session: Session) -> None:
    for name in ("staff_2", "escalation"):
        people.update(
            session,
            people.find(session, user_id=user_id(session, name), lock=True),
            values={"phone": PHONE},
            actor=acting(session, "admin"),
            now=session.info["now"],
            is_agreed=True,
        )
    requisition = submitted(session)

    assert recipients(session, requisition.id) == {
        user_id(session, name) for name in ("staff_2", "escalation")
    }
    case = session.query(Case).filter_by(kind=CaseKind.MISMATCH).one()
    assert (case.object_type, case.object_id) == ("user", user_id(session, "escalation"))
    assert case.evidence == {"phone": str(user_id(session, "staff_2"))}


@pytest.mark.parametrize("statement", ["DELETE FROM contacts", "UPDATE contacts SET value = 'x'"])
def test_nobody_writes_contacts_but_their_triggers(session: Session, statement: str) -> None:
    with pytest.raises(Exception, match="permission denied"), session.begin_nested():
        session.execute(text(statement))


def test_who_made_the_key_that_raised_it_is_its_requester(session: Session) -> None:
    now = session.info["now"]
    key = ApiKey(
        id=new_id(),
        company_id=session.info["scope"].company_id,
        name="machine",
        prefix="pc_key_x",
        digest=b"x" * 32,
        scopes=["raise"],
        expires_at=now + timedelta(days=1),
        created_by=user_id(session, "branch_manager"),
        confirmed_by=user_id(session, "operator"),
        confirmed_at=now,
    )
    session.add(key)
    session.flush()
    machine = replace(acting(session, "staff"), client_id=key.id)
    draft = requisitions.create(Uow(session, machine, now), draft=a_draft())

    requisitions.submit(Uow(session, acting(session, "staff"), now), requisition_id=draft.id)

    holders = duties.holders(session, requisition_id=draft.id)
    assert holders[Duty.REQUESTER] == {
        user_id(session, name) for name in ("staff", "branch_manager", "operator")
    }
    assert waiting_for(session, draft) != "branch_manager"


# What a recipient may not do


def test_a_recipient_decides_nothing(session: Session) -> None:
    """The branch manager's own phone as the destination, registered once the step was theirs."""
    requisition = submitted(session)
    urgent = submitted(session, "20000.00", is_urgent=True, urgency_reason="Burst pipe")
    assert waiting_for(session, requisition) == "branch_manager"
    gets_phone(session, "branch_manager")

    for verb in ("approve", "reject", "request_changes"):
        with pytest.raises(releases.NotSeparate, match=r"get the money.*never its approver"):
            decide(session, verb, requisition, "branch_manager")
    with pytest.raises(releases.NotSeparate, match="get the money"):
        decide(session, "confirm_urgency", urgent, "branch_manager", urgency=Urgency.CONFIRMED)


def _validate(session: Session, payment: Payment) -> None:
    requisition = approved(session)
    treasury_validation.validate(
        Uow.of(session, acting(session, "treasury_3")),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
    )


def _create(session: Session, payment: Payment) -> None:
    payments.cancel(Uow.of(session, acting(session, "treasury")), payment_id=payment.id)
    remainder_of(session, payment, actor=acting(session, "treasury_3"))


def _change(session: Session, payment: Payment) -> None:
    reshape(session, payment, by="treasury_3", amount=Decimal(1))


def _send_code(session: Session, payment: Payment) -> None:
    making.code_for(session, payment, by="treasury_3")


def _verify(session: Session, payment: Payment) -> None:
    payments.verify_code(
        Uow.of(session, acting(session, "treasury_3")), payment_id=payment.id, code="123456"
    )


def _execute(session: Session, payment: Payment) -> None:
    execute(session, payment, by="treasury_3")


@pytest.mark.parametrize(
    ("act", "refusal"),
    [
        (_validate, lifecycle.PartyToIt),
        (_create, releases.NotSeparate),
        (_change, releases.NotSeparate),
        (_send_code, releases.NotSeparate),
        (_verify, releases.NotSeparate),
        (_execute, releases.NotSeparate),
    ],
)
def test_a_recipient_neither_makes_nor_releases(
    session: Session, act: Callable[[Session, Payment], None], refusal: type[Exception]
) -> None:
    payment = making.pending(session)
    gets_phone(session, "treasury_3")

    with pytest.raises(refusal, match="You get the money"):
        act(session, payment)


def test_a_recipient_is_not_named_as_executor(session: Session) -> None:
    payment = making.pending(session)
    gets_phone(session, "treasury_3")

    with pytest.raises(CannotRelease):
        payments.assign_executor(
            Uow.of(session, acting(session, "treasury")),
            payment_id=payment.id,
            executor_id=user_id(session, "treasury_3"),
        )


def test_the_refusal_names_the_duty(session: Session) -> None:
    payment = making.pending(session)
    for who, duty in (
        ("staff", "raised it.*requester is never its releaser"),
        ("branch_manager", "approved it.*approver is never its releaser"),
        ("treasury", "made or changed the payment.*maker is never its releaser"),
    ):
        with pytest.raises(releases.NotSeparate, match=duty):
            execute(session, payment, by=who)


def test_who_asked_for_a_code_makes_nothing_of_it(session: Session) -> None:
    payment = making.pending(session)
    making.code_for(session, payment, by="treasury_3")

    with pytest.raises(releases.NotSeparate, match="asked for its code"):
        reshape(session, payment, by="treasury_3", amount=Decimal(1))


def test_who_released_or_gets_it_matches_nothing(session: Session) -> None:
    payment = books.pay(session)
    match = {"payment_id": payment.id, "evidence": {"statement": "line 1"}}
    asked = text(
        "INSERT INTO release_challenges (id, company_id, subject_kind, subject_id, executor_id,"
        " subject_digest, state, end_cause, ended_at, tries, sends, expires_at) SELECT new_key(),"
        " company_id, 'payment', id, :person, '', 'dead', 'expired', now(), 0, 1, now()"
        " FROM payments WHERE id = :payment"
    )
    session.execute(asked, {"person": user_id(session, "treasury_3"), "payment": payment.id})
    with pytest.raises(payment_proofs.ReconcilerIsExecutor, match="asked for its code"):
        payment_proofs.reconcile_by_hand(Uow.of(session, acting(session, "treasury_3")), **match)
    gets_phone(session, "cfo", f"+{payment.destination}")
    with pytest.raises(releases.NotSeparate, match="get the money"):
        payment_proofs.reconcile_by_hand(Uow.of(session, acting(session, "cfo")), **match)


def test_who_judged_a_case_about_it_does_not_review_it(session: Session) -> None:
    payment = making.pending(session)
    requisition = session.get_one(Requisition, payment.requisition_id)
    session.execute(
        text("UPDATE payments SET status = 'executing' WHERE id = :id"), {"id": payment.id}
    )
    session.execute(
        text("UPDATE requisitions SET status = 'closed_short' WHERE id = :id"),
        {"id": requisition.id},
    )
    session.execute(
        text(
            "INSERT INTO cases (id, company_id, kind, severity, status, object_type, object_id,"
            " summary, evidence, proposal, proposed_by, proposed_at, decided_by, decided_at,"
            " version) SELECT new_key(), company_id, 'in_doubt', 'warning', 'resolved', 'payment',"
            " id, '', '{}', '{\"ending\": \"not_paid\"}', :fpa, now(), :cfo, now(), 1"
            " FROM payments WHERE id = :id"
        ),
        {"id": payment.id, "fpa": user_id(session, "fpa"), "cfo": user_id(session, "cfo")},
    )

    with pytest.raises(lifecycle.NotIndependent, match="judged a case"):
        requisitions.review(Uow.of(session, acting(session, "fpa")), requisition_id=requisition.id)


# An approver turns out to have another duty


def test_an_approval_of_who_gets_the_money_is_void_when_the_next_one_decides(
    session: Session,
) -> None:
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")
    gets_phone(session, "branch_manager")

    approve(session, requisition, "regional_manager")

    assert requisition.status in IN_APPROVAL
    names = [name for _, name, _ in chain(session, requisition)]
    assert "branch_manager" not in names
    assert "regional_manager" not in names, "their own approval stands"
    assert len(names) == 2, "the void one anew, and the one that was still to come"
    while requisition.status in IN_APPROVAL:
        approve(session, requisition, waiting_for(session, requisition))
    assert requisition.status is R.PENDING_TREASURY_VALIDATION
    assert requisition.approved_amount == requisition.amount


def test_it_is_not_validated_before_somebody_else_has_approved_it(session: Session) -> None:
    requisition = approved(session)
    gets_phone(session, "branch_manager")

    def validate() -> Payment:
        _, (payment,) = treasury_validation.validate(
            Uow.of(session, acting(session, "treasury")),
            requisition_id=requisition.id,
            digest=digest(session, requisition.id),
        )
        return payment

    with pytest.raises(duties.ApprovalVoid):
        validate()
    settle(session, requisition)

    assert requisition.status in IN_APPROVAL
    assert requisition.approved_amount is None
    assert waiting_for(session, requisition) != "branch_manager"
    approve(session, requisition, waiting_for(session, requisition))
    assert validate().status is PaymentStatus.PENDING


def test_a_payment_that_was_not_released_ends_with_the_approval(session: Session) -> None:
    payment = making.pending(session)
    making.verified(session, payment)
    requisition = session.get_one(Requisition, payment.requisition_id)
    gets_phone(session, "branch_manager")

    with pytest.raises(duties.ApprovalVoid):
        execute(session, payment)
    settle(session, requisition)

    assert payment.status is PaymentStatus.CANCELLED
    assert requisition.status in IN_APPROVAL
    approve(session, requisition, waiting_for(session, requisition))
    _, (anew,) = treasury_validation.validate(
        Uow.of(session, acting(session, "treasury")),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
    )
    with pytest.raises(releases.NotSeparate):
        making.code_for(session, anew, by="branch_manager")
    making.released(session, anew)
    assert anew.status is PaymentStatus.EXECUTING


def test_once_money_left_it_is_a_case(session: Session) -> None:
    payment = making.executing(session)
    gets_phone(session, "branch_manager")
    requisition = session.get_one(Requisition, payment.requisition_id)

    settle(session, requisition)

    assert requisition.status is R.IN_PAYMENT
    assert making.open_cases(session, requisition.id) == ["mismatch"]


# Roles that exclude each other, brought by an import


def test_who_holds_two_roles_that_exclude_each_other_releases_nothing(session: Session) -> None:
    payment = making.pending(session)
    both = acting(session, "treasury_3", Role.CFO)

    with pytest.raises(releases.NotSeparate, match="cfo and treasury"):
        payments.send_code(Uow.of(session, both), payment_id=payment.id)


def test_a_mail_address_that_begins_with_a_plus_is_theirs(session: Session) -> None:
    session.execute(
        update(User)
        .where(User.id == user_id(session, "branch_manager"))
        .values(email="+Boss@example.com")
    )
    requisition = submitted(session, method=Method.CASH, destination="+boss@example.com")

    assert user_id(session, "branch_manager") in recipients(session, requisition.id)


def test_who_paid_cash_out_witnesses_nothing_though_another_keeps_the_fund_by_now(
    session: Session,
) -> None:
    payment = making.cash(session)
    making.released(session, payment, by="custodian")
    session.execute(
        text("UPDATE funds SET custodian_id = :next"), {"next": user_id(session, "fpa")}
    )
    session.expire_all()

    with pytest.raises(signatures.WitnessDoesNotFit):
        payments.sign(
            Uow.of(session, acting(session, "fpa")),
            payment_id=payment.id,
            image=picture(),
            witness_id=user_id(session, "custodian"),
        )
