"""Each check of the books sees the damage that it is there for; nothing else of ours can do it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from pettycash.gateways.base import OutcomeKind
from pettycash.models.base import new_id
from pettycash.models.releases import CashAcknowledgement
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments
from pettycash.services.payments.case_resolutions import Ending
from pettycash.services.payments.results import Source
from pettycash.services.reconciliation.invariants import CHECKS, Holds, check_all, check_books
from pettycash.services.reconciliation.invariants.judging import RULES
from pettycash.services.reconciliation.invariants.movements import COMPARISONS
from pettycash.services.reconciliation.invariants.records import GUARDS
from tests import books
from tests.factories import payments as making
from tests.factories import rails, standing
from tests.factories.evidence import accepted, proven
from tests.factories.judging import called_unpaid, settled, tried_for_a_day
from tests.factories.people import acting, company_id, user_id
from tests.factories.pictures import picture
from tests.servers import Database, Servers, compose_for
from tests.services.payments.test_case_resolutions import in_doubt
from tests.services.reconciliation.damage import BELOW_ITS_FLOOR, CASE, DAMAGE, ORDINARY, UNRULY

pytestmark = pytest.mark.xdist_group("books")  # they take seconds to make

Known = Mapping[str, object]


@pytest.fixture(scope="module")
def lived(servers: Servers, worker_number: int) -> Iterator[tuple[Database, Known]]:
    """Books in which one payment was made and one is on its way."""
    name = f"pettycash_books_w{worker_number}"
    own = servers.clone(name)
    compose_for(own)
    rails.serve(rails.FakeGateway())
    with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
        paid, going = accepted(session), accepted(session)
        making.said(session, paid, proven(session, paid), Source.CALLBACK)
        session.flush()
        attempt = making.attempt_of(session, going).id
        store = books.store(session)
        known: dict[str, object] = {
            "company": session.info["scope"].company_id,
            "paid": paid.id,
            "going": going.id,
            "attempt": attempt,
            "hold": f"attempt:{attempt}",
            "requisition": paid.requisition_id,
            "requester": user_id(session, "staff"),
            "store": store.id,
            "rail_account": going.provider_account_id,
            "account": store.account_id,
            "fund": store.fund_id,
            "callback": new_id(),
            "key": new_id(),
            "replenishment": replenishments.raise_by_hand(
                Uow.of(session, acting(session, "treasury")), fund_id=store.fund_id, reason="test"
            ).id,
            **judged(session),
        }
        for name_of, query in (
            ("entry", "SELECT id FROM journal_entries WHERE payment_id = :paid"),
            ("hold_id", "SELECT id FROM holds WHERE source = :hold"),
            (
                "opening",
                (
                    "SELECT e.id FROM journal_entries e JOIN postings p ON p.entry_id = e.id"
                    " WHERE p.account_id = :account AND e.rule = 'opening_balance'"
                ),
            ),
            (
                "outbox_message",
                """SELECT id FROM outbox_messages
                WHERE key = :attempt AND topic = 'payments.resolve'""",
            ),
        ):
            known[name_of] = session.execute(text(query), known).scalar_one()
        # Nobody works here, and the tests may take longer than a minute.
        session.execute(text("UPDATE outbox_messages SET due_at = now() + interval '1 hour'"))
    db.dispose()
    yield own, known
    servers.drop(name)


def judged(session: Session) -> dict[str, object]:
    """Payments of which people have said what became of them, and cash that was signed for."""
    begun = session.info["now"]
    paid, paid_case = in_doubt(session, "20000.00")
    settled(session, paid_case, Ending.PAID)
    back = accepted(session)
    making.said(session, back, proven(session, back, receipt="RKT2222222"), Source.CALLBACK)
    no = rails.outcome(OutcomeKind.REJECTED, originator_reference=back.originator_reference)
    making.said(session, back, no, Source.QUERY)
    back_case = making.the_case(session, back)
    settled(session, back_case, Ending.RETURNED, provider_reference="RET7654321")
    cash = making.cash(session)
    making.released(session, cash, by="custodian")
    witness = acting(session, "branch_manager")
    payments.sign(
        Uow(session, acting(session, "custodian"), begun),
        payment_id=cash.id,
        image=picture(),
        witness_id=witness.user_id,
    )
    seen = session.execute(
        select(CashAcknowledgement.attachment_id).where(CashAcknowledgement.payment_id == cash.id)
    ).scalar_one()
    assert seen is not None
    payments.witness(Uow(session, witness, begun), payment_id=cash.id, attachment_id=seen)
    validation = standing.granted(session)
    small = standing.paying(session, destination=cash.destination)
    making.released(session, small, by="custodian")
    keeper = Uow(session, acting(session, "custodian"), begun)
    locked, row = payments.cash.offered(keeper, payment_id=small.id)
    payments.cash.pay_out(keeper, locked=locked, row=row, proof="code")
    assert small.standing_validation_id == validation.id
    unpaid, _ = in_doubt(session)
    late, _ = in_doubt(session)
    unpaid_case, late_case = called_unpaid(session, unpaid), called_unpaid(session, late)
    making.said(session, late, proven(session, late, receipt="RKT3333333"), Source.QUERY)
    for _ in range(2):
        tried_for_a_day(session, unpaid)
    assert unpaid.failure_confirmed, "a day after two people said so"
    session.info["now"] = begun
    return {
        "said_paid": paid_case.id,
        "said_paid_payment": paid.id,
        "said_back": back_case.id,
        "said_back_payment": back.id,
        "signed": cash.id,
        "signed_requisition": cash.requisition_id,
        "small": small.id,
        "validation": small.standing_validation_id,
        "said_unpaid": unpaid_case.id,
        "unpaid": unpaid.id,
        "unpaid_requisition": unpaid.requisition_id,
        "unpaid_attempt": making.attempt_of(session, unpaid).id,
        "said_unpaid_of_late": late_case.id,
        "late": late.id,
    }


@pytest.fixture(scope="module")
def superuser(lived: tuple[Database, Known]) -> Iterator[Connection]:
    """Somebody who may do anything; a new connection would read the catalogue for each test."""
    engine = create_engine(lived[0].superuser_url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def damaged(lived: tuple[Database, Known], superuser: Connection) -> Iterator[Session]:
    """The books in that somebody's hands, whose work is undone."""
    known = lived[1]
    connection = superuser
    with connection.begin() as outer:
        connection.execute(
            text("SELECT set_config('app.company', :company, true)"),
            {"company": str(known["company"])},
        )
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        # However long the tests before this one took, nothing is late.
        connection.execute(text("UPDATE outbox_messages SET due_at = now() WHERE due_at < now()"))
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


