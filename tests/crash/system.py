"""The whole system as real processes that a test may kill, and the ledgers that judge it.

PostgreSQL, a Redis of its own, the M-Pesa simulator, gunicorn, the relay and a Celery worker, with
timings so short that what takes minutes in production is over in seconds.
"""

import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash import composition, config, crash_points, db
from pettycash.cli.seed import money
from pettycash.models.attempts import Callback, PaymentAttempt, PaymentTransaction
from pettycash.models.funds import ProviderAccount
from pettycash.models.ledger import Hold, JournalEntry
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.people import User
from pettycash.models.platform import Case, CaseStatus, Obligation
from pettycash.models.releases import ChallengeSend, PaymentExecution
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.services import payments, releases, treasury_validation
from pettycash.services.identity import people, sessions
from pettycash.services.reconciliation import check_books
from pettycash.simulators.mpesa.configuration import Configuration
from pettycash.simulators.mpesa.credentials import Credentials
from pettycash.stack import probes
from pettycash.stack.ports import LOOPBACK, Ports
from pettycash.stack.processes import Child, ChildSpec
from pettycash.stack.redis import RedisServer
from tests.factories.people import acting, company_id
from tests.factories.requisitions import approved, digest
from tests.servers import Database, wait_until

TIMINGS = {
    "PETTYCASH_CLAIM_LEASE_SECONDS": "2",
    "PETTYCASH_QUERY_FIRST_SECONDS": "0.5",
    "PETTYCASH_QUERY_INTERVAL_MAX_SECONDS": "5",
    "PETTYCASH_RESEND_AFTER_SECONDS": "1.5",
    "PETTYCASH_DECIDE_BY_SECONDS": "5",
    "PETTYCASH_RELAY_INTERVAL_SECONDS": "0.1",
    "PETTYCASH_RELAY_BACKOFF_SECONDS": "1",
    "PETTYCASH_RELAY_BACKOFF_MAX_SECONDS": "3",
}
"""The same proportions as the defaults, some thirty times as fast."""

BOUNDS = {"PETTYCASH_OBLIGATION_ATTEMPTS_MAX": "200", "PETTYCASH_CODE_SENDS_MAX": "100"}
"""Out of the way: tests of their own prove them."""

PERMANENT = ("redis", "simulator", "api", "relay", "worker")
START_SECONDS = 40.0
SETTLED_SECONDS = 40.0
ONE_CODE = re.compile(r"\d{6}")


@dataclass(frozen=True)
class Paid:
    """A payment that a test makes, and what must have become of it."""

    id: UUID
    requisition_id: UUID
    amount: str
    phone: str


