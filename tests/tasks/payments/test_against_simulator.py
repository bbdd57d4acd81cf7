"""Every fault of the M-Pesa simulator at once, over real HTTP: its ledger judges ours.

The real adapter, the real tasks and the real callback route; only the relay and the passing of time
are the test's.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from pettycash import composition
from pettycash.app import create_app
from pettycash.cli.reconciliation.audit import ledgers
from pettycash.lab.seeds import money
from pettycash.lab.simulators.mpesa.catalogue import TEST_NUMBERS
from pettycash.models.imprest import ProviderAccount
from pettycash.models.ledger import LedgerAccount
from pettycash.models.payments import Payment, PaymentStatus, PaymentTransaction
from pettycash.runtime import db, settings
from pettycash.runtime.rails import Method
from pettycash.services.reconciliation.invariants import check_books, movements
from pettycash.stack.ports import LOOPBACK, Ports
from tests.factories import payments as making
from tests.factories import working
from tests.factories.people import company_id
from tests.lab.simulators.daraja import Simulator
from tests.servers import Database
from tests.tasks.payments.test_credential_refusals import lift, standing

S = PaymentStatus

TOO_SLOW = {"answer_slow", "answer_drip"}
"""Scenarios that only cost time: what they end in, a lost answer, has its own ones."""

NEVER_TOLD = {"never_settles"}
"""The rail itself does not know; people decide."""

FORGED_WITH_THE_SECRET = {"callback_forged_success+fail_1"}
"""Secret, reference, amount and payee suffice to settle; the rail's own word then opens a case."""

DECIDED = {S.SUCCESS, S.FAILED}


class Quiet(WSGIRequestHandler):
    """Paths of callbacks hold secrets, so this server logs none, as the real one cuts them out."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        del code, size


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    process = Simulator(tmp_path / "mpesa").start()
    yield process
    process.end()


@pytest.fixture
def company(live: Database, simulator: Simulator) -> Iterator[UUID]:
    """The demo company with its account at this simulator, reachable by its callbacks."""
    port = Ports(usual=False).take(0)
    address = f"http://{LOOPBACK}:{port}"
    configured = replace(
        live.settings,
        simulator_mpesa_url=simulator.url,
        callback_base_url=address,
        api_url=address,
        rail_connect_timeout_seconds=2.0,
        rail_read_timeout_seconds=2.0,
        rail_total_timeout_seconds=4.0,
    )
    application = create_app(configured)
    composition.compose(configured)
    server: BaseWSGIServer = make_server(
        LOOPBACK, port, application, threaded=True, request_handler=Quiet
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        with db.transaction() as session:
            account = session.execute(select(ProviderAccount)).scalar_one()
            money.point_at_simulator(account, simulator.certificate().decode())
        yield found
    server.shutdown()
    thread.join()
    server.server_close()


def pay(scenarios: dict[str, str]) -> dict[UUID, str]:
    """Release one payment of 100 shillings for each scenario, to its test number."""
    made: dict[UUID, str] = {}
    for digits, scenario in scenarios.items():
        with db.transaction() as session:
            payment = making.executing(session, "100.00", destination=f"254700000{digits}")
            made[payment.id] = scenario
    return made


def statuses(made: dict[UUID, str]) -> dict[UUID, Payment]:
    with db.transaction() as session:
        rows = session.execute(select(Payment).where(Payment.id.in_(made))).scalars()
        return {row.id: row for row in rows}


def is_decided(payment: Payment) -> bool:
    return payment.status in DECIDED and payment.failure_confirmed


def work_until_decided(made: dict[UUID, str]) -> None:
    """Work, let callbacks arrive, let time pass; stop when only the hopeless ones are open."""
    for seconds in (0, 0, 25, 45, 90, 200, 400, 700, 700, 900, 900):
        working.wait(seconds)
        for _ in range(3):
            working.work("payments.submit", "payments.resolve", "callbacks.process", limit=2000)
            if standing():
                lift()  # of what is played here, some says that nobody may order payments
            time.sleep(0.3)
        still = [made[key] for key, payment in statuses(made).items() if not is_decided(payment)]
        if not set(still) - NEVER_TOLD and settings.current().clock_shift_seconds > 3700:
            return


@pytest.mark.timeout(400)
@pytest.mark.slow
def test_gateway_faults_of_every_kind_move_money_once(company: UUID, simulator: Simulator) -> None:
    scenarios = {digits: name for digits, name in TEST_NUMBERS.items() if name not in TOO_SLOW} | {
        "999": "no fault"
    }
    made = pay(scenarios)

    work_until_decided(made)

    wrong = []
    for key, payment in statuses(made).items():
        scenario = made[key]
        moved = simulator.movements(payment.originator_reference or "")
        with db.transaction() as session:
            entries = making.entries(session, payment)
            held = making.open_holds(session, payment)
            cases = making.open_cases(session, payment.id)
        expected = S.SUCCESS if moved else S.FAILED
        if scenario in NEVER_TOLD:
            expected = S.IN_DOUBT
            assert cases == ["in_doubt"]
        if scenario in FORGED_WITH_THE_SECRET:
            assert (payment.status, cases) == (S.SUCCESS, ["contradiction"])
            continue
        problems = [
            text
            for text, is_wrong in (
                (f"moved {len(moved)} times", len(moved) > 1),
                (f"is {payment.status}, expected {expected}", payment.status is not expected),
                ("failure is not confirmed", not payment.failure_confirmed),
                (f"entries {entries}", entries.count("expense") != len(moved)),
                (f"{held} held", (held > 0) != (payment.status is S.IN_DOUBT)),
                (
                    "another receipt",
                    bool(moved) and payment.provider_reference != moved[0]["provider_reference"],
                ),
            )
            if is_wrong
        ]
        if problems:
            wrong.append((scenario, problems, payment.last_error, cases))
    assert wrong == []
    assert_books_are_right(simulator, made)


def assert_books_are_right(simulator: Simulator, made: dict[UUID, str]) -> None:
    moved = simulator.page("ledger", limit=1000)["movements"]
    assert (
        ledgers.movements(simulator.url)[-1].provider_reference == moved[-1]["provider_reference"]
    )
    with db.transaction() as session:
        assert check_books(session) == []
        ours = movements.known(session, method=Method.MPESA)
        compared = movements.compare(
            before=ours, movements=ledgers.movements(simulator.url), after=ours, settled=True
        )
        assert [each for each in compared if not each.ok] == []
        charges = session.execute(
            select(LedgerAccount.balance).where(LedgerAccount.kind == "provider_charges")
        ).scalar_one()
        logged = set(session.execute(select(PaymentTransaction.payment_id)).scalars())
    assert -charges == sum((Decimal(each["fee"]) for each in moved), Decimal(0)), "every fee"
    assert logged >= set(made), "no payment without an exchange"
