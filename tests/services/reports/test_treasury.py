"""The day of treasury: what was released today, and what is in doubt since when."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from pettycash.models.base import first_id, new_id
from pettycash.models.payments import AttemptState
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import treasury
from tests.factories import evidence, judging
from tests.factories import payments as making
from tests.factories.people import acting


def test_what_was_released_today_is_counted_by_its_state(session: Session) -> None:
    making.executing(session)
    evidence.failed(session)
    found = treasury.today(Uow.of(session, acting(session, "treasury")))
    counted = {each.state: (each.count, each.amount) for each in found.executions}
    assert counted[AttemptState.QUEUED] == (1, Decimal("1500.00"))
    assert counted[AttemptState.REJECTED] == (1, Decimal("1500.00"))


def test_what_is_in_doubt_is_counted_by_its_age(session: Session) -> None:
    payment = evidence.unknown(session)
    since = judging.tried_for_a_day(session, payment)
    uow = Uow(session, acting(session, "treasury"), since)
    (now,) = treasury.today(uow).in_doubt
    assert (now.age, now.count, now.amount) == (treasury.Age.HOUR, 1, payment.amount)
    later = Uow(session, uow.actor, uow.now + timedelta(hours=25))
    (then,) = treasury.today(later).in_doubt
    assert then.age is treasury.Age.LONGER


def test_a_range_of_keys_is_one_of_time(session: Session) -> None:
    key, now = new_id(), session.info["now"]
    assert first_id(now - timedelta(hours=1)) < key < first_id(now + timedelta(hours=1))
