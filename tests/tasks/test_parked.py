"""A task that is given up becomes a case, whoever is killed meanwhile."""

from collections.abc import Iterator
from typing import Any, NoReturn
from uuid import UUID

import pytest
from sqlalchemy import select, update

from pettycash import db, settings
from pettycash.models.base import new_id
from pettycash.models.platform import Case, CaseKind, CaseStatus, Obligation
from pettycash.services import audit, obligations, outbox
from pettycash.tasks import running, upkeep
from pettycash.tasks.running import Duty
from tests.factories import working
from tests.factories.people import company_id
from tests.servers import Database

TOPIC, BY_HAND = "payments.resolve", "payments.submit"
"""One that a person may not park, and one that they may."""

CHECK = "parked_obligations_are_known"


class Killed(BaseException):
    """The process is gone: nothing catches it."""


@pytest.fixture(autouse=True)
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


def owe(*, failures: int, topic: str = TOPIC) -> UUID:
    """One that has failed so often; its id."""
    key = new_id()
    with db.transaction() as session:
        outbox.owe(session, topic=topic, key=key)
        session.execute(
            update(Obligation)
            .where(Obligation.key == key)
            .values(failures=failures)
            .execution_options(synchronize_session=False)
        )
    return working.obligation_id(topic, key)


def broken(_duty: Duty) -> None:
    raise RuntimeError("the adapter has a bug")


def killed_before_it_tells(monkeypatch: pytest.MonkeyPatch, obligation_id: UUID) -> None:
    """Run it, and be dead at the only transaction of the application role that is left."""

    def transaction() -> NoReturn:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(running.db, "transaction", transaction)
        with pytest.raises(Killed):
            running.run(TOPIC, obligation_id, broken)


def park_by_hand(obligation_id: UUID) -> None:
    with db.transaction() as session:
        obligations.park(session, obligation_id=obligation_id, actor=None, now=session.info["now"])


def end_the_case(obligation_id: UUID) -> None:
    with db.transaction() as session:
        session.execute(
            update(Case)
            .where(Case.object_id == obligation_id)
            .values(status=CaseStatus.RESOLVED, resolved_at=session.info["now"])
        )


def cases_of(obligation_id: UUID) -> list[Case]:
    with db.transaction() as session:
        return list(
            session.execute(
                select(Case).where(
                    Case.kind == CaseKind.PARKED_OBLIGATION, Case.object_id == obligation_id
                )
            ).scalars()
        )


def said(case: Case) -> dict[str, Any]:
    """What a case tells, apart from which obligation it is about."""
    evidence = {name: value for name, value in case.evidence.items() if name != "key"}
    return {"summary": case.summary, "severity": case.severity, "evidence": evidence}


def alerts(case: Case) -> int:
    """How often people are owed a word of it."""
    with db.transaction() as session:
        rows = session.execute(select(Obligation).where(Obligation.key == case.id))
        return len(rows.scalars().all())


def unknown() -> list[str]:
    """What the auditor finds parked and unaccounted for."""
    with db.transaction() as session:
        (result,) = [
            each
            for each in audit.audit(session, now=session.info["now"], settled=False)
            if each.check == CHECK
        ]
    return [each.object_id for each in result.findings]


@pytest.mark.parametrize("short_of_the_bound", [0, 1])
def test_who_was_killed_after_parking_is_spoken_for_once(
    monkeypatch: pytest.MonkeyPatch, short_of_the_bound: int
) -> None:
    """Parked as its task begins once too often, or as it ends in one error too many."""
    failures = settings.current().obligation_attempts_max - short_of_the_bound
    told, silent = owe(failures=failures), owe(failures=failures)
    if short_of_the_bound:
        with pytest.raises(RuntimeError):
            running.run(TOPIC, told, broken)
    else:
        running.run(TOPIC, told, broken)
    killed_before_it_tells(monkeypatch, silent)
    assert (len(cases_of(told)), len(cases_of(silent))) == (1, 0)

    upkeep.sweep_out()
    assert cases_of(silent) == [], "whoever parked it may still be about to tell"
    working.wait(61)
    assert unknown() == [str(silent)]
    upkeep.sweep_out()
    upkeep.sweep_out()

    (late,), (usual,) = cases_of(silent), cases_of(told)
    assert said(late) == said(usual), "it says the same as whoever was not killed"
    assert late.version == usual.version == 1
    assert alerts(late) == alerts(usual) == 1
    assert unknown() == []


