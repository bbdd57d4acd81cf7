"""Second factors of others."""

from uuid import UUID

from pettycash.services.access import people
from pettycash.services.access.identity import totp
from pettycash.services.access.identity.totp import OwnReset, SharedLogin, UserNotFound
from pettycash.services.access.people import ResetNeedsTwoPeople
from pettycash.services.foundation import security_log
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations import operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.auth import ResetSchema


@operation(
    "auth.mfa_reset",
    takes=ResetSchema,
    given={"user_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01"},
    step_up=True,
    status=204,
)
@refuses(OwnReset, ResetNeedsTwoPeople, SharedLogin, UserNotFound)
def reset(uow: Uow, *, user_id: UUID) -> None:
    """Take another person's TOTP app away, so that they enrol anew; their sessions end.

    Of those who release money two people do that: `changes/`, kind `second_factor`.
    """
    people.check_reset_alone(uow.session, user_id=user_id, now=uow.now)
    totp.reset(uow.session, user_id=user_id, actor_id=uow.actor.user_id, now=uow.now)
    security_log.record(
        uow.session,
        event="mfa.reset",
        outcome="ok",
        detail={"user_id": str(user_id)},
        actor=uow.actor,
    )
