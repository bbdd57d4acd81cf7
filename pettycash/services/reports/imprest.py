"""The imprest: where each fund's float is, and how it was filled up again."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, cast, func, select
from sqlalchemy.dialects.postgresql import UUID as KEY

from pettycash.models.imprest import Fund, Replenishment, ReplenishmentStatus
from pettycash.models.ledger import JournalEntry, Posting, Side
from pettycash.runtime.money import Currency
from pettycash.services.foundation import visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity
from pettycash.services.imprest.replenishments.scope import visible
from pettycash.services.reports.declared import (
    Col,
    Link,
    Money,
    Number,
    Report,
    Row,
    Values,
    path_of,
)
from pettycash.services.reports.params import (
    BRANCH,
    CURRENCY,
    FUND,
    PERIOD,
    always,
    day,
    narrowed,
    within,
)

TERMS = ("stores", "in_transit", "advances_outstanding", "vouchers", "not_put_in")


def _identities(uow: Uow, values: Values) -> Iterator[Row]:
    found = (
        select(Fund)
        .where(Fund.is_active, visibility.funds(uow.actor))
        .order_by(Fund.currency, Fund.code)
    )
    columns = {"fund_id": Fund.id, "branch_id": Fund.branch_id, "currency": Fund.currency}
    for fund in uow.session.scalars(narrowed(found, columns, values)):
        found_terms = float_identity.identity(uow.session, fund.id)
        yield {
            "code": fund.code,
            "fund_id": fund.id,
            "currency": fund.currency,
            "float": found_terms.target,
            "difference": found_terms.difference,
            **{name: getattr(found_terms, name) for name in TERMS},
        }


def _replenishments(uow: Uow, values: Values) -> Select[*tuple[Any, ...]]:
    of = cast(func.split_part(JournalEntry.source, ":", 2), KEY(as_uuid=True))
    posted = {
        name: func.coalesce(
            func.sum(Posting.amount).filter(JournalEntry.rule == rule), 0
        ).label(name)
        for name, rule in (
            ("funded", "top_up_sent"), ("received", "top_up_received"), ("lost", "transit_loss"),
        )
    }  # fmt: skip
    moved = (
        select(of.label("replenishment_id"), *posted.values())
        .join(Posting, Posting.entry_id == JournalEntry.id)
        .where(
            JournalEntry.rule.in_(("top_up_sent", "top_up_received", "transit_loss")),
            Posting.side == Side.DEBIT,
        )
        .group_by(of)
        .subquery()
    )
    made = Replenishment
    raised = day(uow, made.created_at)
    query = (
        select(
            made.number, made.id.label("replenishment_id"), Fund.code.label("fund"), made.status,
            made.currency, made.created_at, made.funded_at, made.received_at,
            made.requested_amount.label("requested"),
            func.coalesce(made.approved_amount, 0).label("approved"),
            *(func.coalesce(moved.c[name], 0).label(name) for name in posted),
            (day(uow, made.received_at) - raised).label("days"),
        )
        .join(Fund, Fund.id == made.fund_id)
        .outerjoin(moved, moved.c.replenishment_id == made.id)
        .where(visible(uow.actor))
        .order_by(made.currency, made.id)
    )  # fmt: skip
    columns = {"fund_id": made.fund_id, "branch_id": Fund.branch_id, "currency": made.currency}
    return narrowed(within(query, raised, values), columns, values)


def _itself(*adds: str) -> Link:
    return Link(path="/api/replenishments/", query={"q": "number"}, adds=adds)


def _paid(*adds: str) -> Link:
    query = {
        "fund_id": "fund_id",
        "status": always("success"),
        "payment_type": always(["advance", "per_diem"]),
    }
    return Link(path="/api/payments/", query=query, adds=adds)


IN_TRANSIT = Link(
    path=path_of("replenishment-schedule"),
    query={"fund_id": "fund_id"},
    adds=("funded", "-received", "-lost"),
)
STORES = Link(path=path_of("fund-statement"), query={"fund_id": "fund_id"}, adds=("in", "-out"))

IMPREST = Report(
    name="imprest-reconciliation",
    title="Imprest reconciliation",
    summary="Show where the float of each fund is: in stores, on the way, advanced, spent.",
    permission="imprest_reconciliation.get",
    params=(FUND, BRANCH, CURRENCY),
    sql=_identities,
    columns=(
        Col("fund_id", kind=UUID),
        Col("code", "Fund"),
        Col("currency", "Currency", kind=Currency),
        Money("stores", "Stores", link=STORES),
        Money("in_transit", "In transit", link=IN_TRANSIT),
        Money("advances_outstanding", "Advances", link=_paid("paid_amount")),
        Money("vouchers", "Vouchers not yet replenished", total=False),
        Money("not_put_in", "Not put in", total=False),
        Money("float", "Float", total=False),
        Money("difference", "Difference", total=False),
    ),
)

REPLENISHMENTS = Report(
    name="replenishment-schedule",
    title="Replenishment schedule",
    summary="List requests to fill funds, what was sent and received, and how long that took.",
    permission="replenishment_schedule.get",
    params=(*PERIOD, FUND, BRANCH, CURRENCY),
    sql=_replenishments,
    columns=(
        Col("replenishment_id", kind=UUID),
        Col("number", "Number"),
        Col("fund", "Fund"),
        Col("status", "Status", kind=ReplenishmentStatus),
        Col("created_at", "Requested at", kind=datetime),
        Col("funded_at", "Funded at", kind=datetime),
        Col("received_at", "Received at", kind=datetime),
        Number("days", "Days"),
        Col("currency", "Currency", kind=Currency),
        Money("requested", "Requested", link=_itself("requested_amount")),
        Money("approved", "Approved", link=_itself("approved_amount")),
        Money("funded", "Funded", link=_itself("approved_amount")),
        Money("received", "Received", link=_itself("received_amount")),
        Money("lost", "Lost", link=_itself("lost_amount")),
    ),
)
