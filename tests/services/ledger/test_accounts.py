"""Accounts are found by what they stand for, and opened by the first event that needs them."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Company
from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.runtime import db
from pettycash.runtime.money import Currency
from pettycash.services.ledger import accounts
from tests import books
from tests.factories.people import company_id, user_id
from tests.races import together
from tests.servers import Database

K = AccountKind


def codes(session: Session, currency: str = "KES") -> set[str]:
    rows = session.execute(select(LedgerAccount.code).where(LedgerAccount.currency == currency))
    return set(rows.scalars())


def test_every_kind_has_a_plan() -> None:
    assert set(accounts.PLAN) == set(K)
    assert len({plan.number for plan in accounts.PLAN.values()}) == len(K)


def test_a_company_begins_with_the_template(session: Session) -> None:
    wanted = {plan.number for plan in accounts.PLAN.values() if plan.qualifier is None}
    wanted |= {f"5000.{category}" for category in accounts.TEMPLATE_CATEGORIES}

    assert wanted <= codes(session)


def test_the_template_again_adds_nothing(session: Session) -> None:
    before = codes(session)

    accounts.create_template(session, session.get_one(Company, session.info["scope"].company_id))

    assert codes(session) == before


def test_another_currency_is_opened_when_needed(session: Session) -> None:
    found = accounts.find(session, kind=K.BANK, currency="USD")

    assert (found.code, found.currency, found.balance) == ("1100", "USD", 0)
    assert accounts.find(session, kind=K.BANK, currency="USD").id == found.id
    assert found.id != accounts.find(session, kind=K.BANK, currency="KES").id


@pytest.mark.parametrize(
    ("kind", "owner", "code"),
    [
        (K.IN_TRANSIT, lambda s: {"fund_id": books.fund(s).id}, "1200.WESTLANDS"),
        (K.EXPENSE, lambda _: {"category": "printing"}, "5000.printing"),
        (
            K.PROVIDER_CHARGES,
            lambda s: {"provider_account_id": books.store(s).provider_account_id},
            "1310.MPESA-DEMO",
        ),
    ],
)
def test_an_account_belongs_to_what_it_is_of(
    session: Session, kind: AccountKind, owner: Callable[[Session], dict[str, str]], code: str
) -> None:
    found = accounts.find(session, kind=kind, currency="KES", **owner(session))  # type: ignore[arg-type]

    assert found.code == code


def test_an_advances_account_does_not_name_the_person(session: Session) -> None:
    person = user_id(session, "staff")

    found = accounts.find(session, kind=K.ADVANCES, currency="KES", party_id=person)

    assert "staff" not in (found.code + found.name).lower()
    assert found.party_id == person


@pytest.mark.parametrize(
    ("kind", "owner"),
    [
        (K.ADVANCES, {}),
        (K.EXPENSE, {}),
        (K.EQUITY, {"category": "travel"}),
        (K.IN_TRANSIT, {"category": "travel"}),
        (K.STORE, {}),
    ],
)
def test_a_wrong_owner_is_a_mistake_in_the_code(
    session: Session, kind: AccountKind, owner: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="is told by"):
        accounts.find(session, kind=kind, currency="KES", **owner)  # type: ignore[arg-type]


def test_a_taken_number_does_not_stop_a_fact(session: Session) -> None:
    accounts.create(
        session,
        kind=K.BANK,
        category="kcb",
        code="5000.rent",
        name="KCB",
        currency=Currency.KES,
    )

    found = accounts.find(session, kind=K.EXPENSE, currency="KES", category="rent")

    assert found.kind is K.EXPENSE
    assert found.code.startswith("5000.rent.")


def test_ten_at_once_open_one(live: Database) -> None:
    def find() -> UUID:
        with db.transaction() as session:
            return accounts.find(session, kind=K.EXPENSE, currency="KES", category="printing").id

    with db.scope(company_id=company_id("DEMO")):
        results = together([find] * 10)

    assert len(set(results)) == 1
    assert isinstance(results[0], UUID)
