"""Names: kept as they were given, if a reader sees all of them on one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pettycash.services.foundation import text_validation

SEEN = [
    "Ng'ang'a",
    "Ng\u2019ang\u2019a wa Njeri",
    "N\u0129g\u0169g\u0129",
    "\u0623\u062d\u0645\u062f",
    "\u674e\u5c0f\u9f99",
    "Jos\u00e9 O\u2019Neill-D\u2019Arcy",
    "Jose\u0301",
    "Duka \u00a0Moja",
    "Receipt \U0001f9fe",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 Stores",
    "\u2764\ufe0f Flowers",
    "\U0001f44b\U0001f3fd Cafe",
    'A & B <Ltd> "x" 100%',
]

UNSEEN = [
    "Spring\nWater",
    "Spring\rWater",
    "Spring\tWater",
    "Spring\x00Water",
    "Spring\x7fWater",
    "Spring\x85Water",
    "Spring\x9bWater",
    "Spring\u00adWater",
    "Spring\u034fWater",
    "Spring\u061cWater",
    "Spring\u115fWater",
    "Spring\u180eWater",
    "Spring\u200bWater",
    "Spring\u200dWater",
    "Spring\u200fWater",
    "Spring\u2028Water",
    "Spring\u2029Water",
    "Spring\u202eWater",
    "Spring\u2060Water",
    "Spring\u2066Water",
    "Spring\u2800Water",
    "Spring\u3164Water",
    "Spring\ufe0fWater",
    "Spring\ufeffWater",
    "Spring\uffa0Water",
    "Spring\ue000Water",
    "Spring\U000e0041Water",
]


@pytest.mark.parametrize("name", SEEN, ids=ascii)
def test_a_name_is_kept_as_it_was_given(name: str) -> None:
    assert text_validation.name(f" {name} ", field="name") == name


@pytest.mark.parametrize("name", UNSEEN, ids=ascii)
def test_a_name_with_something_unseen_is_refused_and_says_what(name: str) -> None:
    with pytest.raises(text_validation.InvalidText, match=f"U\\+{ord(name[6]):04X}") as refusal:
        text_validation.name(name, field="payee_name")

    assert list(refusal.value.errors) == ["payee_name"]


@given(st.text(min_size=1, max_size=30))
def test_what_is_taken_stands_on_one_line(name: str) -> None:
    try:
        taken = text_validation.name(name, field="name")
    except text_validation.InvalidText:
        return
    assert taken.splitlines() == [taken]
    assert text_validation.name(taken, field="name") == taken


@pytest.mark.parametrize(
    ("name", "mixes"),
    [
        ("Wanjiru", False),
        ("N\u0129g\u0169g\u0129 & Sons 24/7", False),
        ("Ng\u02bcang\u02bca", False),
        ("\u674e\u3055\u304f\u3089", False),
        ("\u0418\u0432\u0430\u043d\u043e\u0432\u0430", False),
        ("W\u0430njiru", True),
        ("\u0391lpha Stores", True),
        ("\U0001d5ea\U0001d5eanjiru", True),
        ("", False),
    ],
    ids=ascii,
)
def test_letters_of_several_scripts_are_flagged(name: str, mixes: bool) -> None:
    assert text_validation.mixes_scripts(name) is mixes
