"""Somebody leaves: what nobody else could do then is said, and refuses nothing."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Role, RoleAssignment
from pettycash.models.approvals import ApprovalThreshold
from pettycash.services.approvals import indispensable, thresholds
from pettycash.services.foundation import company_settings
from tests.factories.people import user_id
from tests.factories.requisitions import end_roles, raised, submitted


def missed(session: Session, name: str) -> dict[str, tuple[UUID, ...]]:
    found = indispensable.of_person(
        session, user_id=user_id(session, name), now=session.info["now"]
    )
    return {each.code: each.ids for each in found}


def role_of(session: Session, name: str) -> RoleAssignment:
    return session.execute(
        select(RoleAssignment).where(RoleAssignment.user_id == user_id(session, name))
    ).scalar_one()


def test_the_only_approver_of_a_unit(session: Session) -> None:
    branch = role_of(session, "branch_manager").scope_id

    (code, ids), *more = missed(session, "branch_manager").items()

    assert (code, ids[0], more) == ("leaving.last_approver", branch, [])
    tiers = session.execute(
        select(ApprovalThreshold.id).where(
            thresholds.live(session.info["now"]),
            ApprovalThreshold.roles_sequence.contains(["branch_manager"]),
        )
    ).scalars()
    assert set(ids[1:]) == set(tiers) != set()


def test_one_of_two_is_not_missed(session: Session) -> None:
    assert missed(session, "group_finance_manager") == {}
    assert list(missed(session, "cfo")) == ["leaving.last_approver"]


def test_the_only_custodian_of_a_fund(session: Session) -> None:
    fund = role_of(session, "custodian_mombasa").scope_id
    assert missed(session, "custodian_mombasa") == {"leaving.last_custodian": (fund,)}


def test_the_second_and_the_last_of_those_who_work_in_pairs(session: Session) -> None:
    assert missed(session, "admin") == {"leaving.last_second": (user_id(session, "admin_2"),)}
    end_roles(session, "admin_2")
    assert missed(session, "admin") == {"leaving.last_of_role": ()}

    end_roles(session, "treasury_3")
    assert missed(session, "treasury") == {"leaving.last_second": (user_id(session, "treasury_2"),)}
    end_roles(session, "treasury_2")
    assert missed(session, "treasury") == {"leaving.last_of_role": ()}


def test_the_escalation_approver(session: Session) -> None:
    who = user_id(session, "escalation")
    assert missed(session, "escalation")["leaving.escalation_approver"] == (who,)
    company_settings.set_escalation_approver(
        session, user_id=None, changed_by=user_id(session, "admin")
    )
    assert "leaving.escalation_approver" not in missed(session, "escalation")


def test_what_they_raised(session: Session) -> None:
    assert missed(session, "staff") == {}

    ids = (raised(session).id, submitted(session).id)

    assert missed(session, "staff") == {"leaving.raised": ids}


def test_a_role_that_is_planned_to_end(session: Session) -> None:
    cfo = role_of(session, "cfo")
    later = session.info["now"] + timedelta(days=7)
    (warned,) = indispensable.of_role(session, cfo, at=later)
    assert warned.code == "leaving.last_approver"
    assert warned.detail.startswith("Nobody else is cfo:")

    session.add(
        RoleAssignment(
            company_id=cfo.company_id,
            user_id=user_id(session, "staff_2"),
            role=Role.CFO,
            scope_kind=cfo.scope_kind,
            valid_from=later,
            proposed_by=user_id(session, "admin"),
            confirmed_by=user_id(session, "admin_2"),
        )
    )
    session.flush()

    assert indispensable.of_role(session, cfo, at=later) == [], "somebody follows by then"
    assert indispensable.of_role(session, cfo, at=session.info["now"]) == [warned]


def test_a_last_role_leaves_behind_what_they_raised(session: Session) -> None:
    requisition = raised(session)

    (warned,) = indispensable.of_role(session, role_of(session, "staff"), at=session.info["now"])

    assert (warned.code, warned.ids) == ("leaving.raised", (requisition.id,))
