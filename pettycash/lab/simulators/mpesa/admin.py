"""The simulator's own pages under `/_sim/`: what it knows, and orders to misbehave."""

import sqlite3
from collections.abc import Callable, Mapping

from pettycash.lab.simulators.mpesa import (
    catalogue,
    codes,
    credentials,
    identifiers,
    selection,
    store,
)
from pettycash.lab.simulators.mpesa.answers import Answer, of_json
from pettycash.lab.simulators.mpesa.checks import read_object
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.credentials import OperatorCredentials
from pettycash.lab.simulators.mpesa.dispatcher import Dispatcher
from pettycash.lab.simulators.mpesa.envelopes import decimal_text
from pettycash.lab.simulators.mpesa.gateway import Call
from pettycash.lab.simulators.mpesa.payments import SimulatedPayments, balances
from pettycash.lab.simulators.mpesa.scenarios import RandomPlan, UnknownScenario, parse
from pettycash.lab.simulators.mpesa.store import SimulatorStore

PREFIX = "/_sim/"
_LIMIT = 1_000
_SWITCHES = ("payment_role", "query_role", "b2c_product", "account_active", "api_product")


class BadOrder(ValueError):
    """An order to the simulator that cannot be read; its message says what is wrong."""


class Admin:
    """Answers `/_sim/…`. Meant for tests and tools on the same machine: there is no sign-in."""

    def __init__(
        self,
        configuration: Configuration,
        store_: SimulatorStore,
        credentials_: OperatorCredentials,
        payments: SimulatedPayments,
        dispatcher: Dispatcher,
    ) -> None:
        self._configuration = configuration
        self._store = store_
        self._credentials = credentials_
        self._paying = payments
        self._dispatcher = dispatcher
        self._pages: Mapping[tuple[str, str], Callable[[Call], Answer]] = {
            ("GET", "health"): self._health,
            ("GET", "certificate"): self._certificate,
            ("GET", "ledger"): self._ledger,
            ("GET", "payments"): self._payments,
            ("POST", "payments"): self._remember,
            ("GET", "requests"): self._requests,
            ("GET", "callbacks"): self._callbacks,
            ("POST", "callbacks"): self._order_callback,
            ("GET", "scenarios"): self._scenarios,
            ("GET", "plan"): self._plan,
            ("POST", "plan"): self._set_plan,
            ("DELETE", "plan"): self._forget_plan,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._order_fault,
            ("DELETE", "faults"): self._forget_faults,
            ("GET", "switches"): self._switches,
            ("POST", "switches"): self._set_switches,
        }

    def answer(self, call: Call) -> Answer:
        """The page, or 400, 404, 405 with `{"error": …}`."""
        name = call.path.removeprefix(PREFIX).rstrip("/")
        page = self._pages.get((call.method, name))
        if page is None:
            known = any(name == other for _, other in self._pages)
            return of_json({"error": "no such page"}, status=405 if known else 404)
        try:
            return page(call)
        except (BadOrder, UnknownScenario) as error:
            return of_json({"error": str(error)}, status=400)

    def _health(self, _call: Call) -> Answer:
        with self._store.unit() as db:
            counts = {
                name: db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]  # noqa: S608
                for name, table in (
                    ("movements", "movements"),
                    ("payments", "payments"),
                    ("requests", "requests"),
                    ("callbacks_owed", "callbacks WHERE attempted_at IS NULL"),
                    ("work_owed", "work"),
                )
            }
        return of_json({"status": "ok", "simulator": "mpesa", **counts})

    def _certificate(self, _call: Call) -> Answer:
        return Answer(200, self._credentials.certificate, "application/x-pem-file")

    def _ledger(self, call: Call) -> Answer:
        rows, total = self._rows(
            call,
            "movements",
            {"originator_reference": "originator_reference", "phone": "phone"},
        )
        with self._store.unit() as db:
            shortcodes = [row["shortcode"] for row in db.execute("SELECT shortcode FROM accounts")]
            accounts = {shortcode: _balance_texts(db, shortcode) for shortcode in shortcodes}
        first = accounts[self._configuration.shortcodes[0]]
        movements = [
            {
                "id": row["id"],
                "originator_reference": row["originator_reference"],
                "conversation_id": row["conversation_id"],
                "provider_reference": row["receipt"],
                "amount": decimal_text(row["amount_cents"]),
                "currency": "KES",
                "fee": decimal_text(row["fee_cents"]),
                "phone": row["phone"],
                "shortcode": row["shortcode"],
                "moved_at": row["moved_at"],
            }
            for row in rows
        ]
        return of_json({"movements": movements, "total": total, **first, "accounts": accounts})

    def _payments(self, call: Call) -> Answer:
        rows, total = self._rows(
            call,
            "payments",
            {"originator_reference": "originator_reference", "phone": "phone", "status": "status"},
        )
        hidden = {"body", "credential_is_right"}
        return of_json({"payments": [_public(row, hidden) for row in rows], "total": total})

    def _remember(self, call: Call) -> Answer:
        """Pay at a past instant, for a story that begins before this simulator; nobody is told.

        Asked again under a reference that it knows, it answers what became of that.
        """
        order = _order(
            call, {"originator_reference", "shortcode", "phone", "amount", "at", "result_code"}
        )
        try:
            at = identifiers.from_iso(_text(order, "at"))
        except ValueError as error:
            raise BadOrder("at is an instant of ISO 8601") from error
        if at.tzinfo is None or at > identifiers.now():
            raise BadOrder("at names its zone, and is over")
        facts = self._paying.remember(
            reference=_text(order, "originator_reference"),
            shortcode=_text(order, "shortcode"),
            phone=_text(order, "phone"),
            amount=int(_number(order, "amount", 0)),
            code=_text(order, "result_code", default=codes.SUCCESS),
            at=at,
        )
        return of_json(
            {
                "originator_reference": facts.originator_id,
                "conversation_id": facts.conversation_id,
                "provider_reference": facts.receipt,
                "result_code": facts.result_code,
                "fee": decimal_text(facts.fee_cents),
                "finalised_at": identifiers.iso(facts.finalised_at),
            },
            status=201,
        )

    def _requests(self, call: Call) -> Answer:
        rows, total = self._rows(
            call,
            "requests",
            {"originator_reference": "originator_reference", "path": "path", "phone": "phone"},
        )
        return of_json({"requests": [_public(row, set()) for row in rows], "total": total})

    def _callbacks(self, call: Call) -> Answer:
        rows, total = self._rows(
            call,
            "callbacks",
            {"originator_reference": "originator_reference", "purpose": "purpose"},
        )
        listed = []
        for row in rows:
            shown = _public(row, {"body", "taken_by"})
            text = bytes(row["body"][:4_000]).decode(errors="replace")
            flat_notice = row["purpose"].endswith("notice") and "SecurityCredential" in text
            listed.append({**shown, "body": "(cut)" if flat_notice else text})
        return of_json({"callbacks": listed, "total": total})

    def _order_callback(self, call: Call) -> Answer:
        """Send the last result of a payment again, after `delay` seconds, `times` times."""
        order = _order(call, {"originator_reference", "delay", "times"})
        reference = _text(order, "originator_reference")
        delay, times = _number(order, "delay", 0), int(_number(order, "times", 1))
        due_at = identifiers.now().timestamp() + delay
        with self._store.unit() as db:
            row = db.execute(
                "SELECT url, body, content_type FROM callbacks WHERE originator_reference = ?"
                " AND purpose IN ('result', 'query') ORDER BY id DESC LIMIT 1",
                (reference,),
            ).fetchone()
            if row is None:
                raise BadOrder(f"no result was ever owed for {reference!r}")
            for _ in range(times):
                db.execute(
                    "INSERT INTO callbacks (originator_reference, purpose, url, body, content_type,"
                    " due_at) VALUES (?, 'ordered', ?, ?, ?, ?)",
                    (reference, row["url"], row["body"], row["content_type"], due_at),
                )
        self._dispatcher.wake()
        return of_json({"ordered": times}, status=201)

    def _scenarios(self, _call: Call) -> Answer:
        faults = [*catalogue.FAULTS.values(), *catalogue.FAMILIES.values()]
        return of_json(
            {
                "faults": [
                    {
                        "name": fault.name,
                        "side": fault.dimension.value,
                        "does": fault.does,
                        "number": fault.number if fault.unit else None,
                        "unit": fault.unit or None,
                    }
                    for fault in faults
                ],
                "aliases": dict(catalogue.ALIASES),
                "test_numbers": {
                    f"2547000xx{digits}": name for digits, name in catalogue.TEST_NUMBERS.items()
                },
            }
        )

    def _plan(self, call: Call) -> Answer:
        """The plan, and with `?originator_reference=` or `?phone=` the scenario it gives that."""
        with self._store.unit() as db:
            plan = selection.read_plan(db)
        reference, phone = (call.query.get(name, "") for name in ("originator_reference", "phone"))
        shown: dict[str, object] = {"plan": plan.as_json() if plan else None}
        if reference or phone:
            key = plan.key(reference=reference, phone=phone) if plan else ""
            shown["scenario"] = plan.scenario(key).text if plan and key else ""
        return of_json(shown)

    def _set_plan(self, call: Call) -> Answer:
        plan = RandomPlan.read(_order(call, {"seed", "rates", "by"}))
        with self._store.unit() as db:
            selection.set_plan(db, plan)
        return of_json({"plan": plan.as_json()})

    def _forget_plan(self, _call: Call) -> Answer:
        with self._store.unit() as db:
            selection.set_plan(db, None)
        return of_json({"plan": None})

    def _faults(self, _call: Call) -> Answer:
        with self._store.unit() as db:
            rows = db.execute("SELECT * FROM faults ORDER BY id").fetchall()
        return of_json({"faults": [_public(row, set()) for row in rows]})

    def _order_fault(self, call: Call) -> Answer:
        """One-shot: for one reference, one phone, or (neither) whoever comes `next` times."""
        order = _order(call, {"scenario", "originator_reference", "phone", "next", "operation"})
        scenario = parse(_text(order, "scenario"))
        if not scenario.parts:
            raise BadOrder("scenario: say which")
        times = int(_number(order, "next", 1))
        operation = order.get("operation", scenario.operation)
        if operation not in ("payment", "query", "token") or times < 1:
            raise BadOrder("operation is payment, query or token; next is at least 1")
        with self._store.unit() as db:
            number = db.execute(
                "INSERT INTO faults (operation, scenario, originator_reference, phone, remaining)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    operation,
                    scenario.text,
                    _text(order, "originator_reference", default=""),
                    _text(order, "phone", default=""),
                    times,
                ),
            ).lastrowid
        return of_json({"id": number, "operation": operation}, status=201)

    def _forget_faults(self, _call: Call) -> Answer:
        with self._store.unit() as db:
            gone = db.execute("DELETE FROM faults").rowcount
        return of_json({"forgotten": gone})

    def _switches(self, _call: Call) -> Answer:
        with self._store.unit() as db:
            shown: dict[str, object] = {
                name: store.switch(db, name, "1") == "1" for name in _SWITCHES
            }
            shown["initiator_locked"] = credentials.is_locked(db)
        return of_json(shown)

    def _set_switches(self, call: Call) -> Answer:
        """Roles, products, the lock of the operator; and `utility_balance` in whole shillings."""
        order = _order(
            call,
            {*_SWITCHES, "initiator_locked", "utility_balance", "working_balance", "shortcode"},
        )
        shortcode = _text(order, "shortcode", default=self._configuration.shortcodes[0])
        with self._store.unit() as db:
            for name in _SWITCHES:
                if name in order:
                    store.set_switch(db, name, "1" if order[name] is True else "0")
            if "initiator_locked" in order:
                credentials.set_locked(db, locked=order["initiator_locked"] is True)
            for name, column in (
                ("utility_balance", "utility_cents"),
                ("working_balance", "working_cents"),
            ):
                if name in order:
                    cents = int(_number(order, name, 0)) * 100
                    db.execute(
                        f"UPDATE accounts SET {column} = ? WHERE shortcode = ?",  # noqa: S608
                        (cents, shortcode),
                    )
        return self._switches(call)

    def _rows(
        self, call: Call, table: str, filters: Mapping[str, str]
    ) -> tuple[list[sqlite3.Row], int]:
        """Rows after `?after=` (an id) in order of id, at most `?limit=`; and how many fit."""
        wanted = {
            column: call.query[name] for name, column in filters.items() if name in call.query
        }
        where = "".join(f" AND {column} = ?" for column in wanted)
        after, limit = _whole(call, "after", 0), min(_whole(call, "limit", _LIMIT), 10 * _LIMIT)
        with self._store.unit() as db:
            total = db.execute(
                f"SELECT COUNT(*) FROM {table} WHERE 1{where}",  # noqa: S608 - names of this file
                (*wanted.values(),),
            ).fetchone()[0]
            rows = db.execute(
                f"SELECT * FROM {table} WHERE id > ?{where} ORDER BY id LIMIT ?",  # noqa: S608
                (after, *wanted.values(), limit),
            ).fetchall()
        return rows, int(total)


