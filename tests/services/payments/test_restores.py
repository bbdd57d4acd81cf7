"""What a restore stamps: a lost hour, and what must not be done again because of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from pettycash.models.access import AuthSession, Counter, SecurityEvent, SignInLink
from pettycash.models.base import Numbered
from pettycash.models.operations import PlatformPause, Restore
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt
from pettycash.models.releases import ChallengeState, ReleaseChallenge
from pettycash.runtime import db
from pettycash.services import payments, releases
from pettycash.services.access.identity import links, people, sessions
from pettycash.services.foundation import decisions, numbers
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.payments import restores
from pettycash.services.payments.restores import Stamp
from pettycash.stack import schema
from tests.factories import payments as making
from tests.factories.people import acting, company_id, user_id
from tests.servers import Database

HOUR = timedelta(hours=1)


@pytest.fixture
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


def lose(live: Database, lost: timedelta = HOUR, **more: datetime) -> Stamp:
    """Stamp a restore to a while ago."""
    with schema.as_owner(live.owner_url) as session:
        now = session.info["now"]
        facts = {"taken_at": now - lost, "now": now} | more
        return restores.stamp(session, by="somebody", **facts)


def test_after_a_restore_what_may_have_been_sent_asks_first(live: Database, company: UUID) -> None:
    with db.transaction() as session:
        queued, claimed, left = (making.executing(session) for _ in range(3))
        claim = payments.claim(
            session,
            attempt_id=making.attempt_of(session, claimed).id,
            now=session.info["now"],
        )
        assert claim is not None
        making.sending(session, left)
        cash = making.cash(session)
        making.released(session, cash, by="custodian")

    done = lose(live)

    assert (done.attempts, done.people > 10, done.roles > 10) == (3, True, True)

    with db.transaction() as session:
        found = {
            each.payment_id: each for each in session.execute(select(PaymentAttempt)).scalars()
        }
        for payment in (queued, claimed, left):
            assert found[payment.id].asks_first
            assert found[payment.id].claim is None
        assert not found[cash.id].asks_first
        # Whoever held the claim sends nothing any more.
        with pytest.raises(payments.ClaimLost):
            payments.mark_sending(session, claim=claim, now=session.info["now"])
        assert found[claimed.id].state is AttemptState.CLAIMED


def test_after_a_second_restore_what_was_asked_after_the_first_is_asked_anew(
    live: Database, company: UUID
) -> None:
    with db.transaction() as session:
        waiting = making.attempt_of(session, making.executing(session))
    lose(live)
    with db.transaction() as session:
        making.set_attempt(
            session,
            session.merge(waiting),
            asked_ahead=12,
            not_known_at=session.info["now"],
            asked_reference="Q_1",
        )

    lose(live, HOUR / 2)

    with db.transaction() as session:
        found = session.get_one(PaymentAttempt, waiting.id)
        assert (found.asks_first, found.not_known_at, found.asked_ahead) == (True, None, 0)
        assert found.asked_reference is None


def test_after_a_restore_everything_is_paused_until_two_people_resume(
    live: Database, company: UUID
) -> None:
    # One of two had asked to end a pause that came with the backup, knowing of no restore.
    with db.system_transaction() as session:
        pauses.pause_everything(session, reason="Old.", by="second")
        pauses.resume_everything(session, by="second", now=session.info["now"])

    lose(live)

    with db.transaction() as session, pytest.raises(pauses.Paused, match="whole installation"):
        pauses.check(session)
    with db.system_transaction() as session:
        now = session.info["now"]
        (standing,) = session.execute(select(PlatformPause)).scalars()
        assert standing.reason.startswith("Restored from 20")
        pauses.resume_everything(session, by="first", now=now)
        with pytest.raises(decisions.OwnProposal):
            pauses.resume_everything(session, by="first", now=now)
        pauses.resume_everything(session, by="second", now=now)
    with db.transaction() as session:
        pauses.check(session)


def test_a_restore_ends_every_session(live: Database, company: UUID) -> None:
    with db.system_transaction() as session:
        now = session.info["now"]
        member = people.active_member(
            session, user_id=user_id(session, "treasury"), company_id=company, now=now
        )
        assert member is not None
        tokens = sessions.start(session, member=member, client_info=people.ClientInfo(), now=now)

    assert lose(live).sessions == 1

    with db.system_transaction() as session, pytest.raises(sessions.SessionEnded):
        sessions.authenticate(session, access_token=tokens.access_token)
    with db.system_transaction() as session:
        now = session.info["now"]
        refused = sessions.refresh(
            session, refresh_token=tokens.refresh_token, client_info=people.ClientInfo(), now=now
        )
        assert isinstance(refused, sessions.SessionEnded)
        reasons = set(session.execute(select(AuthSession.revoked_reason)).scalars())
        assert reasons == {"restored"}


def test_a_restore_brings_no_link_back_that_was_used(live: Database, company: UUID) -> None:
    """A link is good once; the database of before does not know that it was used."""
    with db.transaction() as session:
        for name in ("staff", "ceo"):
            links.enqueue(session, user_id=user_id(session, name), actor=None)
        of = {link.user_id: link.id for link in session.execute(select(SignInLink)).scalars()}
        message = links.make(
            session, link_id=of[user_id(session, "staff")], now=session.info["now"]
        )
        assert message is not None
        [token] = [each for each in message.text.split() if each.startswith(links.PREFIX)]

    lose(live)

    with db.system_transaction() as session, pytest.raises(links.LinkRefused):
        links.owner(session, token=token, now=session.info["now"])
    with db.transaction() as session:
        unsent = links.make(session, link_id=of[user_id(session, "ceo")], now=session.info["now"])
        assert unsent is not None, "what had not left is still to be sent"


def test_a_restore_voids_codes_and_grants(live: Database, company: UUID) -> None:
    with db.transaction() as session:
        asked, granted, spent = (making.pending(session) for _ in range(3))
        code = making.code_for(session, asked)
        making.verified(session, granted)
        making.released(session, spent)

    assert lose(live).releases == 2
    with db.system_transaction() as session:
        for name in ("first", "second"):
            pauses.resume_everything(session, by=name, now=session.info["now"])

    with db.transaction() as session:
        now, actor = session.info["now"], acting(session, making.EXECUTOR)
        uow = Uow(session, actor, now)
        result = payments.verify_code(uow, payment_id=asked.id, code=code)
        assert result.refusal is not None
        with pytest.raises(releases.CodeRequired):
            payments.execute(uow, payment_id=granted.id)
        states = dict(
            session.execute(select(ReleaseChallenge.payment_id, ReleaseChallenge.state)).all()
        )
        assert states[asked.id] is states[granted.id] is ChallengeState.DEAD
        assert states[spent.id] is ChallengeState.VERIFIED


def test_after_a_restore_numbers_jump_past_what_the_lost_time_can_have_used(
    live: Database, company: UUID
) -> None:
    with db.transaction() as session:
        before = making.pending(session).number
        year = session.info["now"].year
    name, last = f"PAY-{year}", int(before.rsplit("-", 1)[1])

    made = lose(live).restore

    first, to = made.counters[str(company)][name]
    assert first == last + 1
    assert to % 100 == 0
    assert 1_000 <= to - last < 1_100
    with db.transaction() as session:
        after = numbers.next_number(session, Payment, now=session.info["now"])
        busiest = max(
            session.execute(
                text("SELECT count(*) FROM payments GROUP BY date_trunc('hour', created_at)")
            ).scalars()
        )
    assert after == f"{name}-{to + 1:06d}"

    # A longer time, and the busiest hour of the weeks before for each of its hours, ten times over.
    first, last = lose(live, 400 * HOUR).restore.counters[str(company)][name]
    assert first == to + 2
    assert last - to >= busiest * 400 * 10 > 1_000


def test_a_lost_new_year_jumps_in_both_years_and_in_companies_without_a_number(
    live: Database, company: UUID
) -> None:
    year = datetime.now(UTC).year
    now = datetime(year + 1, 1, 1, 2, tzinfo=UTC)

    made = lose(live, taken_at=datetime(year, 12, 31, 23, tzinfo=UTC), now=now).restore

    with schema.as_owner(live.owner_url) as session:
        companies = session.execute(text("SELECT count(*) FROM companies")).scalar_one()
        kinds = set(session.execute(select(Counter.kind)).scalars())
    assert len(made.counters) == companies > 1
    assert kinds == {each.prefix for each in Numbered.__subclasses__()}
    for skipped in made.counters.values():
        assert {f"{kind}-{year}" for kind in kinds} <= set(skipped)
        assert {skipped[f"{kind}-{year + 1}"] for kind in kinds} == {(1, 1_000)}


def test_a_restore_covers_what_a_clock_ahead_has_written(live: Database, company: UUID) -> None:
    with db.transaction() as session:
        making.executing(session)
    ahead = datetime.now(UTC) + timedelta(days=3)
    with schema.as_owner(live.owner_url) as session:
        session.execute(update(PaymentAttempt).values(created_at=ahead))

    assert lose(live).restore.covers_until > ahead


def test_a_restore_is_stamped_once(live: Database, company: UUID) -> None:
    taken_at = datetime.now(UTC) - HOUR
    first = lose(live, taken_at=taken_at)

    # The same instant, as somebody in Nairobi names it.
    again = lose(live, taken_at=taken_at.astimezone(datetime.now().astimezone().tzinfo))

    assert first.is_new
    assert not again.is_new
    assert again.restore.number == first.restore.number == 1
    assert lose(live).restore.number == 2
    for statement in ("UPDATE restores SET number = 3", "DELETE FROM restores"):
        with (
            pytest.raises(DBAPIError, match="append-only"),
            schema.as_owner(live.owner_url) as session,
        ):
            session.execute(text(statement))
    with schema.as_owner(live.owner_url) as session:
        events = session.execute(
            select(SecurityEvent.detail["number"]).where(SecurityEvent.event == "restore.stamped")
        )
        assert sorted(events.scalars()) == [1, 2]


def test_no_restore_is_from_the_future_or_from_no_zone(live: Database) -> None:
    with pytest.raises(restores.TakenInTheFuture):
        lose(live, taken_at=datetime(2999, 1, 1, tzinfo=UTC))
    with pytest.raises(restores.TakenWithoutZone):
        lose(live, taken_at=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
    with schema.as_owner(live.owner_url) as session:
        assert session.execute(select(Restore)).first() is None
        assert session.execute(select(PlatformPause)).first() is None
