"""What dead codes lead to: a locked release, until a second person unlocks it."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from pettycash.models.releases import ChallengeState, EndCause
from pettycash.services import payments, releases
from pettycash.services.foundation.uow import Uow
from tests.factories import payments as making
from tests.factories.codes import dead_challenges, other_than, request, verify
from tests.factories.people import acting, user_id


def test_three_dead_challenges_lock_the_release_until_a_second_person_unlocks(
    session: Session,
) -> None:
    payment = making.pending(session)
    dead_challenges(session, payment, 3)

    assert payment.release_locked_at is not None
    assert making.open_cases(session, payment.id) == ["release_locked"]
    with pytest.raises(releases.ReleaseLocked):
        request(session, payment)
    with pytest.raises(releases.NotSeparate):
        payments.unlock_release(
            Uow.of(session, acting(session, "treasury_2")), payment_id=payment.id
        )

    payments.unlock_release(Uow.of(session, acting(session, "cfo")), payment_id=payment.id)

    assert payment.release_locked_at is None
    assert making.open_cases(session, payment.id) == []
    later = session.info["now"] + timedelta(minutes=16)
    payments.send_code(Uow(session, acting(session, "treasury_3"), later), payment_id=payment.id)


def test_naming_the_executor_anew_wins_no_further_guesses(session: Session) -> None:
    payment = making.pending(session)
    for _ in range(3):
        code = making.code_for(session, payment)
        for _ in range(4):
            verify(session, payment, other_than(code))
        payments.assign_executor(
            Uow.of(session, acting(session, "treasury_2")),
            payment_id=payment.id,
            executor_id=user_id(session, "treasury_2"),
        )

    assert payment.release_locked_at is not None
    assert making.open_cases(session, payment.id) == ["release_locked"]


def test_two_dead_challenges_do_not_lock(session: Session) -> None:
    payment = making.pending(session)
    dead_challenges(session, payment, 2)

    assert payment.release_locked_at is None


def test_expiry_is_counted_whoever_looks(session: Session) -> None:
    payment = making.pending(session)
    challenge = request(session, payment)
    duty = making.outbox_message(session, "otp.expire", challenge.id)
    assert duty is not None
    assert duty.due_at == challenge.expires_at

    releases.expire(session, challenge_id=challenge.id, now=session.info["now"])
    assert challenge.state is ChallengeState.LIVE
    late = session.info["now"] + timedelta(minutes=6)
    releases.expire(session, challenge_id=challenge.id, now=late)

    assert (challenge.state, challenge.end_cause) == (ChallengeState.DEAD, EndCause.EXPIRED)
    assert payment.executor_id is None
    done = making.outbox_message(session, "otp.expire", challenge.id)
    assert done is not None
    assert done.completed_at is not None
