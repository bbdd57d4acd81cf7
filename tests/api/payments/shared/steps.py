"""Steps that tests of payments take over HTTP."""

import base64
from dataclasses import replace
from typing import Any

from werkzeug.test import TestResponse

from pettycash.gateways.base import Outcome, PayoutInstruction
from pettycash.lab.mailbox.store import Mailbox
from pettycash.runtime import settings
from tests.api.client import ApiClient
from tests.factories import mailboxes, rails, working
from tests.factories.pictures import picture

RECEIPTS: list[str] = []


def path(payment_id: str, verb: str = "") -> str:
    return f"/api/payments/{payment_id}/{verb + '/' if verb else ''}"


def receipt(instruction: PayoutInstruction) -> Outcome:
    """A proof with a receipt of its own."""
    RECEIPTS.append(f"R{instruction.originator_reference[-9:]}".upper())
    return rails.proof(instruction, receipt=RECEIPTS[-1])


def refused(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    body = answer.get_json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert answer.content_type.startswith("application/problem+json")
    return dict(body)


def release(api: ApiClient, mailbox: Mailbox, payment_id: str, who: str = "treasury_2") -> None:
    sent = api.as_(who).post(path(payment_id, "send_otp"))
    assert sent.status_code == 202, sent.get_json()
    working.work("otp.send")
    code = mailboxes.newest_code(mailbox, f"{who}@demo.example")
    right = api.as_(who).post(path(payment_id, "verify_otp"), json={"code": code})
    assert right.status_code == 200, right.get_json()


def raise_throttle() -> None:
    """The limit per person and minute is tested with the door; here it would be in the way."""
    settings.install(replace(settings.current(), otp_per_person_per_minute=1000))


def signature() -> str:
    """A picture that nobody has signed with."""
    return base64.b64encode(picture()).decode()
