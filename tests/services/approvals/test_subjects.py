"""Rounds and codes are for any kind of subject: a third one, made as CONTRIBUTING says."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash import composition
from pettycash.models.approvals import (
    ApprovalRound,
    ApprovalTrail,
    Origin,
    RoundStatus,
    TrailAction,
)
from pettycash.runtime import db, errors
from pettycash.services import releases
from pettycash.services.approvals import deciding, leaving, rounds, subjects
from pettycash.services.foundation import digests, duties
from pettycash.services.foundation.uow import Uow
from pettycash.services.releases.checking import GrantUsed
from tests.factories.payments import sent_code
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import chain, digest, end_roles, waiting_for
from tests.models.catalogue import connected
from tests.models.test_duties import ASSIGN, SEGREGATION, decide, open_step, refused
from tests.servers import Database

MISSING, NO_KIND = "23503", "23514"

MIGRATION = """
    CREATE TABLE wishes (
        id uuid PRIMARY KEY, company_id uuid NOT NULL, requester_id uuid NOT NULL,
        department_id uuid, number text NOT NULL, amount numeric(18, 2) NOT NULL,
        status text NOT NULL, executor_id uuid, release_locked_at timestamptz, version int NOT NULL,
        UNIQUE (company_id, id));
    GRANT SELECT, INSERT, UPDATE ON wishes TO pettycash_app;
    {columns}
"""
COLUMN = """
    ALTER TABLE {table} ADD wish_id uuid
            GENERATED ALWAYS AS (CASE WHEN subject_kind = 'wish' THEN subject_id END) STORED,
        DROP CONSTRAINT ck_{table}_subject,
        ADD CONSTRAINT ck_{table}_subject CHECK (coalesce({others}, wish_id) IS NOT NULL),
        ADD FOREIGN KEY (company_id, wish_id) REFERENCES wishes (company_id, id);
