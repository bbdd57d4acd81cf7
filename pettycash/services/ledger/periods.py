"""Ledger periods: months that close softly for people, then hard for everyone (domain.md §7).

A month without a row is open. Months close in order and when they are over. Closing waits behind
the ledger's gate for postings under way, so that no entry dated by the old state arrives later.
"""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Date, Select, String, bindparam, cast, func, select, text
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.ledger import JournalEntry, LedgerPeriod, PeriodState
from pettycash.runtime import clock, errors
from pettycash.services.foundation import company_settings, decisions, security_log
from pettycash.services.foundation.decisions import DecisionKind
from pettycash.services.foundation.listings import Filter, Listing, days
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import posting

S = PeriodState


class PeriodNotOver(errors.RuleViolation):
    """A month can be closed only when it is over in the company's time zone."""

    code = "period.not_over"


class NotInOrder(errors.Conflict):
    """Months close from the earliest on, and reopen from the latest back."""

    code = "period.not_in_order"


class IllegalPeriodState(errors.Conflict):
    """Open months close softly, soft ones close hard or reopen, hard ones stay closed."""

    code = "period.illegal_state"


def soft_close(uow: Uow, *, month: date) -> LedgerPeriod:
    """Stop people's decisions in a month that is over; facts are still dated in it.

    Raises:
        PeriodNotOver: it is not over yet.
        IllegalPeriodState: it is closed.
        NotInOrder: an earlier month with postings is open.
        NotAProposer: the actor's roles do not close months.
    """
    period = _locked(uow, month)
    _check_state(period, S.OPEN)
    _check_over(uow.session, month, uow.now)
    _check_earlier(uow.session, month, closed=(S.SOFT_CLOSED, S.HARD_CLOSED))
    decisions.propose(uow, CLOSING, period)
    period.state = S.SOFT_CLOSED
    return _changed(uow, period)


def hard_close(uow: Uow, *, month: date) -> LedgerPeriod:
    """Close a month for good: what still comes rolls forward to the next open one.

    Raises:
        IllegalPeriodState: it is open.
        AlreadyDecided: it is closed for good.
        OwnProposal: the same person closed it softly.
        NotADecider: the actor's roles do not close months for good.
        NotInOrder: an earlier month is not closed for good.
    """
    period = _locked(uow, month)
    if period.state is S.OPEN:
        raise IllegalPeriodState("The month is open: close it softly first.")
    decisions.accept(uow, CLOSING, period)
    period.state = S.HARD_CLOSED
    return _changed(uow, period)


def reopen(uow: Uow, *, month: date) -> LedgerPeriod:
    """Let people decide in the newest softly closed month again.

    Raises:
        IllegalPeriodState: it is open, or closed for good.
        NotInOrder: a later month is closed.
    """
    period = _locked(uow, month)
    _check_state(period, S.SOFT_CLOSED)
    later = select(LedgerPeriod.id).where(LedgerPeriod.month > month, LedgerPeriod.state != S.OPEN)
    if uow.session.execute(later.limit(1)).first() is not None:
        raise NotInOrder("A later month is closed: reopen it first.")
    period.state = S.OPEN
    period.proposed_by = None
    period.proposed_at = None
    return _changed(uow, period)


