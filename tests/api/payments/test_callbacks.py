"""The inbox over HTTP: everything right is kept and answered 200, everything wrong says nothing."""

import hashlib
import hmac
import io
import json
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import OutboxMessage
from pettycash.models.payments import Callback, CallbackPurpose, Payment, PaymentStatus
from pettycash.runtime import db, settings
from pettycash.services.payments import callback_addresses
from pettycash.services.payments.callback_addresses import About
from pettycash.web import door
from tests.api.client import ApiClient
from tests.factories import payments as making
from tests.factories import rails, working
from tests.factories.people import company_id
from tests.races import together

P = CallbackPurpose


@pytest.fixture
def sent(api: ApiClient) -> Iterator[Payment]:
    """A payment that the rail has accepted; the test acts for its company."""
    rails.serve(rails.FakeGateway())
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            payment = making.executing(session)
        working.work("payments.submit")
        yield payment


def attempt_id(payment: Payment) -> UUID:
    with db.transaction() as session:
        return making.attempt_of(session, payment).id


def address(payment: Payment, purpose: CallbackPurpose = P.RESULT) -> str:
    assert payment.provider_account_id is not None
    return address_of(attempt_id(payment), payment.provider_account_id, purpose)


def address_of(attempt: UUID, account: UUID | None, purpose: CallbackPurpose = P.RESULT) -> str:
    about = About(attempt_id=attempt, account_id=account, purpose=purpose)
    return (
        f"/api/callbacks/{callback_addresses.slug_of(about)}/{callback_addresses.secret_of(about)}"
    )


def deliver(api: ApiClient, where: str, body: bytes, **more: Any) -> TestResponse:
    return api.client().post(where, data=body, **{"content_type": "application/json"} | more)


def proof(payment: Payment, **more: Any) -> bytes:
    facts = {
        "kind": "settled",
        "provider_reference": "RKT1234567",
        "originator_reference": payment.originator_reference,
        "amount": str(payment.amount),
        "destination": payment.destination,
    }
    return json.dumps(facts | more).encode()


def status(payment: Payment) -> PaymentStatus:
    with db.transaction() as session:
        return session.get_one(Payment, payment.id).status


def stored() -> int:
    with db.transaction() as session:
        return session.execute(select(func.count(Callback.id))).scalar_one()


def test_a_report_is_stored_answered_and_processed(api: ApiClient, sent: Payment) -> None:
    answer = deliver(api, address(sent), proof(sent))

    assert (answer.status_code, answer.get_json()["ResultCode"]) == (200, 0)
    assert status(sent) is PaymentStatus.EXECUTING, "the request itself decides nothing"
    working.work("callbacks.process")
    assert status(sent) is PaymentStatus.SUCCESS


def test_the_address_shows_nothing_and_is_made_of_hex(sent: Payment) -> None:
    _, _, _, slug, secret = address(sent).split("/")

    assert set(slug + secret) <= set("0123456789abcdef")
    assert len(secret) == 64
    with db.transaction() as session:
        rows = session.execute(select(func.to_jsonb(Callback.__table__.table_valued()))).all()
    assert secret not in str(rows)


def test_callback_fifty_times_in_parallel_has_one_effect(api: ApiClient, sent: Payment) -> None:
    where, body = address(sent), proof(sent)

    answers = together([partial(deliver, api, where, body) for _ in range(50)])

    assert {each.status_code for each in answers} == {200}
    working.work("callbacks.process")
    with db.transaction() as session:
        row = session.execute(select(Callback)).scalar_one()
        assert 2 <= row.deliveries <= 50, "who finds the row locked does not wait to be counted"
        assert making.entries(session, sent) == ["expense"]


def without_id(answer: TestResponse) -> dict[str, Any]:
    return {name: value for name, value in answer.get_json().items() if name != "request_id"}


