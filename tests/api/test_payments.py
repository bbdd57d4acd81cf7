"""Payments over HTTP: the way of a release, and every refusal with its status and code."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from pettycash import db, settings
from pettycash.gateways.base import Outcome, PayoutInstruction
from pettycash.models.funds import ProviderAccount, Store
from pettycash.models.payments import Payment
from pettycash.models.platform import PauseScope
from pettycash.models.releases import ReleaseChallenge
from pettycash.services import pauses
from pettycash.stack.mailbox.store import Mailbox
from tests.api.client import ApiClient
from tests.factories import mailboxes, rails, working
from tests.factories import payments as making
from tests.factories.people import acting, company_id


def signature() -> str:
    """An image that nobody has signed with."""
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + uuid4().bytes).decode()


RECEIPTS: list[str] = []


@pytest.fixture
def api(common: ApiClient) -> ApiClient:
    """All tests here share one database: each makes payments of its own and undoes what lasts."""
    return common


@pytest.fixture
def rail(api: ApiClient) -> rails.FakeGateway:
    gateway = rails.FakeGateway()
    rails.serve(gateway)
    return gateway


@pytest.fixture
def mailbox(api: ApiClient, tmp_path: Path) -> Iterator[Mailbox]:
    with mailboxes.listening(tmp_path) as box:
        yield box


@pytest.fixture
def make(rail: rails.FakeGateway) -> Callable[..., str]:
    """Make something of the demo company; answers the id."""

    def made(maker: Callable[..., Payment], *args: Any, **more: Any) -> str:
        with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
            return str(maker(session, *args, **more).id)

    return made


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


def test_the_way_of_a_release(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox, rail: rails.FakeGateway
) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury_2")

    sent = officer.post(path(payment_id, "send_otp"))
    assert sent.status_code == 202
    assert sent.get_json()["tries_left"] == 5
    working.work("otp.send")
    code = mailboxes.newest_code(mailbox, "treasury_2@demo.example")
    assert "KES 1500.00 to Spring Water" in mailbox.messages()[0].text
    verified = officer.post(path(payment_id, "verify_otp"), json={"code": code})
    assert verified.get_json()["otp_verified"] is True
    executed = officer.post(path(payment_id, "execute"), key=True)

    assert executed.status_code == 202
    assert executed.headers["Location"] == path(payment_id)
    assert executed.get_json()["status"] == "executing"
    rail.submits = [receipt]
    working.work("payments.submit")
    read = officer.get(path(payment_id)).get_json()
    assert (read["status"], read["gateway_reference"]) == ("success", RECEIPTS[-1])
    assert read["transaction_reference"] == read["originator_reference"]
    assert read["phone_number"] == "254712345678"
    (execution,) = officer.get(path(payment_id, "executions")).get_json()["items"]
    assert (execution["proof"], execution["state"]) == ("code", "settled")
    (exchange,) = officer.get(path(payment_id, "transactions")).get_json()["items"]
    assert (exchange["request_type"], exchange["status"]) == ("INITIATE", "settled")


def test_messages_go_by_mail_and_by_text(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    api.as_("treasury_2").post(path(make(making.pending), "send_otp"))
    working.work("otp.send")

    addresses = {each.to[0] for each in mailbox.messages()}
    assert "treasury_2@demo.example" in addresses
    assert any(each.endswith("@sms.localhost") for each in addresses)


def test_execute_needs_a_key_and_replays(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = make(making.pending)
    release(api, mailbox, payment_id)
    officer = api.as_("treasury_2")
    refused(officer.post(path(payment_id, "execute")), 400, "idempotency.key_missing")
    key = uuid4()

    first = officer.post(path(payment_id, "execute"), key=key)
    again = officer.post(path(payment_id, "execute"), key=key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.get_json() == first.get_json()
    refused(officer.post(path(payment_id, "execute"), key=True), 409, "payment.illegal_state")


def test_nobody_says_what_the_rail_has_to_say(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")
    tag = officer.get(path(payment_id)).headers["ETag"]
    requisition = officer.get(path(payment_id)).get_json()["requisition_id"]

    for field in ("gateway_status", "gateway_reference", "otp_required", "status"):
        word = {field: "success"}
        executed = officer.post(path(payment_id, "execute"), json=word, key=True)
        changed = officer.patch(path(payment_id), json=word, etag=tag)
        made = officer.post(
            "/api/payments/", json={"requisition_id": requisition, **word}, key=True
        )

        for answer in (executed, changed, made):
            assert answer.status_code == 422
            assert field in answer.get_json()["errors"]


def test_amounts_are_strings_of_plain_digits(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")
    tag = officer.get(path(payment_id)).headers["ETag"]

    for amount in (1500.0, 1500, "-1.00", "0", "1.001", "1e3", "NaN", "Infinity", "9" * 17, ""):
        answer = officer.patch(path(payment_id), json={"amount": amount}, etag=tag)

        assert "amount" in refused(answer, 422, "request.invalid")["errors"]


def test_shillings_of_the_rail_are_whole(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")
    tag = officer.get(path(payment_id)).headers["ETag"]

    answer = officer.patch(path(payment_id), json={"amount": "1400.50"}, etag=tag)

    assert "amount" in refused(answer, 422, "payment.rail_refuses")["errors"]


def test_a_change_names_the_version_it_changes(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury")
    tag = officer.get(path(payment_id)).headers["ETag"]
    change = {"amount": "1400.00"}

    missing = officer.patch(path(payment_id), json=change)
    first = officer.patch(path(payment_id), json=change, etag=tag)
    stale = officer.patch(path(payment_id), json={"amount": "1300.00"}, etag=tag)

    refused(missing, 428, "request.if_match_required")
    assert (first.status_code, first.get_json()["amount"]) == (200, "1400.00")
    refused(stale, 412, "request.stale")


def test_payments_are_never_replaced_or_deleted(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)

    for method in ("PUT", "DELETE"):
        assert api.as_("treasury").request(method, path(payment_id)).status_code == 405


def test_who_may_not_release(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    expected = {
        "staff": "auth.forbidden",
        "branch_manager": "auth.forbidden",
        "treasury": "release.not_separate",
        "cfo": "release.treasury_first",
        "custodian": "release.not_separate",
        "operator": "auth.forbidden",
        "auditor": "auth.forbidden",
    }

    for who, code in expected.items():
        for verb in ("send_otp", "verify_otp", "execute"):
            body = {"code": "123456"} if verb == "verify_otp" else None
            answer = api.as_(who).post(path(payment_id, verb), json=body, key=verb == "execute")
            refused(answer, 403, code)


def test_another_company_sees_nothing(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    stranger = api.as_("other_company")

    for verb in ("", "executions", "transactions"):
        refused(stranger.get(path(payment_id, verb)), 404, "payment.not_found")
    for verb in ("send_otp", "cancel", "unlock_release", "requery"):
        refused(stranger.post(path(payment_id, verb)), 404, "payment.not_found")
    refused(stranger.post(path(payment_id, "execute"), key=True), 404, "payment.not_found")


def test_another_branch_sees_nothing(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)

    for who in ("branch_manager_mombasa", "staff_mombasa", "staff_2"):
        refused(api.as_(who).get(path(payment_id)), 404, "payment.not_found")
    assert api.as_("staff").get(path(payment_id)).status_code == 200


def test_operators_see_masked_data(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)

    seen = api.as_("operator").get(path(payment_id)).get_json()

    assert seen["destination"] == "*********678"
    assert seen["phone_number"] == "*********678"
    assert seen["payee_name"] == "S***"


def test_a_wrong_code_is_counted_although_it_is_refused(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = make(making.pending)
    officer = api.as_("treasury_2")
    officer.post(path(payment_id, "send_otp"))
    working.work("otp.send")
    code = mailboxes.newest_code(mailbox, "treasury_2@demo.example")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"

    for left in (4, 3):
        answer = officer.post(path(payment_id, "verify_otp"), json={"code": wrong})
        refused(answer, 422, "release.wrong_code")
        assert officer.get(path(payment_id)).get_json()["release"]["tries_left"] == left


def test_the_sixth_try_is_refused_with_the_right_code(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    raise_throttle()
    payment_id = make(making.pending)
    officer = api.as_("treasury_2")
    officer.post(path(payment_id, "send_otp"))
    working.work("otp.send")
    code = mailboxes.newest_code(mailbox, "treasury_2@demo.example")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(5):
        officer.post(path(payment_id, "verify_otp"), json={"code": wrong})

    sixth = officer.post(path(payment_id, "verify_otp"), json={"code": code})

    refused(sixth, 422, "release.tries_exhausted")
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        assert session.execute(select(func.max(ReleaseChallenge.tries))).scalar_one() == 6


def raise_throttle() -> None:
    """The limit per person and minute is tested with the door; here it would be in the way."""
    settings.install(replace(settings.current(), otp_per_person_per_minute=1000))


def test_a_code_is_six_digits(api: ApiClient, make: Callable[..., str]) -> None:
    raise_throttle()
    payment_id = make(making.pending)

    for code in ("12345", "1234567", "12345a", "", 123456, None):
        answer = api.as_("treasury_2").post(path(payment_id, "verify_otp"), json={"code": code})

        assert "code" in refused(answer, 422, "request.invalid")["errors"]


def test_after_a_change_the_code_is_worth_nothing(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = make(making.pending)
    release(api, mailbox, payment_id)
    maker = api.as_("treasury")
    tag = maker.get(path(payment_id)).headers["ETag"]
    maker.patch(path(payment_id), json={"destination": "0712000000"}, etag=tag)

    answer = api.as_("treasury_2").post(path(payment_id, "execute"), key=True)

    refused(answer, 422, "release.subject_changed")


def test_more_than_available_is_not_released(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = make(making.pending, "41000.00")
    release(api, mailbox, payment_id)

    answer = api.as_("treasury_2").post(path(payment_id, "execute"), key=True)

    refused(answer, 422, "ledger.insufficient_funds")
    assert api.as_("treasury_2").get(path(payment_id)).get_json()["status"] == "pending"


def test_while_paused_nothing_is_released(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = make(making.pending)
    release(api, mailbox, payment_id)
    officer = api.as_("treasury_2")
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        stopped = pauses.pause(
            session,
            scope=PauseScope.COMPANY,
            object_id=None,
            reason="test",
            actor=acting(session, "operator"),
        )

    answers = [
        officer.post(path(payment_id, "execute"), key=True),
        officer.post(path(payment_id, "send_otp")),
        officer.post(path(payment_id, "verify_otp"), json={"code": "123456"}),
    ]

    for who in ("operator", "cfo"):
        with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
            actor = acting(session, who)
            pauses.resume(session, pause_id=stopped.id, actor=actor, now=session.info["now"])
    for answer in answers:
        refused(answer, 503, "platform.paused")
    assert officer.get(path(payment_id)).get_json()["status"] == "pending"


def test_the_remainder_of_another_companys_requisition(
    api: ApiClient, make: Callable[..., str]
) -> None:
    payment_id = make(making.pending)
    requisition = api.as_("treasury").get(path(payment_id)).get_json()["requisition_id"]
    body = {"requisition_id": requisition}

    stranger = api.as_("other_company").post("/api/payments/", json=body, key=True)
    nothing = api.as_("treasury").post("/api/payments/", json=body, key=True)

    refused(stranger, 404, "requisition.not_found")
    refused(nothing, 422, "payment.nothing_left")


def test_a_new_payment_for_what_was_cancelled(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    maker = api.as_("treasury")
    cancelled = maker.post(path(payment_id, "cancel"))
    requisition = cancelled.get_json()["requisition_id"]

    made = maker.post(
        "/api/payments/",
        json={"requisition_id": requisition, "amount": "500.00", "external_reference": "A-1"},
        key=True,
    )

    assert (made.status_code, made.get_json()["ordinal"]) == (201, 2)
    assert made.headers["Location"] == path(made.get_json()["id"])
    for body, status, code in (
        ({"amount": "1001.00"}, 422, "payment.exceeds_approved"),
        (
            {"amount": "100.00", "external_reference": "A-1"},
            409,
            "payment.external_reference_taken",
        ),
        ({"amount": "100.00", "currency": "UGX"}, 422, "payment.wrong_currency"),
        ({"amount": "100.00", "method": "card"}, 422, "payment.method_reserved"),
        ({"amount": "100.00", "store_id": str(uuid4())}, 422, "payment.store_not_found"),
        ({"amount": "100.00", "destination": "12"}, 422, "requisition.invalid_destination"),
    ):
        answer = maker.post(
            "/api/payments/", json={"requisition_id": requisition, **body}, key=True
        )
        refused(answer, status, code)


def test_a_store_of_another_company_does_not_exist(
    api: ApiClient, make: Callable[..., str]
) -> None:
    payment_id = make(making.pending)
    with db.scope(company_id=company_id("OTHER")), db.transaction() as session:
        strange = session.execute(select(Store.id).where(Store.code == "KISUMU-MPESA")).scalar_one()
    maker = api.as_("treasury")
    tag = maker.get(path(payment_id)).headers["ETag"]

    answer = maker.patch(path(payment_id), json={"store_id": str(strange)}, etag=tag)

    refused(answer, 422, "payment.store_not_found")


def test_lists_are_filtered(api: ApiClient, make: Callable[..., str]) -> None:
    first, second = make(making.pending), make(making.executing, "2500.00")
    officer = api.as_("treasury")

    def ids(query: str) -> list[str]:
        answer = officer.get(f"/api/payments/?{query}")
        assert answer.status_code == 200, answer.get_json()
        return [each["id"] for each in answer.get_json()["items"]]

    seen = officer.get(path(first)).get_json()
    of_first = f"requisition_id={seen['requisition_id']}"
    assert ids("")[:2] == [second, first]
    assert ids("status=EXECUTING")[0] == second
    assert first not in ids("status=executing")
    assert ids(f"q={seen['number'].lower()}") == [first]
    assert ids(f"reconciled=true&{of_first}") == []
    assert ids(f"reconciled=false&method=mpesa&{of_first}") == [first]
    assert ids("from=2000-01-01&to=2000-01-02") == []
    assert ids(f"fund_id={uuid4()}") == []
    assert ids("limit=1") == [second]


def test_assigning_and_unlocking(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.pending)
    other = api.as_("treasury_3")

    assigned = api.as_("cfo").post(
        path(payment_id, "assign_executor"), json={"executor_id": str(other.user_id)}
    )

    assert assigned.get_json()["executor_id"] == str(other.user_id)
    refused(api.as_("treasury_2").post(path(payment_id, "send_otp")), 409, "release.claimed")
    refused(api.as_("cfo").post(path(payment_id, "unlock_release")), 409, "release.not_locked")
    nobody = api.as_("cfo").post(
        path(payment_id, "assign_executor"), json={"executor_id": str(api.as_("staff").user_id)}
    )
    refused(nobody, 422, "release.cannot_release")


# cash


def voucher(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox, destination: str = "payee@demo.test"
) -> str:
    payment_id = make(making.cash, "500.00", destination=destination)
    release(api, mailbox, payment_id, "custodian")
    executed = api.as_("custodian").post(path(payment_id, "execute"), key=True)
    assert executed.status_code == 202, executed.get_json()
    working.work("notifications.acknowledgement_code")
    return payment_id


def test_cash_is_paid_with_the_recipients_code(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = voucher(api, make, mailbox)
    code = mailboxes.newest_code(mailbox, "payee@demo.test")
    keeper = api.as_("custodian")

    paid = keeper.post(path(payment_id, "acknowledge"), json={"code": code})

    assert paid.get_json()["status"] == "success"
    assert paid.get_json()["provider_reference"] == paid.get_json()["originator_reference"]
    (exchange,) = keeper.get(path(payment_id, "transactions")).get_json()["items"]
    assert (exchange["gateway"], exchange["request_type"]) == ("cash", "CONFIRM")
    refused(
        keeper.post(path(payment_id, "acknowledge"), json={"code": code}),
        409,
        "payment.illegal_state",
    )


def test_a_recipient_with_a_phone_gets_a_text(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    voucher(api, make, mailbox, "0712345678")

    assert mailboxes.newest_code(mailbox, "254712345678@sms.localhost")


def test_wrong_recipients_codes_are_counted(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    raise_throttle()
    payment_id = voucher(api, make, mailbox)
    code = mailboxes.newest_code(mailbox, "payee@demo.test")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    keeper = api.as_("custodian")

    answers = [
        keeper.post(path(payment_id, "acknowledge"), json={"code": each})
        for each in (*[wrong] * 5, code)
    ]

    for answer in answers[:5]:
        refused(answer, 422, "acknowledgement.wrong_code")
    refused(answers[5], 422, "acknowledgement.tries_exhausted")
    signed = keeper.post(path(payment_id, "acknowledge"), json={"signature": signature()})
    assert signed.get_json()["status"] == "success"


def test_a_new_code_replaces_the_recipients_old_one(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = voucher(api, make, mailbox)
    old = mailboxes.newest_code(mailbox, "payee@demo.test")
    keeper = api.as_("custodian")

    resent = keeper.post(path(payment_id, "acknowledge"), json={"resend": True})
    assert resent.status_code == 200
    early = keeper.post(path(payment_id, "acknowledge"), json={"code": old})
    working.work("notifications.acknowledgement_code")
    new = mailboxes.newest_code(mailbox, "payee@demo.test")
    paid = keeper.post(path(payment_id, "acknowledge"), json={"code": new})

    refused(early, 422, "acknowledgement.code_expired")
    assert paid.get_json()["status"] == "success"


def test_the_recipients_code_expires(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = voucher(api, make, mailbox)
    code = mailboxes.newest_code(mailbox, "payee@demo.test")
    working.wait(301)

    answer = api.as_("custodian").post(path(payment_id, "acknowledge"), json={"code": code})

    refused(answer, 422, "acknowledgement.code_expired")


def test_what_is_no_acknowledgement(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    raise_throttle()
    payment_id = voucher(api, make, mailbox)
    bodies: tuple[dict[str, object], ...] = (
        {},
        {"code": "123456", "resend": True},
        {"code": "12345"},
        {"resend": False},
        {"signature": "not base64!"},
        {"signature": base64.b64encode(b"GIF89a").decode()},
    )

    for body in bodies:
        answer = api.as_("custodian").post(path(payment_id, "acknowledge"), json=body)

        assert answer.status_code == 422, body
    assert api.as_("custodian").get(path(payment_id)).get_json()["status"] == "executing"


def test_a_signature_serves_once(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    raise_throttle()
    first = voucher(api, make, mailbox)
    second = voucher(api, make, mailbox)
    keeper, image = api.as_("custodian"), {"signature": signature()}

    assert keeper.post(path(first, "acknowledge"), json=image).status_code == 200
    again = keeper.post(path(second, "acknowledge"), json=image)

    refused(again, 409, "acknowledgement.signature_used")


def test_only_a_keeper_of_the_fund_pays_cash_out(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = voucher(api, make, mailbox)
    body = {"code": "123456"}

    far = api.as_("custodian_mombasa").post(path(payment_id, "acknowledge"), json=body)
    officer = api.as_("treasury").post(path(payment_id, "acknowledge"), json=body)

    refused(far, 404, "payment.not_found")
    refused(officer, 403, "auth.forbidden")


def test_uncollected_cash_is_voided_and_never_in_doubt(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = voucher(api, make, mailbox)
    working.wait(8 * 86400)
    working.work("payments.submit", "payments.resolve")
    keeper = api.sign_in("custodian")
    assert keeper.get(path(payment_id)).get_json()["status"] == "executing"

    refused(api.sign_in("treasury").post(path(payment_id, "cancel")), 403, "release.not_separate")
    voided = keeper.post(path(payment_id, "cancel"))

    assert (voided.get_json()["status"], voided.get_json()["failure_confirmed"]) == ("failed", True)
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        payment = session.get_one(Payment, UUID(payment_id))
        assert making.open_holds(session, payment) == 0
    (exchange,) = keeper.get(path(payment_id, "transactions")).get_json()["items"]
    assert exchange["request_type"] == "CANCEL"


def test_nothing_but_cash_is_acknowledged(api: ApiClient, make: Callable[..., str]) -> None:
    payment_id = make(making.executing)

    answer = api.as_("custodian").post(path(payment_id, "acknowledge"), json={"code": "123456"})

    refused(answer, 409, "acknowledgement.not_cash")


# evidence


def paid(api: ApiClient, make: Callable[..., str], rail: rails.FakeGateway) -> str:
    payment_id = make(making.executing)
    rail.submits = [receipt]
    working.work("payments.submit")
    return payment_id


def test_matching_by_hand(
    api: ApiClient, make: Callable[..., str], rail: rails.FakeGateway
) -> None:
    payment_id = paid(api, make, rail)
    evidence = {
        "provider_reference": api.as_("treasury")
        .get(path(payment_id))
        .get_json()["provider_reference"],
        "note": "statement, line 14",
    }

    executor = api.as_("treasury_2").post(path(payment_id, "reconcile"), json=evidence)
    strange = api.as_("treasury").post(
        path(payment_id, "reconcile"), json={**evidence, "provider_reference": "X123456789"}
    )
    matched = api.as_("treasury").post(path(payment_id, "reconcile"), json=evidence)
    again = api.as_("cfo").post(path(payment_id, "reconcile"), json=evidence)

    refused(executor, 403, "reconciliation.reconciler_is_executor")
    refused(strange, 422, "payment.evidence_differs")
    assert (matched.get_json()["reconciled"], matched.get_json()["reconciled_with"]) == (
        True,
        "manual",
    )
    refused(again, 409, "reconciliation.already_reconciled")
    without = api.as_("cfo").post(path(payment_id, "reconcile"), json={"note": "x"})
    refused(without, 422, "request.invalid")


def test_asking_again(api: ApiClient, make: Callable[..., str], rail: rails.FakeGateway) -> None:
    payment_id = make(making.executing)
    refused(api.as_("operator").post(path(payment_id, "requery")), 409, "payment.nothing_to_ask")
    working.work("payments.submit")

    asked = api.as_("operator").post(path(payment_id, "requery"))
    working.work("payments.resolve")

    assert asked.status_code == 202
    assert len(rail.asked) >= 1


def test_the_kill_switch(api: ApiClient, make: Callable[..., str], mailbox: Mailbox) -> None:
    payment_id = make(making.pending)
    release(api, mailbox, payment_id)
    switch(is_active=False)

    answer = api.as_("treasury_2").post(path(payment_id, "execute"), key=True)

    switch(is_active=True)
    refused(answer, 409, "payment.provider_account_inactive")


def switch(*, is_active: bool) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        session.execute(update(ProviderAccount).values(is_active=is_active))
