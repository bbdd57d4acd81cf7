"""The order in which one call is checked (section 18), from method to acceptance."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pettycash.lab.simulators.mpesa import answers, checks, gates, identifiers, store
from pettycash.lab.simulators.mpesa.answers import Answer
from pettycash.lab.simulators.mpesa.catalogue import Dimension
from pettycash.lab.simulators.mpesa.checks import Body, text_of
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.payments import SimulatedPayments
from pettycash.lab.simulators.mpesa.queries import Queries, refused_on_the_way
from pettycash.lab.simulators.mpesa.scenarios import Scenario, UnknownScenario
from pettycash.lab.simulators.mpesa.selection import SelectionFacts, Selector
from pettycash.lab.simulators.mpesa.store import SimulatorStore
from pettycash.lab.simulators.mpesa.tokens import TokenIssuer

TOKEN_PATH = "/oauth/v1/generate"  # noqa: S105 - a path
PAYMENT_PATH = "/mpesa/b2c/v3/paymentrequest"
QUERY_PATH = "/mpesa/transactionstatus/v1/query"
_ANSWER_KEPT_MAX = 2_000


@dataclass(frozen=True)
class Call:
    """One HTTP request as it arrived; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def scenario(self) -> str:
        return self.headers.get("x-sim-scenario", "")


@dataclass(frozen=True)
class _Handled:
    answer: Answer
    scenario: str = ""


class DarajaWire:
    """Answers the Daraja wire; what was received is written down for whoever judges."""

    def __init__(
        self,
        configuration: Configuration,
        store_: SimulatorStore,
        tokens: TokenIssuer,
        payments: SimulatedPayments,
        queries: Queries,
    ) -> None:
        self._configuration = configuration
        self._store = store_
        self._tokens = tokens
        self._payments = payments
        self._queries = queries
        self._selector = Selector(store_)
        self._rate = _Rate()

    def answer(self, call: Call) -> Answer:
        """The answer to one call; never raises on what a client can send."""
        received_at = identifiers.now()
        body = checks.read_object(call.body) if call.method == "POST" else None
        subject = SelectionFacts(
            reference=text_of(body, "OriginatorConversationID")
            or text_of(body, "OriginalConversationID"),
            phone=text_of(body, "PartyB"),
            receipt=text_of(body, "TransactionID"),
        )
        try:
            handled = self._handle(call, body, subject)
        except UnknownScenario as error:
            handled = _Handled(answers.refusal(400, "sim.unknown_scenario", str(error)))
        self._keep(call, body, subject, handled, identifiers.iso(received_at))
        return handled.answer

    def _handle(self, call: Call, body: Body | None, subject: SelectionFacts) -> _Handled:
        is_token = call.path == TOKEN_PATH
        if call.method != ("GET" if is_token else "POST"):
            return _Handled(answers.refusal(405, "405.001", "Method Not Allowed"))
        if is_token:
            return self._token(call)
        if call.path == PAYMENT_PATH:
            return self._payment(call, body, subject)
        if call.path == QUERY_PATH:
            return self._query(call, body, subject)
        return _Handled(answers.refusal(404, "404.001.01", "Resource not found"))

    def _token(self, call: Call) -> _Handled:
        part = self._selector.for_token(call.scenario)
        answer = self._tokens.issue(
            authorization=call.headers.get("authorization", ""),
            grant_type=call.query.get("grant_type", ""),
            part=part,
        )
        return _Handled(answer, part.name if part else "")

    def _payment(self, call: Call, body: Body | None, subject: SelectionFacts) -> _Handled:
        scenario = self._selector.for_payment(call.scenario, subject)
        refused = self._at_the_gate(scenario, subject) or self._before_fields(call)
        refused = refused or checks.payment_refusal(body, self._configuration)
        if refused is not None:
            return _Handled(refused, scenario.text)
        assert body is not None
        answer = self._payments.accept(body, raw=call.body.decode(), scenario=scenario)
        return _Handled(answer, scenario.text)

    def _query(self, call: Call, body: Body | None, subject: SelectionFacts) -> _Handled:
        part = self._selector.for_query(call.scenario, subject)
        name = f"{part.name}{part.code}" if part else ""
        refused = refused_on_the_way(part) if part else None
        if refused is not None:
            if name == "query_token_expired":
                self._tokens.revoke()
            return _Handled(refused, name)
        refused = self._before_fields(call) or checks.query_refusal(body)
        if refused is not None:
            return _Handled(refused, name)
        assert body is not None
        return _Handled(self._queries.accept(body, raw=call.body.decode(), part=part), name)

    def _at_the_gate(self, scenario: Scenario, subject: SelectionFacts) -> Answer | None:
        part = scenario.part(Dimension.GATE)
        if part is None:
            return None
        if part.name in gates.KILLS_TOKEN:
            self._tokens.revoke()
        if part.code:
            return gates.refuse_with_code(part.code, originator_id=subject.reference)
        return gates.answer(part.name)

    def _before_fields(self, call: Call) -> Answer | None:
        """Rate limit, bearer token, product: what is checked before the body is looked at."""
        limit = self._configuration.rate_limit_per_second
        if limit:
            refused = self._rate.refusal(limit)
            if refused is not None:
                return refused
        refused = self._tokens.refusal(call.headers.get("authorization", ""))
        if refused is not None:
            return refused
        with self._store.unit() as db:
            if store.switch(db, "api_product", "1") == "0":
                return gates.answer("no_api_product")
        return None

    def _keep(
        self, call: Call, body: Body | None, subject: SelectionFacts, handled: _Handled, at: str
    ) -> None:
        if call.path == TOKEN_PATH:
            answered = "(token)" if handled.answer.status == 200 else ""
        else:
            answered = handled.answer.body[:_ANSWER_KEPT_MAX].decode(errors="replace")
        with self._store.unit() as db:
            number = db.execute(
                "INSERT INTO requests (received_at, method, path, originator_reference, phone,"
                " scenario, status, delivery, body, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    at,
                    call.method,
                    call.path,
                    subject.reference,
                    subject.phone,
                    handled.scenario,
                    handled.answer.status,
                    handled.answer.delivery.value,
                    _without_credential(body),
                    answered,
                ),
            ).lastrowid
            if number and number % 1_000 == 0:
                oldest = number - self._configuration.requests_kept
                db.execute("DELETE FROM requests WHERE id <= ?", (oldest,))
                db.execute(
                    "DELETE FROM callbacks WHERE attempted_at IS NOT NULL"
                    " AND id <= (SELECT MAX(id) FROM callbacks) - ?",
                    (self._configuration.requests_kept,),
                )


def _without_credential(body: Body | None) -> str:
    if body is None:
        return ""
    kept = {**body, "SecurityCredential": "(cut)"} if "SecurityCredential" in body else body
    return json.dumps(kept)


class _Rate:
    """A spike arrest: so many business calls in one second, refused in both envelopes by turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._second = 0
        self._seen = 0

    def refusal(self, limit: int) -> Answer | None:
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._seen = second, 0
            self._seen += 1
            over = self._seen - limit
        if over <= 0:
            return None
        return answers.spike_fault() if over % 2 else answers.spike_arrest()
