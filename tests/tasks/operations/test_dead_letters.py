"""A task that is given up becomes a case, whoever is killed meanwhile."""

from collections.abc import Iterator
from typing import Any, NoReturn
from uuid import UUID

import pytest
from sqlalchemy import select, update

from pettycash.models.base import new_id
from pettycash.models.operations import Case, CaseKind, CaseStatus, OutboxMessage
from pettycash.runtime import db, settings
from pettycash.services.foundation import outbox
from pettycash.services.operations import outbox_messages
from pettycash.services.reconciliation import invariants
from pettycash.tasks import operations, outbox_tasks
from pettycash.tasks.outbox_tasks import Job
from tests.factories import working
from tests.factories.people import company_id
from tests.servers import Database

TOPIC, BY_HAND = "payments.resolve", "payments.submit"
"""One that a person may not dead-letter, and one that they may."""

CHECK = "dead_letters_are_known"


class Killed(BaseException):
    """The process is gone: nothing catches it."""


@pytest.fixture(autouse=True)
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


def enqueue(*, failures: int, topic: str = TOPIC) -> UUID:
    """One that has failed so often; its id."""
    key = new_id()
    with db.transaction() as session:
        outbox.enqueue(session, topic=topic, key=key)
        session.execute(
            update(OutboxMessage)
            .where(OutboxMessage.key == key)
            .values(failures=failures)
            .execution_options(synchronize_session=False)
        )
    return working.message_id(topic, key)


def broken(_duty: Job) -> None:
    raise RuntimeError("the adapter has a bug")


def killed_before_it_tells(monkeypatch: pytest.MonkeyPatch, message_id: UUID) -> None:
    """Run it, and be dead at the only transaction of the application role that is left."""

    def transaction() -> NoReturn:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(outbox_tasks.db, "transaction", transaction)
        with pytest.raises(Killed):
            outbox_tasks.run(TOPIC, message_id, broken)


def dead_letter_by_hand(message_id: UUID) -> None:
    with db.transaction() as session:
        outbox_messages.dead_letter(
            session, message_id=message_id, actor=None, now=session.info["now"]
        )


def end_the_case(message_id: UUID) -> None:
    with db.transaction() as session:
        session.execute(
            update(Case)
            .where(Case.object_id == message_id)
            .values(status=CaseStatus.RESOLVED, decided_at=session.info["now"])
        )


def cases_of(message_id: UUID) -> list[Case]:
    with db.transaction() as session:
        return list(
            session.execute(
                select(Case).where(Case.kind == CaseKind.DEAD_LETTER, Case.object_id == message_id)
            ).scalars()
        )


def said(case: Case) -> dict[str, Any]:
    """What a case tells, apart from which outbox message it is about."""
    evidence = {name: value for name, value in case.evidence.items() if name != "key"}
    return {"summary": case.summary, "severity": case.severity, "evidence": evidence}


def alerts(case: Case) -> int:
    """How often an alert of it is enqueued."""
    with db.transaction() as session:
        rows = session.execute(select(OutboxMessage).where(OutboxMessage.key == case.id))
        return len(rows.scalars().all())


def unknown() -> list[str]:
    """What the auditor finds dead-lettered and unaccounted for."""
    with db.transaction() as session:
        (result,) = [
            each
            for each in invariants.check_all(session, now=session.info["now"], settled=False)
            if each.check == CHECK
        ]
    return [each.object_id for each in result.findings]


@pytest.mark.parametrize("short_of_the_bound", [0, 1])
def test_who_was_killed_after_parking_is_spoken_for_once(
    monkeypatch: pytest.MonkeyPatch, short_of_the_bound: int
) -> None:
    """Dead-lettered as its task begins once too often, or as it ends in one error too many."""
    failures = settings.current().outbox_attempts_max - short_of_the_bound
    told, silent = enqueue(failures=failures), enqueue(failures=failures)
    if short_of_the_bound:
        with pytest.raises(RuntimeError):
            outbox_tasks.run(TOPIC, told, broken)
    else:
        outbox_tasks.run(TOPIC, told, broken)
    killed_before_it_tells(monkeypatch, silent)
    assert (len(cases_of(told)), len(cases_of(silent))) == (1, 0)

    operations.sweep_out()
    assert cases_of(silent) == [], "whoever dead-lettered it may still be about to tell"
    working.wait(61)
    assert unknown() == [str(silent)]
    operations.sweep_out()
    operations.sweep_out()

    (late,), (usual,) = cases_of(silent), cases_of(told)
    assert said(late) == said(usual), "it says the same as whoever was not killed"
    assert late.version == usual.version == 1
    assert alerts(late) == alerts(usual) == 1
    assert unknown() == []