def inflict(session: Session, statements: str, known: Known) -> None:
    for statement in statements.split("; "):
        values = {name: known[name] for name in known if f":{name}" in statement}
        done = session.execute(text(statement), values)
        assert getattr(done, "rowcount", 0) != 0, "nothing was damaged"


def found_by(session: Session, only: frozenset[str] | None = None) -> set[tuple[str, str]]:
    """Check and thing of whatever any check finds, minutes after the last change."""
    now = session.execute(text("SELECT now()")).scalar_one()
    results = check_all(session, now=now, settled=True, only=only)
    return {(each.check, each.object_id) for result in results for each in result.findings}


@pytest.mark.parametrize(
    ("check", "thing", "statement"),
    DAMAGE,
    ids=[f"{check}-{number}" for number, (check, _, _) in enumerate(DAMAGE)],
)
def test_damage_is_seen(
    lived: tuple[Database, Known], damaged: Session, check: str, thing: str, statement: str
) -> None:
    known = lived[1]
    inflict(damaged, statement, known)

    named = str(known.get(thing, thing))
    only = frozenset({check})
    assert (check, named) in found_by(damaged)
    assert {name for name, _ in found_by(damaged, only=only)} == {check}
    is_of_any_instant = CHECKS[check].holds is Holds.ALWAYS
    of_any_instant = {(each.check, each.object_id) for each in check_books(damaged, only=only)}
    assert ((check, named) in of_any_instant) is is_of_any_instant


