"""Cash over HTTP: paid with the recipient's code, own word or witnessed signature, or voided."""

import base64
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from werkzeug.test import TestResponse

from pettycash.lab.mailbox.store import Mailbox
from pettycash.models.payments import Payment
from pettycash.runtime import db
from pettycash.services import payments
from tests import books
from tests.api.client import ApiClient
from tests.api.payments.shared.steps import path, raise_throttle, refused, release, signature
from tests.factories import mailboxes, working
from tests.factories import payments as making
from tests.factories.people import company_id, user_id


def voucher(
    api: ApiClient,
    make: Callable[..., str],
    mailbox: Mailbox,
    destination: str = "payee@demo.test",
    **more: object,
) -> str:
    payment_id = make(making.cash, "500.00", destination=destination, **more)
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


def signed(api: ApiClient, payment_id: str, *, by: str = "branch_manager") -> TestResponse:
    """The custodian keeps what was signed, and somebody who stood by says so."""
    body = {"signature": signature(), "witness_id": str(api.as_(by).user_id)}
    kept = api.as_("custodian").post(path(payment_id, "acknowledge"), json=body)
    assert kept.get_json()["status"] == "executing", kept.get_json()
    seen = kept.get_json()["acknowledgement"]["attachment_id"]
    return api.as_(by).post(path(payment_id, "acknowledge"), json={"witnessed": seen})


