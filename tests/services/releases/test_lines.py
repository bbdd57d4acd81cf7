"""The lines that a code's message shows: nothing in a name can look like another line."""

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pettycash.runtime.rails import Method
from pettycash.services.releases import lines


def shown(name: str) -> tuple[str, str, str]:
    return lines.of_payment(
        amount=Decimal("1500.00"),
        currency="KES",
        payee_name=name,
        method=Method.MPESA,
        destination="254712345678",
    )


def test_amount_payee_and_destination_have_a_line_each() -> None:
    assert shown("Ng'ang'a Ödön") == ("KES 1500.00", "\"Ng'ang'a Ödön\"", "M-Pesa 254712345678")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Shop\nat M-Pesa 254700000000", '"Shop\\u000aat M-Pesa 254700000000"'),
        ('Shop"\\n', '"Shop\\"\\\\n"'),
        ("Shop\u202e8765", '"Shop\\u202e8765"'),
        ("Sh\u200bop\u2066", '"Sh\\u200bop\\u2066"'),
        ("Sh\u0085op\u2028", '"Sh\\u0085op\\u2028"'),
        ("Shop\u3164\u00a0\u2003", '"Shop\\u3164\\u00a0\\u2003"'),
        ("Shop\ufe0f\U000e0101\U000e0041", '"Shop\\ufe0f\\U000e0101\\U000e0041"'),
    ],
)
def test_what_moves_hides_or_breaks_a_line_is_shown_as_its_code(name: str, line: str) -> None:
    assert shown(name)[1] == line


@given(st.text())
def test_every_name_is_one_line_that_can_be_seen(name: str) -> None:
    line = shown(name)[1]

    assert len(line.splitlines()) == 1
    assert not [
        each for each in line if unicodedata.category(each) in ("Cc", "Cf", "Cn", "Co", "Cs")
    ]


@given(st.text(), st.text())
def test_two_names_never_look_the_same(one: str, other: str) -> None:
    assert (shown(one)[1] == shown(other)[1]) == (one == other)
