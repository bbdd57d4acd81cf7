"""B2C payments: acceptance, settlement, the movement of money. Section 18 gives the order."""

import json
import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime

from pettycash.lab.simulators.mpesa import (
    answers,
    codes,
    deliveries,
    gates,
    identifiers,
    scenarios,
    store,
)
from pettycash.lab.simulators.mpesa.answers import Answer
from pettycash.lab.simulators.mpesa.catalogue import Dimension
from pettycash.lab.simulators.mpesa.checks import Body, text_of
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.credentials import OperatorCredentials
from pettycash.lab.simulators.mpesa.deliveries import Post
from pettycash.lab.simulators.mpesa.envelopes import Facts
from pettycash.lab.simulators.mpesa.scenarios import Scenario
from pettycash.lab.simulators.mpesa.store import SimulatorStore

INITIATED = "Initiated"
COMPLETED = "Completed"


@dataclass(frozen=True)
class Balances:
    """The three accounts of one organisation, in cents (section 7, account model)."""

    utility_cents: int
    working_cents: int
    charges_cents: int


def balances(db: sqlite3.Connection, shortcode: str) -> Balances | None:
    """The balances of `shortcode`; None where it is not of this simulator."""
    row = db.execute("SELECT * FROM accounts WHERE shortcode = ?", (shortcode,)).fetchone()
    if row is None:
        return None
    return Balances(row["utility_cents"], row["working_cents"], row["charges_cents"])


def facts_of(db: sqlite3.Connection, payment: sqlite3.Row) -> Facts:
    """What is true about one payment now, for a callback to tell."""
    moved = db.execute(
        "SELECT fee_cents FROM movements WHERE originator_reference = ?",
        (payment["originator_reference"],),
    ).fetchone()
    account = balances(db, payment["shortcode"]) or Balances(0, 0, 0)
    initiated_at = identifiers.from_iso(payment["initiated_at"])
    finalised = payment["finalised_at"]
    return Facts(
        originator_id=payment["originator_reference"],
        conversation_id=payment["conversation_id"],
        receipt=payment["receipt"],
        result_code=payment["result_code"] or "",
        amount_cents=payment["amount"] * 100,
        fee_cents=moved["fee_cents"] if moved else 0,
        phone=payment["phone"],
        shortcode=payment["shortcode"],
        initiated_at=initiated_at,
        finalised_at=identifiers.from_iso(finalised) if finalised else initiated_at,
        utility_cents=account.utility_cents,
        working_cents=account.working_cents,
        charges_cents=account.charges_cents,
    )


