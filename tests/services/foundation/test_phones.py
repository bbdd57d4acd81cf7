"""One rule for phone numbers, of people and of destinations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from pettycash.runtime import phones
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.access import people
from pettycash.services.foundation import destinations
from tests.factories.people import acting

SPELLINGS = [
    "0712345678",
    "0712 345 678",
    "(0712) 345-678",
    "0712.345.678",
    "254712345678",
    "+254712345678",
    "+254 (0)712 345678",
    "00254712345678",
    "00 254 712345678",
    "000254712345678",
    "tel:+254712345678",
    "TEL: 0712345678",
    "\u202a+254\u00a0712\u2009345\u2009678\u202c",
    "\u20660712345678\u2069",
    "0712\u2011345\u2010678",
    "0712\u2212345\u2014678",
    "\ufeff0712345678\u200e",
]


@pytest.mark.parametrize("raw", SPELLINGS, ids=ascii)
def test_people_cash_and_m_pesa_read_a_number_alike(session: Session, raw: str) -> None:
    admitted = people.admit(
        session,
        username="new.person",
        display_name="New Person",
        email="new@demo.example",
        phone=raw,
        places={},
        actor=acting(session, "admin"),
    )

    def normalised(method: Method) -> str:
        return destinations.normalise(raw, method=method, currency=Currency.KES)

    assert admitted.membership.phone == "+254712345678"
    assert normalised(Method.CASH) == "+254712345678"
    assert normalised(Method.MPESA) == "254712345678"


@pytest.mark.parametrize(
    "raw",
    ["", "tel:", "00", "0712", "0712 CALL", "0712345678 ext 5", "0712345678;ext=5", "+", "++254",
     "+254712345678+", "0712\n345\x00678", "\u0660\u0667\u0661\u0662", "1" * 41, "a@b.example"],
    ids=ascii,
)  # fmt: skip
def test_nothing_else_is_guessed_at(raw: str) -> None:
    with pytest.raises(phones.NotAPhone) as refusal:
        phones.e164(raw, home="KE")

    assert not raw or raw not in str(refusal.value)


def test_a_number_without_a_country_lives_where_the_currency_does() -> None:
    assert phones.e164("0772123456", home=phones.HOME_OF[Currency.UGX]) == "+256772123456"
    with pytest.raises(phones.NotAPhone):
        phones.e164("0772123456", home=phones.HOME_OF[Currency.USD])
    assert phones.e164("00256772123456", home=None) == "+256772123456"
    assert set(phones.HOME_OF) == set(Currency)


@given(st.text(max_size=40))
def test_what_is_read_is_read_the_same_again(raw: str) -> None:
    try:
        found = phones.e164(raw, home="KE")
    except phones.NotAPhone:
        return
    assert phones.e164(found, home="TZ") == found
