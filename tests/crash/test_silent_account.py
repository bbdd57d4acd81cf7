"""One provider account hangs, with a crowd of calls to it: the other companies notice nothing.

The whole system with the timings of production, three companies with an account each, and a worker
that runs more at once than one account may have on the wire.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.cli.lab.seed import seed_demo
from pettycash.lab.seeds import money, organisation, personas
from pettycash.lab.seeds.personas import Persona
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.credentials import OperatorCredentials
from pettycash.models.access import Role
from pettycash.models.imprest import ProviderAccount
from pettycash.models.payments import AttemptState, PaymentAttempt
from pettycash.models.releases import PaymentExecution
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import treasury_validation
from tests.crash.processes import TIMINGS
from tests.crash.system import System
from tests.factories.payments import verified
from tests.factories.people import acting, company_id
from tests.factories.requisitions import approved, digest
from tests.patience import budget
from tests.servers import Servers, wait_until

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]

POOL, CAP = 4, 2
"""Tasks that the worker runs at once, and calls that one account may have on the wire."""

SILENT, OTHERS = "DEMO", ("SECOND", "THIRD")
SHORTCODES = {"DEMO": "600992", "SECOND": "600994", "THIRD": "600995"}
OFFICES = (Role.CFO, Role.CEO, Role.GROUP_FINANCE_MANAGER)
NO_ANSWER = "answer_slow:20+callback_late:60"
"""Neither an answer nor a callback before the call is given up: until then it is `sending`."""

FIRST_PHONE, AMOUNT = 254_722_000_000, "10.00"

FIRST_SEND_SECONDS = 2.0
STUCK_SECONDS = 90.0
"""For how long the others are watched where they do not get through."""

WATCHED_SECONDS = 12.0
"""Longer than a call may hang: the next ones of the silent account are seen as well."""

CROWDS = [
    pytest.param(20, id="a-few", marks=pytest.mark.soak),
    pytest.param(200, id="a-crowd", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
]


@dataclass(frozen=True)
class Released:
    """An attempt, and whose."""

    company: str
    attempt_id: UUID


def found_companies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two more companies in the tables of the seed: one branch, one fund on an account."""
    like = organisation.COMPANIES["OTHER"]
    for code in OTHERS:
        prefix = code.lower()
        head, custodian = f"{prefix}_head", f"{prefix}_custodian"
        spec = replace(
            like,
            name=f"{code} organisation",
            provider_account=(f"MPESA-{code}", SHORTCODES[code]),
            escalation_approver=head,
            funds=tuple(replace(fund, custodian=custodian) for fund in like.funds),
        )
        monkeypatch.setitem(organisation.COMPANIES, code, spec)
        roles: dict[str, tuple[tuple[Role, str | None], ...]] = {
            head: tuple((role, None) for role in OFFICES),
            custodian: ((Role.CUSTODIAN, "KISUMU"),),
            f"{prefix}_staff": ((Role.STAFF, None),),
            f"{prefix}_branch_manager": ((Role.BRANCH_MANAGER, "KISUMU"),),
            f"{prefix}_treasury": ((Role.TREASURY, None),),
            f"{prefix}_treasury_2": ((Role.TREASURY, None),),
        }
        for name, held in roles.items():
            person = Persona(code, name, held, branch="KISUMU", department="OPS")
            monkeypatch.setitem(personas.PERSONAS, name, person)


@pytest.fixture
def crowd(
    servers: Servers, worker_number: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[System]:
    """A system of its own, as what hangs would be in the way of the tests that follow."""
    name = f"pettycash_silent_w{worker_number}"
    made = System(servers.folder / f"silent-w{worker_number}", servers.clone(name))
    made.environ = {name: value for name, value in made.environ.items() if name not in TIMINGS}
    made.environ["PETTYCASH_RAIL_CALLS_AT_ONCE"] = str(CAP)
    made.shortcodes = tuple(SHORTCODES.values())
    found_companies(monkeypatch)
    try:
        made.compose()
        seed_demo()
        made.simulator_state.mkdir(parents=True, exist_ok=True)
        keys = OperatorCredentials(Configuration(state=made.simulator_state))
        for code in OTHERS:
            with acts_for(code) as session:
                account = session.execute(select(ProviderAccount)).scalar_one()
                money.point_at_simulator(account, keys.certificate.decode("ascii"))
        made.start(pool=("-P", "prefork", "-c", str(POOL)))
        yield made
    finally:
        made.end()
        servers.drop(name)


def acts_for(code: str) -> AbstractContextManager[Session]:
    """A unit of work in a company."""

    @contextmanager
    def unit() -> Iterator[Session]:
        with db.scope(company_id=company_id(code), source="test"), db.transaction() as session:
            yield session

    return unit()


def release(code: str, destination: str) -> Released:
    """A payment of a company, from its requisition to its release."""
    prefix = "" if code == SILENT else f"{code.lower()}_"
    with acts_for(code) as session:
        requisition = approved(session, AMOUNT, by=f"{prefix}staff", destination=destination)
        _, (payment,) = treasury_validation.validate(
            Uow.of(session, acting(session, f"{prefix}treasury")),
            requisition_id=requisition.id,
            digest=digest(session, requisition.id),
        )
        executor = f"{prefix}treasury_2"
        verified(session, payment, by=executor)
        _, execution = payments.execute(
            Uow.of(session, acting(session, executor)), payment_id=payment.id
        )
        attempt = session.execute(
            select(PaymentAttempt.id).where(PaymentAttempt.execution_id == execution.id)
        ).scalar_one()
        return Released(code, attempt)


def on_the_wire(code: str) -> int:
    """Calls of a company's account that no answer has come to."""
    with acts_for(code) as session:
        return session.execute(
            select(func.count()).where(PaymentAttempt.state == AttemptState.SENDING)
        ).scalar_one()


def waited(each: Released) -> float | None:
    """Seconds from a release to its first byte, both by PostgreSQL's clock; None: none has left."""
    with acts_for(each.company) as session:
        began, sent = session.execute(
            select(PaymentExecution.created_at, PaymentAttempt.first_sent_at)
            .join(PaymentAttempt, PaymentAttempt.execution_id == PaymentExecution.id)
            .where(PaymentAttempt.id == each.attempt_id)
        ).one()
    return None if sent is None else (sent - began).total_seconds()


@pytest.mark.parametrize("count", CROWDS)
def test_calls_that_hang_on_one_account_keep_no_other_waiting(crowd: System, count: int) -> None:
    """The others' first send leaves within two seconds, and the silent one has its cap at most."""
    for number in range(count):
        phone = str(FIRST_PHONE + number)
        crowd.misbehave(phone, NO_ANSWER)
        release(SILENT, phone)
    assert wait_until(lambda: on_the_wire(SILENT) >= CAP, 20), crowd.logs()
    most = on_the_wire(SILENT)
    others = [
        release(code, str(FIRST_PHONE + count + number)) for number in range(3) for code in OTHERS
    ]

    began, waits = time.monotonic(), list[float | None]()
    while (elapsed := time.monotonic() - began) < budget(STUCK_SECONDS):
        most = max(most, on_the_wire(SILENT))
        waits = [waited(each) for each in others]
        if None not in waits and elapsed > WATCHED_SECONDS:
            break
        time.sleep(0.05)

    longest = max(STUCK_SECONDS if each is None else each for each in waits)
    print(f"{count} calls hang, {most} of them on the wire; the others waited {longest:.2f} s")
    assert longest <= budget(FIRST_SEND_SECONDS)
    assert most <= CAP
