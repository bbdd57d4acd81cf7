"""Notices about replenishments and variances: to who decides, who funds and who receives."""

from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.imprest import Fund, Replenishment, VarianceAdjustment
from pettycash.models.notices import Timing
from pettycash.services.foundation import live_roles, notices, permissions
from pettycash.services.foundation.notices import NoticeKind, shown, words

PAGE = "/console/replenishments/{id}/"

DECIDERS = (Role.GROUP_FINANCE_MANAGER, Role.CFO)
"""Told of what waits; who stands in for them finds it in `/api/work/`."""


def _told(session: Session, found: Replenishment, what: str) -> str:
    amount = shown(found.approved_amount or found.requested_amount, found.currency)
    fund = words(session.get_one(Fund, found.fund_id).name)
    return f"A replenishment of {amount}, for the fund {fund}, {what}."


REPLENISHMENT_WAITS: NoticeKind[Replenishment] = notices.declare(
    NoticeKind(
        name="replenishment.waits",
        title="Replenishment to decide",
        sentence=lambda session, found: _told(session, found, "waits for a decision"),
        path=PAGE,
        operation="replenishments.approve",
    )
)

REPLENISHMENT_TO_FUND: NoticeKind[Replenishment] = notices.declare(
    NoticeKind(
        name="replenishment.to_fund",
        title="Replenishment to fund",
        sentence=lambda session, found: _told(session, found, "was approved and waits for funds"),
        path=PAGE,
        operation="replenishments.fund",
        default=Timing.DAILY,
    )
)

REPLENISHMENT_TO_RECEIVE: NoticeKind[Replenishment] = notices.declare(
    NoticeKind(
        name="replenishment.to_receive",
        title="Replenishment to receive",
        sentence=lambda session, found: _told(session, found, "was sent: confirm what arrives"),
        path=PAGE,
        operation="replenishments.receive",
    )
)

VARIANCE_WAITS: NoticeKind[VarianceAdjustment] = notices.declare(
    NoticeKind(
        name="variance.waits",
        title="Variance to decide",
        sentence=lambda _session, found: (
            f"A variance of {shown(found.variance_amount, found.currency)} waits for a decision."
        ),
        path="/console/variances/{id}/",
        operation="variances.approve",
    )
)


def _keepers(session: Session, found: Replenishment) -> set[UUID | None]:
    fund = session.get_one(Fund, found.fund_id)
    return {fund.custodian_id, fund.alternate_custodian_id}


def raised(session: Session, found: Replenishment) -> None:
    """A fund asks for money: tell who decides, but neither who keeps it nor who asked."""
    to = live_roles.holders_of(session, *DECIDERS, now=session.info["now"])
    own = {*_keepers(session, found), found.proposed_by}
    notices.notice(session, REPLENISHMENT_WAITS, to=to - own, about=found)


def approved(session: Session, found: Replenishment) -> None:
    """It was approved: tell who funds it, of those who have no other part in it."""
    roles = permissions.PERMISSIONS[REPLENISHMENT_TO_FUND.operation]
    to = live_roles.holders_of(session, *roles, now=session.info["now"])
    own = {*_keepers(session, found), found.proposed_by, found.decided_by}
    notices.notice(session, REPLENISHMENT_TO_FUND, to=to - own, about=found)


def funded(session: Session, found: Replenishment) -> None:
    """The money is on its way: tell who receives it."""
    notices.notice(session, REPLENISHMENT_TO_RECEIVE, to=_keepers(session, found), about=found)


def recorded(session: Session, found: VarianceAdjustment) -> None:
    """Somebody recorded a variance: tell who decides it."""
    to = live_roles.holders_of(session, *DECIDERS, now=session.info["now"])
    notices.notice(session, VARIANCE_WAITS, to=to - {found.proposed_by}, about=found)
