"""Transaction status queries: section 6. Accepted at once, answered by their own callback."""

import json
import sqlite3
from dataclasses import replace
from datetime import datetime

from pettycash.lab.simulators.mpesa import (
    answers,
    codes,
    deliveries,
    envelopes,
    gates,
    identifiers,
    payments,
    scenarios,
    store,
)
from pettycash.lab.simulators.mpesa.answers import Answer, Delivery
from pettycash.lab.simulators.mpesa.catalogue import Dimension
from pettycash.lab.simulators.mpesa.checks import Body, text_of
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.credentials import OperatorCredentials
from pettycash.lab.simulators.mpesa.deliveries import Post
from pettycash.lab.simulators.mpesa.scenarios import ScenarioPart
from pettycash.lab.simulators.mpesa.store import SimulatorStore

_HELD_BACK = {
    "query_initiated": "Initiated",
    "query_authorized": "Authorized",
    "query_pending": "Pending Authorized",
    "query_odd_status": "Under Review",
}
_NOTICES = {
    "query_queue_timeout": "notice_flat",
    "query_queue_timeout_envelope": "notice_envelope",
}


def refused_on_the_way(part: ScenarioPart) -> Answer | None:
    """The answer where the fault keeps the query from arriving; None for every other fault."""
    match part.name:
        case "query_answer_lost_before":
            return answers.nothing(Delivery.LOST)
        case "query_too_many_requests":
            return answers.spike_fault()
        case "query_spike_arrest":
            return answers.spike_arrest()
        case "query_bad_gateway":
            return answers.html_page(502, "Bad Gateway")
        case "query_internal_error":
            return answers.refusal(500, "500.001.1001", "Internal Server Error")
        case "query_token_expired":
            return gates.answer("token_expired_401")
        case _:
            return None


class Queries:
    """Accepts status queries and answers them later with what is true by then."""

    def __init__(
        self, configuration: Configuration, store_: SimulatorStore, credentials: OperatorCredentials
    ) -> None:
        self._configuration = configuration
        self._store = store_
        self._credentials = credentials

    def accept(self, body: Body, *, raw: str, part: ScenarioPart | None) -> Answer:
        """Accept a checked query; `part` is its fault, if any."""
        is_right = self._credentials.is_right(text_of(body, "SecurityCredential"))
        at = identifiers.now()
        originator_id = identifiers.gateway_id()
        conversation_id = identifiers.conversation_id(at)
        name = part.name if part else ""
        with self._store.unit() as db:
            cursor = db.execute(
                "INSERT INTO queries (originator_id, conversation_id, initiator,"
                " credential_is_right, body, scenario, asked_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    originator_id,
                    conversation_id,
                    text_of(body, "Initiator"),
                    is_right,
                    raw,
                    f"{name}{part.code}:{part.number!r}" if part else "",
                    identifiers.iso(at),
                ),
            )
            delay = self._configuration.callback_delay_seconds
            if part is not None and name == "query_late":
                delay = part.number
            db.execute(
                "INSERT INTO work (kind, key, due_at) VALUES ('query', ?, ?)",
                (cursor.lastrowid, at.timestamp() + delay),
            )
        answer = answers.accepted(conversation_id=conversation_id, originator_id=originator_id)
        if name == "query_answer_lost":
            return replace(answer, delivery=Delivery.LOST)
        if part is not None and name == "query_slow":
            return replace(answer, wait_seconds=part.number)
        return answer

    def settle(self, db: sqlite3.Connection, query_id: int, *, at: datetime) -> None:
        """Owe the callback of a query that is due, with what is true now."""
        query = db.execute("SELECT * FROM queries WHERE id = ?", (query_id,)).fetchone()
        if query is None:
            return
        body = json.loads(query["body"])
        part = scenarios.recall(query["scenario"]).part(Dimension.QUERY)
        name = part.name if part else ""
        payment = _payment(db, body)
        reference = (
            payment["originator_reference"] if payment else text_of(body, "OriginalConversationID")
        )
        if name == "query_lost":
            return
        if name in _NOTICES:
            notice = scenarios.parse(_NOTICES[name]).part(Dimension.NOTICE)
            assert notice is not None
            content = deliveries.of_notice(
                notice,
                raw=query["body"],
                originator_id=query["originator_id"],
                conversation_id=query["conversation_id"],
                at=at,
            )
            post = Post("query_notice", body["QueueTimeOutURL"], content, 0.0)
            deliveries.schedule(db, [post], reference=reference, at=at)
            return
        content = self._answer(db, query, payment, part, at)
        if name == "query_malformed":
            content = deliveries.cut(content)
        post = Post("query", body["ResultURL"], content, 0.0)
        rounds = 2 if name == "query_twice" else 1
        deliveries.schedule(db, [post] * rounds, reference=reference, at=at)

    def _answer(
        self,
        db: sqlite3.Connection,
        query: sqlite3.Row,
        payment: sqlite3.Row | None,
        part: ScenarioPart | None,
        at: datetime,
    ) -> bytes:
        name = part.name if part else ""
        code = self._code(db, query, payment, part)
        status = payment["status"] if payment else ""
        envelope = envelopes.query_result(
            payments.facts_of(db, payment) if payment else None,
            originator_id=query["originator_id"],
            conversation_id=query["conversation_id"],
            result_code=code,
            status=_HELD_BACK.get(name, status),
            at=at,
            style=name,
        )
        return json.dumps(envelope).encode()

    def _code(
        self,
        db: sqlite3.Connection,
        query: sqlite3.Row,
        payment: sqlite3.Row | None,
        part: ScenarioPart | None,
    ) -> str:
        """The outer ResultCode: the operator first, then what was asked about."""
        refused = self._credentials.refusal(
            db,
            initiator=query["initiator"],
            credential_is_right=bool(query["credential_is_right"]),
        )
        if refused is not None:
            return refused
        if store.switch(db, "query_role", "1") == "0":
            return "21"
        if part is not None and part.code:
            return part.code
        body = json.loads(query["body"])
        if not text_of(body, "TransactionID") and not text_of(body, "OriginalConversationID"):
            return "25"
        if payment is None or (part is not None and part.name == "query_unknown"):
            return self._configuration.unknown_id_code
        return codes.SUCCESS


def _payment(db: sqlite3.Connection, body: Body) -> sqlite3.Row | None:
    """The payment asked about, of the asker's own organisation only.

    `OriginalConversationID` holds the payment's `OriginatorConversationID`. Where a receipt is
    given as well, both have to fit.
    """
    receipt, reference = text_of(body, "TransactionID"), text_of(body, "OriginalConversationID")
    if not receipt and not reference:
        return None
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM payments WHERE shortcode = ? AND (? = '' OR receipt = ?)"
        " AND (? = '' OR originator_reference = ?)",
        (text_of(body, "PartyA"), receipt, receipt, reference, reference),
    ).fetchone()
    return row