"""
OTHERS = {
    "approval_rounds": "requisition_id",
    "approval_trail": "requisition_id",
    "release_challenges": "payment_id, replenishment_id",
}


@dataclass
class Wish:
    """A row of the third kind."""

    subject_kind: ClassVar[str] = "wish"

    id: UUID
    company_id: UUID
    requester_id: UUID
    department_id: UUID | None
    number: str
    amount: Decimal
    status: str
    executor_id: UUID | None = None
    release_locked_at: datetime | None = None
    version: int = 1

    def becomes(self, session: Session, status: str) -> None:
        self.status = status
        session.execute(
            text("UPDATE wishes SET status = :status WHERE id = :id"),
            {"status": status, "id": self.id},
        )


class OwnWish(errors.NotAllowed):
    """It is yours."""

    code = "test.own_wish"


class NotWaiting(errors.Conflict):
    """It waits for nobody."""

    code = "test.not_waiting"


def lock(session: Session, wish_id: UUID) -> Wish:
    found = session.execute(
        text("SELECT * FROM wishes WHERE id = :id FOR NO KEY UPDATE"), {"id": wish_id}
    )
    return Wish(**found.mappings().one())


def facts(_session: Session, wish: Wish, _round: ApprovalRound | None = None) -> dict[str, Any]:
    return {"wish": str(wish.id), "amount": f"{wish.amount:.2f}"}


def check_waiting(wish: Wish) -> None:
    if not wish.status.startswith("waits"):
        raise NotWaiting


@pytest.fixture
def session(live: Database) -> Iterator[Session]:
    """A unit of work that commits, in a database that knows wishes."""
    with connected(live.owner_url) as owner, owner.cursor() as cursor:
        columns = "".join(COLUMN.format(table=name, others=OTHERS[name]) for name in OTHERS)
        cursor.execute(MIGRATION.format(columns=columns))
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        subjects.register(
            subjects.Subject(
                kind="wish",
                find=lambda uow, wish_id: lock(uow.session, wish_id),
                lock=lock,
                asks=lambda wish: subjects.Asked(
                    amount=wish.amount,
                    currency="KES",
                    origin=Origin.HQ,
                    department_id=wish.department_id,
                ),
                facts=facts,
                holders=lambda session, wish: duties.holders(session, requisition_id=wish.id),
                check_waiting=check_waiting,
                opened=lambda *_: None,
                waits=lambda session, wish, step, _: wish.becomes(
                    session, f"waits for {step.role}"
                ),
                decided=lambda session, wish, of, _: wish.becomes(session, of.status.value),
                not_waiting=NotWaiting,
                own=OwnWish,
            )
        )
        releases.register(
            releases.ReleaseKind(
                name="wish", lock=lock, lines=lambda session, key: (lock(session, key).number,)
            )
        )
        yield session
    composition.attach()


def raised(session: Session, amount: str = "20000.00", *, by: str = "staff_hq") -> Wish:
    actor = acting(session, by)
    wish = Wish(
        id=uuid4(),
        company_id=actor.company_id,
        requester_id=actor.user_id,
        department_id=acting(session, "staff_hq").department_id,
        number="WISH-1",
        amount=Decimal(amount),
        status="raised",
    )
    session.execute(
        text(
            "INSERT INTO wishes (id, company_id, requester_id, department_id, number, amount,"
            " status, version) VALUES (:id, :company_id, :requester_id, :department_id, :number,"
            " :amount, :status, 1)"
        ),
        vars(wish),
    )
    return wish


def submitted(session: Session, *, by: str = "staff_hq") -> Wish:
    wish = raised(session, by=by)
    rounds.open_round(Uow.of(session, acting(session, by)), subject=wish)
    session.flush()
    return wish


def approve(session: Session, wish: Wish, by: str) -> str:
    """The status that follows."""
    uow = Uow.of(session, acting(session, by))
    kind = subjects.of_kind("wish")
    found = deciding.approve(uow, kind, subject_id=wish.id, digest=digest(session, wish.id))
    session.flush()
    return found.status


def test_a_third_kind_is_approved_step_by_step_by_others_than_its_requester(
    session: Session,
) -> None:
    wish = submitted(session, by="group_finance_manager")
    head = waiting_for(session, wish)
    with pytest.raises(OwnWish):
        approve(session, wish, "group_finance_manager")
    with pytest.raises(deciding.NotAnApprover):
        approve(session, wish, "ceo")

    statuses = [lock(session, wish.id).status, approve(session, wish, head)]
    with pytest.raises(deciding.StepAlreadyDecided):
        approve(session, wish, head)
    statuses.append(approve(session, wish, "group_finance_manager_2"))
    with pytest.raises(NotWaiting):
        approve(session, wish, "group_finance_manager_2")

    assert statuses == [
        "waits for department_head",
        "waits for group_finance_manager",
        "approved",
    ]
    assert [(role, status) for role, _, status in chain(session, wish)] == [
        ("department_head", "approved"),
        ("group_finance_manager", "approved"),
    ]
    latest = rounds.latest(session, wish.id)
    assert latest is not None
    assert latest.status is RoundStatus.APPROVED
    assert latest.digest == digests.digest(facts(session, wish))
    told = session.execute(
        select(ApprovalTrail.action)
        .where(ApprovalTrail.subject_id == wish.id)
        .order_by(ApprovalTrail.id)
    ).scalars()
    assert list(told) == [TrailAction.SUBMITTED, TrailAction.APPROVED, TrailAction.APPROVED]


def test_the_database_keeps_requester_and_approvers_of_a_third_kind_apart(
    session: Session,
) -> None:
    wish = submitted(session)
    first = waiting_for(session, wish)
    step = open_step(session, wish)
    session.execute(text(ASSIGN), {"id": uuid4(), "step": step, "user": wish.requester_id})

    for verdict in ("approved", "rejected"):
        assert decide(session, step, wish.requester_id, verdict) == SEGREGATION
    assert decide(session, step, user_id(session, "ceo")) == SEGREGATION, "not assigned"
    approve(session, wish, first)
    assert decide(session, open_step(session, wish), user_id(session, first)) == SEGREGATION
    step = open_step(session, wish)
    moved = "UPDATE approval_rounds SET requester_id = :user WHERE subject_id = :id"
    assert refused(session, moved, user=user_id(session, "ceo"), id=wish.id) == "PC009"


def test_a_round_is_about_something_that_is_there(session: Session) -> None:
    wish = submitted(session)
    copied = """
        INSERT INTO approval_rounds (id, company_id, subject_kind, subject_id, requester_id, number,
            threshold_id, policy, facts, digest, status)
        SELECT :id, company_id, :kind, :subject, requester_id, number, threshold_id, policy, facts,
            digest, status FROM approval_rounds WHERE subject_id = :wish
    """
    values = {"id": uuid4(), "wish": wish.id}
    stray = """
        INSERT INTO approval_steps (id, company_id, subject_id, round_id, position, role,
            original_role, status, confirms_urgency, auto_escalated)
        SELECT :id, company_id, :subject, round_id, 9, role, original_role, 'waiting', false, false
        FROM approval_steps WHERE subject_id = :wish LIMIT 1
    """

    for kind, state in (("wish", MISSING), ("requisition", MISSING), ("dream", NO_KIND)):
        assert refused(session, copied, kind=kind, subject=uuid4(), **values) == state, kind
    assert refused(session, stray, subject=raised(session).id, **values) == MISSING


def test_a_third_kind_goes_to_others_when_its_approver_leaves(session: Session) -> None:
    wish = submitted(session)
    head = waiting_for(session, wish)
    who, now = user_id(session, head), session.info["now"]
    assert leaving.waiting(session, user_id=who) == [("wish", wish.id)]
    end_roles(session, head)

    leaving.hand_over_step(session, kind="wish", subject_id=wish.id, user_id=who, now=now)
    session.flush()

    assert waiting_for(session, wish) != head
    assert lock(session, wish.id).status == "waits for group_finance_manager"


def test_a_third_kind_is_released_by_a_code(session: Session) -> None:
    wish = raised(session)
    executor, now = acting(session, "treasury"), session.info["now"]
    subject = releases.ReleaseSubject(
        kind="wish",
        id=wish.id,
        digest=digests.digest(facts(session, wish)),
        amount=wish.amount,
        currency="KES",
        payee_text=wish.number,
        excluded={wish.requester_id: releases.NotSeparate("You asked for it.")},
    )
    with pytest.raises(releases.NotSeparate):
        releases.request_code(Uow(session, acting(session, "staff_hq"), now), subject=subject)

    uow = Uow(session, executor, now)
    challenge = releases.request_code(uow, subject=subject)
    code = sent_code(session, challenge.id)
    result = releases.check_code(uow, subject=subject, code=code)
    session.flush()
    spent = releases.spend_grant(uow, subject=subject)

    assert result.refusal is None
    assert (spent.subject_kind, spent.subject_id) == ("wish", wish.id)
    with pytest.raises(GrantUsed):
        releases.find_grant(uow, subject=subject)
