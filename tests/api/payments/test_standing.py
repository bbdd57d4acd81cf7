"""A voucher of KES 200 over HTTP, before and under a standing validation; the custodian's sight."""

from collections import Counter
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from pettycash.lab.mailbox.store import Mailbox
from pettycash.runtime import db
from tests import books
from tests.api.client import ApiClient, Caller
from tests.api.payments.shared.steps import path
from tests.api.requisitions.test_attachments import upload
from tests.factories import companies, mailboxes, working
from tests.factories import payments as making
from tests.factories.people import company_id
from tests.factories.requisitions_http import PATH, code, decide, of_amount

STAFF, MANAGER, TREASURY, KEEPER = "staff", "branch_manager", "treasury", "custodian"


class Voucher:
    """The life of one voucher, and who wrote what of it."""

    def __init__(self, api: ApiClient, mailbox: Mailbox) -> None:
        self.api, self.mailbox = api, mailbox
        self.writes: list[str] = []
        self.codes = 0
        facts = of_amount("200.00", method="cash", destination="payee@demo.test")
        self.id = self.did(STAFF, PATH, json=facts, key=True).json["id"]
        self.where = f"{PATH}{self.id}/"
        self.did(STAFF, f"{self.where}submit/")

    def did(self, who: str, where: str, **more: Any) -> TestResponse:
        """One write that succeeds."""
        answer = self.api.as_(who).post(where, **more)
        assert answer.status_code < 300, answer.json
        self.writes.append(who)
        return answer

    def approved(self) -> str:
        """Its status once its only approver has approved it."""
        answer = decide(self.api.as_(MANAGER), {"id": self.id}, "approve")
        self.writes.append(MANAGER)
        return str(answer.json["status"])

    def validated(self) -> None:
        """Treasury validates it."""
        digest = self.api.as_(TREASURY).get(self.where).json["decision_digest"]
        self.did(TREASURY, f"{self.where}validate/", json={"decision_digest": digest}, key=True)

    @property
    def payment(self) -> dict[str, Any]:
        """Its only payment, as the custodian reads it."""
        (found,) = self.api.as_(KEEPER).get(self.where).json["payments"]
        return dict(self.api.as_(KEEPER).get(path(found["id"])).json)

    def paid(self, *, with_code: bool) -> dict[str, Any]:
        """The custodian pays it against the recipient's code."""
        payment_id = self.payment["id"]
        if with_code:
            self.did(KEEPER, path(payment_id, "send_otp"))
            working.work("otp.send")
            self.codes += 1
            sent = mailboxes.newest_code(self.mailbox, "custodian@demo.example")
            self.did(KEEPER, path(payment_id, "verify_otp"), json={"code": sent})
        self.did(KEEPER, path(payment_id, "execute"), key=True)
        working.work("notifications.acknowledgement_code")
        self.codes += 1
        told = mailboxes.newest_code(self.mailbox, "payee@demo.test")
        return dict(self.did(KEEPER, path(payment_id, "acknowledge"), json={"code": told}).json)


def grant(api: ApiClient) -> None:
    """Treasury and the cfo let Westlands pay its utilities."""
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        fund_id = str(books.fund(session).id)
    body = {
        "kind": "standing_validation",
        "object_id": fund_id,
        "payload": {"categories": ["utilities"]},
        "reason": "Small cash of the branch.",
    }
    proposed = api.as_(TREASURY).post("/api/changes/", json=body)
    assert proposed.status_code == 202, proposed.json
    where = f"/api/changes/{proposed.json['id']}/confirm/"
    assert code(api.as_("treasury_2").post(where, json={})) == (
        403,
        "fund.standing_validation_needs_cfo",
    )
    assert api.as_("cfo").post(where, json={}).status_code == 200