def test_callback_with_a_wrong_secret_or_address_is_told_nothing(
    api: ApiClient, sent: Payment
) -> None:
    right = address(sent)
    _, _, _, slug, secret = right.split("/")
    other = f"{slug[:-1]}2"
    unknown = uuid4().hex + slug[32:]
    wrong = [
        f"/api/callbacks/{slug}/{'0' * 64}",
        f"/api/callbacks/{slug}/{secret[:-1]}{'0' if secret[-1] != '0' else '1'}",
        f"/api/callbacks/{slug}/{secret.upper()}",
        f"/api/callbacks/{other}/{secret}",
        f"/api/callbacks/{unknown}/{secret}",
        f"/api/callbacks/{slug}x/{secret}",
        f"/api/callbacks/{slug[:-1]}9/{secret}",
        f"/api/callbacks/{slug}/{secret[:-1]}",
    ]
    nonsense = api.client().post("/api/nowhere/")

    for where in wrong:
        answer = deliver(api, where, proof(sent))
        assert answer.status_code == 404, where
        assert without_id(answer) == without_id(nonsense), where
        assert secret not in answer.get_data(as_text=True)
    assert stored() == 0


def test_callback_to_an_address_that_named_no_account_is_taken(
    api: ApiClient, sent: Payment
) -> None:
    """Given out before addresses named it, to rails that report once, days later too."""
    where = address_of(attempt_id(sent), None)
    _, _, _, slug, secret = where.split("/")
    key = settings.current().callback_key.encode()
    told = hmac.new(key, attempt_id(sent).bytes + b"result", hashlib.sha256).hexdigest()
    assert (slug, secret) == (f"{attempt_id(sent).hex}1", told)

    assert deliver(api, where, proof(sent)).status_code == 200
    working.work("callbacks.process")
    assert status(sent) is PaymentStatus.SUCCESS
    assert deliver(api, address_of(uuid4(), None), proof(sent)).status_code == 404
    assert deliver(api, f"{where[:-1]}x", proof(sent)).status_code == 404


def test_callback_for_an_unknown_attempt_is_told_nothing(api: ApiClient, sent: Payment) -> None:
    assert deliver(api, address_of(uuid4(), uuid4()), proof(sent)).status_code == 404


def test_callback_by_get_and_other_methods_is_refused(api: ApiClient, sent: Payment) -> None:
    where = address(sent)

    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert api.client().open(where, method=method).status_code == 405


