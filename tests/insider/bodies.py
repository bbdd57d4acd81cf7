"""Bodies of requests: from the schema, each field by its name; and one lie where it is wanted."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

from pettycash.models.access import SCOPE_OF, Role
from tests.factories.pictures import picture
from tests.insider.company import PASSWORD, Person

ACCOMPLICE = ("254799000001", "254799000002")
"""Of nobody in the company."""

LIES: tuple[Any, ...] = (
    "", " ", 0, -1, 10**18, "0", "-1", "1e9", "0.001", "99999999999.99", "NaN", None, True, [], {},
    "Ali\u202ee\u202c", "a\u200bb", "x\ny", "\u0410dmin", "x" * 5_000,
    "00000000-0000-0000-0000-000000000000",
    "2999-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00",
)  # fmt: skip

PEOPLE = frozenset(
    {"user_id", "payee_user_id", "executor_id", "owner_id", "witness_id", "custodian_id",
     "alternate_custodian_id"}
)  # fmt: skip
OPTIONAL = 0.3
UNUSUAL = frozenset({"external_reference", "metadata", "valid_from", "valid_until", "origin"})
"""Fields that are left out more often: with them nearly everything is refused at once."""


@dataclass(frozen=True, kw_only=True)
class Bodies:
    """Makes what one person sends about what they were shown."""

    dice: Random
    person: Person
    people: list[Person]
    limit: int
    """Of the lowest tier."""
    shown: Mapping[str, Any]
    some_id: Callable[[str], str]
    code: Callable[[], str]
    link: Callable[[], str]
    now: datetime

    def of(self, operation: str, schema: Mapping[str, Any]) -> Any:
        """A body that the operation may well take."""
        forms = getattr(self, "_" + operation.replace(".", "_"), None)
        return self.value("body", schema) if forms is None else forms()

    def with_a_lie(self, body: dict[str, Any]) -> dict[str, Any]:
        """One field is something else; or there is one field too many."""
        name = self.dice.choice([*sorted(body), "requester_id"])
        return {**body, name: self.dice.choice(LIES)}

    def value(self, name: str, schema: Mapping[str, Any]) -> Any:
        """By the name of the field, else by its type."""
        by_name = self._by_name(name)
        if by_name is not None:
            return by_name()
        if "enum" in schema:
            return self.dice.choice([each for each in schema["enum"] if each is not None])
        kind = schema.get("type", "object")
        kind = next(each for each in kind if each != "null") if isinstance(kind, list) else kind
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return [self.value(name.rstrip("s"), schema.get("items", {}))]
            case "boolean":
                return self.dice.random() < 0.5
            case "integer":
                return max(schema.get("minimum", 1), self.dice.choice((1, 2, 3)))
        return self._text(name, schema)

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        required = set(schema.get("required", ()))
        return {
            name: self.value(name, field)
            for name, field in schema.get("properties", {}).items()
            if not field.get("readOnly")
            and (
                name in required
                or self.dice.random() < (OPTIONAL / 4 if name in UNUSUAL else OPTIONAL)
            )
        }

    def _text(self, name: str, schema: Mapping[str, Any]) -> str:
        form = schema.get("format")
        if form == "uuid" or name.endswith("_id"):
            return self.some_id(name.removesuffix("_id") + "s")
        if form == "date-time":
            return self.a_time().isoformat()
        if form == "date":
            return self.a_time().date().isoformat()
        if "amount" in name or "balance" in name or "limit" in name or "level" in name:
            return self.an_amount()
        return f"{name} {self.dice.randrange(10**6)}"

    def _by_name(self, name: str) -> Callable[[], Any] | None:
        if name in PEOPLE:
            return self.somebody
        known: dict[str, Callable[[], Any]] = {
            "amount": self.an_amount,
            "destination": self.a_destination,
            "phone": lambda: self.dice.choice((self.person.phone, "+" + ACCOMPLICE[0])),
            "email": lambda: self.dice.choice(
                (self.person.email, f"x{uuid4().hex[:6]}@elsewhere.example")
            ),
            "username": lambda: self.dice.choice((self.person.name, f"new_{uuid4().hex[:8]}")),
            "password": lambda: PASSWORD,
            "current_password": lambda: PASSWORD,
            "new_password": lambda: PASSWORD,
            "totp_code": self.code,
            "code": self.code,
            "token": self.link,
            "currency": lambda: "KES",
            "category": lambda: "office",
            "decision_digest": lambda: self.shown.get("decision_digest") or "0" * 64,
            "version": lambda: self.shown.get("version") or 1,
            "occurred_at": lambda: self.a_time().isoformat(),
            "expires_at": (self.now + timedelta(days=30)).isoformat,
            "scope_id": lambda: None,
            "kind": lambda: "expense",
            "witnessed": lambda: self.some_id("attachments"),
            "received": lambda: True,
            "signature": self.a_signature,
            "bank_reference": lambda: f"FT{uuid4().hex[:10]}",
            "provider_reference": lambda: f"RCP{self.dice.randrange(1, 9):06d}",
            "evidence_id": lambda: self.some_id("attachments"),
        }
        return known.get(name)

    def somebody(self) -> str:
        own = self.dice.random() < 0.5
        return str((self.person if own else self.dice.choice(self.people)).user_id)

    def an_amount(self) -> str:
        shown = self.shown.get("amount") or self.shown.get("approved_amount") or "700.00"
        return str(
            self.dice.choice(
                (
                    "1.00",
                    "700.00",
                    f"{self.limit}.00",
                    f"{self.limit + 1}.00",
                    "999999999.00",
                    shown,
                    shown,
                    shown,
                )
            )
        )

    def a_destination(self, method: str = "mpesa") -> str:
        phones = (self.person.phone, *ACCOMPLICE, self.dice.choice(self.people).phone)
        mails = (self.person.email, "friend@elsewhere.example") if method == "cash" else ()
        return self.dice.choice((*phones, *mails))

    def a_time(self) -> datetime:
        days = self.dice.choice((-40, -1, 0, 0, 0, 1))
        return self.now + timedelta(days=days, seconds=-30)

    def a_signature(self) -> str:
        made = self.dice.choice(
            (picture(seed=self.dice.getrandbits(32)), b"\x89PNG\r\n\x1a\n" + bytes(16))
        )
        return base64.b64encode(made).decode()

    # Bodies whose fields go together

    def _requisitions_create(self) -> dict[str, Any]:
        amount = self.an_amount()
        method = self.dice.choice(("mpesa", "cash"))
        body = {
            "kind": "expense", "amount": amount, "currency": "KES", "purpose": f"x {uuid4()}",
            "payee_name": self.dice.choice(("Corner shop", self.person.name)),
            "method": method, "destination": self.a_destination(method),
            "lines": [{"description": "It", "amount": amount, "category": "office"}],
        }  # fmt: skip
        more = {
            "payee_user_id": self.somebody(), "is_urgent": True, "urgency_reason": "Now.",
            "origin": "hq", "origin_reason": "Because.", "branch_id": self.some_id("branches"),
        }  # fmt: skip
        for name in self.dice.sample(sorted(more), self.dice.choice((0, 0, 1, 2))):
            body[name] = more[name]
        return body

    def _requisitions_update(self) -> dict[str, Any]:
        amount = self.an_amount()
        lines = [{"description": "It", "amount": amount, "category": "office"}]
        return dict(
            self.dice.choice(
                (
                    {"destination": self.a_destination()},
                    {"amount": amount, "lines": lines},
                    {"payee_name": "Somebody else"},
                    {"method": self.dice.choice(("mpesa", "cash"))},
                    {"payee_user_id": self.somebody()},
                )
            )
        )

    def _requisitions_validate(self) -> dict[str, Any]:
        amount = float(self.shown.get("amount") or 1)
        part = {"amount": f"{amount - 100:.2f}", "destination": self.a_destination()}
        parts = self.dice.choice(
            (None, None, [{"amount": "100.00"}, part], [part | {"amount": f"{amount:.2f}"}],
             [{"amount": f"{amount:.2f}"}, {"amount": f"{amount:.2f}"}])
        )  # fmt: skip
        body: dict[str, Any] = {"decision_digest": self.shown.get("decision_digest") or "0" * 64}
        return body if parts is None else body | {"parts": parts}

    def _cases_resolve(self) -> dict[str, Any]:
        version = self.shown.get("version") or 1
        if self.dice.random() < 0.35:
            if self.dice.random() < 0.6:
                return {"action": "confirm", "version": version}
            return {"action": "decline", "version": version, "note": "No."}
        ending = self.dice.choice(("paid", "not_paid", "not_paid", "returned", "noted"))
        body = {"action": "propose", "ending": ending, "note": "As I say."}
        if ending in ("paid", "returned"):
            body["provider_reference"] = f"RCP{self.dice.randrange(1, 9):06d}"
        if ending == "paid":
            body["occurred_at"] = self.a_time().isoformat()
        if ending != "noted":
            body["evidence_id"] = self.some_id("attachments")
        return body

    def _payments_acknowledge(self) -> dict[str, Any]:
        return dict(
            self.dice.choice(
                (
                    {},
                    {"code": self.code()},
                    {"received": True},
                    {"witnessed": self.some_id("attachments")},
                    {"signature": self.a_signature(), "witness_id": self.somebody()},
                )
            )
        )

    def _changes_propose(self) -> dict[str, Any]:
        fund = self.some_id("funds")
        amounts = {"KES": self.an_amount()}
        kind, object_id, payload = self.dice.choice(
            (
                ("settings", None, {"otp_floor": amounts}),
                ("settings", None, {"cfo_limit": amounts}),
                ("settings", None, {"small_team": True}),
                ("fund_limits", fund, {"cash_limit": self.an_amount()}),
                ("standing_validation", fund, {"categories": ["office"]}),
                ("custodian", fund, {"custodian_id": self.somebody()}),
                ("contact", self.somebody(), {"phone": self.person.phone}),
                ("contact", self.somebody(), {"email": f"x{uuid4().hex[:6]}@elsewhere.example"}),
                ("second_factor", self.somebody(), {}),
                ("escalation_approver", None, {"user_id": self.somebody()}),
                ("redirect", self.some_id("payments"), {}),
            )
        )
        return {"kind": kind, "object_id": object_id, "payload": payload, "reason": "It is better."}

    def _role_assignments_propose(self) -> dict[str, Any]:
        role = self.dice.choice(list(Role))
        place = {
            "branch": "branches",
            "region": "regions",
            "department": "departments",
            "fund": "funds",
        }
        segment = place.get(SCOPE_OF[role].value)
        body = {"user_id": self.somebody(), "role": role.value, "reason": "They need it."}
        return body if segment is None else body | {"scope_id": self.some_id(segment)}

    def _api_keys_create(self) -> dict[str, Any]:
        scopes = self.dice.sample(("raise", "read", "upload"), self.dice.choice((1, 2)))
        if self.dice.random() < 0.2:
            scopes = ["report"]
        expires = (self.now + timedelta(days=30)).isoformat()
        return {"name": f"key {uuid4()}", "scopes": scopes, "expires_at": expires}

    def _settings_update(self) -> dict[str, Any]:
        amounts = {"KES": self.an_amount()}
        return dict(
            self.dice.choice(
                (
                    {"otp_floor": amounts}, {"materiality": amounts}, {"cfo_limit": amounts},
                    {"small_team": True}, {"case_due_hours": 720}, {"holidays": ["2026-12-01"]},
                    {"advances": True}, {"escalation_approver_id": self.somebody()},
                )
            )
        )  # fmt: skip

    def _users_update(self) -> dict[str, Any]:
        own = replace(self.person)
        return dict(
            self.dice.choice(
                (
                    {"email": f"x{uuid4().hex[:6]}@elsewhere.example"}, {"phone": own.phone},
                    {"is_active": False}, {"is_active": True}, {"display_name": "Some\u202ebody"},
                    {"phone": "+" + ACCOMPLICE[0]}, {"branch_id": self.some_id("branches")},
                )
            )
        )  # fmt: skip
