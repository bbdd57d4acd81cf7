"""Cash over HTTP: paid out with the recipient's code or signature, or voided."""

import base64
from collections.abc import Callable
from uuid import UUID

from pettycash import db
from pettycash.models.payments import Payment
from pettycash.stack.mailbox.store import Mailbox
from tests.api.client import ApiClient
from tests.api.payments.steps import (
    path,
    raise_throttle,
    refused,
    release,
    signature,
)
from tests.factories import mailboxes, working
from tests.factories import payments as making
from tests.factories.people import company_id


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