class System:
    """One running system. Everything it starts, it ends."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.children: dict[str, Child] = {}
        self.ports = Ports(usual=False)
        self.redis = RedisServer(folder / "redis", self.ports.take(0), "crash", durable=False)
        self.simulator_url = f"http://{LOOPBACK}:{self.ports.take(0)}"
        self.api_url = f"http://{LOOPBACK}:{self.ports.take(0)}"
        self.database = database
        self.environ = (
            {name: value for name, value in database.environ.items() if "OWNER" not in name}
            | TIMINGS
            | BOUNDS
            | {
                "REDIS_URL": self.redis.url(),
                "PETTYCASH_STATE_DIR": str(folder / "state"),
                "PETTYCASH_API_URL": self.api_url,
                "PETTYCASH_SIMULATOR_MPESA_URL": self.simulator_url,
                "PYTHONUNBUFFERED": "1",
                "WEB_CONCURRENCY": "1",
                "REMAP_SIGTERM": "SIGQUIT",
            }
        )
        self._armed: set[str] = set()
        self._phones = iter(range(254_711_000_000, 254_712_000_000))

    # -- life

    def start(self) -> None:
        """Start all of it; ready when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.compose()
        self.company_id = company_id("DEMO")
        self._point_at_simulator()
        self.redis.prepare()
        self.begin_redis()
        self._begin_simulator()
        self._begin_api()
        self._begin_relay("relay")
        self._begin_worker("worker")
        self.await_ready(*self.children)

    def revive(self) -> None:
        """Start whoever was left dead or armed by the test before."""
        for name in [name for name in self.children if name not in PERMANENT]:
            self.children.pop(name).finish()
        for name in PERMANENT:
            if self.children[name].exit_code() is not None or name in self._armed:
                self.restart(name)

    def compose(self) -> None:
        """Make this process work on the system's database."""
        db.dispose()
        composition.compose(config.read(self.environ))

    def end(self) -> None:
        """Leave nothing behind."""
        for child in self.children.values():
            child.finish()
        db.dispose()

    def await_ready(self, *names: str) -> None:
        """Wait until these have said that they are ready."""
        for name in names:
            child = self.children[name]
            assert wait_until(child.probe, START_SECONDS), (name, child.log_tail(30))

    def begin_redis(self) -> None:
        """Start Redis; what is in its folder decides what it remembers: nothing."""
        self._begin(
            "redis", self.redis.command(), environment={"PATH": "/usr/bin:/bin"},
            probe=self.redis.is_ready,
        )  # fmt: skip

    def _begin_simulator(self) -> None:
        command = [
            "-m",
            "pettycash.simulators.mpesa",
            "--host",
            LOOPBACK,
            "--callback-delay",
            "0.1",
        ]
        command += ["--port", self.simulator_url.rpartition(":")[2]]
        command += ["--state", str(self._simulator_state)]
        self._begin("simulator", python(*command), probe=probes.answers_ok(self._page("health")))

    def _begin_api(self, crash_at: str = "") -> None:
        address = self.api_url.removeprefix("http://")
        command = [
            "-m",
            "gunicorn",
            "--config=python:pettycash.stack.gunicorn_conf",
        ]
        self._begin(
            "api", python(*command, f"--bind={address}", "wsgi:app"), crash_at=crash_at,
            probe=probes.answers_ok(f"{self.api_url}/healthz"),
        )  # fmt: skip

    def _begin_relay(self, name: str, crash_at: str = "") -> None:
        self._begin(name, python("-m", "pettycash", "relay"), crash_at=crash_at)

    def _begin_worker(
        self, name: str, crash_at: str = "", *, pool: Sequence[str] = ("-P", "solo")
    ) -> None:
        command = ["-m", "celery", "-A", "celery_worker", "worker", "-n", f"{name}@%h", *pool]
        command += ["-Q", "payments,default,notifications,batch", "--loglevel", "INFO"]
        command += ["--without-gossip", "--without-mingle"]
        self._begin(name, python(*command), crash_at=crash_at)

    def _begin(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        probe: Any = None,
        crash_at: str = "",
    ) -> None:
        environment = dict(self.environ if environment is None else environment)
        self._armed.discard(name)
        if crash_at:
            self._armed.add(name)
            environment["PETTYCASH_CRASH_AT"] = crash_at
            for step in crash_at.split(","):
                counted = self._state / crash_points.FOLDER / step.partition(":")[0]
                counted.unlink(missing_ok=True)
        if name in self.children:
            self.children[name].finish()
        spec = ChildSpec(
            name=name, title=name, command=command, environment=environment, probe=probe
        )
        self.children[name] = Child(spec, self.folder)
        self.children[name].start()

    def restart(self, name: str, crash_at: str = "", **how: Any) -> None:
        """SIGKILL one of our processes, with all of its children, and start it anew."""
        if name in self.children:
            self.kill(name)
        if name == "redis":
            self.begin_redis()
        elif name == "simulator":
            self._begin_simulator()
        elif name.startswith("relay"):
            self._begin_relay(name, crash_at)
        elif name == "api":
            self._begin_api(crash_at)
        else:
            self._begin_worker(name, crash_at, **how)
        self.await_ready(name)

    def kill(self, name: str) -> None:
        """SIGKILL a process and all of its children."""
        child = self.children[name]
        if child.exit_code() is None:
            assert child.pid is not None
            os.killpg(child.pid, signal.SIGKILL)
        assert wait_until(lambda: child.exit_code() is not None, 10), name

    def await_death(self, name: str, seconds: float = 15.0) -> None:
        """Wait until a process has died at its crash point."""
        child = self.children[name]
        assert wait_until(lambda: child.exit_code() is not None, seconds), child.log_tail(30)
        assert child.exit_code() == -signal.SIGKILL, child.log_tail(30)

    def reached(self, step: str) -> int:
        """How often an armed crash point was reached."""
        return crash_points.reached(self._state, step)

    @property
    def _state(self) -> Path:
        return Path(self.environ["PETTYCASH_STATE_DIR"])

    # -- the world outside

    @property
    def _simulator_state(self) -> Path:
        return self.folder / "simulator"

    def _page(self, name: str) -> str:
        return f"{self.simulator_url}/_sim/{name}"

    def _point_at_simulator(self) -> None:
        self._simulator_state.mkdir(parents=True, exist_ok=True)
        keys = Credentials(Configuration(state=self._simulator_state))
        with self.session() as session:
            account = session.execute(select(ProviderAccount)).scalar_one()
            money.point_at_simulator(account, keys.certificate.decode("ascii"))

    def seen(self, page: str, **query: str) -> list[dict[str, Any]]:
        """Rows of one of the simulator's own pages: movements, payments, callbacks."""
        name = "ledger" if page == "movements" else page
        answer = requests.get(self._page(name), params={"limit": "1000"} | query, timeout=10)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()[page]
        return found

    def obligation(self, topic: str, key: UUID) -> UUID:
        """The id of what is owed about something."""
        with self.session() as session:
            return session.execute(
                select(Obligation.id).where(Obligation.topic == topic, Obligation.key == key)
            ).scalar_one()

    def misbehave(self, paid: Paid, scenario: str) -> None:
        """Let the rail answer the next request for this payment with a fault."""
        order = {"scenario": scenario, "phone": paid.phone}
        answer = requests.post(self._page("faults"), json=order, timeout=10)
        assert answer.status_code in (200, 201), answer.text

    # -- the life of a payment

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A unit of work in the demo company."""
        with (
            db.scope(company_id=self.company_id, source="test"),
            db.transaction() as session,
        ):
            yield session

    def payment(self, amount: str = "100.00") -> Paid:
        """A payment of an approved and validated requisition, to a phone of its own."""
        phone = str(next(self._phones))
        with self.session() as session:
            requisition = approved(session, amount, destination=phone)
            _, (payment,) = treasury_validation.validate(
                session,
                requisition_id=requisition.id,
                digest=digest(session, requisition.id),
                actor=acting(session, "treasury"),
                now=session.info["now"],
            )
            return Paid(payment.id, requisition.id, amount, phone)

    def verify(self, paid: Paid, *, by: str = "treasury_2") -> None:
        """Ask for the code, read it as its addressee would, and verify it."""
        with self.session() as session:
            now, actor = session.info["now"], acting(session, by)
            challenge = payments.send_code(session, payment_id=paid.id, actor=actor, now=now)
            session.flush()
            send_id = session.execute(
                select(ChallengeSend.id).where(ChallengeSend.challenge_id == challenge.id)
            ).scalar_one()
            message = releases.make_code(session, send_id=send_id, now=now)
            assert message is not None
            code = ONE_CODE.findall(message.text)[0]
            releases.code_delivered(session, send_id=send_id, now=now)
            result = payments.verify_code(
                session, payment_id=paid.id, code=code, actor=actor, now=now
            )
            assert result.refusal is None

    def release(self, *all_paid: Paid, by: str = "treasury_2") -> None:
        """Release payments with a code each."""
        for paid in all_paid:
            self.verify(paid, by=by)
            with self.session() as session:
                payments.execute(
                    session,
                    payment_id=paid.id,
                    actor=acting(session, by),
                    now=session.info["now"],
                )

    def token(self, username: str) -> str:
        """An access token of a persona, without the cost of a login."""
        with db.scope(source="test"), db.system_transaction() as session:
            now = session.info["now"]
            person = session.execute(select(User.id).where(User.username == username)).scalar_one()
            placed = people.place(session, user_id=person, company_id=self.company_id, now=now)
            assert placed is not None
            origin = people.Origin(ip_address=LOOPBACK)
            return sessions.start(session, placed=placed, origin=origin, now=now).access_token

    def executions(self, paid: Paid) -> int:
        """How often it was released."""
        with self.session() as session:
            return session.execute(
                select(func.count()).where(PaymentExecution.payment_id == paid.id)
            ).scalar_one()

    def attempt(self, paid: Paid) -> PaymentAttempt:
        """The only attempt of a payment, as it stands now."""
        with self.session() as session:
            return session.execute(
                select(PaymentAttempt).where(PaymentAttempt.payment_id == paid.id)
            ).scalar_one()

    def await_state(self, paid: Paid, *states: str, seconds: float = 15.0) -> None:
        """Wait until its attempt is in one of these states."""
        reached = wait_until(lambda: self.attempt(paid).state in states, seconds)
        assert reached, (self.attempt(paid).state, states, self.logs())

    def logs(self, lines: int = 25) -> str:
        """The last words of everybody, for a failure's message."""
        return "\n".join(
            f"--- {name}\n" + "\n".join(child.log_tail(lines))
            for name, child in self.children.items()
            if name != "redis"
        )

    def held(self, paid: Paid) -> str:
        """What became of the hold of its attempt: open, posted or voided."""
        source = f"attempt:{self.attempt(paid).id}"
        with self.session() as session:
            return session.execute(select(Hold.state).where(Hold.source == source)).scalar_one()

    # -- the judgement

    def statuses(self, all_paid: Sequence[Paid]) -> dict[UUID, PaymentStatus]:
        """What is known of these payments."""
        with self.session() as session:
            rows = session.execute(
                select(Payment.id, Payment.status).where(
                    Payment.id.in_([paid.id for paid in all_paid])
                )
            )
            return {row.id: row.status for row in rows}

    def await_success(self, *all_paid: Paid, seconds: float = SETTLED_SECONDS) -> None:
        """Wait until they are paid and nothing is owed about them any more."""

        def done() -> bool:
            return all(
                status is PaymentStatus.SUCCESS for status in self.statuses(all_paid).values()
            )

        assert wait_until(done, seconds, 0.1), (self.statuses(all_paid), self.logs())
        references = {each["originator_reference"] for each in self.moved(*all_paid)}
        assert wait_until(lambda: not self._outstanding(references), seconds, 0.1)
        self.await_nothing_owed(seconds)

    def await_nothing_owed(self, seconds: float = SETTLED_SECONDS) -> None:
        """Wait until every obligation about payments is done."""
        assert wait_until(lambda: not self.owed(), seconds, 0.1), (self.owed(), self.logs())

    def moved(self, *all_paid: Paid) -> list[dict[str, Any]]:
        """What the rail says that it has paid."""
        phones = {paid.phone for paid in all_paid}
        return [each for each in self.seen("movements") if each["phone"] in phones]

    def _outstanding(self, references: set[str]) -> list[dict[str, Any]]:
        """Callbacks that the rail has yet to send: what comes late must change nothing."""
        return [
            each
            for each in self.seen("callbacks")
            if each["originator_reference"] in references and each["attempted_at"] is None
        ]

    def owed(self) -> list[tuple[str, str | None]]:
        """What is still owed about payments: topic and last error."""
        with self.session() as session:
            rows = session.execute(
                select(Obligation.topic, Obligation.last_error).where(
                    Obligation.done_at.is_(None),
                    Obligation.topic.in_(
                        ["payments.submit", "payments.resolve", "callbacks.process"]
                    ),
                )
            )
            return [(row.topic, row.last_error) for row in rows]

    def assert_books_hold(self) -> None:
        """No check of the books finds anything: true at any instant, also while things are dead."""
        with self.session() as session:
            assert check_books(session) == []

    def assert_paid_once(self, *all_paid: Paid, cases: frozenset[str] = frozenset()) -> None:
        """One movement at the rail, one entry in the journal, one success each; no loose ends.

        `cases` names kinds that a fault may have opened; any other open case is a failure.
        """
        self.assert_books_hold()
        movements = self.seen("movements")
        with self.session() as session:
            for paid in all_paid:
                attempts = list(
                    session.execute(
                        select(PaymentAttempt).where(PaymentAttempt.payment_id == paid.id)
                    ).scalars()
                )
                references = {each.originator_reference for each in attempts}
                moved = [each for each in movements if each["phone"] == paid.phone]
                assert len(moved) == 1, moved
                assert moved[0]["originator_reference"] in references
                assert float(moved[0]["amount"]) == float(paid.amount)
                assert [str(each.state) for each in attempts] == ["settled"]
                assert attempts[0].provider_reference == moved[0]["provider_reference"]
                posted = session.execute(
                    select(JournalEntry.id).where(
                        JournalEntry.payment_id == paid.id, JournalEntry.rule == "expense"
                    )
                ).all()
                assert len(posted) == 1, posted
                said = session.execute(
                    select(func.count()).where(PaymentTransaction.payment_id == paid.id)
                ).scalar_one()
                assert said >= 1, "nothing stands in the exchange log"
                unread = session.execute(
                    select(Callback.purpose).where(
                        Callback.attempt_id == attempts[0].id, Callback.processed_at.is_(None)
                    )
                ).all()
                assert unread == [], "a callback was stored and never looked at"
                requisition = session.get_one(Requisition, paid.requisition_id)
                assert requisition.status is RequisitionStatus.PAID
            opened = session.execute(
                select(Case.kind, Case.summary).where(
                    Case.status != CaseStatus.RESOLVED, Case.object_type != "store"
                )
            ).all()
            assert [row for row in opened if row.kind.value not in cases] == []


def python(*arguments: str) -> list[str]:
    """A command of this environment."""
    return [sys.executable, *arguments]
