"""Every list there is, with every filter and order it knows; what each shows, and to whom."""

import importlib
import pkgutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from pettycash import services
from pettycash.models.access import Role
from pettycash.models.payments import PaymentStatus
from pettycash.services.foundation import listings
from pettycash.services.foundation.listings import Filter, Listing, export, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations.case_lists import CASES
from pettycash.services.payments.lists import PAYMENTS
from pettycash.services.requisitions.reading import REQUISITIONS
from tests import books
from tests.factories.people import acting, user_id
from tests.factories.requisitions import raised

SAMPLES: dict[type, Any] = {
    UUID: uuid4(),
    bool: True,
    int: 1,
    str: "x",
    date: date(2026, 3, 1),
    datetime: datetime(2026, 3, 1, tzinfo=UTC),
    Decimal: Decimal("10.00"),
}

WITHOUT_SEARCH = {
    "companies.list",  # it holds one
    "notices.list",  # one's own of late
    "periods.list",  # months have no words
    "reconciliation.list",  # runs have no words
    "sessions.list",  # one's own few
    "requisitions.trail",  # of one requisition
}


def every_listing() -> dict[str, Listing]:
    """By name, from every module of the services."""
    found: dict[str, Listing] = {}
    for each in pkgutil.walk_packages(services.__path__, "pettycash.services."):
        module = importlib.import_module(each.name)
        for value in vars(module).values():
            candidates = value.values() if isinstance(value, dict) else [value]
            found |= {one.name: one for one in candidates if isinstance(one, Listing)}
    return found


LISTINGS = every_listing()


def sample(asked: Filter) -> Any:
    value = next(iter(asked.kind)) if issubclass(asked.kind, StrEnum) else SAMPLES[asked.kind]
    return [value, value] if asked.several else value


def test_every_filter_order_and_search_makes_a_query(session: Session) -> None:
    books.pay(session, "1500.00")
    reader = acting(session, "auditor", Role.OPERATOR)
    asked = 0
    for listing in LISTINGS.values():
        uow = Uow.of(session, reader)
        for name, one in listing.filters.items():
            page(uow, listing, {name: sample(one)})
            page(uow, listing, {name: False} if one.kind is bool else {})
            asked += 1
        for order in listing.orders:
            page(uow, listing, {"order": order, "limit": 1})
        if listing.find is not None:
            page(uow, listing, {"q": "a b%"})
        list(export(uow, listing))
    assert len(LISTINGS) > 30
    assert asked > 200


def test_every_list_can_be_searched_but_for_those_named() -> None:
    assert {name for name, each in LISTINGS.items() if each.find is None} == WITHOUT_SEARCH


def test_every_column_and_person_of_a_list_is_an_attribute_of_its_items(session: Session) -> None:
    """A name that no item has would be an empty column for ever."""
    books.pay(session, "1500.00")
    reader = acting(session, "auditor", Role.OPERATOR)
    looked_at = 0
    for listing in LISTINGS.values():
        for item in page(Uow.of(session, reader), listing, {"limit": 1}).items:
            named = {*listing.columns, *listing.people}
            known = (
                item.keys() if isinstance(item, dict) else {n for n in named if hasattr(item, n)}
            )
            assert named <= set(known), listing.name
            looked_at += 1
    assert looked_at > 12


def numbers(session: Session, listing: Listing, name: str, **arguments: Any) -> list[str]:
    found = page(Uow.of(session, acting(session, name)), listing, arguments)
    return [each["number"] for each in found.items]


def test_amounts_statuses_and_units_narrow_a_list(session: Session) -> None:
    small, large = (books.pay(session, amount) for amount in ("100.00", "4000.00"))
    branch = books.fund(session).branch_id

    assert numbers(session, PAYMENTS, "cfo", min_amount=Decimal(101)) == [large.number]
    assert numbers(session, PAYMENTS, "cfo", max_amount=Decimal(100)) == [small.number]
    both = {PaymentStatus.SUCCESS, PaymentStatus.FAILED}
    assert len(numbers(session, PAYMENTS, "cfo", status=both)) == 2
    assert numbers(session, PAYMENTS, "cfo", status=[PaymentStatus.FAILED]) == []
    assert len(numbers(session, PAYMENTS, "cfo", branch_id=[branch])) == 2
    assert numbers(session, PAYMENTS, "cfo", branch_id=[uuid4()]) == []


