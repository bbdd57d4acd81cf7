"""Releasing payments over HTTP: the way, and every refusal with its status and code."""

from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import func, select, update

from pettycash.lab.mailbox.store import Mailbox
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import PauseScope
from pettycash.models.releases import ReleaseChallenge
from pettycash.runtime import db
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from tests.api.client import ApiClient
from tests.api.payments.shared.steps import (
    RECEIPTS,
    path,
    raise_throttle,
    receipt,
    refused,
    release,
)
from tests.factories import mailboxes, rails, working
from tests.factories import payments as making
from tests.factories.people import acting, company_id


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
    assert 'to "Spring Water"\nat M-Pesa 254712345678' in mailbox.messages()[0].text
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


def test_a_code_is_six_digits(api: ApiClient, make: Callable[..., str]) -> None:
    raise_throttle()
    payment_id = make(making.pending)

    for code in ("12345", "1234567", "12345a", "123.456", "123_456", "", " - ", 123456, None):
        answer = api.as_("treasury_2").post(path(payment_id, "verify_otp"), json={"code": code})

        assert "code" in refused(answer, 422, "request.invalid")["errors"]


def test_after_a_change_the_code_is_worth_nothing(
    api: ApiClient, make: Callable[..., str], mailbox: Mailbox
) -> None:
    payment_id = make(making.pending)
    release(api, mailbox, payment_id)
    maker = api.as_("treasury")
    tag = maker.get(path(payment_id)).headers["ETag"]
    maker.patch(path(payment_id), json={"amount": "1400.00"}, etag=tag)

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
            Uow.of(session, acting(session, "operator")),
            scope=PauseScope.COMPANY,
            object_id=None,
            reason="test",
        )

    answers = [
        officer.post(path(payment_id, "execute"), key=True),
        officer.post(path(payment_id, "send_otp")),
        officer.post(path(payment_id, "verify_otp"), json={"code": "123456"}),
    ]

    for who in ("operator", "cfo"):
        with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
            actor = acting(session, who)
            pauses.resume(Uow.of(session, actor), pause_id=stopped.id)
    for answer in answers:
        refused(answer, 503, "platform.paused")
    assert officer.get(path(payment_id)).get_json()["status"] == "pending"


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
