"""Two-person changes: who may propose, who may confirm, and that each is decided once."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Role, SecurityEvent
from pettycash.models.operations import Change, ChangeStatus
from pettycash.runtime import db
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes
from tests.factories.people import acting, company_id
from tests.races import together
from tests.servers import Database

KIND = "paint_colour"
applied: list[Change] = []


def _apply(_uow: Uow, change: Change) -> None:
    if change.payload.get("colour") == "invisible":
        raise changes.UnknownChange("No paint is invisible.")
    applied.append(change)


@pytest.fixture(autouse=True)
def a_kind() -> Iterator[None]:
    changes.register(
        KIND,
        proposers=frozenset({Role.TREASURY, Role.ADMIN}),
        confirmers=frozenset({Role.TREASURY}),
        apply=_apply,
        about=lambda change: change.object_id,
    )
    applied.clear()
    yield
    changes._KINDS.pop(KIND)


def _propose(session: Session, by: str = "treasury", **more: object) -> Change:
    facts = {"object_id": None, "payload": {"colour": "blue"}, "reason": "It peels."}
    return changes.propose(Uow.of(session, acting(session, by)), kind=KIND, **(facts | more))


def _confirm(session: Session, change: Change, by: str) -> Change:
    return changes.confirm(Uow.of(session, acting(session, by)), change_id=change.id)


@pytest.mark.parametrize("second", ["treasury_2", "cfo"])
def test_a_second_holder_or_the_cfo_makes_it_effective(session: Session, second: str) -> None:
    change = _propose(session)

    confirmed = _confirm(session, change, second)

    assert confirmed.status is ChangeStatus.EFFECTIVE
    assert confirmed.proposed_by == acting(session, "treasury").user_id
    assert confirmed.decided_by == acting(session, second).user_id
    assert applied == [change]
    events = session.execute(select(SecurityEvent.event).order_by(SecurityEvent.id)).scalars()
    assert [each for each in events if each.startswith("change.")] == [
        "change.proposed",
        "change.confirmed",
    ]


@pytest.mark.parametrize("third", ["staff", "admin", "auditor", "group_finance_manager"])
def test_a_third_person_without_the_right_decides_nothing(session: Session, third: str) -> None:
    change = _propose(session)

    with pytest.raises(decisions.NotADecider):
        _confirm(session, change, third)

    assert applied == []


def test_whom_it_is_about_does_not_confirm_it(session: Session) -> None:
    about = acting(session, "treasury_2").user_id
    change = _propose(session, object_id=about)

    with pytest.raises(decisions.AboutYourself):
        _confirm(session, change, "treasury_2")

    assert change.status is ChangeStatus.PROPOSED
    assert _confirm(session, change, "treasury_3").status is ChangeStatus.EFFECTIVE


def test_who_lacks_the_right_does_not_propose(session: Session) -> None:
    with pytest.raises(decisions.NotAProposer):
        _propose(session, by="staff")


@pytest.mark.parametrize("reason", ["", "   ", "x" * (decisions.REASON_LENGTH_MAX + 1)])
def test_a_proposal_says_why(session: Session, reason: str) -> None:
    with pytest.raises(decisions.ReasonMissing):
        _propose(session, reason=reason)


def test_an_unknown_kind_is_refused(session: Session) -> None:
    with pytest.raises(changes.UnknownChange):
        changes.propose(
            Uow.of(session, acting(session, "treasury")),
            kind="weather",
            object_id=None,
            payload={},
            reason="Rain.",
        )


def test_a_kind_without_a_reader_has_its_own_endpoint(session: Session) -> None:
    with pytest.raises(changes.UnknownChange, match="own endpoint"):
        changes.propose_any(
            Uow.of(session, acting(session, "treasury")),
            kind=KIND,
            object_id=None,
            payload={},
            reason="It peels.",
        )


@pytest.mark.parametrize("end", ["confirm", "reject", "withdraw"])
def test_what_is_decided_stays_decided(session: Session, end: str) -> None:
    change = _propose(session)
    second, now = acting(session, "treasury_2"), session.info["now"]
    uow = Uow(session, second, now)
    if end == "confirm":
        _confirm(session, change, "treasury_2")
    elif end == "reject":
        changes.reject(uow, change_id=change.id, comment="Too blue.")
    else:
        changes.withdraw(Uow(session, acting(session, "treasury"), now), change_id=change.id)

    with pytest.raises(decisions.AlreadyDecided):
        _confirm(session, change, "cfo")
    with pytest.raises(decisions.AlreadyDecided):
        changes.reject(uow, change_id=change.id, comment="No.")
    with pytest.raises(decisions.AlreadyDecided):
        changes.withdraw(Uow(session, acting(session, "treasury"), now), change_id=change.id)


def test_only_the_proposer_withdraws(session: Session) -> None:
    change = _propose(session)

    with pytest.raises(decisions.NotTheProposer):
        changes.withdraw(Uow.of(session, acting(session, "cfo")), change_id=change.id)


def test_another_company_sees_no_such_change(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        change = _propose(session)
    with db.scope(company_id=company_id("OTHER")), db.transaction() as session:
        other = acting(session, "other_company")
        for decide in (changes.confirm, changes.withdraw):
            with pytest.raises(changes.ChangeNotFound):
                decide(Uow.of(session, other), change_id=change.id)


def test_no_such_change(session: Session) -> None:
    with pytest.raises(changes.ChangeNotFound):
        changes.get(Uow.of(session, acting(session, "cfo")), change_id=uuid4())


def test_a_refusal_of_the_kind_leaves_the_proposal_standing(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            change = _propose(session, payload={"colour": "invisible"})
        with pytest.raises(changes.UnknownChange), db.transaction() as session:
            _confirm(session, change, "treasury_2")
        with db.transaction() as session:
            assert session.get_one(Change, change.id).status is ChangeStatus.PROPOSED


def test_two_confirmers_at_once_apply_it_once(live: Database) -> None:
    demo = company_id("DEMO")
    with db.scope(company_id=demo), db.transaction() as session:
        change = _propose(session)

    def confirm(name: str) -> str:
        with db.scope(company_id=demo), db.transaction() as session:
            return _confirm(session, change, name).status

    results = together(
        [lambda: confirm("treasury_2"), lambda: confirm("treasury_3"), lambda: confirm("cfo")]
    )

    assert results.count(ChangeStatus.EFFECTIVE) == 1
    assert sum(isinstance(each, decisions.AlreadyDecided) for each in results) == 2
    assert len(applied) == 1


def test_who_controls_hears_of_every_change_of_the_rules() -> None:
    """A threshold and a custodian changed without a word to the auditors."""
    silent = {name for name, kind in changes.kinds().items() if not kind.alerts}

    # Those two are about one sum of money, and KIND is of this file.
    assert silent <= {"redirect", "opening_balance", KIND}
