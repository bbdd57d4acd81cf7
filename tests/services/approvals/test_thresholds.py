"""Tiers: which serves an amount, how they are drafted, published and retired, what is left open."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalThreshold, Origin, ThresholdOrigin
from pettycash.models.operations import Change, ChangeStatus
from pettycash.runtime import db
from pettycash.runtime.money import Currency
from pettycash.services.approvals import thresholds
from pettycash.services.approvals.thresholds import Draft, Gap, gaps
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes
from tests.factories.people import acting, company_id
from tests.races import together
from tests.servers import Database

D = Decimal


def drafted(session: Session, *, by: str = "group_finance_manager", **what: Any) -> Change:
    """A draft in a currency that has no tiers yet, unless told otherwise."""
    facts: dict[str, Any] = {
        "name": "Tier",
        "currency": Currency.TZS,
        "origin": ThresholdOrigin.ANY,
        "tier": 1,
        "min_amount": D(0),
        "max_amount": D("100.00"),
        "roles_sequence": ["department_head"],
    }
    return thresholds.draft(
        Uow.of(session, acting(session, by)), draft=Draft(**(facts | what)), reason="New policy"
    )


def confirm(session: Session, change: Change, by: str = "cfo", at: datetime | None = None) -> None:
    changes.confirm(
        Uow(session, acting(session, by), at or session.info["now"]), change_id=change.id
    )


def published(session: Session, **what: Any) -> ApprovalThreshold:
    change = drafted(session, **what)
    confirm(session, change)
    return newest(session)


def newest(session: Session) -> ApprovalThreshold:
    return session.execute(
        select(ApprovalThreshold).order_by(ApprovalThreshold.id.desc()).limit(1)
    ).scalar_one()


def found(
    session: Session, amount: str, origin: Origin = Origin.HQ, at: datetime | None = None
) -> str | None:
    tier = thresholds.find(
        session,
        currency="TZS",
        origin=origin,
        amount=D(amount),
        at=at or session.info["now"],
    )
    return tier.name if tier else None


# Finding


def test_a_range_is_open_below_and_closed_above(session: Session) -> None:
    published(session, name="low", min_amount=D("0"), max_amount=D("100.00"))
    published(session, name="high", min_amount=D("100.00"), max_amount=None, tier=2)

    assert found(session, "0.01") == "low"
    assert found(session, "100.00") == "low"
    assert found(session, "100.01") == "high"
    assert found(session, "9999999999999999.99") == "high"


def test_amounts_between_two_tiers_find_none(session: Session) -> None:
    """Defect D27: 10000.50 falls between tiers that end at 10000.00 and begin at 10001.00."""
    published(session, max_amount=D("10000.00"))
    published(session, min_amount=D("10001.00"), max_amount=None, tier=2)

    assert found(session, "10000.50") is None
    with pytest.raises(thresholds.NoThreshold):
        thresholds.require(
            session,
            currency="TZS",
            origin=Origin.HQ,
            amount=D("10000.50"),
            at=session.info["now"],
        )


def test_an_exact_origin_beats_any(session: Session) -> None:
    published(session, name="any", priority=1)
    published(session, name="field", origin=ThresholdOrigin.FIELD, priority=100)

    assert found(session, "5.00", Origin.FIELD) == "field"
    assert found(session, "5.00", Origin.HQ) == "any"
    assert found(session, "5.00", Origin.BRANCH) == "any"


def test_other_currencies_and_times_do_not_serve(session: Session) -> None:
    now = session.info["now"]
    published(session, name="later", valid_from=now + timedelta(days=1))

    assert found(session, "5.00") is None
    assert found(session, "5.00", at=now + timedelta(days=1)) == "later"
    other = thresholds.find(
        session, currency="RWF", origin=Origin.HQ, amount=D(5), at=now + timedelta(days=1)
    )
    assert other is None


def test_the_top_tier_is_the_highest_live_number_of_the_origin(session: Session) -> None:
    now = session.info["now"]
    published(session, tier=3)
    published(session, tier=7, origin=ThresholdOrigin.BRANCH)

    top = {
        origin: thresholds.top_tier(session, currency="TZS", origin=origin, at=now)
        for origin in Origin
    }

    assert top == {Origin.BRANCH: 7, Origin.HQ: 3, Origin.FIELD: 3}


# Drafting and publishing


def test_a_tier_is_effective_once_the_cfo_published_it(session: Session) -> None:
    change = drafted(session, roles_sequence=["Department_Head", " CFO "])
    assert found(session, "5.00") is None

    confirm(session, change)

    tier = newest(session)
    assert found(session, "5.00") == "Tier"
    assert tier.roles_sequence == ["department_head", "cfo"]
    assert tier.drafted_by == acting(session, "group_finance_manager").user_id
    assert tier.published_by == acting(session, "cfo").user_id
    assert tier.valid_from == session.info["now"]


def test_the_drafter_does_not_publish_and_others_neither(session: Session) -> None:
    own = drafted(session, by="cfo")
    with pytest.raises(decisions.OwnProposal):
        confirm(session, own, by="cfo")
    with pytest.raises(decisions.NotADecider):
        confirm(session, own, by="group_finance_manager")


@pytest.mark.parametrize("by", ["staff", "treasury", "admin", "ceo", "auditor", "fpa"])
def test_only_finance_managers_and_the_cfo_draft(session: Session, by: str) -> None:
    with pytest.raises(decisions.NotAProposer):
        drafted(session, by=by)


@pytest.mark.parametrize(
    "role",
    ["staff", "treasury", "custodian", "fpa", "fp&a", "FPA", "auditor", "admin", "operator"],
)
def test_roles_that_never_approve_are_not_saved(session: Session, role: str) -> None:
    """Defect D32."""
    with pytest.raises(thresholds.RoleCannotApprove) as refusal:
        drafted(session, roles_sequence=["department_head", role])

    assert refusal.value.code == "threshold.role_cannot_approve"


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ({"roles_sequence": []}, "roles_sequence"),
        ({"roles_sequence": ["emperor"]}, "roles_sequence"),
        ({"roles_sequence": ["cfo", "CFO"]}, "roles_sequence"),
        ({"min_amount": D("100.00")}, "max_amount"),
        ({"min_amount": D("200.00")}, "max_amount"),
        ({"min_amount": D("-1")}, "min_amount"),
        ({"max_amount": D("1.001")}, "max_amount"),
        ({"currency": Currency.UGX, "max_amount": D("1.50")}, "max_amount"),
        ({"tier": 0}, "tier"),
        ({"priority": -1}, "priority"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_a_draft_that_makes_no_sense_is_refused(
    session: Session, what: dict[str, Any], field: str
) -> None:
    with pytest.raises(thresholds.InvalidThreshold) as refusal:
        drafted(session, **what)

    assert set(refusal.value.errors) == {field}


def test_a_validity_that_is_over_or_upside_down_is_refused(session: Session) -> None:
    now = session.info["now"]
    for valid_from, valid_until in (
        (None, now),
        (None, now - timedelta(days=1)),
        (now + timedelta(days=2), now + timedelta(days=1)),
    ):
        with pytest.raises(thresholds.InvalidThreshold):
            drafted(session, valid_from=valid_from, valid_until=valid_until)


@pytest.mark.parametrize(
    ("low", "high", "overlaps"),
    [
        ("0", "50.00", False),
        ("200.00", None, False),
        ("0", "50.01", True),
        ("199.99", None, True),
        ("60.00", "70.00", True),
        ("0", None, True),
    ],
)
def test_ranges_that_share_an_amount_are_refused_in_draft_and_by_the_database(
    session: Session, low: str, high: str | None, overlaps: bool
) -> None:
    published(session, name="middle", min_amount=D("50.00"), max_amount=D("200.00"))
    what = {"min_amount": D(low), "max_amount": None if high is None else D(high)}
    if not overlaps:
        published(session, **what)
        return

    with pytest.raises(thresholds.ThresholdsOverlap, match="middle"):
        drafted(session, **what)
    with pytest.raises(DBAPIError) as refusal, session.begin_nested():
        session.execute(
            text(
                "INSERT INTO approval_thresholds (id, company_id, currency, origin, tier, name,"
                " min_amount, max_amount, roles_sequence, allow_urgent_fasttrack, requires_cfo,"
                " priority, valid_from, version)"
                " VALUES (gen_random_uuid(), current_company(), 'TZS', 'any', 1, 'x', :low, :high,"
                " '[\"cfo\"]', false, false, 1, now(), 1)"
            ),
            {"low": low, "high": high},
        )
    assert db.sqlstate(refusal.value) == "23P01"


def test_the_same_range_of_another_origin_or_period_is_no_overlap(session: Session) -> None:
    now = session.info["now"]
    published(session, valid_until=now + timedelta(days=1))

    published(session, origin=ThresholdOrigin.HQ)
    published(session, valid_from=now + timedelta(days=1))


def test_what_was_published_meanwhile_is_a_conflict(session: Session) -> None:
    first, second = drafted(session, name="first"), drafted(session, name="second")
    confirm(session, first)

    with pytest.raises(thresholds.ThresholdsOverlapNow, match="first"):
        confirm(session, second)


def test_two_publications_at_once_have_one_winner(live: Database) -> None:
    demo = company_id("DEMO")
    with db.scope(company_id=demo), db.transaction() as session:
        both = [drafted(session, name=name) for name in ("first", "second")]

    def publish(change: Change) -> None:
        with db.scope(company_id=demo), db.transaction() as session:
            confirm(session, change)

    results = together([lambda each=each: publish(each) for each in both])

    assert sum(result is None for result in results) == 1
    (loser,) = [result for result in results if result is not None]
    assert isinstance(loser, thresholds.ThresholdsOverlapNow)
    with db.scope(company_id=demo), db.transaction() as session:
        states = sorted(each.status for each in session.execute(select(Change)).scalars())
        tiers = session.execute(
            select(ApprovalThreshold).where(ApprovalThreshold.currency == "TZS")
        )
        assert states == [ChangeStatus.EFFECTIVE, ChangeStatus.PROPOSED]
        assert len(tiers.all()) == 1


# Replacing and retiring


def test_a_replacement_ends_the_old_tier_where_it_begins(session: Session) -> None:
    now = session.info["now"]
    old = published(session, name="old")
    later = now + timedelta(days=7)

    new = published(session, name="new", replaces_id=old.id, valid_from=later)

    assert old.valid_until == new.valid_from == later
    assert (old.version, new.version) == (1, 2)
    assert found(session, "5.00") == "old"
    assert found(session, "5.00", at=later) == "new"


def test_a_replacement_is_of_the_same_currency_and_origin_and_still_runs(
    session: Session,
) -> None:
    old = published(session)
    with pytest.raises(thresholds.InvalidThreshold):
        drafted(session, replaces_id=old.id, origin=ThresholdOrigin.HQ)
    with pytest.raises(thresholds.ThresholdNotFound):
        drafted(session, replaces_id=acting(session, "cfo").user_id)
    old.valid_until = session.info["now"] + timedelta(microseconds=1)
    session.info["now"] += timedelta(days=1)
    with pytest.raises(thresholds.ThresholdEnded):
        drafted(session, replaces_id=old.id)


def retire(session: Session, tier: ApprovalThreshold, until: datetime | None = None) -> Change:
    return thresholds.retire(
        Uow.of(session, acting(session, "group_finance_manager")),
        threshold_id=tier.id,
        valid_until=until,
        reason="Not needed",
    )


def test_a_retired_tier_serves_until_its_end(session: Session) -> None:
    now = session.info["now"]
    tier = published(session)
    end = now + timedelta(days=3)
    change = retire(session, tier, end)
    assert tier.valid_until is None

    confirm(session, change)

    assert tier.valid_until == end
    assert found(session, "5.00") == "Tier"
    assert found(session, "5.00", at=end) is None


def test_a_tier_ends_once_and_never_before_it_began(session: Session) -> None:
    now = session.info["now"]
    tier = published(session)
    with pytest.raises(thresholds.ThresholdEnded):
        retire(session, tier)
    session.info["now"] = now + timedelta(days=1)
    confirm(session, retire(session, tier), at=session.info["now"])

    assert tier.valid_until == session.info["now"]
    with pytest.raises(thresholds.ThresholdEnded):
        retire(session, tier)


# Coverage


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], [(D(0), None)]),
        ([(D(0), None)], []),
        ([(D(0), D(10)), (D(10), None)], []),
        ([(D(10), None), (D(0), D(10))], []),
        ([(D(0), D(10)), (D(11), None)], [(D(10), D(11))]),
        ([(D(5), D(10))], [(D(0), D(5)), (D(10), None)]),
        ([(D(0), D(100)), (D(10), D(20))], [(D(100), None)]),
    ],
)
def test_gaps(
    ranges: Sequence[tuple[Decimal, Decimal | None]],
    expected: Sequence[tuple[Decimal, Decimal | None]],
) -> None:
    assert gaps(ranges) == [Gap(min_amount=low, max_amount=high) for low, high in expected]


spans = st.tuples(st.integers(0, 30), st.integers(1, 30) | st.none()).map(
    lambda pair: (D(pair[0]), None if pair[1] is None else D(pair[0] + pair[1]))
)


@given(st.lists(spans, max_size=6), st.integers(1, 80))
def test_an_amount_is_either_served_or_in_a_gap(
    ranges: list[tuple[Decimal, Decimal | None]], amount: int
) -> None:
    def within(low: Decimal, high: Decimal | None) -> bool:
        return low < amount and (high is None or amount <= high)

    served = any(within(low, high) for low, high in ranges)
    open_to = [gap for gap in gaps(ranges) if within(gap.min_amount, gap.max_amount)]

    assert len(open_to) == (0 if served else 1)


def test_coverage_names_every_currency_and_origin_in_use(session: Session) -> None:
    published(session, origin=ThresholdOrigin.HQ)

    rows = {
        (row.currency, row.origin): row
        for row in thresholds.coverage(session, at=session.info["now"])
    }

    assert {currency for currency, _ in rows} == {"KES", "UGX", "USD", "TZS"}
    assert rows[Currency.KES, Origin.BRANCH].is_complete
    assert rows[Currency.TZS, Origin.HQ].gaps == [Gap(min_amount=D("100.00"), max_amount=None)]
    assert rows[Currency.TZS, Origin.FIELD].gaps == [Gap(min_amount=D(0), max_amount=None)]
