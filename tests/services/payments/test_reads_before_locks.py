"""What is decided by a row is read under its lock: somebody else changes it at the worst moment."""

import threading
from contextvars import copy_context
from typing import Any

import pytest
from sqlalchemy import event, select, update

from pettycash.models.access import AuthSession, User
from pettycash.models.payments import Payment
from pettycash.models.releases import ChallengeState, ReleaseChallenge
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from pettycash.services import releases
from pettycash.services.access.identity import sessions, signing_in
from pettycash.services.access.identity.people import ClientInfo, active_member
from pettycash.services.access.identity.throttles import LoginSubjects
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import variances
from pettycash.services.imprest.variances import VarianceKind
from tests import books
from tests.factories import payments as making
from tests.factories.people import company_id, user_id
from tests.patience import budget
from tests.races import held
from tests.services.imprest.test_variances import approve, record

pytestmark = pytest.mark.usefixtures("live")

HERE = ClientInfo(ip_address="192.0.2.1", user_agent="test")


def test_a_variance_that_is_approved_meanwhile_is_not_recorded_again() -> None:
    """The sum of what was accepted and the question whether one waits are two statements."""
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            payment_id = books.pay(session, "5000.00").id
            first = record(session, payment_id=payment_id)

        def accept() -> None:
            with db.transaction() as session:
                approve(session, first)

        once = [copy_context()]  # a context of which no unit of work is part

        def between(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if statement.startswith("SELECT") and "FROM variance_adjustments" in statement and once:
                other = threading.Thread(target=once.pop().run, args=(accept,))
                other.start()
                other.join(budget(10))

        event.listen(db.engine(), "after_cursor_execute", between)
        with pytest.raises(variances.AlreadyPending), db.transaction() as session:
            record(session, payment_id=payment_id, kind=VarianceKind.OVERPAID)
        assert not once


def test_a_token_that_is_refreshed_while_all_sessions_end_ends_too() -> None:
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            person = user_id(session, "treasury")
        with db.system_transaction() as session:
            now = session.info["now"]
            member = active_member(session, user_id=person, company_id=company_id("DEMO"), now=now)
            assert member is not None
            tokens = sessions.start(session, member=member, client_info=HERE, now=now)

        with (
            held(
                lambda other: sessions.refresh(
                    other,
                    refresh_token=tokens.refresh_token,
                    client_info=HERE,
                    now=other.info["now"],
                ),
                then=lambda other: other.flush(),
                unit=db.system_transaction,
            ),
            db.system_transaction() as session,
        ):
            signing_in.change_password(
                Uow.of(session, member.actor(HERE)), user_id=person, new_hash="$argon2id$new"
            )

        with db.system_transaction() as session:
            living = select(AuthSession.id).where(
                AuthSession.user_id == person, AuthSession.revoked_at.is_(None)
            )
            assert session.execute(living).all() == []


def test_a_password_that_was_replaced_while_it_was_compared_signs_nobody_in() -> None:
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            person = user_id(session, "staff")
        with db.system_transaction() as session:
            username = session.get_one(User, person).username
            known = signing_in.find(session, username=username)
        with db.system_transaction() as session:
            session.execute(
                update(User).where(User.id == person).values(password_hash="$argon2id$new")
            )

        with db.system_transaction() as session:
            outcome = signing_in.complete(
                session,
                known=known,
                password_is_right=True,
                totp_code=None,
                company="DEMO",
                subjects=LoginSubjects.of(username=username, ip_address="192.0.2.1"),
                client_info=HERE,
                now=session.info["now"],
            )

    assert isinstance(outcome, signing_in.WrongCredentials)


def test_a_challenge_expires_while_somebody_locks_its_requisition_first() -> None:
    """Everybody locks the requisition before its payment, or two of them deadlock."""
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            payment = making.pending(session)
            making.code_for(session, payment)
            challenge_id = session.execute(select(ReleaseChallenge.id)).scalar_one()
            session.execute(update(ReleaseChallenge).values(expires_at=session.info["now"]))

        with (
            held(
                lambda other: db.lock(other, Requisition, payment.requisition_id),
                then=lambda other: db.lock(other, Payment, payment.id),
            ),
            db.transaction() as session,
        ):
            releases.expire(session, challenge_id=challenge_id, now=session.info["now"])

        with db.transaction() as session:
            assert session.get_one(ReleaseChallenge, challenge_id).state is ChallengeState.DEAD