def month_after(month: date) -> date:
    """The first day of the next month."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


MONTHS = (
    func.generate_series(
        bindparam("first_month", type_=Date), bindparam("last_month", type_=Date), text("'1 month'")
    )
    .table_valued("month")
    .render_derived(name="months")
)
MONTH: Any = cast(MONTHS.c.month, Date)
"""The months of `months`, by their first days."""


STATE = func.coalesce(LedgerPeriod.state, PeriodState.OPEN.value, type_=String)
"""A month without a row is open."""


def _months(uow: Uow) -> Select[*tuple[Any, ...]]:
    """The months from the first entry until now, with the state that each is in."""
    today = clock.business_date(uow.now, company_settings.current(uow.session).timezone)
    return (
        select(
            MONTH.label("month"),
            STATE.label("state"),
            LedgerPeriod.proposed_by,
            LedgerPeriod.proposed_at,
            LedgerPeriod.decided_by,
            LedgerPeriod.decided_at,
        )
        .select_from(MONTHS)
        .outerjoin(LedgerPeriod, LedgerPeriod.month == MONTH)
        .params(first_month=first_month(uow.session, uow.now), last_month=today.replace(day=1))
    )


PERIODS = Listing(
    name="periods.list",
    query=_months,
    filters={
        "state": Filter(kind=PeriodState, where=lambda state, _uow: state.value == STATE),
        **days(MONTH),
    },
    orders={"newest": (MONTH.desc(),), "oldest": (MONTH,)},
    columns=("month", "state", "proposed_by", "decided_by"),
    people=("proposed_by", "decided_by"),
)
"""A month counts where its first day lies between the days."""


def get(uow: Uow, *, month: date) -> Any | None:
    """One month of the list, with the state that it is in; None where it is none of them."""
    return uow.session.execute(_months(uow).where(month == MONTH)).one_or_none()


def first_month(session: Session, now: datetime) -> date:
    """The month of the earliest entry or period; this month where there is none."""
    today = clock.business_date(now, company_settings.current(session).timezone)
    earliest = [
        session.execute(select(func.min(JournalEntry.accounting_date))).scalar_one(),
        session.execute(select(func.min(LedgerPeriod.month))).scalar_one(),
        today,
    ]
    return min(each for each in earliest if each is not None).replace(day=1)


def _locked(uow: Uow, month: date) -> LedgerPeriod:
    """The month's row, made where there is none. The gate also makes closers take turns."""
    if month.day != 1:
        raise ValueError("a period is named by its first day")
    posting.hold_period_gate(uow.session)
    found = uow.session.execute(
        select(LedgerPeriod)
        .where(LedgerPeriod.month == month)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if found is None:
        found = LedgerPeriod(
            id=new_id(), company_id=uow.actor.company_id, month=month, state=S.OPEN, version=0
        )
        uow.session.add(found)
    return found


def _check_state(period: LedgerPeriod, wanted: PeriodState) -> None:
    if period.state is not wanted:
        raise IllegalPeriodState(f"The month is {period.state.value.replace('_', ' ')}.")


def _check_over(session: Session, month: date, now: datetime) -> None:
    today = clock.business_date(now, company_settings.current(session).timezone)
    if today < month_after(month):
        raise PeriodNotOver


def _check_earlier(session: Session, month: date, *, closed: tuple[PeriodState, ...]) -> None:
    first: date | None = session.execute(
        select(func.min(JournalEntry.accounting_date))
    ).scalar_one()
    if first is None:
        return
    done = set(
        session.execute(
            select(LedgerPeriod.month).where(
                LedgerPeriod.month < month, LedgerPeriod.state.in_(closed)
            )
        ).scalars()
    )
    each = first.replace(day=1)
    while each < month:
        if each not in done:
            raise NotInOrder(f"Close {each:%Y-%m} first.")
        each = month_after(each)


def _changed(uow: Uow, period: LedgerPeriod) -> LedgerPeriod:
    period.version += 1
    uow.session.flush()  # the database's own check of the two people
    security_log.record(
        uow.session,
        event=f"period.{period.state.value}",
        outcome="ok",
        detail={"month": period.month.isoformat()},
        actor=uow.actor,
    )
    return period


def _check_months_before(uow: Uow, period: LedgerPeriod) -> None:
    _check_earlier(uow.session, period.month, closed=(S.HARD_CLOSED,))


CLOSING = decisions.declare(
    DecisionKind(
        name="periods",
        model=LedgerPeriod,
        waits={"state": S.SOFT_CLOSED},
        proposing="periods.soft_close",
        accepting="periods.hard_close",
        check=_check_months_before,
        link="/api/periods/",
        what=lambda period: f"{period.month:%Y-%m}",
    )
)
"""The hard close of a month, which its soft close proposes."""
