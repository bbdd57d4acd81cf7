"""A manager adopts what somebody who left had raised, and is its requester from then on."""

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, SecurityEvent
from pettycash.models.approvals import ApprovalTrail
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.services import requisitions
from pettycash.services.approvals.deciding import NotAnApprover
from pettycash.services.foundation import duties, requesters, visibility
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes
from pettycash.services.payments import adoption, redirects, treasury_validation
from pettycash.services.requisitions.creation import NotRequester
from tests.factories import payments as making
from tests.factories.people import acting, user_id
from tests.factories.requisitions import (
    approve,
    approved,
    chain,
    change,
    decide,
    digest,
    end_roles,
    finance_manager,
    raised,
    submitted,
    waiting_for,
)

R = RequisitionStatus


def gone(session: Session, *names: str) -> None:
    session.execute(
        update(Membership)
        .where(Membership.user_id.in_([user_id(session, name) for name in names]))
        .values(is_active=False)
    )


def adopt(session: Session, requisition: Requisition, by: str = "branch_manager") -> Requisition:
    return adoption.adopt(
        Uow.of(session, acting(session, by)),
        requisition_id=requisition.id,
        comment="The water is still needed.",
    )


def test_an_adopter_does_what_the_requester_did(session: Session) -> None:
    requisition = raised(session)
    before = (requisition.number, requisition.amount, requisition.destination)
    with pytest.raises(adoption.RequesterAnswers):
        adopt(session, requisition)
    gone(session, "staff")

    adopt(session, requisition)

    assert (requisition.number, requisition.amount, requisition.destination) == before
    assert requisition.requester_id == user_id(session, "staff")
    row = session.execute(
        select(ApprovalTrail).where(ApprovalTrail.requisition_id == requisition.id)
    ).scalar_one()
    assert (row.user_id, row.on_behalf_of, row.override, row.role) == (
        user_id(session, "branch_manager"),
        user_id(session, "staff"),
        "adopted",
        "branch_manager",
    )
    event = session.execute(
        select(SecurityEvent).where(SecurityEvent.event == "requisition.adopted")
    ).scalar_one()
    assert event.user_id == user_id(session, "branch_manager")
    change(session, requisition, by="branch_manager", purpose="Water for two offices")
    uow = Uow.of(session, acting(session, "branch_manager"))
    facts = {"requisition_id": requisition.id}
    assert requisitions.submit(uow, **facts).status is R.PENDING_REGIONAL_REVIEW
    assert requisitions.recall(uow, **facts).status is R.DRAFT
    assert requisitions.cancel(uow, **facts).status is R.CANCELLED


def test_both_are_requesters(session: Session) -> None:
    requisition = submitted(session)
    gone(session, "staff")

    adopt(session, requisition)

    known = duties.holders(session, requisition_id=requisition.id)
    both = {user_id(session, "staff"), user_id(session, "branch_manager")}
    assert known[Duty.REQUESTER] == both
    assert both <= duties.barred(session, duty=Duty.RELEASER, requisition_id=requisition.id)


def test_a_step_that_waits_for_the_adopter_goes_to_the_next_rank(session: Session) -> None:
    requisition = submitted(session)
    assert waiting_for(session, requisition) == "branch_manager"
    gone(session, "staff")

    adopt(session, requisition)

    assert waiting_for(session, requisition) == "regional_manager"
    with pytest.raises((NotAnApprover, duties.NotSeparate)):
        decide(session, "approve", requisition, "branch_manager")
    approve(session, requisition, "regional_manager")
    assert requisition.status is R.PENDING_TREASURY_VALIDATION


def test_an_approval_of_the_adopters_own_is_void(session: Session) -> None:
    requisition = approved(session)
    gone(session, "staff")

    adopt(session, requisition)

    assert requisition.status is R.PENDING_REGIONAL_REVIEW
    assert (requisition.approved_amount, requisition.approved_digest) == (None, None)
    approve(session, requisition, "regional_manager")
    treasury_validation.validate(
        Uow.of(session, acting(session, "treasury")),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
    )
    assert requisition.status is R.IN_PAYMENT


