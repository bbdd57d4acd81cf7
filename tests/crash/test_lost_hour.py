"""A lost hour, over each ending that it can have had at the rail: nothing is paid a second time.

The books come back from a backup, the rail keeps all that it did since. People release again what
they see pending; the rail refuses some of that before it looks at the reference; and what was
raised in the lost time itself, and is raised again, waits for people.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from psycopg2 import sql
from sqlalchemy import select

from pettycash.models.operations import Case, CaseKind, CaseStatus
from pettycash.models.payments import PaymentAttempt
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.payments import case_resolutions, restored, treasury_validation
from pettycash.services.payments.case_resolutions import CaseProposal, Ending
from pettycash.services.reconciliation.invariants import check_books
from pettycash.stack.backups import making, restoring
from pettycash.stack.postgres import OWNER_ROLE
from tests.crash.system import Paid, System
from tests.factories.people import acting
from tests.factories.requisitions import approved, digest
from tests.servers import Servers, wait_until

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(240), pytest.mark.slow]

QUIET_SECONDS = 3
SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """One payment that stands pending in the backup, and how the lost hour ended for it."""

    name: str
    lost: tuple[str, ...]
    """Scenarios of the sendings in the lost hour, one for each release; () for none."""
    moved: bool
    """Whether the rail had moved its money when the backup came back."""
    after: str = ""
    """What the rail does with the first sending after the restore."""


ENDINGS = (
    Ended("paid", ("",), moved=True),
    Ended("paid, and nobody was told", ("silence",), moved=True),
    Ended("declined", ("fail_2040",), moved=False),
    Ended("refused, then paid by the next release", ("bad_request", ""), moved=True),
    Ended("never got there", ("answer_lost_before+callback_never",), moved=False),
    Ended("not released at all", (), moved=False),
    Ended("not released, then refused before the reference", (), moved=False, after="bad_request"),
    Ended("paid, then refused before the reference", ("",), moved=True, after="bad_request"),
)


@pytest.fixture
def lost(servers: Servers, worker_number: int) -> Iterator[System]:
    """A system of its own: its database is taken away and comes back."""
    name = f"pettycash_lost_w{worker_number}"
    made = System(servers.folder / f"lost-w{worker_number}", servers.clone(name))
    made.environ["PETTYCASH_RESEND_AFTER_SECONDS"] = str(QUIET_SECONDS)
    made.environ["PETTYCASH_QUERY_FIRST_SECONDS"] = "1"
    made.environ["PETTYCASH_QUERY_INTERVAL_MAX_SECONDS"] = "3"
    try:
        made.start()
        yield made
    finally:
        made.end()
        servers.drop(name)


def bring_back(system: System, servers: Servers, path: Path, name: str) -> None:
    """Drop the database with all that came after the backup, and restore that."""
    ours = [each for each in system.children if each not in ("redis", "simulator")]
    for each in ours:
        system.kill(each)
    db.dispose()
    servers.drop(name)
    with servers.superuser() as cursor:
        database = sql.Identifier(name)
        cursor.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(OWNER_ROLE))
        )
        servers.postgres.open_to_roles(cursor, name)
    owner_url = servers.database(name).owner_url
    restoring.restore(path, owner_url, identity=None, by="root", tell=lambda *_: None)
    system.compose()
    for each in ours:
        system.restart(each)


def resume(system: System) -> None:
    for name in ("operator", "cfo"):
        with db.scope(source="test"), db.system_transaction() as session:
            pauses.resume_everything(session, by=name, now=session.info["now"])


def attempts(system: System, paid: Paid) -> list[PaymentAttempt]:
    with system.session() as session:
        query = select(PaymentAttempt).where(PaymentAttempt.payment_id == paid.id)
        return list(session.execute(query.order_by(PaymentAttempt.number)).scalars())


def state(system: System, paid: Paid) -> str:
    return system.statuses([paid])[paid.id].value


def release_until_paid(system: System, paid: Paid, seconds: float = SECONDS) -> None:
    """What people do: release whenever it has failed for certain, until it is paid."""

    def paid_by_now() -> bool:
        if state(system, paid) in ("pending", "failed"):
            try:
                system.release(paid, by=f"treasury_{2 + len(attempts(system, paid)) % 2}")
            except Exception as refused:
                if "unconfirmed" not in type(refused).__name__.lower():
                    raise
        return state(system, paid) == "success"

    assert wait_until(paid_by_now, seconds, 0.3), (paid, state(system, paid), system.logs())


def live_the_hour(system: System, ended: Ended, paid: Paid) -> None:
    for scenario in ended.lost:
        if scenario:
            system.misbehave(paid, scenario)
        system.release(paid)
        if scenario == "bad_request":
            assert wait_until(lambda: state(system, paid) == "failed", SECONDS)


def test_restore_of_a_lost_hour_pays_nothing_twice(
    lost: System, servers: Servers, worker_number: int
) -> None:
    system = lost
    cases = [(each, system.payment(f"{100 + number}.00")) for number, each in enumerate(ENDINGS)]
    system.kill("worker")
    waits = system.payment("200.00")
    system.release(waits)  # its sending lies in the outbox when the backup is made
    owner_url = servers.database(f"pettycash_lost_w{worker_number}").owner_url
    backup = making.make(owner_url, system.folder / "backups", recipient="", tell=lambda *_: None)

    system.restart("worker")
    for ended, paid in cases:
        live_the_hour(system, ended, paid)
    raised = system.payment("300.00")
    system.release(raised)
    everybody = [waits, raised, *(paid for _, paid in cases)]
    had_moved = {waits, raised, *(paid for ended, paid in cases if ended.moved)}
    assert wait_until(lambda: {each for each in everybody if system.moved(each)} == had_moved, 30)

    bring_back(system, servers, backup.path, f"pettycash_lost_w{worker_number}")
    assert wait_until(lambda: state(system, waits) == "success", SECONDS), "asked in the pause"
    assert system.sendings(waits) == 1
    for ended, paid in cases:
        if ended.after:
            system.misbehave(paid, ended.after)
    resume(system)
    for _, paid in cases:
        release_until_paid(system, paid)

    print("\nthe lost hour                                    | releases | sendings | movements")
    for ended, paid in cases:
        moved = system.moved(paid)
        print(
            f"{ended.name:48} | {len(attempts(system, paid)):8} | {system.sendings(paid):8}"
            f" | {len(moved)} {moved[0]['originator_reference']}"
        )
        assert len(moved) == 1, ended.name
        if ended.moved:
            assert system.sendings(paid) == len(ended.lost), "it was asked about, not sent again"

    raise_again(system, raised)
    with system.session() as session:
        assert check_books(session) == []


def raise_again(system: System, raised: Paid) -> None:
    """What the lost hour had raised is gone; the rail tells of it once more, to its address."""
    (movement,) = system.moved(raised)
    order = {"originator_reference": movement["originator_reference"]}
    assert requests.post(system.page("callbacks"), json=order, timeout=10).status_code == 201

    def told_of() -> Case | None:
        with system.session() as session:
            return session.execute(
                select(Case).where(
                    Case.kind == CaseKind.UNMATCHED_CALLBACK, Case.status != CaseStatus.RESOLVED
                )
            ).scalar_one_or_none()

    assert wait_until(lambda: told_of() is not None, SECONDS)
    with system.session() as session:
        requisition = approved(session, raised.amount, destination=raised.phone)
        _, (payment,) = treasury_validation.validate(
            Uow.of(session, acting(session, "treasury")),
            requisition_id=requisition.id,
            digest=digest(session, requisition.id),
        )
        again = Paid(payment.id, requisition.id, raised.amount, raised.phone)
    with pytest.raises(restored.BlockedByLostCallback):
        system.release(again)
    assert len(system.moved(raised)) == 1
    case = told_of()
    assert case is not None
    print(f"raised in the lost hour, and again: held back by case {case.kind}: {case.summary}")
    with system.session() as session:
        proposal = CaseProposal(ending=Ending.NOTED, note="It was paid; the new one is cancelled.")
        now = session.info["now"]
        case = case_resolutions.propose(
            Uow(session, acting(session, "cfo"), now), case_id=case.id, proposal=proposal
        )
        case_resolutions.confirm(
            Uow(session, acting(session, "group_finance_manager"), now),
            case_id=case.id,
            version=case.version,
        )
        payments.cancel(Uow(session, acting(session, "treasury"), now), payment_id=again.id)