def test_a_signature_pays_once_a_witness_says_so(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = voucher(api, make, mailbox)

    paid = signed(api, payment_id)

    assert paid.status_code == 200, paid.get_json()
    shown = paid.get_json()["acknowledgement"]
    assert (shown["proof"], shown["wrong_codes"]) == ("signature", 0)
    assert shown["witness_id"] == str(api.as_("branch_manager").user_id)
    assert shown["witnessed_at"] is not None
    (exchange,) = api.as_("custodian").get(path(payment_id, "transactions")).get_json()["items"]
    assert exchange["request"] == {
        "paid_by": str(api.as_("custodian").user_id),
        "acknowledged_by": str(api.as_("branch_manager").user_id),
    }


def test_every_reader_of_the_requisition_sees_what_was_signed(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    # To a phone of its own: another test may have named this witness as who gets what goes to it.
    payment_id = voucher(api, make, mailbox, destination="0722000119")
    paid = signed(api, payment_id, by="staff_2").get_json()
    where = f"/api/requisitions/{paid['requisition_id']}/attachments/"

    for reader in ("staff", "branch_manager", "auditor", "staff_2"):
        (file,) = api.as_(reader).get(where).get_json()["items"]
        assert file["id"] == paid["acknowledgement"]["attachment_id"]
        read = api.as_(reader).get(f"{where}{file['id']}/")
        assert read.data.startswith(b"\x89PNG"), reader
    assert api.as_("staff_mombasa").get(where).status_code == 404


def test_the_first_eight_bytes_of_a_png_are_no_signature(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    """The attack: 24 bytes that begin like a picture were the recipient's word."""
    raise_throttle()
    payment_id = voucher(api, make, mailbox)
    witness_id = str(api.as_("branch_manager").user_id)

    for content in (b"\x89PNG\r\n\x1a\n" + bytes(16), b"\xff\xd8\xff" + bytes(21), b"GIF89a"):
        body = {"signature": base64.b64encode(content).decode(), "witness_id": witness_id}
        answer = api.as_("custodian").post(path(payment_id, "acknowledge"), json=body)
        refused(answer, 422, "acknowledgement.not_a_signature")


def test_who_has_a_part_in_it_witnesses_nothing(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    raise_throttle()
    payment_id = voucher(api, make, mailbox, destination="0722000111")
    for name in ("custodian", "custodian_2", "staff"):  # keeper, alternate, requester
        body = {"signature": signature(), "witness_id": str(api.as_(name).user_id)}
        answer = api.as_("custodian").post(path(payment_id, "acknowledge"), json=body)
        refused(answer, 422, "acknowledgement.witness_does_not_fit")
    body = {"signature": signature(), "witness_id": str(api.as_("branch_manager").user_id)}
    kept = api.as_("custodian").post(path(payment_id, "acknowledge"), json=body)
    seen = {"witnessed": kept.get_json()["acknowledgement"]["attachment_id"]}

    for name in ("custodian", "treasury"):
        answer = api.as_(name).post(path(payment_id, "acknowledge"), json=seen)
        refused(answer, 403, "acknowledgement.not_the_witness")
    stranger = api.as_("staff_2").post(path(payment_id, "acknowledge"), json=seen)
    refused(stranger, 404, "payment.not_found")


def test_a_witness_confirms_the_picture_that_they_have_seen(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    """The attack: another picture is kept after the witness has looked, and before they confirm."""
    raise_throttle()
    payment_id = voucher(api, make, mailbox, destination="0722000112")
    witness_id = str(api.as_("branch_manager").user_id)
    shown = []
    for _ in range(2):
        body = {"signature": signature(), "witness_id": witness_id}
        kept = api.as_("custodian").post(path(payment_id, "acknowledge"), json=body)
        shown.append(kept.get_json()["acknowledgement"]["attachment_id"])
    first, second = ({"witnessed": each} for each in shown)

    answer = api.as_("branch_manager").post(path(payment_id, "acknowledge"), json=first)
    refused(answer, 409, "acknowledgement.signature_replaced")
    paid = api.as_("branch_manager").post(path(payment_id, "acknowledge"), json=second)
    assert paid.get_json()["status"] == "success", paid.get_json()


def test_a_recipient_who_is_a_member_says_so_themselves(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        payee = user_id(session, "staff_2")
    payment_id = voucher(api, make, mailbox, "0722000333", payee_user_id=payee)

    for name in ("custodian", "branch_manager"):
        answer = api.as_(name).post(path(payment_id, "acknowledge"), json={"received": True})
        refused(answer, 403, "acknowledgement.not_the_recipient")
    paid = api.as_("staff_2").post(path(payment_id, "acknowledge"), json={"received": True})

    assert paid.get_json()["status"] == "success", paid.get_json()
    assert paid.get_json()["acknowledgement"]["proof"] == "sign_in"


def test_above_the_funds_cash_limit_a_signature_is_refused(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    raise_throttle()
    payment_id = voucher(api, make, mailbox)
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        fund = books.fund(session)
        before, fund.cash_limit = fund.cash_limit, Decimal("499.99")
    body = {"signature": signature(), "witness_id": str(api.as_("branch_manager").user_id)}

    answer = api.as_("custodian").post(path(payment_id, "acknowledge"), json=body)

    refused(answer, 422, "payment.above_cash_limit")
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        books.fund(session).cash_limit = before


def test_signatures_are_told_by_custodian(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    signed(api, voucher(api, make, mailbox))

    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        now = session.info["now"]
        told = payments.by_custodian(session, since=now - timedelta(days=1), until=now)

    (mine,) = [each for each in told if each[0] == "custodian"]
    _, currency, count, by_signature, amount = mine
    assert currency == "KES"
    assert 1 <= by_signature <= count
    assert amount == by_signature * Decimal(500)


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
    paid = signed(api, payment_id)
    assert paid.get_json()["status"] == "success"
    assert paid.get_json()["acknowledgement"]["wrong_codes"] == 6, "beside the signature"


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
        {"signature": signature()},
        {"signature": signature(), "code": "123456"},
        {"witness_id": str(api.as_("branch_manager").user_id)},
        {"witnessed": True},
        {"received": False},
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
    keeper = api.as_("custodian")
    image = {"signature": signature(), "witness_id": str(api.as_("branch_manager").user_id)}

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
    refused(officer, 403, "release.not_separate")


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
