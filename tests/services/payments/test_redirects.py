"""Redirects: approved money goes elsewhere only if the last approver agrees, and stands still."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, SecurityEvent
from pettycash.models.approvals import ApprovalTrail
from pettycash.models.operations import Change, ChangeStatus
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import errors
from pettycash.runtime.rails import Method
from pettycash.services import payments, releases, requisitions
from pettycash.services.approvals import resolution
from pettycash.services.approvals.deciding import StaleDigest
from pettycash.services.foundation import decisions, duties
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes
from pettycash.services.payments import (
    PaymentPart,
    conflicts,
    facts,
    redirects,
    rules,
    treasury_validation,
)
from pettycash.services.payments.results import Source
from pettycash.services.requisitions import approved_facts
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.people import acting, user_id
from tests.factories.requisitions import approve_open, approved, digest, end_roles
from tests.factories.shaping import change, in_parts, remainder_of
from tests.models.test_duties import execute, refused

S = PaymentStatus
R = RequisitionStatus

ELSEWHERE = "254722000000"
ACCOMPLICE = {"method": Method.CASH, "destination": "accomplice@example.com"}


def propose(session: Session, payment: Payment, by: str = "treasury", **where: Any) -> Change:
    return redirects.propose_for_payment(
        Uow.of(session, acting(session, by)),
        payment_id=payment.id,
        **({"destination": ELSEWHERE, "reason": "The shop has a new number."} | where),
    )


def propose_early(
    session: Session, requisition: Requisition, by: str = "staff", **where: Any
) -> Change:
    return redirects.propose_for_requisition(
        Uow.of(session, acting(session, by)),
        requisition_id=requisition.id,
        **({"destination": ELSEWHERE, "reason": "The shop has a new number."} | where),
    )


def agree(session: Session, change: Change, by: str = "branch_manager", **more: Any) -> Change:
    assert change.digest is not None
    return changes.confirm(
        Uow.of(session, acting(session, by)),
        **({"change_id": change.id, "digest": change.digest.hex()} | more),
    )


def refuse(session: Session, change: Change, by: str = "branch_manager") -> Change:
    assert change.digest is not None
    return changes.reject(
        Uow.of(session, acting(session, by)),
        change_id=change.id,
        digest=change.digest.hex(),
        comment="That is not the shop's number.",
    )


def validate(session: Session, requisition: Requisition, by: str = "treasury") -> Payment:
    _, (payment,) = treasury_validation.validate(
        Uow.of(session, acting(session, by)),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
    )
    return payment


def failed(session: Session, rail: rails.FakeGateway) -> Payment:
    """One that provably failed."""
    del rail
    payment = making.executing(session)
    making.answered(session, payment, rails.REJECTED)
    making.said(session, payment, rails.REJECTED, Source.QUERY)
    assert (payment.status, payment.failure_confirmed) == (S.FAILED, True)
    return payment


def phone_of(session: Session, name: str) -> str:
    found = session.execute(
        select(Membership.phone).where(Membership.user_id == user_id(session, name))
    ).scalar_one()
    assert found is not None
    return found


def told(session: Session, requisition_id: Any) -> list[str]:
    session.flush()
    return [
        comment
        for comment in session.execute(
            select(ApprovalTrail.comment)
            .where(ApprovalTrail.requisition_id == requisition_id)
            .order_by(ApprovalTrail.id)
        ).scalars()
        if comment is not None and comment.startswith("redirect")
    ]


# What a treasury officer could do alone.


@pytest.mark.parametrize(
    "elsewhere",
    [{"destination": ELSEWHERE}, ACCOMPLICE, {"method": Method.CASH}],
    ids=["another phone", "cash to an accomplice", "cash to the payee"],
)
def test_a_part_goes_nowhere_that_nobody_approved(
    session: Session, elsewhere: dict[str, Any]
) -> None:
    with pytest.raises(approved_facts.RedirectNeeded):
        in_parts(session, PaymentPart(amount=Decimal("1500.00"), **elsewhere))


def test_a_payment_of_the_remainder_goes_nowhere_else_either(session: Session) -> None:
    (first,) = in_parts(session, PaymentPart(amount=Decimal("1000.00")))

    with pytest.raises(approved_facts.RedirectNeeded):
        remainder_of(session, first, destination=ELSEWHERE)


def test_a_split_with_the_approved_destination_needs_none(session: Session) -> None:
    made = in_parts(
        session,
        PaymentPart(amount=Decimal("1000.00"), destination="+254 712 345 678"),
        PaymentPart(amount=Decimal("500.00"), method=Method.MPESA),
    )

    assert {each.destination for each in made} == {"254712345678"}


def test_the_requester_does_not_change_an_approved_destination(session: Session) -> None:
    requisition = approved(session)

    with pytest.raises(approved_facts.RedirectNeeded), session.begin_nested():
        requisitions.update(
            Uow.of(session, acting(session, "staff")),
            requisition_id=requisition.id,
            changes={"destination": "0722000000"},
        )


def test_cash_to_an_accomplice_waits_for_the_last_approver(session: Session) -> None:
    payment = making.pending(session)

    propose(session, payment, **ACCOMPLICE)

    assert (payment.method, payment.destination) == (Method.MPESA, "254712345678")
    for by in ("treasury_2", "custodian"):
        with pytest.raises(approved_facts.RedirectOpen):
            making.code_for(session, payment, by=by)


# While it is open.


def test_codes_die_and_none_can_be_asked_for(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)
    making.verified(session, payment)

    propose(session, payment)

    officer = acting(session, "treasury_2")
    now = session.info["now"]
    uow = Uow(session, officer, now)
    with pytest.raises(approved_facts.RedirectOpen):
        payments.send_code(uow, payment_id=payment.id)
    with pytest.raises(approved_facts.RedirectOpen):
        payments.verify_code(uow, payment_id=payment.id, code=code)
    with pytest.raises(approved_facts.RedirectOpen):
        payments.execute(uow, payment_id=payment.id)
    with pytest.raises(approved_facts.RedirectOpen):
        propose(session, payment, destination="254733000000")


@pytest.mark.parametrize("ending", ["refused", "withdrawn"])
def test_what_was_not_agreed_to_leaves_the_payment_as_it_was(session: Session, ending: str) -> None:
    payment = making.pending(session)
    making.verified(session, payment)
    change = propose(session, payment)

    if ending == "refused":
        refuse(session, change)
    else:
        changes.withdraw(Uow.of(session, acting(session, "treasury")), change_id=change.id)

    assert payment.open_redirect_id is None
    with pytest.raises(errors.RuleViolation):  # the code was for a payment that stood still
        payments.execute(Uow.of(session, acting(session, "treasury_2")), payment_id=payment.id)
    execution = making.released(session, payment)
    assert making.attempt_of(session, payment).destination == "254712345678"
    assert execution.amount == Decimal("1500.00")
    assert [each.split(":")[0] for each in told(session, payment.requisition_id)] == [
        "redirect proposed",
        f"redirect {ending}",
    ]


def test_a_cancelled_payment_leaves_no_question(session: Session) -> None:
    payment = making.pending(session)
    change = propose(session, payment)

    payments.cancel(Uow.of(session, acting(session, "treasury")), payment_id=payment.id)

    assert change.status is ChangeStatus.WITHDRAWN
    with pytest.raises(decisions.AlreadyDecided):
        agree(session, change)


# Who decides.


def test_only_the_last_approver_decides_with_what_they_read(session: Session) -> None:
    requisition = approved(session, "20000.00")
    payment = validate(session, requisition)
    last = acting(session, "group_finance_manager").user_id
    other = acting(session, "group_finance_manager_2").user_id
    change = propose(session, payment)
    asked = "group_finance_manager" if change.decider_id == last else "group_finance_manager_2"
    assert change.decider_id in (last, other)

    for by in ("branch_manager", "regional_manager", "cfo", "ceo", "treasury_2"):
        with pytest.raises(decisions.NotADecider):
            agree(session, change, by)
    with pytest.raises(decisions.OwnProposal):
        agree(session, change, "treasury")
    with pytest.raises(decisions.DigestMissing):
        agree(session, change, asked, digest=None)
    with pytest.raises(decisions.StaleDecision):
        agree(session, change, asked, digest="0" * 64)

    agree(session, change, asked)

    assert payment.destination == ELSEWHERE


def test_where_the_last_approver_is_gone_the_next_higher_rank_decides(session: Session) -> None:
    payment = making.pending(session)
    change = propose(session, payment)
    assert change.decider_id == user_id(session, "branch_manager")

    end_roles(session, "branch_manager")

    with pytest.raises(decisions.NotADecider):
        agree(session, change, "branch_manager")
    read = changes.get(Uow.of(session, acting(session, "regional_manager")), change_id=change.id)
    agree(session, read, "regional_manager")
    held = duties.holders(session, requisition_id=payment.requisition_id)
    assert user_id(session, "regional_manager") in held[Duty.APPROVER]


def test_nobody_left_to_decide_is_told_at_once(session: Session) -> None:
    payment = making.pending(session)
    end_roles(
        session,
        "branch_manager",
        "regional_manager",
        "group_finance_manager",
        "group_finance_manager_2",
        "cfo",
        "ceo",
    )
    session.execute(
        text("UPDATE memberships SET is_active = false WHERE user_id = :id"),
        {"id": user_id(session, "escalation")},
    )

    with pytest.raises(resolution.NoApprover):
        propose(session, payment)


def test_staff_and_approvers_redirect_no_payment(session: Session) -> None:
    payment = making.pending(session)

    for by in ("staff", "branch_manager"):
        with pytest.raises(duties.NotSeparate):
            propose(session, payment, by=by)


@pytest.mark.parametrize(
    ("who", "duty"),
    [("branch_manager", "approver"), ("treasury", "maker"), ("treasury_2", "releaser")],
)
def test_no_money_reaches_a_person_with_a_duty(
    session: Session, rail: rails.FakeGateway, who: str, duty: str
) -> None:
    payment = failed(session, rail)  # treasury made it, treasury_2 released it

    for where in (
        {"destination": phone_of(session, who)},
        {"method": Method.CASH, "destination": f"{who}@demo.example"},
    ):
        with pytest.raises(duties.NotSeparate, match=duty):
            propose(session, payment, by="treasury_3", **where)


def test_the_proposer_does_not_send_it_to_themselves(session: Session) -> None:
    payment = making.pending(session)

    with pytest.raises(duties.NotSeparate, match="get the money"):
        propose(session, payment, by="treasury_3", destination=phone_of(session, "treasury_3"))


# What it does.


def test_a_pending_payment_is_rewritten(session: Session) -> None:
    payment = making.pending(session)
    before = payment.digest

    agree(session, propose(session, payment, by="treasury_3"))

    assert (payment.status, payment.destination) == (S.PENDING, ELSEWHERE)
    assert payment.digest == facts.digest_of(payment) != before
    assert payment.maker_id == user_id(session, "treasury_3")
    requisition = session.get_one(Requisition, payment.requisition_id)
    assert requisition.status is R.IN_PAYMENT
    with pytest.raises(releases.NotSeparate):
        making.code_for(session, payment, by="treasury_3")
    making.released(session, payment)
    assert making.attempt_of(session, payment).destination == ELSEWHERE


def test_another_method_takes_the_store_of_the_place(session: Session) -> None:
    payment = making.pending(session)

    agree(session, propose(session, payment, **ACCOMPLICE))

    assert (payment.method, payment.provider_account_id) == (Method.CASH, None)
    assert making.code_for(session, payment, by="custodian")


def test_a_failed_payment_is_cancelled_and_replaced(
    session: Session, rail: rails.FakeGateway
) -> None:
    payment = failed(session, rail)

    agree(session, propose(session, payment, by="treasury_3"))

    made = session.execute(
        select(Payment).where(
            Payment.requisition_id == payment.requisition_id, Payment.id != payment.id
        )
    ).scalar_one()
    assert payment.status is S.CANCELLED
    assert (made.status, made.destination, made.amount) == (S.PENDING, ELSEWHERE, payment.amount)
    assert made.maker_id == user_id(session, "treasury_3")
    assert session.get_one(Requisition, payment.requisition_id).status is R.IN_PAYMENT
    making.released(session, made)


def test_a_failure_that_is_not_sure_is_not_redirected(
    session: Session, rail: rails.FakeGateway
) -> None:
    del rail
    payment = making.executing(session)
    with pytest.raises(errors.Conflict) as refusal:
        propose(session, payment)
    assert refusal.value.code == "payment.illegal_state"

    payment = failed(session, rails.FakeGateway())
    payment.failure_confirmed = False
    with pytest.raises(rules.FailureUnconfirmed):
        propose(session, payment)


def test_what_changes_nothing_is_no_redirect(session: Session) -> None:
    payment = making.pending(session)

    with pytest.raises(redirects.NothingRedirected):
        propose(session, payment, destination="+254 712 345678")


def test_old_and_new_stand_in_trail_and_security_log(session: Session) -> None:
    payment = making.pending(session)

    agree(session, propose(session, payment), comment="I called them.")

    places = f"{payment.number} from M-Pesa 254712345678 to M-Pesa {ELSEWHERE}"
    assert told(session, payment.requisition_id) == [
        f"redirect proposed: {places}: The shop has a new number.",
        f"redirect approved: {places}: I called them.",
    ]
    logged = session.execute(
        select(SecurityEvent.event, SecurityEvent.detail)
        .where(SecurityEvent.event.like("change.%"))
        .order_by(SecurityEvent.id)
    ).all()
    assert [event for event, _ in logged] == ["change.proposed", "change.confirmed"]
    for _, detail in logged:
        assert detail["payload"]["old"]["destination"] == "*********678"
        assert detail["payload"]["new"]["destination"] == "*********000"


def test_what_was_proposed_stays_what_it_says(session: Session) -> None:
    """Past every service: the row is made to say another destination than is read."""
    change = propose(session, making.pending(session))
    session.flush()
    another = """payload = jsonb_set(payload, '{new,destination}', '"254733000000"')"""

    assert refused(session, f"UPDATE changes SET {another} WHERE id = :id", id=change.id) == "PC009"


# Before validation.


@pytest.mark.parametrize("by", ["staff", "treasury_2"])
def test_before_validation_it_goes_back_to_the_last_approver(session: Session, by: str) -> None:
    requisition = approved(session)
    before = digest(session, requisition.id)

    change = propose_early(session, requisition, by)

    with pytest.raises(approved_facts.RedirectOpen):
        validate(session, requisition)
    agree(session, change)
    with pytest.raises(StaleDigest):
        treasury_validation.validate(
            Uow.of(session, acting(session, "treasury")),
            requisition_id=requisition.id,
            digest=before,
        )
    payment = validate(session, requisition)
    assert payment.destination == ELSEWHERE
    if by == "treasury_2":
        with pytest.raises(releases.NotSeparate):
            making.code_for(session, payment, by="treasury_2")
        making.released(session, payment, by="treasury_3")
    else:
        making.released(session, payment)


def test_refused_before_validation_the_approval_stands(session: Session) -> None:
    requisition = approved(session)

    refuse(session, propose_early(session, requisition))

    assert requisition.status is R.PENDING_TREASURY_VALIDATION
    assert validate(session, requisition).destination == "254712345678"


@pytest.mark.parametrize("verb", ["cancel", "return_to_requester"])
def test_a_requisition_that_goes_away_leaves_no_question(session: Session, verb: str) -> None:
    requisition = approved(session)
    change = propose_early(session, requisition)

    getattr(requisitions, verb)(
        Uow.of(session, acting(session, "staff" if verb == "cancel" else "treasury")),
        requisition_id=requisition.id,
        comment="Not like this.",
    )

    assert change.status is ChangeStatus.WITHDRAWN
    assert requisition.open_redirect_id is None


def test_the_requester_changes_nothing_while_it_is_asked_about(session: Session) -> None:
    requisition = approved(session)
    propose_early(session, requisition)

    with pytest.raises(approved_facts.RedirectOpen):
        requisitions.update(
            Uow.of(session, acting(session, "staff")),
            requisition_id=requisition.id,
            changes={"purpose": "Wine"},
        )


def test_only_requester_and_treasury_redirect_a_requisition(session: Session) -> None:
    requisition = approved(session)

    for by in ("branch_manager", "cfo"):
        with pytest.raises(errors.NotAllowed):
            propose_early(session, requisition, by)


# The database keeps it too.


@pytest.mark.parametrize(
    ("damage", "by", "expected"),
    [
        ("destination = '254722000000'", "treasury_2", "PC028"),
        ("method = 'cash'", "custodian", "PC028"),
        ("open_redirect_id = (SELECT id FROM changes LIMIT 1)", "treasury_2", "PC029"),
    ],
)
def test_a_release_to_anywhere_else_is_refused_by_the_database(
    session: Session, damage: str, by: str, expected: str
) -> None:
    """Even with a code for exactly that."""
    payment = making.pending(session)
    other = propose(session, making.pending(session))
    assert other.id is not None
    session.flush()
    session.execute(text(f"UPDATE payments SET {damage} WHERE id = :id"), {"id": payment.id})

    session.refresh(payment)
    payment.digest = facts.digest_of(payment)
    session.flush()

    assert execute(session, payment.id, user_id(session, by)) == expected


def test_a_change_that_nobody_decided_on_approves_nothing(session: Session) -> None:
    """Plain SQL: the proposal is made effective, but no approver has decided anything."""
    payment = making.pending(session)
    change = propose(session, payment)
    session.flush()
    session.execute(
        text(
            "UPDATE changes SET status = 'effective', decided_by = decider_id, decided_at = now()"
            " WHERE id = :id"
        ),
        {"id": change.id},
    )

    assert not session.execute(
        rules.APPROVED_DESTINATION,
        {
            "requisition": payment.requisition_id,
            "method": "mpesa",
            "destination": ELSEWHERE,
            "payment": payment.id,
            "amount": payment.amount,
        },
    ).scalar_one()


def test_what_was_approved_before_a_material_change_is_approved_no_more(session: Session) -> None:
    requisition = approved(session)
    agree(session, propose_early(session, requisition))

    requisitions.update(
        Uow.of(session, acting(session, "staff")),
        requisition_id=requisition.id,
        changes={"payee_name": "Somebody else", "destination": "0733000000"},
    )
    session.flush()

    for destination in ("254712345678", ELSEWHERE, "254733000000"):
        assert not session.execute(
            rules.APPROVED_DESTINATION,
            {
                "requisition": requisition.id,
                "method": "mpesa",
                "destination": destination,
                "payment": None,
                "amount": requisition.amount,
            },
        ).scalar_one()


def test_a_requester_may_be_paid_at_their_own_new_number(session: Session) -> None:
    """They get what they asked for, and the last approver sees where."""
    own = phone_of(session, "staff")
    requisition = approved(session)

    change = propose_early(session, requisition, destination=own)
    agree(session, change)

    assert requisition.destination == own.removeprefix("+")


def test_a_void_approval_ends_a_redirect_that_waits(session: Session) -> None:
    payment = making.pending(session)
    change = propose(session, payment)
    requisition = session.get_one(Requisition, payment.requisition_id)
    session.execute(
        update(Membership)
        .where(Membership.user_id == user_id(session, "branch_manager"))
        .values(phone="+" + payment.destination)
    )

    conflicts.settle(Uow.of(session, acting(session, "treasury_2")), requisition_id=requisition.id)

    assert (payment.status, payment.open_redirect_id) == (PaymentStatus.CANCELLED, None)
    assert change.status is ChangeStatus.WITHDRAWN


def test_a_redirect_whose_approval_is_void_leads_nowhere(session: Session) -> None:
    """The last approver sends it to a number that turns out to be theirs. Whoever approves in their
    place reads where the requisition goes, and nothing of that number."""
    payment = making.pending(session)
    agree(session, propose(session, payment))
    requisition = session.get_one(Requisition, payment.requisition_id)
    session.execute(
        update(Membership)
        .where(Membership.user_id == user_id(session, "branch_manager"))
        .values(phone="+" + ELSEWHERE)
    )
    conflicts.settle(Uow.of(session, acting(session, "treasury_2")), requisition_id=requisition.id)
    approve_open(session, requisition)

    with pytest.raises(approved_facts.RedirectNeeded):
        treasury_validation.validate(
            Uow.of(session, acting(session, "treasury")),
            requisition_id=requisition.id,
            digest=digest(session, requisition.id),
            parts=[PaymentPart(amount=Decimal("1500.00"), destination=ELSEWHERE)],
        )


def small_redirected(session: Session) -> Payment:
    """Ten of 1,500 go elsewhere: the last approver has seen those ten. The rest is free again."""
    small, rest = in_parts(
        session, PaymentPart(amount=Decimal("10.00")), PaymentPart(amount=Decimal("1490.00"))
    )
    agree(session, propose(session, small))
    payments.cancel(Uow.of(session, acting(session, "treasury")), payment_id=rest.id)
    return small


def test_an_approved_redirect_takes_no_more_along_than_was_read(session: Session) -> None:
    small = small_redirected(session)

    with pytest.raises(approved_facts.RedirectNeeded), session.begin_nested():
        change(session, small, amount=Decimal("1500.00"))
    with pytest.raises(approved_facts.RedirectNeeded), session.begin_nested():
        remainder_of(session, small, destination=ELSEWHERE)
    assert remainder_of(session, small).destination == "254712345678"


def test_the_database_counts_what_goes_to_a_redirected_destination(session: Session) -> None:
    small = small_redirected(session)
    small.amount = Decimal("1500.00")
    small.digest = facts.digest_of(small)
    session.flush()

    assert execute(session, small.id, user_id(session, "treasury_2")) == "PC028"
