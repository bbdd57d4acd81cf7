"""From a requisition to a reconciled payment and a full fund, checked at every step."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pettycash.lab.demo.client import Demo, Unexpected

FUND_CODE = "WESTLANDS"
COMPANY_ZONE = ZoneInfo("Africa/Nairobi")
AMOUNT = Decimal("12000.00")
"""More than the fund's target less its reorder level, so that every run needs a replenishment."""
PAYEE = {"payee_name": "Stationery shop", "method": "mpesa", "destination": "254712000007"}

NEW_PHONE = "254712000008"
"""Where `--redirect` sends it."""

APPROVERS = (
    "branch_manager",
    "department_head",
    "regional_manager",
    "group_finance_manager",
    "group_finance_manager_2",
    "cfo",
    "ceo",
)

IDENTITY_TERMS = (
    "stores",
    "in_transit",
    "advances_outstanding",
    "vouchers_not_replenished",
    "float_not_put_in",
)
"""The terms that add up to the float."""

CODE_SUBJECT = "Your release code"
SIX_DIGITS = re.compile(r"(?<!\d)\d{6}(?!\d)")

Say = Callable[[str], None]


class LifeCycle:
    """One run of the demo. `result` grows on the way, so that a failure shows how far it came."""

    def __init__(self, demo: Demo, say: Say, *, redirects: bool = False) -> None:
        self.demo = demo
        self.say = say
        self.redirects = redirects
        self.result: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        """All of it.

        Raises:
            Unexpected: a step's answer or effect is not as it should be.
        """
        self._fill_up()
        fund = self._fund()
        self.result["fund_before"] = self._balance(fund)
        requisition = self._raise()
        self._approve(requisition["id"])
        payment_id = self._validate(requisition["id"])
        if self.redirects:
            self._redirect(payment_id)
        payment = self._release(payment_id)
        self._look_at_fund(fund, payment)
        self._look_at_books(payment)
        self._look_at_rail(payment)
        self._reconcile(payment)
        self._replenish(fund)
        self._look_at_requisition(requisition["id"])
        return self.result

    def _fund(self) -> dict[str, Any]:
        funds = self.demo.call("treasury", "GET", f"/api/funds/?q={FUND_CODE}", quiet=True)
        for fund in funds["items"]:
            if fund["code"] == FUND_CODE:
                return dict(fund)
        raise Unexpected(f"there is no fund {FUND_CODE}; seed the demo: bin/pettycash seed")

    def _balance(self, fund: dict[str, Any]) -> dict[str, Any]:
        found = self.demo.call("treasury", "GET", f"/api/funds/{fund['id']}/balance/", quiet=True)
        return {name: found[name] for name in ("currency", "balance", "held", "available")}

    def _fill_up(self) -> None:
        """Finish a replenishment that an interrupted run left open."""
        fund = self._fund()
        for status in ("pending", "approved", "funded"):
            left = self._replenishments(fund, status)
            if left:
                self.say("\nAn earlier run left a replenishment open; finishing it first.")
                self._walk(left[0])

    def _raise(self) -> dict[str, Any]:
        self.say("\n1. Staff raise a requisition and submit it.")
        requisition: dict[str, Any] = self.demo.call(
            "staff",
            "POST",
            "/api/requisitions/",
            {
                "kind": "expense",
                "origin": "branch",
                "amount": f"{AMOUNT:.2f}",
                "currency": "KES",
                "purpose": "Printer paper and toner for the front office",
                **PAYEE,
                "lines": [
                    {"description": "Paper", "amount": "4500.00", "category": "office"},
                    {"description": "Toner", "amount": "7500.00", "category": "office"},
                ],
            },
            expect=201,
            key=True,
        )
        submitted: dict[str, Any] = self.demo.call(
            "staff", "POST", f"/api/requisitions/{requisition['id']}/submit/", {}
        )
        self.result["requisition"] = self._facts(submitted, "id", "number", "status", "amount")
        return submitted

    def _approve(self, requisition_id: str) -> None:
        self.say("\n2. Approvers decide, each in turn, never the requester.")
        for _step in range(10):
            waiting = self._see(requisition_id)
            if waiting["status"] == "pending_treasury_validation":
                return
            approver = self._whose_turn(requisition_id)
            self.demo.call(
                approver,
                "POST",
                f"/api/requisitions/{requisition_id}/approve/",
                {"decision_digest": waiting["decision_digest"], "comment": "Needed."},
            )
        raise Unexpected("the chain of approvals does not end")

    def _whose_turn(self, requisition_id: str) -> str:
        for persona in APPROVERS:
            inbox = self.demo.call(persona, "GET", "/api/approvals/?limit=200", quiet=True)
            if any(each["requisition"]["id"] == requisition_id for each in inbox["items"]):
                return persona
        raise Unexpected("nobody has the requisition in their inbox")

    def _validate(self, requisition_id: str) -> str:
        self.say("\n3. Treasury validates it, which makes the payment.")
        seen = self.demo.call("treasury", "GET", f"/api/requisitions/{requisition_id}/", quiet=True)
        self.demo.call(
            "treasury",
            "POST",
            f"/api/requisitions/{requisition_id}/validate/",
            {"decision_digest": seen["decision_digest"]},
            key=True,
        )
        payments = self.demo.call(
            "treasury", "GET", f"/api/payments/?requisition_id={requisition_id}", quiet=True
        )
        return str(payments["items"][0]["id"])

    def _redirect(self, payment_id: str) -> None:
        """Treasury wants it elsewhere: it stands still until the last approver has agreed."""
        self.say("\n   The shop has a new number: treasury proposes to send it there.")
        path = f"/api/payments/{payment_id}/"
        proposed = self.demo.call(
            "treasury",
            "POST",
            f"{path}redirect/",
            {"destination": NEW_PHONE, "reason": "The shop has a new number."},
            expect=202,
        )
        self.say("   Until the approver has decided, no code of it is made or counts.")
        self.demo.call("treasury_2", "POST", f"{path}send_otp/", {}, expect=409)
        waiting = [
            (persona, each)
            for persona in APPROVERS
            for each in self.demo.call(persona, "GET", "/api/approvals/?limit=200", quiet=True)[
                "items"
            ]
            if each["redirect"] and each["redirect"]["id"] == proposed["id"]
        ]
        self._check(len(waiting) == 1, f"{len(waiting)} people are asked instead of one")
        ((approver, asked),) = waiting
        old, new = (asked["redirect"]["payload"][which] for which in ("old", "new"))
        self.say(
            f"   {approver} is asked: {old['method']} {old['destination']}"
            f" → {new['method']} {new['destination']}"
        )
        decided = self.demo.call(
            approver,
            "POST",
            f"/api/changes/{proposed['id']}/confirm/",
            {"decision_digest": asked["decision_digest"], "comment": "I called the shop."},
        )
        seen = self.demo.call("treasury_2", "GET", path, quiet=True)
        self._check(seen["destination"] == NEW_PHONE, f"it still goes to {seen['destination']}")
        self.result["redirect"] = self._facts(decided, "id", "status") | {
            "asked": approver,
            "destination": seen["destination"],
        }

    def _release(self, payment_id: str) -> dict[str, Any]:
        self.say("\n4. Another treasury officer releases it with a one-time code.")
        path = f"/api/payments/{payment_id}/"
        self._by_code("treasury_2", path)
        self.demo.call("treasury_2", "POST", f"{path}execute/", {}, expect=202, key=True)
        self.say("   The worker sends it; M-Pesa's callback proves it.")
        payment: dict[str, Any] = self.demo.until(
            "the payment settles",
            lambda: self.demo.call("treasury_2", "GET", path, quiet=True),
            lambda seen: seen["status"] not in ("pending", "executing", "in_doubt"),
        )
        self.result["payment"] = self._facts(
            payment, "id", "number", "status", "originator_reference", "provider_reference"
        )
        self._check(payment["status"] == "success", f"the payment is {payment['status']}")
        self.say(f"   {payment['number']} is {payment['status']}: {payment['provider_reference']}")
        return payment

    def _by_code(self, persona: str, path: str) -> None:
        """Ask for a code, read it in the mailbox, verify it."""
        me = self.demo.call(persona, "GET", "/api/auth/me/", quiet=True)
        address = me["user"]["email"]
        before = {each["id"] for each in self._mail(address)}
        self.demo.call(persona, "POST", f"{path}send_otp/", {})
        arrived = self.demo.until(
            "the code arrives",
            lambda: [each for each in self._mail(address) if each["id"] not in before],
            bool,
        )
        found = SIX_DIGITS.search(arrived[0]["text"])
        if found is None:
            raise Unexpected("the message holds no code")
        self.demo.call(persona, "POST", f"{path}verify_otp/", {"code": found.group()})

    def _mail(self, address: str) -> list[dict[str, Any]]:
        """The letters with a release code; notices come to the same address."""
        url = f"{self.demo.connections['mailbox'].rstrip('/')}/messages.json"
        found = self.demo.outside(url, to=address)
        letters = found["messages"] if isinstance(found, dict) else found
        return [each for each in letters if each["subject"] == CODE_SUBJECT]

    def _look_at_fund(self, fund: dict[str, Any], payment: dict[str, Any]) -> None:
        after = self._balance(fund)
        self.result["fund_after"] = after
        before = Decimal(self.result["fund_before"]["balance"])
        self._check(
            before - Decimal(after["balance"]) == Decimal(payment["amount"]),
            "the fund fell by another amount than was paid",
        )

    def _look_at_books(self, payment: dict[str, Any]) -> None:
        self.say("\n5. The journal has it, on both sides.")
        found = self.demo.call(
            "auditor", "GET", f"/api/journal/?payment_id={payment['id']}", quiet=True
        )
        entries = [each for each in found["items"] if each["rule"] == "expense"]
        self._check(len(entries) == 1, f"{len(entries)} entries instead of one")
        sides = {"debit": Decimal(0), "credit": Decimal(0)}
        for posting in entries[0]["postings"]:
            sides[posting["side"]] += Decimal(posting["amount"])
            self.say(f"   {posting['side']:<6} {posting['amount']:>12}  {posting['account_code']}")
        self.result["journal_balanced"] = sides["debit"] == sides["credit"]
        self._check(self.result["journal_balanced"], "the entry does not balance")

    def _look_at_rail(self, payment: dict[str, Any]) -> None:
        self.say("\n6. M-Pesa's own ledger shows one movement.")
        url = f"{self.demo.connections['simulators']['mpesa'].rstrip('/')}/_sim/ledger"
        found = self.demo.outside(url, originator_reference=payment["originator_reference"])
        self.result["simulator_movements"] = found["movements"]
        self._check(len(found["movements"]) == 1, "the money moved more or less than once")
        movement = found["movements"][0]
        self.say(
            f"   {movement['amount']} to {movement['phone']}: {movement['provider_reference']}"
        )
        self._check(
            Decimal(movement["amount"]) == Decimal(payment["amount"])
            and movement["provider_reference"] == payment["provider_reference"],
            "the rail moved something else",
        )

    def _reconcile(self, payment: dict[str, Any]) -> None:
        self.say("\n7. The nightly reconciliation, run now for today.")
        today = datetime.now(UTC).astimezone(COMPANY_ZONE).date().isoformat()
        run = self.demo.call(
            "treasury", "POST", "/api/reconciliation/runs/", {"business_date": today}, expect=202
        )
        closed = self.demo.until(
            "the run closes",
            lambda: self.demo.call(
                "treasury", "GET", f"/api/reconciliation/runs/{run['id']}/", quiet=True
            ),
            lambda seen: seen["status"] == "closed",
        )
        self.say(
            f"   matched {closed['counts'].get('matched', 0)}, broken {len(closed['mismatches'])}"
        )
        seen = self.demo.call("treasury", "GET", f"/api/payments/{payment['id']}/", quiet=True)
        self.result["reconciled"] = seen["reconciled"]
        self._check(seen["reconciled"] is True, "the payment is not reconciled")

    def _replenish(self, fund: dict[str, Any]) -> None:
        self.say("\n8. The fund fell below its reorder level and asked for its own replenishment.")
        raised = self.demo.until(
            "the replenishment is raised", lambda: self._replenishments(fund, "pending"), bool
        )[0]
        received = self._walk(raised)
        full = self._balance(fund)
        now = self._identity(fund)
        self.result["replenishment"] = self._facts(
            received, "id", "number", "status", "requested_amount", "received_amount"
        ) | {
            "identity": received["imprest_identity"],
            "identity_after": now,
            "fund_after": full,
        }
        self._prove("as printed on the replenishment", received["imprest_identity"])
        self._prove("with the money in the store", now)
        self._check(
            Decimal(full["available"]) >= Decimal(fund["target_balance"]),
            "the fund is not full again",
        )

    def _identity(self, fund: dict[str, Any]) -> dict[str, str]:
        found = self.demo.call("treasury", "GET", f"/api/funds/{fund['id']}/balance/", quiet=True)
        return dict(found["imprest_identity"])

    def _prove(self, when: str, identity: dict[str, str]) -> None:
        """Print the imprest identity and add up its terms, whatever difference it claims."""
        total = sum((Decimal(identity[name]) for name in IDENTITY_TERMS), Decimal(0))
        self.say(f"   The imprest identity {when}:")
        for name in IDENTITY_TERMS:
            self.say(f"   {name.replace('_', ' '):<26} {identity[name]:>12}")
        self.say(f"   {'= float':<26} {identity['float']:>12}")
        self._check(
            total == Decimal(identity["float"]) and Decimal(identity["difference"]) == 0,
            f"the imprest identity does not hold: {identity}",
        )

    def _walk(self, replenishment: dict[str, Any]) -> dict[str, Any]:
        """Take a replenishment from wherever it stands to received."""
        path = f"/api/replenishments/{replenishment['id']}/"
        status = replenishment["status"]
        if status == "pending":
            self.demo.call("group_finance_manager", "POST", f"{path}approve/", {})
            status = "approved"
        if status == "approved":
            self._by_code("treasury", path)
            self.demo.call(
                "treasury",
                "POST",
                f"{path}fund/",
                {"bank_reference": f"FT{replenishment['number'][-6:]}"},
                key=True,
            )
        seen = self.demo.call("custodian", "GET", path, quiet=True)
        received: dict[str, Any] = self.demo.call(
            "custodian", "POST", f"{path}receive/", {"amount": seen["approved_amount"]}, key=True
        )
        return received

    def _replenishments(self, fund: dict[str, Any], status: str) -> list[dict[str, Any]]:
        found = self.demo.call(
            "treasury",
            "GET",
            f"/api/replenishments/?fund_id={fund['id']}&status={status}",
            quiet=True,
        )
        return list(found["items"])

    def _look_at_requisition(self, requisition_id: str) -> None:
        paid = self._see(requisition_id)
        self.result["requisition"]["status"] = paid["status"]
        self._check(paid["status"] == "paid", f"the requisition is {paid['status']}")

    def _see(self, requisition_id: str) -> dict[str, Any]:
        seen: dict[str, Any] = self.demo.call(
            "staff", "GET", f"/api/requisitions/{requisition_id}/", quiet=True
        )
        return seen

    @staticmethod
    def _facts(whole: dict[str, Any], *names: str) -> dict[str, Any]:
        return {name: whole.get(name) for name in names}

    @staticmethod
    def _check(holds: bool, otherwise: str) -> None:
        if not holds:
            raise Unexpected(otherwise)
