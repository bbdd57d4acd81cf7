"""What signing in leaves behind goes in time, and what keeps an account closed stays."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select, update

from pettycash.models.access import AuthSession, Throttle
from pettycash.runtime import db
from pettycash.tasks.access import sweep_out
from tests.api.client import ApiClient


def throttle(subject: str, days: int, failures: int = 0, blocked_days: int | None = None) -> None:
    with db.system_transaction() as session:
        now = session.info["now"]
        session.add(
            Throttle(
                subject=subject,
                window_started_at=now - timedelta(days=days),
                attempts=1,
                consecutive_failures=failures,
                blocked_until=None if blocked_days is None else now + timedelta(days=blocked_days),
            )
        )


def test_old_counters_go(api: ApiClient) -> None:
    throttle("new", 0)
    throttle("old", 2)
    throttle("old but blocked", 2, blocked_days=1)
    throttle("failing", 89, failures=3)
    throttle("failed long ago", 91, failures=3)
    throttle("closed", 400, failures=100)

    sweep_out()

    with db.system_transaction() as session:
        left = set(session.execute(select(Throttle.subject)).scalars())
    assert left == {"new", "old but blocked", "failing", "closed"}


def test_old_sessions_go(api: ApiClient, tune: Callable[..., None]) -> None:
    old, new = api.as_("staff"), api.as_("treasury")
    with db.system_transaction() as session:
        session.execute(
            update(AuthSession)
            .where(AuthSession.user_id == old.user_id)
            .values(ends_at=session.info["now"] - timedelta(days=31))
        )

    sweep_out()
    sweep_out()

    with db.system_transaction() as session:
        assert set(session.execute(select(AuthSession.user_id)).scalars()) == {new.user_id}