class SimulatedPayments:
    """Accepts payments and settles them, each in one transaction of the simulator's database."""

    def __init__(
        self, configuration: Configuration, store_: SimulatorStore, credentials: OperatorCredentials
    ) -> None:
        self._configuration = configuration
        self._store = store_
        self._credentials = credentials

    def accept(self, body: Body, *, raw: str, scenario: Scenario) -> Answer:
        """Accept a checked request once; the same id again is refused and moves nothing."""
        reference = text_of(body, "OriginatorConversationID")
        # Decrypting takes a millisecond, so it happens before the database is taken.
        is_right = self._credentials.is_right(text_of(body, "SecurityCredential"))
        at = identifiers.now()
        with self._store.unit() as db:
            first = _by_reference(db, reference)
            if first is not None:
                return self._repeat(db, first, body=body, scenario=scenario, at=at)
            payment = self._register(
                db, body, raw=raw, credential_is_right=is_right, scenario=scenario, at=at
            )
            early = self._start(db, payment, body=body, raw=raw, scenario=scenario, at=at)
        answer = answers.accepted(
            conversation_id=payment["conversation_id"], originator_id=reference
        )
        part = scenario.part(Dimension.ANSWER)
        if part is not None:
            answer = answers.spoil(part.name, part.number, answer)
        return replace(answer, callback_first=early)

    def _register(
        self,
        db: sqlite3.Connection,
        body: Body,
        *,
        raw: str,
        credential_is_right: bool,
        scenario: Scenario,
        at: datetime,
    ) -> sqlite3.Row:
        db.execute(
            "INSERT INTO payments (originator_reference, conversation_id, receipt, status, amount,"
            " phone, shortcode, initiator, credential_is_right, command, body, scenario,"
            " initiated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                text_of(body, "OriginatorConversationID"),
                identifiers.conversation_id(at),
                _new_receipt(db, at),
                INITIATED,
                int(text_of(body, "Amount")),
                text_of(body, "PartyB"),
                text_of(body, "PartyA"),
                text_of(body, "InitiatorName"),
                credential_is_right,
                text_of(body, "CommandID"),
                raw,
                scenario.text,
                identifiers.iso(at),
            ),
        )
        payment = _by_reference(db, text_of(body, "OriginatorConversationID"))
        assert payment is not None
        return payment

    def _start(
        self,
        db: sqlite3.Connection,
        payment: sqlite3.Row,
        *,
        body: Body,
        raw: str,
        scenario: Scenario,
        at: datetime,
    ) -> int | None:
        """Owe the notice, then settle now or later; the callback to deliver first, if any."""
        reference = payment["originator_reference"]
        notice = scenario.part(Dimension.NOTICE)
        if notice is not None:
            content = deliveries.of_notice(
                notice,
                raw=raw,
                originator_id=reference,
                conversation_id=payment["conversation_id"],
                at=at,
            )
            url = text_of(body, "QueueTimeOutURL")
            post = Post("notice", url, content, self._configuration.callback_delay_seconds)
            deliveries.schedule(db, [post], reference=reference, at=at)
        outcome = scenario.part(Dimension.OUTCOME)
        if outcome is not None and outcome.name == "never_settles":
            return None
        settling = scenario.part(Dimension.SETTLING)
        if settling is not None:
            db.execute(
                "INSERT INTO work (kind, key, due_at) VALUES ('settle', ?, ?)",
                (payment["id"], at.timestamp() + settling.number),
            )
            return None
        posted = self.settle(db, payment["id"], at=at)
        callback = scenario.part(Dimension.CALLBACK)
        early = callback is not None and callback.name == "callback_early"
        return posted[0] if early and posted else None

    def remember(
        self, *, reference: str, shortcode: str, phone: str, amount: int, code: str, at: datetime
    ) -> Facts:
        """Put a payment of the past there, finished as `code` says; one that is known stays.

        No callback is owed: whoever tells the past knows of it.
        """
        with self._store.unit() as db:
            known = _by_reference(db, reference)
            if known is not None:
                return facts_of(db, known)
            moves = code == codes.SUCCESS
            db.execute(
                "INSERT INTO payments (originator_reference, conversation_id, receipt, status,"
                " result_code, amount, phone, shortcode, initiator, credential_is_right, command,"
                " body, scenario, initiated_at, finalised_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', 1, 'BusinessPayment', '{}', ?, ?, ?)",
                (
                    reference,
                    identifiers.conversation_id(at),
                    _new_receipt(db, at),
                    COMPLETED if moves else codes.failure_status(code),
                    code,
                    amount,
                    phone,
                    shortcode,
                    scenarios.NO_FAULT.text,
                    identifiers.iso(at),
                    identifiers.iso(at),
                ),
            )
            payment = _by_reference(db, reference)
            assert payment is not None
            if moves:
                self._move(db, payment, at)
            return facts_of(db, payment)

    def settle(self, db: sqlite3.Connection, payment_id: int, *, at: datetime) -> list[int]:
        """Finish a payment that is Initiated: move the money or refuse, and owe the results.

        Returns the numbers of the callbacks owed; none where it was finished before.
        """
        payment = _by_id(db, payment_id)
        if payment is None or payment["status"] != INITIATED:
            return []
        scenario = scenarios.recall(payment["scenario"])
        code = self._verdict(db, payment, scenario, at)
        if code == codes.SUCCESS:
            self._move(db, payment, at)
        status = COMPLETED if code == codes.SUCCESS else codes.failure_status(code)
        db.execute(
            "UPDATE payments SET status = ?, result_code = ?, finalised_at = ? WHERE id = ?",
            (status, code, identifiers.iso(at), payment_id),
        )
        finished = _by_id(db, payment_id)
        assert finished is not None
        posts = deliveries.of_result(
            facts_of(db, finished),
            scenario,
            url=json.loads(payment["body"])["ResultURL"],
            delay=self._configuration.callback_delay_seconds,
        )
        reference = payment["originator_reference"]
        return deliveries.schedule(db, posts, reference=reference, at=at)

    def _verdict(
        self, db: sqlite3.Connection, payment: sqlite3.Row, scenario: Scenario, at: datetime
    ) -> str:
        """The ResultCode, by the order of section 18: operator, organisation, receiver, money."""
        refused = self._credentials.refusal(
            db,
            initiator=payment["initiator"],
            credential_is_right=bool(payment["credential_is_right"]),
        )
        if refused is not None:
            return refused
        account = balances(db, payment["shortcode"])
        if store.switch(db, "payment_role", "1") == "0":
            return "21"
        if account is None or store.switch(db, "b2c_product", "1") == "0":
            return "2028"
        if store.switch(db, "account_active", "1") == "0":
            return "11"
        forced = scenario.part(Dimension.OUTCOME)
        if forced is not None and forced.code:
            return forced.code
        over = self._limit(db, payment, at)
        if over is not None:
            return over
        return codes.SUCCESS if account.utility_cents >= payment["amount"] * 100 else "1"

    def _limit(self, db: sqlite3.Connection, payment: sqlite3.Row, at: datetime) -> str | None:
        amount = payment["amount"]
        if amount < self._configuration.amount_minimum:
            return "2"
        if amount > self._configuration.amount_maximum:
            return "3"
        limit, wallet = self._configuration.daily_limit, self._configuration.wallet_limit
        if limit or wallet:
            row = db.execute(
                "SELECT COALESCE(SUM(amount_cents), 0) AS ever, COALESCE(SUM(amount_cents)"
                " FILTER (WHERE moved_on = ?), 0) AS today FROM movements WHERE phone = ?",
                (_day(at), payment["phone"]),
            ).fetchone()
            if limit and row["today"] + amount * 100 > limit * 100:
                return "4"
            if wallet and row["ever"] + amount * 100 > wallet * 100:
                return "8"
        return None

    def _move(self, db: sqlite3.Connection, payment: sqlite3.Row, at: datetime) -> None:
        amount_cents = payment["amount"] * 100
        fee_cents = self._configuration.fee_cents(payment["amount"])
        db.execute(
            "INSERT INTO movements (originator_reference, conversation_id, receipt, amount_cents,"
            " fee_cents, phone, shortcode, moved_at, moved_on) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                payment["originator_reference"],
                payment["conversation_id"],
                payment["receipt"],
                amount_cents,
                fee_cents,
                payment["phone"],
                payment["shortcode"],
                identifiers.iso(at),
                _day(at),
            ),
        )
        db.execute(
            "UPDATE accounts SET utility_cents = utility_cents - ?,"
            " charges_cents = charges_cents - ? WHERE shortcode = ?",
            (amount_cents, fee_cents, payment["shortcode"]),
        )

    def _repeat(
        self,
        db: sqlite3.Connection,
        first: sqlite3.Row,
        *,
        body: Body,
        scenario: Scenario,
        at: datetime,
    ) -> Answer:
        """Refuse an id that was received before, in the form that a scenario asks for."""
        reference = first["originator_reference"]
        remembered = scenarios.recall(first["scenario"]).part(Dimension.DUPLICATE)
        part = scenario.part(Dimension.DUPLICATE) or remembered
        if part is None:
            return answers.duplicate()
        if part.name == "duplicate_in_200":
            return gates.duplicate_in_200(originator_id=reference)
        conversation_id = identifiers.conversation_id(at)
        facts = replace(
            facts_of(db, first),
            conversation_id=conversation_id,
            receipt=identifiers.generic_receipt(at),
            result_code="15",
        )
        delay = self._configuration.callback_delay_seconds
        posts = deliveries.of_result(
            facts, scenarios.NO_FAULT, url=text_of(body, "ResultURL"), delay=delay
        )
        deliveries.schedule(db, posts, reference=reference, at=at)
        return answers.accepted(conversation_id=conversation_id, originator_id=reference)


def _day(at: datetime) -> str:
    return f"{at.astimezone(identifiers.EAST_AFRICA):%Y-%m-%d}"


def _row(cursor: sqlite3.Cursor) -> sqlite3.Row | None:
    row: sqlite3.Row | None = cursor.fetchone()
    return row


def _by_reference(db: sqlite3.Connection, reference: str) -> sqlite3.Row | None:
    return _row(db.execute("SELECT * FROM payments WHERE originator_reference = ?", (reference,)))


def _by_id(db: sqlite3.Connection, payment_id: int) -> sqlite3.Row | None:
    return _row(db.execute("SELECT * FROM payments WHERE id = ?", (payment_id,)))


def _new_receipt(db: sqlite3.Connection, at: datetime) -> str:
    while True:
        receipt = identifiers.receipt(at)
        taken = db.execute("SELECT 1 FROM payments WHERE receipt = ?", (receipt,)).fetchone()
        if taken is None:
            return receipt