def test_what_people_know_of_is_not_told_again() -> None:
    """Neither what one of them dead-lettered, nor what they have resolved since."""
    bound = settings.current().outbox_attempts_max
    by_hand, ended = enqueue(failures=0, topic=BY_HAND), enqueue(failures=bound)
    dead_letter_by_hand(by_hand)
    outbox_tasks.run(TOPIC, ended, broken)
    end_the_case(ended)

    working.wait(61)
    operations.sweep_out()

    assert cases_of(by_hand) == []
    assert [each.status for each in cases_of(ended)] == [CaseStatus.RESOLVED]


@pytest.mark.parametrize("first", ["by hand", "given up"])
def test_given_up_again_it_is_told_again(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """What people knew of the first time says nothing of the second."""
    bound = settings.current().outbox_attempts_max
    twice = enqueue(failures=bound, topic=BY_HAND if first == "by hand" else TOPIC)
    if first == "by hand":
        dead_letter_by_hand(twice)
    else:
        outbox_tasks.run(TOPIC, twice, broken)
        end_the_case(twice)
    with db.transaction() as session:
        outbox_messages.retry(session, message_id=twice, actor=None, now=session.info["now"])
        session.execute(
            update(OutboxMessage)
            .where(OutboxMessage.id == twice)
            .values(failures=bound, topic=TOPIC)
        )
    killed_before_it_tells(monkeypatch, twice)

    working.wait(61)
    operations.sweep_out()

    assert [each.status for each in cases_of(twice) if each.status is not CaseStatus.RESOLVED] == [
        CaseStatus.OPEN
    ]


def test_what_is_retried_or_done_is_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = settings.current().outbox_attempts_max
    retried, done = enqueue(failures=bound), enqueue(failures=bound)
    for each in (retried, done):
        killed_before_it_tells(monkeypatch, each)
    with db.transaction() as session:
        outbox_messages.retry(session, message_id=retried, actor=None, now=session.info["now"])
        key = session.get_one(OutboxMessage, done).key
        outbox.complete(session, topic=TOPIC, key=key)

    working.wait(61)
    operations.sweep_out()

    assert cases_of(retried) == cases_of(done) == []


def test_what_a_person_dead_letters_under_way_stays_so_although_the_task_fails() -> None:
    stopped = enqueue(failures=0, topic=BY_HAND)

    def work(job: Job) -> None:
        dead_letter_by_hand(job.message_id)
        raise RuntimeError("too late")

    with pytest.raises(RuntimeError):
        outbox_tasks.run(BY_HAND, stopped, work)

    with db.transaction() as session:
        assert session.get_one(OutboxMessage, stopped).dead_lettered_at is not None


@pytest.mark.parametrize("moves", [False, True], ids=["enqueued", "enqueued for another time"])
def test_what_a_person_dead_lettered_comes_back_by_a_person_alone(*, moves: bool) -> None:
    stopped = enqueue(failures=0, topic=BY_HAND)
    dead_letter_by_hand(stopped)

    with db.transaction() as session:
        key, now = session.get_one(OutboxMessage, stopped).key, session.info["now"]
        if moves:
            outbox.enqueue_at(session, topic=BY_HAND, key=key, due_at=now)
        else:
            outbox.enqueue(session, topic=BY_HAND, key=key)

    working.wait(61)
    assert stopped not in {each.id for each in working.claimed()}
    operations.sweep_out()
    assert (unknown(), cases_of(stopped)) == ([], [])
    with db.transaction() as session:
        outbox_messages.retry(session, message_id=stopped, actor=None, now=session.info["now"])
    assert stopped in {each.id for each in working.claimed()}

    with db.transaction() as session:
        session.get_one(OutboxMessage, stopped).dead_lettered_at = session.info["now"]
    with db.transaction() as session:
        outbox.enqueue(session, topic=BY_HAND, key=key)
    assert stopped in {each.id for each in working.claimed()}, "given up by the system this time"


def test_what_a_person_dead_lettered_stays_so_although_it_was_completed() -> None:
    stopped = enqueue(failures=0, topic=BY_HAND)
    dead_letter_by_hand(stopped)
    with db.transaction() as session:
        key = session.get_one(OutboxMessage, stopped).key
        outbox.complete(session, topic=BY_HAND, key=key)

    with db.transaction() as session:
        outbox.enqueue(session, topic=BY_HAND, key=key)

    assert stopped not in {each.id for each in working.claimed()}
