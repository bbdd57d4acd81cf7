"""Lines of the log about what has happened: escalations, overrides, payments on their way."""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from pettycash.gateways.base import OutcomeKind
from pettycash.models.operations import PauseScope
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.approvals import resolution
from pettycash.services.foundation import security_log
from pettycash.services.foundation.log_events import LINES, log_event
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.payments.results import Source
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.people import acting, company_id
from tests.factories.requisitions import end_roles, submitted
from tests.servers import Database


def lines(session: Session, event: str) -> list[dict[str, Any]]:
    """What the commit will write about this, with its level."""
    found = session.info.get(LINES, [])
    return [{**facts, "level": level} for level, name, facts in found if name == event]


def test_a_line_is_written_by_the_commit_and_not_where_all_was_undone(
    live: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pettycash.events")
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with suppress(ZeroDivisionError), db.transaction() as session:
            log_event(session, "thing.undone")
            session.info["scope"] = 1 / 0
        with db.transaction() as session:
            log_event(session, "thing.done", payment_id=None, why="so")
            assert caplog.records == []

    assert [(each.message, getattr(each, "why", None)) for each in caplog.records] == [
        ("thing.done", "so")
    ]
    assert not hasattr(caplog.records[0], "payment_id")


def test_escalations_and_overrides_are_lines(session: Session) -> None:
    end_roles(session, "branch_manager")
    requisition = submitted(session)
    overridden = submitted(session, by="treasury")

    (escalated,) = lines(session, "requisition.escalated")[:1]
    assert escalated == {
        "level": logging.WARNING,
        "requisition_id": str(requisition.id),
        "role": "branch_manager",
        "auto_escalated": True,
        "escalation_reason": "No eligible branch_manager: escalated to regional_manager.",
    }
    told = lines(session, "requisition.submitted")
    assert (told[0]["level"], told[0]["requisition_id"]) == (logging.INFO, str(requisition.id))
    assert told[1]["requisition_id"] == str(overridden.id)
    assert (told[1]["level"], told[1]["override"]) == (
        logging.WARNING,
        resolution.TREASURY_REQUESTER,
    )


@pytest.mark.usefixtures("rail")
def test_a_payment_on_its_way_is_told_with_its_ids(session: Session) -> None:
    payment = making.executing(session)
    attempt = making.attempt_of(session, payment)
    ids = {"payment_id": str(payment.id), "attempt_id": str(attempt.id)}
    making.answered(session, payment, rails.ACCEPTED)
    making.said(session, payment, rails.outcome(OutcomeKind.REJECTED, code="2001"), Source.QUERY)

    for event in ("attempt.claimed", "attempt.sending", "attempt.accepted", "exchange.initiate"):
        told = lines(session, event)
        assert told, event
        assert all(line.items() >= ids.items() for line in told), event
    (refused,) = lines(session, "attempt.rejected")
    assert refused == {**ids, "level": logging.WARNING, "code": "2001"}


@pytest.mark.usefixtures("rail")
def test_what_is_cut_off_or_stands_still_is_told(session: Session) -> None:
    cut = making.executing(session)
    making.sending(session, cut)
    still = making.executing(session)
    later = session.info["now"] + timedelta(seconds=46)

    payments.claim(session, attempt_id=making.attempt_of(session, cut).id, now=later)
    pauses.pause(
        Uow.of(session, acting(session, "operator")),
        scope=PauseScope.COMPANY,
        object_id=None,
        reason="test",
    )
    payments.claim(session, attempt_id=making.attempt_of(session, still).id, now=later)

    (was_cut,) = lines(session, "attempt.cut_off")
    assert was_cut["payment_id"] == str(cut.id)
    (paused,) = lines(session, "attempt.paused")
    assert (paused["payment_id"], paused["why"]) == (str(still.id), "paused")
    assert [each["outcome"] for each in lines(session, "pause.paused")] == ["ok"]


def test_of_an_event_of_the_security_log_only_ids_and_our_own_words_are_told(
    session: Session,
) -> None:
    security_log.record(
        session,
        event="user.updated",
        outcome="refused",
        detail={"subject_id": "1", "display_name": ["A", "B"], "code": "x", "email": "a@b.c"},
        actor=acting(session, "admin"),
    )

    (line,) = lines(session, "user.updated")
    assert {"subject_id", "code", "outcome", "person_id", "company_id"} <= set(line)
    assert line["level"] == logging.WARNING
    assert set(line).isdisjoint({"display_name", "email"})
