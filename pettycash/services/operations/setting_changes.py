"""Settings of consequence: one proposes values, a second person makes them hold (control.md §6).

An OTP floor is bounded: never above the lowest tier of its currency, so that whatever takes two
approvals takes a code as well.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from pettycash.models.operations import Change
from pettycash.runtime import money
from pettycash.services.foundation import company_settings, security_log
from pettycash.services.foundation.company_settings import OF_CONSEQUENCE, InvalidSetting
from pettycash.services.foundation.permissions import ADMINISTRATORS
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes

KIND = "settings"


def _read(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    if proposal.object_id is not None or not proposal.payload:
        raise InvalidSetting("Settings are proposed by name, with the value that each shall have.")
    return changes.ChangeProposal(object_id=None, payload=_checked(session, proposal.payload, now))


def _checked(session: Session, values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    stored = company_settings.checked(session, values, known=OF_CONSEQUENCE)
    for code, floor in stored.get("otp_floor", {}).items():
        limit = company_settings.lowest_tier(session, currency=code, now=now)
        if Decimal(floor) > limit:
            most = money.text(limit, code)
            raise InvalidSetting(
                errors={"otp_floor": [f"{code}: at most {most}, the limit of the lowest tier."]}
            )
    return stored


def _apply(uow: Uow, change: Change) -> None:
    session = uow.session
    before = company_settings.current(session)
    stored = _checked(session, change.payload, uow.now)
    company_settings.update(
        session,
        values=stored,
        expected_version=before.version,
        changed_by=uow.actor.user_id,
        known=OF_CONSEQUENCE,
    )
    security_log.record(
        session,
        event="settings.changed",
        outcome="ok",
        detail={
            "change_id": str(change.id),
            "old": {name: company_settings.wire(before, name) for name in stored},
            "new": stored,
        },
        actor=uow.actor,
    )


def _before(session: Session, change: Change) -> dict[str, Any]:
    policy = company_settings.current(session)
    return {name: company_settings.wire(policy, name) for name in change.payload}


changes.register(
    KIND,
    proposers=ADMINISTRATORS,
    confirmers=ADMINISTRATORS,
    apply=_apply,
    read=_read,
    before=_before,
    alerts=True,
)
