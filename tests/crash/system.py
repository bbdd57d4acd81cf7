"""The life of payments in a system that is being killed, and the ledgers that judge it."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash import composition
from pettycash.cli.reconciliation.audit import ledgers
from pettycash.lab.seeds import money
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.credentials import OperatorCredentials
from pettycash.models.access import User
from pettycash.models.imprest import ProviderAccount
from pettycash.models.ledger import Hold, JournalEntry
from pettycash.models.operations import Case, CaseStatus, OutboxMessage
from pettycash.models.payments import (
    Callback,
    Payment,
    PaymentAttempt,
    PaymentStatus,
    PaymentTransaction,
)
from pettycash.models.releases import ChallengeSend, PaymentExecution
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import config, db
from pettycash.runtime.rails import Method
from pettycash.services import payments, releases
from pettycash.services.access.identity import people, sessions
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import treasury_validation
from pettycash.services.reconciliation.invariants import check_all, check_books, movements
from pettycash.stack.ports import LOOPBACK
from tests.crash.processes import SOLO, Processes
from tests.factories import payments as making
from tests.factories.people import acting, company_id
from tests.factories.policies import live_at_noon
from tests.factories.requisitions import approved, digest
from tests.servers import Database, wait_until

SETTLED_SECONDS = 40.0
MONEY_TOPICS = (
    "payments.submit",
    "payments.resolve",
    "callbacks.process",
    "otp.send",
    "notifications.acknowledgement_code",
    "reconciliation.run",
)
ONE_CODE = re.compile(r"\d{6}")


@dataclass(frozen=True)
class Paid:
    """A payment that a test makes, and what must have become of it."""

    id: UUID
    requisition_id: UUID
    amount: str
    phone: str


class System(Processes):
    """One running system, what lives in it, and the ledgers that judge it."""

    def __init__(self, folder: Path, database: Database) -> None:
        super().__init__(folder, database)
        self._phones = iter(range(254_711_000_000, 254_712_000_000))

    # -- life

    def start(self, pool: Sequence[str] = SOLO) -> None:
        """Start all of it; ready when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.compose()
        self.company_id = company_id("DEMO")
        self._point_at_simulator()
        with db.scope(company_id=company_id("OTHER")), db.transaction() as session:
            live_at_noon(session)
        self.begin(pool)

    def compose(self) -> None:
        """Make this process work on the system's database."""
        db.dispose()
        composition.compose(config.read(self.environ))

    def end(self) -> None:
        """Leave nothing behind."""
        super().end()
        db.dispose()

    # -- the world outside

    def _point_at_simulator(self) -> None:
        self.simulator_state.mkdir(parents=True, exist_ok=True)
        keys = OperatorCredentials(Configuration(state=self.simulator_state))
        with self.session() as session:
            account = session.execute(select(ProviderAccount)).scalar_one()
            money.point_at_simulator(account, keys.certificate.decode("ascii"))

    def seen(self, page: str, **query: str) -> list[dict[str, Any]]:
        """Rows of one of the simulator's own pages: movements, payments, callbacks."""
        name = "ledger" if page == "movements" else page
        answer = requests.get(self.page(name), params={"limit": "1000"} | query, timeout=10)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()[page]
        return found

    def outbox_message(self, topic: str, key: UUID) -> UUID:
        """The id of the outbox message about something."""
        with self.session() as session:
            return session.execute(
                select(OutboxMessage.id).where(
                    OutboxMessage.topic == topic, OutboxMessage.key == key
                )
            ).scalar_one()

    def misbehave(self, paid: Paid | str, scenario: str) -> None:
        """Let the rail answer the next request for this payment, or to this phone, with a fault."""
        phone = paid if isinstance(paid, str) else paid.phone
        order = {"scenario": scenario, "phone": phone}
        answer = requests.post(self.page("faults"), json=order, timeout=10)
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
                Uow.of(session, acting(session, "treasury")),
                requisition_id=requisition.id,
                digest=digest(session, requisition.id),
            )
            return Paid(payment.id, requisition.id, amount, phone)

    def voucher(self, amount: str = "10.00") -> tuple[UUID, str]:
        """A payment in cash from the drawer of Westlands, and its recipient's e-mail address."""
        address = f"payee-{next(self._phones)}@demo.test"
        with self.session() as session:
            return making.cash(session, amount, destination=address).id, address

    def verify(self, paid: Paid, *, by: str = "treasury_2") -> None:
        """Ask for the code, read it as its addressee would, and verify it."""
        with self.session() as session:
            now, actor = session.info["now"], acting(session, by)
            uow = Uow(session, actor, now)
            challenge = payments.send_code(uow, payment_id=paid.id)
            session.flush()
            send_id = session.execute(
                select(ChallengeSend.id).where(ChallengeSend.challenge_id == challenge.id)
            ).scalar_one()
            message = releases.make_code(session, send_id=send_id, now=now)
            assert message is not None
            code = ONE_CODE.findall(message.text)[0]
            releases.code_delivered(session, send_id=send_id, message=message, now=now)
            result = payments.verify_code(uow, payment_id=paid.id, code=code)
            assert result.refusal is None

    def release(self, *all_paid: Paid, by: str = "treasury_2") -> None:
        """Release payments with a code each."""
        for paid in all_paid:
            self.verify(paid, by=by)
            with self.session() as session:
                payments.execute(Uow.of(session, acting(session, by)), payment_id=paid.id)

    def token(self, username: str) -> str:
        """An access token of a persona, without the cost of a login."""
        with db.scope(source="test"), db.system_transaction() as session:
            now = session.info["now"]
            person = session.execute(select(User.id).where(User.username == username)).scalar_one()
            member = people.active_member(
                session, user_id=person, company_id=self.company_id, now=now
            )
            assert member is not None
            client_info = people.ClientInfo(ip_address=LOOPBACK)
            return sessions.start(
                session, member=member, client_info=client_info, now=now
            ).access_token

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
        """Wait until they are paid and the outbox holds nothing about them."""

        def done() -> bool:
            return all(
                status is PaymentStatus.SUCCESS for status in self.statuses(all_paid).values()
            )

        assert wait_until(done, seconds, 0.1), (self.statuses(all_paid), self.logs())
        references = {each["originator_reference"] for each in self.moved(*all_paid)}
        assert wait_until(lambda: not self._outstanding(references), seconds, 0.1)
        self.await_nothing_owed(seconds)

    def await_nothing_owed(self, seconds: float = SETTLED_SECONDS) -> None:
        """Wait until every outbox message about money is done."""
        assert wait_until(lambda: not self.open_messages(), seconds, 0.1), (
            self.open_messages(),
            self.logs(),
        )

    def moved(self, *all_paid: Paid) -> list[dict[str, Any]]:
        """What the rail says that it has paid."""
        phones = {paid.phone for paid in all_paid}
        return [each for each in self.seen("movements") if each["phone"] in phones]

    def sendings(self, paid: Paid) -> int:
        """How often the rail was asked to pay it."""
        return len(self.references_sent(paid))

    def references_sent(self, paid: Paid) -> list[str]:
        """Our own reference of each time that the rail was asked to pay it."""
        return [
            json.loads(each["body"])["OriginatorConversationID"]
            for each in self.seen("requests")
            if each["path"].endswith("/paymentrequest") and paid.phone in str(each["body"])
        ]

    def _outstanding(self, references: set[str]) -> list[dict[str, Any]]:
        """Callbacks that the rail has yet to send: what comes late must change nothing."""
        return [
            each
            for each in self.seen("callbacks")
            if each["originator_reference"] in references and each["attempted_at"] is None
        ]

    def open_messages(self) -> list[tuple[str, str | None]]:
        """The open messages about money: topic and last error."""
        with self.session() as session:
            rows = session.execute(
                select(OutboxMessage.topic, OutboxMessage.last_error).where(
                    OutboxMessage.completed_at.is_(None),
                    OutboxMessage.topic.in_(MONEY_TOPICS),
                )
            )
            return [(row.topic, row.last_error) for row in rows]

    def assert_books_hold(self) -> None:
        """No check of the books finds anything: true at any instant, also while things are dead."""
        with self.session() as session:
            assert check_books(session) == []

    def assert_all_is_true(self) -> None:
        """No invariant is broken, the rail's ledger beside ours, once nothing is under way."""
        before = self._known()
        moved = ledgers.movements(self.simulator_url)
        results = movements.compare(
            before=before, movements=moved, after=self._known(), settled=True
        )
        with self.session() as session:
            results += check_all(session, now=session.info["now"], settled=True)
        assert [each.as_json() for each in results if not each.ok] == []

    def _known(self) -> list[movements.KnownAttempt]:
        with self.session() as session:
            return movements.known(session, method=Method.MPESA)

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
                assert said >= 1, "nothing stands in the gateway exchange log"
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
