"""The worker hands over what waits for somebody who left, each thing in its own transaction."""

from sqlalchemy import select

from pettycash.models.access import SecurityEvent
from pettycash.models.operations import Change, OutboxMessage
from pettycash.runtime import db
from pettycash.services.access import people
from pettycash.services.foundation import requesters
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import security_alerts
from pettycash.services.payments import redirects
from pettycash.services.reconciliation import invariants
from tests.factories import working
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import approved, raised, submitted, waiting_for
from tests.servers import Database


def test_everything_finds_somebody_else(live: Database) -> None:
    del live
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            now = session.info["now"]
            waits, left = submitted(session), raised(session)
            redirected = redirects.propose_for_requisition(
                Uow(session, acting(session, "staff"), now),
                requisition_id=approved(session).id,
                destination="254722000000",
                reason="The shop has a new number.",
            )
            assert redirected.decider_id == user_id(session, "branch_manager")
            for name in ("branch_manager", "staff"):
                person = people.find(session, user_id=user_id(session, name), lock=True)
                people.update(
                    session,
                    person,
                    values={"is_active": False},
                    actor=acting(session, "admin"),
                    now=now,
                )

        assert working.work("approvals.hand_over") == ["approvals.hand_over"] * 2

        with db.transaction() as session:
            manager = user_id(session, "regional_manager")
            assert waiting_for(session, waits) == "regional_manager"
            assert session.get_one(Change, redirected.id).decider_id == manager
            told = session.execute(
                select(SecurityEvent).where(SecurityEvent.event == security_alerts.LEFT_BEHIND)
            ).scalar_one()
            assert told.detail["manager_id"] == str(manager)
            assert left.number in told.detail["requisitions"]
            enqueued = select(OutboxMessage).where(
                OutboxMessage.topic == security_alerts.TOPIC, OutboxMessage.key == told.id
            )
            assert session.execute(enqueued).scalar_one().completed_at is None
            assert requesters.has_left(session, user_id(session, "staff"))
            only = frozenset({"nothing_waits_for_who_left"})
            (result,) = invariants.check_all(session, now=session.info["now"], only=only)
            assert result.findings == ()