def _balance_texts(db: sqlite3.Connection, shortcode: str) -> dict[str, str]:
    held = balances(db, shortcode)
    assert held is not None
    return {
        "utility_balance": decimal_text(held.utility_cents),
        "working_balance": decimal_text(held.working_cents),
        "charges_paid_balance": decimal_text(held.charges_cents),
    }


def _public(row: sqlite3.Row, hidden: set[str]) -> dict[str, object]:
    return {key: row[key] for key in row.keys() if key not in hidden}  # noqa: SIM118 - not a dict


def _order(call: Call, known: set[str]) -> dict[str, object]:
    order = read_object(call.body)
    if order is None:
        raise BadOrder("the body is a JSON object")
    if set(order) - known:
        raise BadOrder(f"unknown: {', '.join(sorted(set(order) - known))}")
    return dict(order)


def _text(order: Mapping[str, object], key: str, *, default: str | None = None) -> str:
    value = order.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        raise BadOrder(f"{key} is text")
    return value


def _number(order: Mapping[str, object], key: str, default: float) -> float:
    value = order.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadOrder(f"{key} is a number, 0 or more")
    return value


def _whole(call: Call, key: str, default: int) -> int:
    text = call.query.get(key, str(default))
    if not text.isascii() or not text.isdigit():
        raise BadOrder(f"{key} is a whole number")
    return int(text)
