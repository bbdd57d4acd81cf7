"""Every report, on random books: it foots at any range, and its links add up to its figures."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.access import CostCenter, Department
from pettycash.models.base import new_id
from pettycash.models.imprest import VarianceKind
from pettycash.models.ledger import AccountKind, JournalEntry
from pettycash.models.reconciliation import ItemState, ReconciliationItem, ReconciliationRun
from pettycash.models.requisitions import RequisitionKind
from pettycash.services import reports
from pettycash.services.foundation import listings
from pettycash.services.foundation.permissions import PERMISSIONS
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import variances
from pettycash.services.imprest.replenishments.lists import REPLENISHMENTS
from pettycash.services.imprest.variance_lists import VARIANCES
from pettycash.services.ledger import posting, posting_rules
from pettycash.services.ledger.fund_statements import LEDGER
from pettycash.services.payments.lists import EXECUTIONS, PAYMENTS, TRANSACTIONS
from pettycash.services.reports import Link, Report, Row
from tests import books
from tests.factories.people import acting
from tests.posting import transfer
from tests.replenishing import funded, receive

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
LISTED = {
    "/api/ledger/": LEDGER,
    "/api/payments/": PAYMENTS,
    "/api/payments/executions/": EXECUTIONS,
    "/api/payments/gateway-exchanges/": TRANSACTIONS,
    "/api/replenishments/": REPLENISHMENTS,
    "/api/variances/": VARIANCES,
}

JOURNAL = """
    SELECT coalesce(sum(p.amount) FILTER (WHERE p.side = 'debit'), 0) AS debit,
        coalesce(sum(p.amount) FILTER (WHERE p.side = 'credit'), 0) AS credit
    FROM postings p JOIN journal_entries e ON e.id = p.entry_id
    JOIN ledger_accounts a ON a.id = p.account_id
    LEFT JOIN stores s ON s.account_id = a.id LEFT JOIN funds f ON f.id = s.fund_id
    WHERE p.currency = :currency AND (CAST(:from AS date) IS NULL OR e.accounting_date >= :from)
        AND (CAST(:to AS date) IS NULL OR e.accounting_date <= :to) AND """
OF_FUND = (
    "s.id IS NOT NULL AND (CAST(:fund_id AS uuid) IS NULL OR s.fund_id = :fund_id)"
    " AND (CAST(:branch_id AS uuid) IS NULL OR f.branch_id = :branch_id)"
)
OF_DIMENSION = " AND ".join(
    f"(CAST(:{each} AS uuid) IS NULL OR coalesce(p.{each}, '{UUID(int=0)}') = :{each})"
    for each in ("fund_id", "branch_id", "department_id", "cost_center_id")
)
OF_ACCOUNT = f"{OF_DIMENSION} AND (CAST(:account_id AS uuid) IS NULL OR a.id = :account_id)"
PROVEN = {
    "cash-book": (OF_FUND, lambda t: (t["in"], t["out"])),
    "fund-statement": (
        f"{OF_FUND} AND (CAST(:store_id AS uuid) IS NULL OR s.id = :store_id)",
        lambda t: (t["in"], t["out"]),
    ),
    "general-ledger": (OF_ACCOUNT, lambda t: (t["debit"], t["credit"])),
    "account-statement": (OF_ACCOUNT, lambda t: (t["debit"], t["credit"])),
    "spending": (f"a.kind = 'expense' AND {OF_DIMENSION}", lambda t: t["amount"]),
    "payment-summary": (
        "s.id IS NOT NULL AND e.rule IN ('expense', 'advance')", lambda t: t["amount"]
    ),
}  # fmt: skip
"""By report, which postings of the journal it adds up, and to what."""


def keep_books(session: Session, chance: random.Random) -> None:
    """Some months of payments, fees, returns, a refill, variances and exchanges."""

    def some_day() -> datetime:
        return FIRST + timedelta(days=chance.randint(0, 250))

    refilled = funded(session, books.fund(session))
    receive(session, refilled, "4000.00")
    for number in range(5):
        amount = f"{chance.randint(100, 900)}.{chance.randint(0, 99):02}"
        at = some_day()
        paid = books.pay(
            session, amount, occurred_at=at, failures=number % 3 // 2,
            store_code=chance.choice(("WESTLANDS-MPESA", "WESTLANDS-DRAWER")),
            kind=chance.choice((RequisitionKind.EXPENSE, RequisitionKind.ADVANCE)),
        )  # fmt: skip
        told: dict[str, Any] = {"payment": paid, "occurred_at": at + timedelta(days=1)}
        entries = [
            posting_rules.fee(session, fee=Decimal(23), source=f"fee:{new_id()}", **told),
            transfer(session, f"random:{new_id()}", amount, occurred_at=some_day()),
        ]
        if number == 1:
            source = f"back:{new_id()}"
            entries.append(
                posting_rules.returned(session, amount=Decimal("50.01"), source=source, **told)
            )
        entries.append(of_cost_center(session, amount, some_day()))
        posting.post(session, entries)
    treasury = Uow.of(session, acting(session, "treasury"))
    for kind in (VarianceKind.OVERPAID, VarianceKind.FEE):
        found = variances.record(
            treasury,
            kind=kind,
            payment_id=paid.id,
            adjusted_amount=paid.amount + 90,
            reason="As the statement says",
        )
        variances.approve(Uow.of(session, acting(session, "cfo")), variance_id=found.id)
    run = ReconciliationRun(
        company_id=treasury.actor.company_id, business_date=FIRST.date(), sequence=1,
        status="closed", deadline_at=FIRST, counts={}, totals={}, mismatches=[],
    )  # fmt: skip
    session.add(run)
    session.flush()
    session.add(
        ReconciliationItem(
            company_id=run.company_id,
            run_id=run.id,
            payment_id=paid.id,
            detail={},
            state=ItemState.BROKEN,
            finding="success_without_evidence",
        )
    )
    session.flush()


def of_cost_center(session: Session, amount: str, at: datetime) -> posting.Entry:
    """An expense that differs from those of payments in its cost centre alone."""
    place = {
        "branch_id": books.fund(session).branch_id,
        "department_id": session.scalars(
            select(Department.id).where(Department.code == "OPS")
        ).one(),
    }
    center = session.scalars(select(CostCenter.id)).first()
    travel = books.account(session, AccountKind.EXPENSE, category="travel")
    suspense = books.account(session, AccountKind.SUSPENSE)
    return transfer(
        session, f"center:{new_id()}", amount, occurred_at=at,
        postings=[
            posting.debit(travel.id, Decimal(amount), cost_center_id=center, **place),
            posting.credit(suspense.id, Decimal(amount)),
        ],
    )  # fmt: skip


def choices(session: Session) -> dict[str, list[Any]]:
    """By parameter what a reader may choose: ids, and days on which something was posted."""
    days = list(session.scalars(select(JournalEntry.accounting_date)))
    fund = books.fund(session)
    return {
        "fund_id": [fund.id, books.fund(session, "HQ").id],
        "branch_id": [fund.branch_id],
        "store_id": [books.store(session).id],
        "account_id": [books.store(session).account_id],
        "department_id": [UUID(int=0)],
        "cost_center_id": [UUID(int=0)],
        "user_id": [acting(session, "branch_manager").user_id],
        "role": ["branch_manager"],
        "gateway": ["test"],
        **dict.fromkeys(("from", "to", "as_of"), days),
    }


def values_of(report: Report, chance: random.Random, ids: dict[str, list[Any]]) -> dict[str, Any]:
    """Parameters as a reader may choose them."""

    def chosen(name: str, kind: type[Any]) -> Any:
        if name in ids:
            return chance.choice(ids[name])
        if issubclass(kind, StrEnum):
            return chance.choice(list(kind))
        raise AssertionError(f"say how to choose a {kind}")

    values = {
        each.name: None if chance.random() < 0.6 else chosen(each.name, each.kind)
        for each in report.params
    }
    if values.get("from") and values.get("to"):
        values["from"], values["to"] = sorted((values["from"], values["to"]))
    return values


def read(uow: Uow, report: Report, values: dict[str, Any]) -> Iterator[tuple[Row, dict[str, str]]]:
    """Rows with their links; each part foots, and is what the journal adds up to."""
    for part in reports.parts(uow, report, values):
        rows = [dict(row) for row in part]
        assert part.foots, (report.name, values, part.currency, part.totals)
        for name in report.totalled:
            assert part.totals[name] == sum(row[name] or 0 for row in rows)
        if report.name in PROVEN and not {"method", "status"} & {k for k, v in values.items() if v}:
            prove(uow.session, report, {**values, "currency": part.currency}, part.totals)
        for row in rows:
            yield row, reports.drill(report, row, values)


def prove(
    session: Session, report: Report, values: dict[str, Any], totals: dict[str, Decimal]
) -> None:
    """The totals are those of plain SQL over the journal."""
    condition, of = PROVEN[report.name]
    if report.name == "payment-summary" and (values["fund_id"] or values["branch_id"]):
        return
    sums = session.execute(text(JOURNAL + condition), values).one()
    expected = {
        "spending": sums.debit - sums.credit, "payment-summary": sums.credit - sums.debit,
    }.get(report.name, (sums.debit, sums.credit))  # fmt: skip
    assert of(totals) == expected, (report.name, values)


def added_up(uow: Uow, link: Link, address: str) -> Decimal:
    """What the rows behind an address add up to."""
    path, _, query = address.partition("?")
    given = parse_qs(query, keep_blank_values=True)
    rows: list[Any]
    if path in LISTED:
        listing = LISTED[path]
        asked = {name: taken(listing.filters.get(name), each) for name, each in given.items()}
        rows = list(listings.page(uow, listing, {**asked, "limit": 500}).items)
    else:
        report = reports.BY_NAME[path.split("/")[-2]]
        kinds = {each.name: each.kind for each in report.params}
        asked = {name: parsed(kinds[name], each[0]) for name, each in given.items()}
        values = dict.fromkeys(kinds) | asked
        rows = [row for part in reports.parts(uow, report, values) for row in part]
    if not link.adds:
        return Decimal(len(rows))
    return sum(
        (
            (listings.value_of(row, name.removeprefix("-")) or Decimal(0))
            * (-1 if name.startswith("-") else 1)
            for row in rows
            for name in link.adds
        ),
        Decimal(0),
    )


def taken(asked: listings.Filter | None, given: list[str]) -> Any:
    if asked is None:
        return given[0]
    found = [parsed(asked.kind, each) for each in given]
    return found if asked.several else found[0]


def parsed(kind: type[Any], given: str) -> Any:
    if kind is bool:
        return given == "True"
    return date.fromisoformat(given) if kind is date else kind(given)


def test_every_report_foots_and_its_links_add_up(session: Session) -> None:
    chance = random.Random(20261130)
    keep_books(session, chance)
    ids = choices(session)
    uow = Uow.of(session, acting(session, "cfo"))
    followed: dict[str, set[str]] = {each.name: set() for each in reports.ALL}
    seen = dict.fromkeys(followed, 0)
    for report in reports.ALL:
        by_column = {each.name: each.link for each in report.columns}
        asked = [dict.fromkeys(each.name for each in report.params)]
        asked += [values_of(report, chance, ids) for _ in range(5)]
        for values in asked:
            rows = list(read(uow, report, values))
            seen[report.name] += len(rows)
            for row, links in chance.sample(rows, min(4, len(rows))):
                for name, address in links.items():
                    link = by_column[name]
                    assert link is not None
                    if "?" not in address:  # the one thing that the figure is of
                        assert str(row[link.path.split("{")[1].split("}")[0]]) in address
                        continue
                    told = f"{report.name}.{name} of {values}: {address}"
                    assert added_up(uow, link, address) == row[name], told
                    followed[report.name].add(name)
    assert [name for name, rows in seen.items() if not rows] == []
    assert sum(map(len, followed.values())) > 30


def test_every_report_has_its_right_and_a_link_for_each_total() -> None:
    for report in reports.ALL:
        assert report.permission in PERMISSIONS
        for each in report.columns:
            assert each.link is not None or each.name not in report.totalled, each.name


def test_rows_lie_within_the_scope_of_the_reader(session: Session) -> None:
    """A custodian has the funds that they keep, a manager the requisitions of the branch."""
    books.pay(session)
    nothing = dict.fromkeys(
        ("from", "to", "fund_id", "branch_id", "currency", "store_id", "status")
    )

    def funds_of(name: str, report: str) -> set[str]:
        uow = Uow.of(session, acting(session, name))
        found = reports.parts(uow, reports.BY_NAME[report], nothing)
        return {row.get("fund", row.get("code")) for part in found for row in part}

    for report in ("cash-book", "fund-statement", "fund-status", "imprest-reconciliation"):
        assert funds_of("custodian", report) == {"WESTLANDS"}
        assert len(funds_of("cfo", report)) > 1
    register = reports.BY_NAME["requisition-register"]
    for name, some in (("branch_manager", True), ("department_head_finance", False)):
        uow = Uow.of(session, acting(session, name))
        assert any(list(each) for each in reports.parts(uow, register, nothing)) is some
