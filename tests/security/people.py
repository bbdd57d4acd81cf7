"""Small words that the tests of signing in share."""

from typing import Any

from sqlalchemy import update

from pettycash.models.access import User
from pettycash.runtime import db
from tests.api.client import Caller

MINUTE = 60
HOUR = 3600


def change_user(username: str, **values: Any) -> None:
    with db.system_transaction() as session:
        session.execute(update(User).where(User.username == username).values(**values))


def alive(caller: Caller) -> bool:
    return caller.get("/api/auth/me/").status_code == 200


def without_totp(username: str) -> None:
    change_user(username, totp_enrolled_at=None, totp_seed=None, totp_last_step=None)