class Stream(io.RawIOBase):
    """A body that is made while it is read, and knows how much of it was."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self.left)
        buffer[:count] = b"x" * count
        self.left -= count
        self.taken += count
        return count


@pytest.mark.parametrize("says_its_length", [True, False])
def test_callback_of_10_mb_is_too_large_and_nothing_is_kept(
    api: ApiClient, sent: Payment, says_its_length: bool
) -> None:
    stream = Stream(10_000_000)
    told = (
        {"CONTENT_LENGTH": "10000000"}
        if says_its_length
        else {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    )

    answer = api.client().post(
        address(sent),
        content_type="application/json",
        environ_overrides={"wsgi.input": io.BufferedReader(stream), **told},
    )

    assert (answer.status_code, answer.get_json()["code"]) == (413, "request.too_large")
    assert stream.taken < 2 * door.BODY_MAX_BYTES, "it was read although it is too much"
    assert stored() == 0
    assert status(sent) is PaymentStatus.EXECUTING


THREE_DAYS = 3 * 86_400.0


def test_callback_after_3_days_of_a_settled_payment_changes_nothing(
    api: ApiClient, sent: Payment
) -> None:
    deliver(api, address(sent), proof(sent))
    working.work("callbacks.process")
    working.wait(THREE_DAYS)

    assert deliver(api, address(sent), proof(sent) + b" ").status_code == 200
    working.work("callbacks.process")

    assert status(sent) is PaymentStatus.SUCCESS
    with db.transaction() as session:
        assert making.entries(session, sent) == ["expense"]
        assert making.open_cases(session, sent.id) == []


def test_callback_after_3_days_settles_a_payment_in_doubt(api: ApiClient, sent: Payment) -> None:
    working.wait(3_700)
    working.work("payments.resolve")
    assert status(sent) is PaymentStatus.IN_DOUBT
    working.wait(THREE_DAYS)

    assert deliver(api, address(sent), proof(sent)).status_code == 200
    working.work("callbacks.process")

    assert status(sent) is PaymentStatus.SUCCESS
    with db.transaction() as session:
        assert making.entries(session, sent) == ["expense"]
        assert making.open_holds(session, sent) == 0
        assert making.open_cases(session, sent.id) == []


def test_callback_after_3_days_of_a_failed_payment_is_told_and_asked_about(
    api: ApiClient, sent: Payment
) -> None:
    """Success after failure: which of the two is true only the rail itself can tell."""
    gateway = rails.FakeGateway()
    gateway.queries = [rails.REJECTED]
    rails.serve(gateway)
    working.wait(60)
    working.work("payments.resolve")
    assert status(sent) is PaymentStatus.FAILED
    working.wait(THREE_DAYS)

    assert deliver(api, address(sent), proof(sent)).status_code == 200
    working.work("callbacks.process")

    with db.transaction() as session:
        assert making.entries(session, sent) == []
        assert making.open_cases(session, sent.id) == ["contradiction"]
    assert status(sent) is PaymentStatus.FAILED
    gateway.queries = [rails.proof]
    working.wait(15)  # the hint to its question was handed out beside the callback's
    working.work("payments.resolve")
    assert status(sent) is PaymentStatus.SUCCESS, "the rail itself says that it was paid"


def test_what_can_not_be_read_is_kept_and_asked_about(api: ApiClient, sent: Payment) -> None:
    bodies = [b"", b"{", b"\xff\x00\xfe", b"null", b"[]", b"x" * 1000]

    for body in bodies:
        answer = deliver(api, address(sent), body, content_type="text/plain")
        assert answer.status_code == 200

    working.work("callbacks.process")
    with db.transaction() as session:
        rows = session.execute(select(Callback).order_by(Callback.id)).scalars().all()
        assert [bytes(row.body) for row in rows] == bodies
        assert {row.verdict for row in rows} == {"asked"}
    assert status(sent) is PaymentStatus.EXECUTING


def test_named_secrets_are_cut_out_before_it_is_stored(api: ApiClient, sent: Payment) -> None:
    body = json.dumps({"SecurityCredential": "c2VjcmV0", "Amount": "1500"}).encode()

    deliver(api, address(sent, P.TIMEOUT), body)

    with db.transaction() as session:
        row = session.execute(select(Callback)).scalar_one()
    assert b"c2VjcmV0" not in bytes(row.body)
    assert b"1500" in bytes(row.body)


def test_callback_with_a_wrong_amount_opens_a_case_and_moves_nothing(
    api: ApiClient, sent: Payment
) -> None:
    deliver(api, address(sent), proof(sent, amount="15000.00"))
    working.work("callbacks.process")

    with db.transaction() as session:
        assert making.open_cases(session, sent.id) == ["contradiction"]
        assert making.entries(session, sent) == []
        assert making.open_holds(session, sent) == sent.amount
    assert status(sent) is PaymentStatus.EXECUTING


def test_callback_for_an_unknown_reference_settles_nothing(api: ApiClient, sent: Payment) -> None:
    deliver(api, address(sent), proof(sent, originator_reference="X-1", conversation_id="AG_other"))
    working.work("callbacks.process")

    with db.transaction() as session:
        assert making.open_cases(session) == ["unmatched_callback"]
    assert status(sent) is PaymentStatus.EXECUTING


def test_a_failure_waits_for_the_rails_own_word(api: ApiClient, sent: Payment) -> None:
    body = {"kind": "rejected", "originator_reference": sent.originator_reference}
    deliver(api, address(sent), json.dumps(body).encode())
    working.work("callbacks.process")

    shown = api.as_("treasury").get(f"/api/payments/{sent.id}/").get_json()
    again = api.as_("treasury_2").post(f"/api/payments/{sent.id}/send_otp/")

    assert (shown["status"], shown["failure_confirmed"]) == ("failed", False)
    assert (again.status_code, again.get_json()["code"]) == (409, "payment.failure_unconfirmed")


def test_callback_from_a_foreign_address_is_told_nothing(api: ApiClient, sent: Payment) -> None:
    with db.transaction() as session:
        session.execute(
            update(ProviderAccount).values(options={"callback_sources": ["192.0.2.0/24"]})
        )

    outside = deliver(api, address(sent), proof(sent), environ_base={"REMOTE_ADDR": "203.0.113.9"})
    inside = deliver(api, address(sent), proof(sent), environ_base={"REMOTE_ADDR": "192.0.2.40"})
    lying = deliver(
        api,
        address(sent),
        proof(sent, code="again"),
        environ_base={"REMOTE_ADDR": "203.0.113.9"},
        headers={"X-Forwarded-For": "192.0.2.40"},
    )

    assert (outside.status_code, inside.status_code, lying.status_code) == (404, 200, 404)


def test_the_secret_stands_in_no_log(
    api: ApiClient, sent: Payment, caplog: pytest.LogCaptureFixture
) -> None:
    where = address(sent)
    secret = where.rpartition("/")[2]

    with caplog.at_level(logging.DEBUG):
        deliver(api, where, b"x" * 2_000_000)
        deliver(api, where, proof(sent))
        deliver(api, where.replace("/api/callbacks/", "/api/callbacks/0"), proof(sent))
        working.work("callbacks.process")

    assert secret not in caplog.text
    assert all(secret not in str(record.__dict__) for record in caplog.records)


def test_operators_read_and_replay(api: ApiClient, sent: Payment) -> None:
    deliver(api, address(sent), proof(sent))
    working.work("callbacks.process")
    operator = api.as_("operator")

    (seen,) = operator.get(f"/api/callbacks/?payment_id={sent.id}").get_json()["items"]
    assert (seen["verdict"], seen["purpose"]) == ("settled", "result")
    assert sent.destination not in json.dumps(seen)
    replayed = operator.post(f"/api/callbacks/{seen['id']}/replay/")
    assert replayed.status_code == 202, replayed.get_json()
    working.work("callbacks.process")

    (again,) = operator.get("/api/callbacks/?verdict=ignored").get_json()["items"]
    assert again["id"] == seen["id"]
    with db.transaction() as session:
        assert making.entries(session, sent) == ["expense"]
    assert operator.get("/api/callbacks/?is_processed=false").get_json()["items"] == []
    stranger = api.as_("other_operator").post(f"/api/callbacks/{seen['id']}/replay/")
    assert (stranger.status_code, stranger.get_json()["code"]) == (404, "callback.not_found")
    assert api.as_("treasury").get("/api/callbacks/").status_code == 403


def test_operators_retry_and_park(api: ApiClient, sent: Payment) -> None:
    key = attempt_id(sent)
    with db.transaction() as session:
        resolve, submit = (
            making.outbox_message(session, topic, key)
            for topic in ("payments.resolve", "payments.submit")
        )
        assert resolve is not None
        assert submit is not None
        other = OutboxMessage(topic="otp.send", key=uuid4(), due_at=session.info["now"])
        other.company_id = sent.company_id
        session.add(other)
    operator = api.as_("operator")

    def post(outbox_message: OutboxMessage, verb: str) -> tuple[int, str]:
        answer = operator.post(f"/api/outbox/{outbox_message.id}/{verb}/")
        body = answer.get_json()
        return answer.status_code, body.get("code") or body["state"]

    assert post(other, "dead-letter") == (200, "dead_lettered")
    assert post(other, "retry") == (200, "due")
    assert post(resolve, "dead-letter") == (422, "outbox.guards_money")
    assert post(submit, "retry") == (409, "outbox.completed")
    listed = operator.get("/api/outbox/?state=waiting&topic=payments.resolve").get_json()
    assert [each["id"] for each in listed["items"]] == [str(resolve.id)]
    stranger = api.as_("other_operator").post(f"/api/outbox/{other.id}/retry/")
    assert stranger.status_code == 404