def test_days_are_those_of_the_step_that_is_named(session: Session) -> None:
    paid = books.pay(session, "100.00")
    session.execute(
        text("UPDATE payments SET paid_at = '2026-03-09 21:00+00' WHERE id = :id"), {"id": paid.id}
    )
    day = date(2026, 3, 10)  # in Nairobi

    assert numbers(session, PAYMENTS, "cfo", paid_from=day, paid_to=day) == [paid.number]
    assert numbers(session, PAYMENTS, "cfo", paid_to=day - timedelta(days=1)) == []
    assert numbers(session, PAYMENTS, "cfo", failed_from=day) == []


def test_what_changed_since_an_instant(session: Session) -> None:
    draft = raised(session)
    now = session.info["now"]

    assert draft.number in numbers(session, REQUISITIONS, "cfo", updated_since=now)
    later = now + timedelta(seconds=1)
    assert draft.number not in numbers(session, REQUISITIONS, "cfo", updated_since=later)


def test_who_sees_no_payees_finds_none(session: Session) -> None:
    draft = raised(session)
    word = draft.payee_name.split()[0]
    draft.external_reference = "INV 0712345678"  # masked like a payee's number elsewhere
    session.flush()

    assert draft.number in numbers(session, REQUISITIONS, "cfo", q=word)
    assert draft.number in numbers(session, REQUISITIONS, "operator", q=draft.number)
    assert numbers(session, REQUISITIONS, "operator", q=word) == []
    assert draft.number in numbers(session, REQUISITIONS, "cfo", q="0712345")
    assert numbers(session, REQUISITIONS, "operator", q="0712345") == []
    assert page(Uow.of(session, acting(session, "operator")), CASES, {"q": word}).items == []
    assert draft.number in numbers(session, REQUISITIONS, "operator", q=" ")
    paid = books.pay(session, "100.00")
    assert numbers(session, PAYMENTS, "cfo", destination=paid.destination) == [paid.number]
    assert numbers(session, PAYMENTS, "operator", destination=paid.destination) == []
    paid.external_reference = "INV 0712345678"
    session.flush()
    assert numbers(session, PAYMENTS, "cfo", q="0712345") == [paid.number]
    assert numbers(session, PAYMENTS, "operator", q="0712345") == []


def test_a_page_names_the_persons_in_it(session: Session) -> None:
    draft = raised(session)
    staff = user_id(session, "staff")

    mine = page(Uow.of(session, acting(session, "staff")), REQUISITIONS)
    masked = page(Uow.of(session, acting(session, "operator")), REQUISITIONS)

    assert draft.number in {each["number"] for each in mine.items}
    assert mine.people[staff]
    assert masked.items
    assert masked.people == {}


def test_an_export_has_every_row_once_and_names_beside_ids(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "EXPORT_PAGE_SIZE", 2)
    made = {raised(session).number for _ in range(5)}

    rows = list(export(Uow.of(session, acting(session, "staff")), REQUISITIONS))

    exported = [row["number"] for row in rows]
    assert len(exported) == len(set(exported))
    assert made <= set(exported)
    assert all(row["requester_name"] for row in rows)
    assert list(rows[0])[:4] == ["number", "status", "kind", "requester_id"]


@pytest.mark.parametrize("name", ["requisitions.list", "payments.list", "users.list", "funds.list"])
def test_a_page_needs_a_handful_of_statements(session: Session, name: str) -> None:
    for _ in range(3):
        books.pay(session, "100.00")
    reader = acting(session, "cfo")
    statements: list[str] = []
    connection = session.connection()

    def watch(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", watch)
    try:
        assert page(Uow.of(session, reader), LISTINGS[name]).items
    finally:
        event.remove(connection, "before_cursor_execute", watch)
    assert len(statements) <= 4