def test_where_nothing_is_damaged_only_what_is_under_way_is_seen(
    lived: tuple[Database, Known], damaged: Session
) -> None:
    assert found_by(damaged) == {("nothing_is_undecided", str(lived[1]["going"]))}


def test_no_check_is_without_its_damage() -> None:
    assert {check for check, _, _ in DAMAGE} == set(CHECKS)
    assert {rule for rule, _, _ in UNRULY} == set(RULES)


@pytest.mark.parametrize(
    ("rule", "case", "statement"),
    UNRULY,
    ids=[f"{rule}-{number}" for number, (rule, _, _) in enumerate(UNRULY)],
)
def test_an_ending_against_one_rule_is_seen(
    lived: tuple[Database, Known], damaged: Session, rule: str, case: str, statement: str
) -> None:
    only = frozenset({"endings_were_judged"})
    assert check_books(damaged, only=only) == []

    inflict(damaged, statement, lived[1])

    found = {each.object_id: each.detail["lacks"] for each in check_books(damaged, only=only)}
    assert found == {str(lived[1][case]): rule}


def test_an_ordinary_replenishment_is_the_group_finance_managers(
    lived: tuple[Database, Known], damaged: Session
) -> None:
    inflict(damaged, ORDINARY, lived[1])

    assert check_books(damaged, only=frozenset({"replenishments_were_decided_apart"})) == []


def test_what_is_under_way_is_no_break_until_all_should_be_quiet(damaged: Session) -> None:
    now = damaged.execute(text("SELECT now()")).scalar_one()

    assert [each.check for each in check_all(damaged, now=now) if not each.ok] == []
    broken = [each.check for each in check_all(damaged, now=now, settled=True) if not each.ok]
    assert broken == ["nothing_is_undecided"]


def test_the_fast_part_asks_only_what_is_open(damaged: Session) -> None:
    now = damaged.execute(text("SELECT now()")).scalar_one()
    asked = {each.check for each in check_all(damaged, now=now, fast=True)}

    assert asked == {name for name, check in CHECKS.items() if check.fast}
    assert "held_is_sum_of_open_holds" in asked
    assert "balance_is_sum_of_postings" not in asked


def test_the_guards_are_those_of_the_schema(damaged: Session) -> None:
    """A trigger that a later migration adds is watched over too; a time guards nothing."""
    ours = {
        (table, name)
        for table, name in damaged.execute(
            text(
                "SELECT c.relname, g.tgname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid"
                " WHERE NOT g.tgisinternal AND NOT c.relispartition"
                " AND g.tgname <> 'updated_at'"
                " AND c.relnamespace = 'public'::regnamespace"
            )
        )
    }

    assert ours == set(GUARDS)


def test_a_case_is_word_enough_where_facts_went_below_the_floor(
    lived: tuple[Database, Known], damaged: Session
) -> None:
    only = frozenset({"below_floor_has_a_case"})
    inflict(damaged, BELOW_ITS_FLOOR, lived[1])
    assert check_books(damaged, only=only) != []

    inflict(damaged, CASE.format(status="open"), lived[1])

    assert check_books(damaged, only=only) == []


def test_the_page_lists_every_check() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reliability.md").read_text("utf-8")

    section = page.split("## What the auditor checks")[1].split("\n## ")[0]
    listed = re.findall(r"^\|[^|]*\| `(\w+)` \| ([\w, ]+) \|", section, re.MULTILINE)

    expected = [
        (name, check.holds.value + (", fast" if check.fast else ""))
        for name, check in CHECKS.items()
    ]
    assert sorted(listed) == sorted([*expected, *((name, "always") for name in COMPARISONS)])
