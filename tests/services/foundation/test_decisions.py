"""Every decision that two people take: by another person, once, by a role, and with a reason."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import inspect
from sqlalchemy.orm import Session

from pettycash.models.base import Decidable, new_id
from pettycash.models.imprest import VarianceKind
from pettycash.models.operations import CaseKind, PauseScope, Severity
from pettycash.runtime import db, errors
from pettycash.services.foundation import decisions
from pettycash.services.foundation.permissions import PERMISSIONS
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments, variances
from pettycash.services.ledger import periods
from pettycash.services.operations import cases, changes, pauses, setting_changes
from pettycash.services.reports import work
from tests import books
from tests.documents import load_everything
from tests.factories.people import acting, company_id
from tests.races import together
from tests.servers import Database

MONTH = date(2026, 1, 1)
Row = Any


@dataclass(frozen=True, kw_only=True)
class Play:
    """How a row of one kind comes to wait, and the verbs that decide it."""

    proposer: str
    decider: str
    proposed: Callable[[Uow], Row]
    accept: Callable[[Uow, Row], object]
    refuse: Callable[[Uow, Row, str], object] | None = None


def variance(uow: Uow) -> Row:
    return variances.record(
        uow,
        payment_id=books.pay(uow.session, "1500.00").id,
        kind=VarianceKind.FEE,
        adjusted_amount=Decimal("1550.00"),
        reason="A fee of the statement",
    )


def replenishment(uow: Uow) -> Row:
    books.pay(uow.session, "100.00")
    return replenishments.raise_by_hand(
        uow, fund_id=books.fund(uow.session).id, reason="A busy week ahead"
    )


def case(uow: Uow) -> Row:
    opened = cases.open_case(
        uow.session,
        kind=CaseKind.MISMATCH,
        object_type="store",
        object_id=new_id(),
        summary="It differs.",
        evidence={},
        severity=Severity.WARNING,
    )
    return cases.propose(uow, case_id=opened.id, proposal={})


def change(uow: Uow) -> Row:
    return changes.propose(
        uow,
        kind=setting_changes.KIND,
        object_id=None,
        payload={"materiality": {"KES": "700.00"}},
        reason="Prices rose.",
    )


def resumption(uow: Uow) -> Row:
    row = pauses.pause(uow, scope=PauseScope.COMPANY, object_id=None, reason="Look.")
    return pauses.resume(uow, pause_id=row.id)


def month(uow: Uow) -> Row:
    return periods.soft_close(uow, month=MONTH)


def by(verb: Callable[..., object], name: str, attribute: str = "id") -> Callable[..., object]:
    """A verb that is told which row it is about."""

    def do(uow: Uow, row: Row, **more: Any) -> object:
        about = {name: getattr(row, attribute)}
        return verb(uow, **about, **more)

    return do


def saying(verb: Callable[..., object], name: str, field: str) -> Callable[..., object]:
    def do(uow: Uow, row: Row, reason: str) -> object:
        return by(verb, name)(uow, row, **{field: reason})

    return do


def confirm_case(uow: Uow, row: Row) -> object:
    return cases.confirm(uow, case_id=row.id, version=2)


PLAYS: Mapping[str, Play] = {
    "variances": Play(
        proposer="treasury",
        decider="cfo",
        proposed=variance,
        accept=by(variances.approve, "variance_id"),
        refuse=saying(variances.reject, "variance_id", "reason"),
    ),
    "replenishments_to_approve": Play(
        proposer="treasury",
        decider="cfo",
        proposed=replenishment,
        accept=by(replenishments.approve, "replenishment_id"),
        refuse=saying(replenishments.reject, "replenishment_id", "reason"),
    ),
    "cases": Play(proposer="treasury", decider="cfo", proposed=case, accept=confirm_case),
    "changes": Play(
        proposer="admin",
        decider="cfo",
        proposed=change,
        accept=by(changes.confirm, "change_id"),
        refuse=saying(changes.reject, "change_id", "comment"),
    ),
    "resumes": Play(
        proposer="operator",
        decider="cfo",
        proposed=resumption,
        accept=by(pauses.resume, "pause_id"),
    ),
    "periods": Play(
        proposer="group_finance_manager",
        decider="cfo",
        proposed=month,
        accept=by(periods.hard_close, "month", "month"),
    ),
}

every = pytest.mark.parametrize("name", sorted(PLAYS))


def kind_of(name: str) -> decisions.DecisionKind[Any]:
    return next(each for each in decisions.kinds() if each.name == name)


def waiting(session: Session, name: str, who: str) -> set[Row]:
    query = decisions.waiting(Uow.of(session, acting(session, who)), kind_of(name))
    return set(session.execute(query).scalars())


def refused(session: Session, verb: Callable[[], object]) -> type[errors.PettycashError] | None:
    """What a verb is refused with; whatever it has done is undone."""
    with session.begin_nested() as savepoint:
        try:
            verb()
        except errors.PettycashError as refusal:
            return type(refusal)
        finally:
            savepoint.rollback()
    return None


def test_each_kind_is_played_here_and_listed_as_work() -> None:
    load_everything()
    declared = {each.name for each in decisions.kinds()}

    assert declared == PLAYS.keys()
    assert declared <= {each.kind for each in work.KINDS}


def test_each_row_that_two_people_decide_has_a_kind() -> None:
    load_everything()
    models = {each for each in Decidable.__subclasses__() if inspect(each, raiseerr=False)}

    assert {each.model for each in decisions.kinds()} == models


@every
def test_another_person_decides_it_once(session: Session, name: str) -> None:
    play = PLAYS[name]
    proposer, decider = acting(session, play.proposer), acting(session, play.decider)
    row = play.proposed(Uow.of(session, proposer))
    session.flush()
    assert (row.proposed_by, row.proposed_at) == (proposer.user_id, session.info["now"])
    assert row.decided_by is None
    assert row in waiting(session, name, play.decider)
    assert row not in waiting(session, name, play.proposer)

    play.accept(Uow.of(session, decider), row)
    session.flush()

    assert (row.decided_by, row.decided_at) == (decider.user_id, session.info["now"])
    assert row not in waiting(session, name, play.decider)
    again = refused(session, partial(play.accept, Uow.of(session, decider), row))
    assert again is decisions.AlreadyDecided
    if play.refuse is not None:
        late = refused(session, partial(play.refuse, Uow.of(session, decider), row, "No."))
        assert late is decisions.AlreadyDecided


@every
def test_the_proposer_never_decides_it_whatever_roles_they_hold(
    session: Session, name: str
) -> None:
    play, kind = PLAYS[name], kind_of(name)
    row = play.proposed(Uow.of(session, acting(session, play.proposer)))
    both = acting(session, play.proposer, *PERMISSIONS[kind.accepting])

    assert (
        refused(session, partial(play.accept, Uow.of(session, both), row)) is decisions.OwnProposal
    )
    if play.refuse is not None:
        said = refused(session, partial(play.refuse, Uow.of(session, both), row, "No."))
        assert said is decisions.OwnProposal
    assert row.decided_by is None


@every
def test_without_the_role_nobody_decides_it(session: Session, name: str) -> None:
    play = PLAYS[name]
    row = play.proposed(Uow.of(session, acting(session, play.proposer)))
    other = acting(session, "auditor")

    # Beyond their scope it does not exist.
    unseen = (decisions.NotADecider, errors.NotFound)
    said = refused(session, partial(play.accept, Uow.of(session, other), row))
    assert said is not None
    assert issubclass(said, unseen)
    if play.refuse is not None:
        said = refused(session, partial(play.refuse, Uow.of(session, other), row, "No."))
        assert said is not None
        assert issubclass(said, unseen)


@pytest.mark.parametrize("name", [name for name, play in PLAYS.items() if play.refuse is not None])
@pytest.mark.parametrize(
    "reason",
    ["", "  ", "x" * (decisions.REASON_LENGTH_MAX + 1)],
    ids=["none", "blank", "too long"],
)
def test_a_no_says_why(session: Session, name: str, reason: str) -> None:
    play = PLAYS[name]
    row = play.proposed(Uow.of(session, acting(session, play.proposer)))
    decider = acting(session, play.decider)
    assert play.refuse is not None

    said = refused(session, partial(play.refuse, Uow.of(session, decider), row, reason))
    assert said is decisions.ReasonMissing

    play.refuse(Uow.of(session, decider), row, " Not now. ")
    assert (row.decided_by, row.decision_reason) == (decider.user_id, "Not now.")


@every
def test_of_two_at_once_one_decides(live: Database, name: str) -> None:
    play = PLAYS[name]
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            row = play.proposed(Uow.of(session, acting(session, play.proposer)))
            decider = acting(session, play.decider)
            session.flush()
            session.expunge(row)

        def decide() -> bool:
            with suppress(decisions.AlreadyDecided), db.transaction() as session:
                play.accept(Uow.of(session, decider), row)
                return True
            return False

        results = together([decide] * 4)

    assert sorted(results) == [False, False, False, True]
