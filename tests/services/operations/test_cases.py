"""Cases: one open per kind and object, evidence is never lost, two people end one."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.operations import Case, CaseKind, CaseStatus, OutboxMessage, Severity
from pettycash.runtime import db
from pettycash.services.foundation import decisions, outbox
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from tests.factories.people import acting, company_id, user_id
from tests.races import together
from tests.servers import Database


def _open(session: Session, object_id: UUID, **more: Any) -> Case:
    facts: dict[str, Any] = {
        "kind": CaseKind.IN_DOUBT,
        "object_type": "payment",
        "summary": "Nobody knows.",
        "evidence": {"queries": 1},
        "severity": Severity.WARNING,
    }
    return cases.open_case(session, object_id=object_id, **(facts | more))


def _alerts(session: Session, case: Case) -> list[OutboxMessage]:
    query = select(OutboxMessage).where(
        OutboxMessage.topic == cases.ALERT_TOPIC, OutboxMessage.key == case.id
    )
    return list(session.execute(query).scalars())


def test_meeting_the_same_trouble_again_adds_evidence(session: Session) -> None:
    about = new_id()

    first = _open(session, about)
    second = _open(session, about, evidence={"queries": 2, "seen_by": "night"})

    assert second.id == first.id
    assert second.evidence == {
        "queries": 2,
        "seen_by": "night",
        cases.EARLIER: [{"queries": 1}],
    }
    count = select(func.count()).select_from(Case).where(Case.object_id == about)
    assert session.execute(count).scalar_one() == 1


def test_the_same_evidence_again_changes_nothing(session: Session) -> None:
    case = _open(session, new_id())
    version = case.version

    again = _open(session, case.object_id)

    assert again.version == version
    assert cases.EARLIER not in again.evidence


def test_another_kind_or_object_is_another_case(session: Session) -> None:
    about = new_id()

    found = {
        _open(session, about).id,
        _open(session, about, kind=CaseKind.CONTRADICTION).id,
        _open(session, about, object_type="callback").id,
        _open(session, new_id()).id,
    }

    assert len(found) == 4


def test_a_severe_case_is_due_and_alerts_once(session: Session) -> None:
    about = new_id()

    case = _open(session, about, severity=Severity.SEVERE)
    _open(session, about, severity=Severity.SEVERE, evidence={"queries": 9})

    assert case.due_at == session.info["now"] + timedelta(hours=24)
    assert len(_alerts(session, case)) == 1


def test_a_case_that_becomes_severe_alerts_then(session: Session) -> None:
    case = _open(session, new_id())
    assert _alerts(session, case) == []

    _open(session, case.object_id, severity=Severity.SEVERE, summary="It got worse.")

    assert case.severity is Severity.SEVERE
    assert case.summary == "It got worse."
    assert len(_alerts(session, case)) == 1
    _open(session, case.object_id, severity=Severity.NOTICE, summary="It got better.")
    assert (case.severity, case.summary) == (Severity.SEVERE, "It got worse.")


def test_a_case_that_alerted_and_is_met_again_does_not_alert_again(session: Session) -> None:
    case = _open(session, new_id(), severity=Severity.SEVERE)
    outbox.complete(session, topic=cases.ALERT_TOPIC, key=case.id)

    _open(session, case.object_id, severity=Severity.SEVERE, evidence={"queries": 3})

    (alert,) = _alerts(session, case)
    session.refresh(alert)
    assert alert.completed_at is not None


def test_two_people_end_a_case(session: Session) -> None:
    now = session.info["now"]
    case = _open(session, new_id())
    first, second = acting(session, "treasury"), acting(session, "group_finance_manager")

    uow = Uow(session, first, now)
    cases.propose(uow, case_id=case.id, proposal={"paid": True})
    with pytest.raises(decisions.OwnProposal):
        cases.confirm(uow, case_id=case.id, version=case.version)
    ended = cases.confirm(Uow(session, second, now), case_id=case.id, version=case.version)

    assert ended.status is CaseStatus.RESOLVED
    assert (ended.proposed_by, ended.decided_by) == (first.user_id, second.user_id)
    with pytest.raises(decisions.AlreadyDecided):
        cases.propose(uow, case_id=case.id, proposal={})
    with pytest.raises(cases.CaseResolved):
        cases.assign(uow, case_id=case.id, owner_id=None)


def test_nothing_is_confirmed_that_nobody_proposed(session: Session) -> None:
    case = _open(session, new_id())
    actor = acting(session, "cfo")

    uow = Uow.of(session, actor)
    with pytest.raises(decisions.NothingProposed):
        cases.confirm(uow, case_id=case.id, version=case.version)
    with pytest.raises(decisions.NothingProposed):
        cases.decline(uow, case_id=case.id, version=case.version, reason="No.")


@pytest.mark.parametrize("who", ["operator", "staff", "auditor", "regional_manager", "custodian"])
def test_who_has_no_say_has_none(session: Session, who: str) -> None:
    now = session.info["now"]
    case = _open(session, new_id())
    outsider = acting(session, who)

    uow = Uow(session, outsider, now)
    with pytest.raises(decisions.NotAProposer):
        cases.propose(uow, case_id=case.id, proposal={})
    cases.propose(Uow(session, acting(session, "treasury"), now), case_id=case.id, proposal={})
    with pytest.raises(decisions.NotADecider):
        cases.confirm(uow, case_id=case.id, version=case.version)


def test_who_saw_another_proposal_decides_nothing(session: Session) -> None:
    now = session.info["now"]
    case = _open(session, new_id())
    treasury, cfo = acting(session, "treasury"), acting(session, "cfo")
    uow = Uow(session, treasury, now)
    cases.propose(uow, case_id=case.id, proposal={"paid": True})
    seen = case.version
    cases.decline(Uow.of(session, cfo), case_id=case.id, version=seen, reason="No.")
    cases.propose(uow, case_id=case.id, proposal={"paid": False})

    with pytest.raises(decisions.StaleDecision):
        cases.confirm(Uow(session, cfo, now), case_id=case.id, version=seen)
    with pytest.raises(decisions.StaleDecision):
        cases.decline(Uow.of(session, cfo), case_id=case.id, version=seen, reason="No.")

    assert (case.status, case.proposal) == (CaseStatus.PROPOSED, {"paid": False})


def test_new_evidence_voids_a_proposal_and_keeps_it(session: Session) -> None:
    now = session.info["now"]
    case = _open(session, new_id())
    treasury, cfo = acting(session, "treasury"), acting(session, "cfo")
    cases.propose(Uow(session, treasury, now), case_id=case.id, proposal={"paid": False})

    _open(session, case.object_id, evidence={"receipt": "ABC"})

    assert case.status is CaseStatus.OPEN
    with pytest.raises(decisions.NothingProposed):
        cases.confirm(Uow(session, cfo, now), case_id=case.id, version=case.version)
    (past,) = case.evidence[cases.EARLIER]
    assert past["proposal"] == {"paid": False}
    assert past["proposed_by"] == str(treasury.user_id)


def test_a_declined_proposal_makes_room_for_another(session: Session) -> None:
    now = session.info["now"]
    case = _open(session, new_id())
    treasury, cfo = acting(session, "treasury"), acting(session, "cfo")
    cases.propose(Uow(session, treasury, now), case_id=case.id, proposal={"paid": True})
    uow = Uow(session, cfo, now)
    with pytest.raises(decisions.ProposalStands):
        cases.propose(uow, case_id=case.id, proposal={"paid": False})

    cases.decline(Uow.of(session, cfo), case_id=case.id, version=case.version, reason="No receipt.")
    cases.propose(uow, case_id=case.id, proposal={"paid": False})

    assert case.proposed_by == cfo.user_id
    assert case.evidence[cases.EARLIER][0]["reason"] == "No receipt."


def test_a_fact_closes_a_case_and_the_next_trouble_opens_another(session: Session) -> None:
    case = _open(session, new_id())
    close = {"kind": case.kind, "object_type": "payment", "object_id": case.object_id}

    closed = cases.close(
        session, **close, resolved_by=None, note="settled", now=session.info["now"]
    )

    assert closed is case
    assert case.status is CaseStatus.RESOLVED
    assert case.evidence["closed"] == "settled"
    nothing = cases.close(session, **close, resolved_by=None, note="again", now=session.info["now"])
    assert nothing is None
    assert _open(session, case.object_id).id != case.id


def test_who_proposed_is_not_named_twice_when_a_fact_closes_it(session: Session) -> None:
    now = session.info["now"]
    case = _open(session, new_id())
    treasury = acting(session, "treasury")
    cases.propose(Uow(session, treasury, now), case_id=case.id, proposal={})

    cases.close(
        session,
        kind=case.kind,
        object_type="payment",
        object_id=case.object_id,
        resolved_by=treasury.user_id,
        note="unlocked",
        now=now,
    )

    assert case.decided_by is None


def test_a_case_is_given_to_somebody_who_looks_after_cases(session: Session) -> None:
    now = session.info["now"]
    case = _open(session, new_id())
    actor = acting(session, "operator")

    uow = Uow(session, actor, now)
    cases.assign(uow, case_id=case.id, owner_id=user_id(session, "operator_2"))
    assert case.owner_id == user_id(session, "operator_2")
    for nobody in (user_id(session, "staff"), new_id()):
        with pytest.raises(cases.NotAnOwner):
            cases.assign(uow, case_id=case.id, owner_id=nobody)
    cases.assign(uow, case_id=case.id, owner_id=None)
    assert case.owner_id is None


def test_ten_who_meet_it_at_once_open_one_case_with_all_the_evidence(live: Database) -> None:
    about, company = new_id(), company_id("DEMO")

    def meet(number: int) -> UUID:
        with db.scope(company_id=company), db.transaction() as session:
            severity = Severity.SEVERE if number == 7 else Severity.WARNING
            return _open(session, about, evidence={f"seen_{number}": True}, severity=severity).id

    found = together([lambda number=number: meet(number) for number in range(10)])

    assert len(set(found)) == 1, found
    with db.scope(company_id=company), db.transaction() as session:
        case = cases.get(session, case_id=found[0])
        assert {f"seen_{number}" for number in range(10)} <= set(case.evidence)
        assert case.severity is Severity.SEVERE
        assert len(_alerts(session, case)) == 1


def test_a_case_of_another_company_does_not_exist(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        case_id = _open(session, new_id()).id

    with db.scope(company_id=company_id("OTHER")), db.transaction() as session:
        actor = acting(session, "other_company")
        with pytest.raises(cases.CaseNotFound):
            cases.get(session, case_id=case_id)
        with pytest.raises(cases.CaseNotFound):
            cases.propose(Uow.of(session, actor), case_id=case_id, proposal={})
