"""Which callbacks one finished payment causes: the true one, and what a scenario makes of it."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pettycash.lab.simulators.mpesa import codes, envelopes, identifiers
from pettycash.lab.simulators.mpesa.answers import HTML, JSON
from pettycash.lab.simulators.mpesa.catalogue import Dimension
from pettycash.lab.simulators.mpesa.envelopes import Facts
from pettycash.lab.simulators.mpesa.scenarios import Scenario, ScenarioPart


@dataclass(frozen=True)
class Post:
    """One callback to make: `after_seconds` counts from the moment it is scheduled."""

    purpose: str  # result, forged, notice, query, query_notice, ordered
    url: str
    body: bytes
    after_seconds: float
    content_type: str = JSON


def _json(payload: object) -> bytes:
    return json.dumps(payload).encode()


def cut(body: bytes) -> bytes:
    """`body` as it arrives when its second half does not."""
    return body[: len(body) // 2]


def _other_phone(phone: str) -> str:
    return phone[:-1] + str((int(phone[-1]) + 1) % 10)


def _other_secret(url: str) -> str:
    return url[:-1] + ("0" if url[-1] != "0" else "1")


def _forged_success(facts: Facts) -> Facts:
    receipt = identifiers.receipt(identifiers.now())
    return replace(facts, result_code=codes.SUCCESS, receipt=receipt)


def _opposite(facts: Facts) -> Facts:
    return facts.failed_with("1") if facts.succeeded else _forged_success(facts)


@dataclass(frozen=True)
class _Plain:
    """A truthful result and where and when it goes; what every scenario starts from."""

    facts: Facts
    url: str
    delay: float
    style: str
    number: float  # the argument of the callback's fault

    def body(self, facts: Facts | None = None, *, result_type: int = 0) -> bytes:
        told = facts or self.facts
        return _json(envelopes.payment_result(told, style=self.style, result_type=result_type))

    def post(self, body: bytes | None = None, *, rounds: int = 1) -> Post:
        return Post("result", self.url, self.body() if body is None else body, self.delay * rounds)

    def forged(self, facts: Facts, *, rounds: int = 1, url: str = "") -> Post:
        return Post("forged", url or self.url, self.body(facts), self.delay * rounds)


def _unknown_id(plain: _Plain) -> Facts:
    return replace(
        plain.facts,
        originator_id=identifiers.gateway_id(),
        conversation_id=identifiers.conversation_id(plain.facts.finalised_at),
    )


_Script = Callable[[_Plain], list[Post]]
_SCRIPTS: Mapping[str, _Script] = {
    "callback_never": lambda _plain: [],
    "callback_twice": lambda plain: [plain.post(), plain.post(rounds=2)],
    "callback_times": lambda plain: [plain.post()] * int(plain.number),
    "callback_late": lambda plain: [replace(plain.post(), after_seconds=plain.number)],
    "callback_early": lambda plain: [replace(plain.post(), after_seconds=0.0)],
    "callback_wrong_amount": lambda plain: [
        plain.post(plain.body(replace(plain.facts, amount_cents=plain.facts.amount_cents * 10)))
    ],
    "callback_wrong_payee": lambda plain: [
        plain.post(plain.body(replace(plain.facts, phone=_other_phone(plain.facts.phone))))
    ],
    "callback_malformed": lambda plain: [plain.post(cut(plain.body()))],
    "callback_empty": lambda plain: [plain.post(b"")],
    "callback_html": lambda plain: [
        replace(plain.post(b"<html><body>Gateway</body></html>"), content_type=HTML)
    ],
    "callback_huge": lambda plain: [plain.post(plain.body() + b" " * int(plain.number))],
    "callback_forged_failure": lambda plain: [
        plain.forged(plain.facts.failed_with("1")),
        plain.post(rounds=2),
    ],
    "callback_forged_success": lambda plain: [
        plain.forged(_forged_success(plain.facts)),
        plain.post(rounds=2),
    ],
    "callback_contradicting": lambda plain: [
        plain.post(),
        plain.forged(_opposite(plain.facts), rounds=2),
    ],
    "callback_wrong_secret": lambda plain: [
        plain.forged(_forged_success(plain.facts), url=_other_secret(plain.url)),
        plain.post(rounds=2),
    ],
    "callback_unknown_id": lambda plain: [
        plain.forged(_unknown_id(plain)),
        plain.post(rounds=2),
    ],
    "callback_gateway_id": lambda plain: [
        plain.post(plain.body(replace(plain.facts, originator_id=identifiers.gateway_id())))
    ],
    "callback_waiting": lambda plain: [
        plain.post(plain.body(result_type=1)),
        plain.post(rounds=2),
    ],
}


def of_result(facts: Facts, scenario: Scenario, *, url: str, delay: float) -> list[Post]:
    """The posts to `url` that a finished payment causes."""
    style = scenario.part(Dimension.STYLE)
    part = scenario.part(Dimension.CALLBACK)
    plain = _Plain(facts, url, delay, style.name if style else "", part.number if part else 0)
    return _SCRIPTS[part.name](plain) if part else [plain.post()]


def of_notice(
    part: ScenarioPart, *, raw: str, originator_id: str, conversation_id: str, at: datetime
) -> bytes:
    """The body of a queue time-out notice: flat (the request itself), enveloped, or neither."""
    if part.name == "notice_flat":
        return raw.encode()
    if part.name == "notice_garbage":
        return b"\xff\xfe timeout"
    return _json(
        envelopes.timeout_envelope(
            originator_id=originator_id, conversation_id=conversation_id, at=at
        )
    )


def schedule(
    db: sqlite3.Connection, posts: list[Post], *, reference: str, at: datetime
) -> list[int]:
    """Write the posts down as owed, counted from `at`; returns their numbers."""
    numbers = []
    for post in posts:
        cursor = db.execute(
            "INSERT INTO callbacks (originator_reference, purpose, url, body, content_type, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                reference,
                post.purpose,
                post.url,
                post.body,
                post.content_type,
                at.timestamp() + post.after_seconds,
            ),
        )
        numbers.append(cursor.lastrowid or 0)
    return numbers