def test_a_voucher_of_200_takes_three_people_and_five_writes(
    api: ApiClient, tmp_path: Path
) -> None:
    with mailboxes.listening(tmp_path) as mailbox:
        before = Voucher(api, mailbox)
        assert before.approved() == "pending_treasury_validation"
        before.validated()
        assert before.paid(with_code=True)["status"] == "success"

        grant(api)
        under = Voucher(api, mailbox)
        assert under.approved() == "in_payment"
        shown = under.paid(with_code=True)

        with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
            companies.agree(session, otp_floor={"KES": "1000.00"})
        without_code = Voucher(api, mailbox)
        without_code.approved()
        without_code.paid(with_code=False)

    assert (len(set(before.writes)), len(before.writes), before.codes) == (4, 8, 2)
    assert (len(set(under.writes)), len(under.writes), under.codes) == (3, 7, 2)
    assert Counter(without_code.writes) == {STAFF: 2, MANAGER: 1, KEEPER: 2}
    assert without_code.codes == 1

    reader = api.as_(TREASURY)
    (granted,) = reader.get("/api/funds/standing-validations/").json["items"]
    assert (granted["fund_code"], granted["is_in_force"]) == ("WESTLANDS", True)
    assert (shown["standing_validation_id"], shown["maker_id"]) == (granted["id"], None)
    where = f"/api/payments/?is_standing=true&fund_id={granted['fund_id']}&paid_from=2026-01-01"
    listed = reader.get(where).json["items"]
    assert [each["requisition_id"] for each in listed] == [without_code.id, under.id]
    read = reader.get(under.where).json
    assert (read["status"], read["validated_by_id"]) == ("paid", None)
    assert read["validated_at"] is not None
    sees_and_files(api, under)


def sees_and_files(api: ApiClient, voucher: Voucher) -> None:
    """The custodian sees the voucher that they paid, and files a receipt to it."""
    keeper, elsewhere = api.as_(KEEPER), api.as_("custodian_mombasa")
    read = keeper.get(voucher.where).json
    assert (read["purpose"], read["payee_name"]) == ("Water for the office", "Spring Water")
    kept = upload(keeper, {"id": voucher.id}, b"%PDF-1.7 receipt of KES 200")
    assert kept.status_code == 201, kept.json
    assert keeper.get(kept.headers["Location"]).status_code == 200
    seen = upload(api.as_("custodian_2"), {"id": voucher.id}, b"%PDF-1.7 the other side of it")
    assert seen.status_code == 201, "the alternate keeps it too"
    for where in (voucher.where, f"{voucher.where}attachments/", f"{voucher.where}trail/"):
        assert keeper.get(where).status_code == 200, where
        assert code(elsewhere.get(where)) == (404, "requisition.not_found")
    assert code(upload(elsewhere, {"id": voucher.id}, b"%PDF-1.7 x"))[0] == 404
    # Offers of it are those of a reader: the custodian decides nothing about it.
    offers = keeper.get(f"{voucher.where}offers/").json["items"]
    assert not [each for each in offers if each["is_open"]]


def test_a_custodian_sees_no_other_requisition(api: ApiClient) -> None:
    keeper = api.as_(KEEPER)
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        over_mpesa = making.pending(session)
        given_up = making.cash(session)
        paying = making.cash(session, destination="+254722000111")
        ids = {
            name: str(each.requisition_id)
            for name, each in (("rail", over_mpesa), ("no", given_up), ("cash", paying))
        }
        payment_id = str(given_up.id)
    assert api.as_(TREASURY).post(path(payment_id, "cancel")).status_code == 200

    assert [each["id"] for each in keeper.get(PATH).json["items"]] == [ids["cash"]]
    for each in ("rail", "no"):
        assert code(keeper.get(f"{PATH}{ids[each]}/")) == (404, "requisition.not_found")


def reads(caller: Caller, fund_id: str) -> list[int]:
    """What somebody may read of a fund."""
    return [
        caller.get(where).status_code
        for where in (
            f"/api/funds/{fund_id}/",
            f"/api/funds/{fund_id}/balance/",
            f"/api/funds/{fund_id}/stores/",
            f"/api/ledger/by_fund/?fund_id={fund_id}",
        )
    ]


def test_branch_managers_read_their_own_fund(common: ApiClient) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        books.pay(session, "20.00")
        own, other = (str(books.fund(session, name).id) for name in ("WESTLANDS", "MOMBASA"))
    manager = common.as_(MANAGER)

    assert reads(manager, own) == [200] * 4
    assert reads(manager, other) == [404] * 4
    lines = manager.get("/api/ledger/?limit=200").json["items"]
    assert {each["fund_id"] for each in lines} == {own}
    line = manager.get(f"/api/ledger/{lines[0]['id']}/")
    assert line.status_code == 200
    assert code(common.as_("branch_manager_mombasa").get(f"/api/ledger/{lines[0]['id']}/")) == (
        404,
        "ledger.line_not_found",
    )
    for name in ("department_head", "regional_manager"):
        assert common.as_(name).get("/api/ledger/").status_code == 403