def test_what_people_know_of_is_not_told_again() -> None:
    """Neither what one of them parked, nor what they have put an end to since it was parked."""
    bound = settings.current().obligation_attempts_max
    by_hand, ended = owe(failures=0, topic=BY_HAND), owe(failures=bound)
    park_by_hand(by_hand)
    running.run(TOPIC, ended, broken)
    end_the_case(ended)

    working.wait(61)
    upkeep.sweep_out()

    assert cases_of(by_hand) == []
    assert [each.status for each in cases_of(ended)] == [CaseStatus.RESOLVED]


@pytest.mark.parametrize("first", ["by hand", "given up"])
def test_given_up_again_it_is_told_again(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """What people knew of the first time says nothing of the second."""
    bound = settings.current().obligation_attempts_max
    twice = owe(failures=bound, topic=BY_HAND if first == "by hand" else TOPIC)
    if first == "by hand":
        park_by_hand(twice)
    else:
        running.run(TOPIC, twice, broken)
        end_the_case(twice)
    with db.transaction() as session:
        obligations.retry(session, obligation_id=twice, actor=None, now=session.info["now"])
        session.execute(
            update(Obligation).where(Obligation.id == twice).values(failures=bound, topic=TOPIC)
        )
    killed_before_it_tells(monkeypatch, twice)

    working.wait(61)
    upkeep.sweep_out()

    assert [each.status for each in cases_of(twice) if each.status is not CaseStatus.RESOLVED] == [
        CaseStatus.OPEN
    ]


def test_what_is_retried_or_done_is_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = settings.current().obligation_attempts_max
    retried, done = owe(failures=bound), owe(failures=bound)
    for each in (retried, done):
        killed_before_it_tells(monkeypatch, each)
    with db.transaction() as session:
        obligations.retry(session, obligation_id=retried, actor=None, now=session.info["now"])
        key = session.get_one(Obligation, done).key
        outbox.done(session, topic=TOPIC, key=key)

    working.wait(61)
    upkeep.sweep_out()

    assert cases_of(retried) == cases_of(done) == []


def test_what_a_person_parks_under_way_stays_parked_although_the_task_fails() -> None:
    stopped = owe(failures=0, topic=BY_HAND)

    def work(duty: Duty) -> None:
        park_by_hand(duty.obligation_id)
        raise RuntimeError("too late")

    with pytest.raises(RuntimeError):
        running.run(BY_HAND, stopped, work)

    with db.transaction() as session:
        assert session.get_one(Obligation, stopped).parked_at is not None


@pytest.mark.parametrize("moves", [False, True], ids=["owed", "owed at another time"])
def test_what_a_person_parked_comes_back_by_nobody_but_a_person(*, moves: bool) -> None:
    stopped = owe(failures=0, topic=BY_HAND)
    park_by_hand(stopped)

    with db.transaction() as session:
        key, now = session.get_one(Obligation, stopped).key, session.info["now"]
        if moves:
            outbox.owe_at(session, topic=BY_HAND, key=key, due_at=now)
        else:
            outbox.owe(session, topic=BY_HAND, key=key)

    working.wait(61)
    assert stopped not in {each.id for each in working.claimed()}
    upkeep.sweep_out()
    assert (unknown(), cases_of(stopped)) == ([], [])
    with db.transaction() as session:
        obligations.retry(session, obligation_id=stopped, actor=None, now=session.info["now"])
    assert stopped in {each.id for each in working.claimed()}

    with db.transaction() as session:
        session.get_one(Obligation, stopped).parked_at = session.info["now"]
    with db.transaction() as session:
        outbox.owe(session, topic=BY_HAND, key=key)
    assert stopped in {each.id for each in working.claimed()}, "given up by the system this time"


def test_what_a_person_parked_stays_parked_although_it_was_done_meanwhile() -> None:
    stopped = owe(failures=0, topic=BY_HAND)
    park_by_hand(stopped)
    with db.transaction() as session:
        key = session.get_one(Obligation, stopped).key
        outbox.done(session, topic=BY_HAND, key=key)

    with db.transaction() as session:
        outbox.owe(session, topic=BY_HAND, key=key)

    assert stopped not in {each.id for each in working.claimed()}