def test_the_approvals_of_others_stand(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    (_, first, _), (_, second, _), *_ = chain(session, requisition)
    assert first == "branch_manager"
    approve(session, requisition, first)
    approve(session, requisition, second)
    gone(session, "staff")

    adopt(session, requisition)

    while requisition.status is not R.PENDING_TREASURY_VALIDATION:
        name = waiting_for(session, requisition)
        assert name not in (first, second)
        approve(session, requisition, name)


def test_only_the_manager_adopts_or_cancels(session: Session) -> None:
    requisition = submitted(session)
    gone(session, "staff")
    others = ("department_head", "regional_manager", "group_finance_manager", "cfo")

    for name in others:
        with pytest.raises(adoption.NotManager):
            adopt(session, requisition, by=name)
        with pytest.raises(NotRequester):
            requisitions.cancel(
                Uow.of(session, acting(session, name)),
                requisition_id=requisition.id,
                comment="She left.",
            )
    with pytest.raises(visibility.RequisitionNotFound):
        adopt(session, requisition, by="branch_manager_mombasa")


def test_where_the_manager_is_gone_too_the_next_rank_adopts(session: Session) -> None:
    requisition = submitted(session)
    gone(session, "staff", "branch_manager")

    adopt(session, requisition, by="regional_manager")

    assert requesters.adopter(session, requisition) == user_id(session, "regional_manager")


def test_it_is_adopted_again_where_the_adopter_leaves(session: Session) -> None:
    requisition = raised(session)
    gone(session, "staff")
    adopt(session, requisition)
    with pytest.raises(adoption.RequesterAnswers):
        adopt(session, requisition)
    gone(session, "branch_manager")

    adopt(session, requisition, by="regional_manager")

    known = duties.holders(session, requisition_id=requisition.id)
    names = ("staff", "branch_manager", "regional_manager")
    assert known[Duty.REQUESTER] == {user_id(session, name) for name in names}
    with pytest.raises(NotRequester):
        requisitions.submit(
            Uow.of(session, acting(session, "branch_manager")), requisition_id=requisition.id
        )


def test_who_lost_every_role_left_too(session: Session) -> None:
    requisition = raised(session)
    end_roles(session, "staff")

    adopt(session, requisition)

    assert requesters.adopter(session, requisition) == user_id(session, "branch_manager")


def test_it_is_seen_by_the_manager_wherever_it_is_placed(session: Session) -> None:
    requisition = raised(session)
    requisition.branch_id = requisition.region_id = requisition.department_id = None
    requisition.origin_reason, requisition.origin = "For all of us.", type(requisition.origin).HQ
    session.flush()
    manager = acting(session, "branch_manager")
    query = select(Requisition.id).where(visibility.requisitions(manager))
    assert session.execute(query).scalars().all() == []

    gone(session, "staff")

    found = query.where(requesters.left_behind())
    assert session.execute(found).scalars().all() == [requisition.id]
    adopt(session, requisition)
    assert session.execute(found).scalars().all() == []
    assert session.execute(query).scalars().all() == [requisition.id]


def test_what_is_in_payment_or_over_is_not_adopted(session: Session) -> None:
    payment = making.pending(session)
    requisition = session.get_one(Requisition, payment.requisition_id)
    gone(session, "staff")

    with pytest.raises(IllegalRequisitionState):
        adopt(session, requisition)


def test_a_redirect_that_waits_for_the_adopter_goes_to_the_next_rank(session: Session) -> None:
    requisition = approved(session)
    proposed = redirects.propose_for_requisition(
        Uow.of(session, acting(session, "staff")),
        requisition_id=requisition.id,
        destination="254722000000",
        reason="The shop has a new number.",
    )
    gone(session, "staff", "branch_manager")
    redirects.ask_anew(session, change_id=proposed.id, now=session.info["now"])
    assert proposed.decider_id == user_id(session, "regional_manager")

    adopt(session, requisition, by="regional_manager")

    assert proposed.decider_id == user_id(session, finance_manager(session))
    assert requisition.status is R.PENDING_TREASURY_VALIDATION


def test_a_redirect_by_the_adopter_makes_them_no_maker(session: Session) -> None:
    requisition = submitted(session)
    gone(session, "staff")
    adopt(session, requisition)
    approve(session, requisition, "regional_manager")
    proposed = redirects.propose_for_requisition(
        Uow.of(session, acting(session, "branch_manager")),
        requisition_id=requisition.id,
        destination="254722000000",
        reason="The shop has a new number.",
    )
    assert proposed.digest is not None
    changes.confirm(
        Uow.of(session, acting(session, "regional_manager")),
        change_id=proposed.id,
        digest=proposed.digest.hex(),
    )

    known = duties.holders(session, requisition_id=requisition.id)
    assert known[Duty.MAKER] == frozenset()
