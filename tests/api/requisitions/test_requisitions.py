"""Requisitions over HTTP: the road to payment, bad input, changes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from pettycash.runtime import db
from pettycash.runtime.db import transaction
from tests.api.client import ApiClient
from tests.factories.requisitions_http import (
    NEW,
    PATH,
    code,
    decide,
    of_amount,
    raised,
    submitted,
)


def test_from_a_draft_to_payment(api: ApiClient) -> None:
    draft = raised(api.as_("staff"), external_reference="PO-1", metadata={"order": "1"})
    assert draft["status"] == "draft"
    assert draft["decision_digest"] is None
    assert draft["destination"] == "254712345678"

    requisition = api.as_("staff").post(f"{PATH}{draft['id']}/submit").json
    assert requisition["status"] == "pending_branch_approval"
    assert requisition["tier"] == 1
    (step,) = requisition["approval"]["steps"]
    assert (step["role"], step["status"]) == ("branch_manager", "open")
    assert step["assignee_ids"] == [str(api.as_("branch_manager").user_id)]

    decided = decide(api.as_("branch_manager"), requisition, "approve", comment="Fine")
    assert decided.status_code == 200, decided.json
    assert decided.json["approved_amount"] == "1500.00"

    validated = decide(api.as_("treasury"), requisition, "validate")
    assert validated.status_code == 200, validated.json
    assert validated.json["status"] == "in_payment"
    (payment,) = validated.json["payments"]
    assert (payment["amount"], payment["status"]) == ("1500.00", "pending")

    trail = api.as_("staff").get(f"{PATH}{draft['id']}/trail/").json["items"]
    assert [row["action"] for row in trail] == ["submitted", "approved", "validated"]
    assert trail[1]["digest"] is not None


def test_the_answer_says_where_it_is_and_which_version(api: ApiClient) -> None:
    answer = api.as_("staff").post(PATH, json=NEW, key=True)

    read = api.as_("staff").get(answer.headers["Location"])
    assert {**read.json, "people": {}} == {**answer.json, "people": {}}  # a read names them too
    assert answer.json["requester_id"] in read.json["people"]
    assert read.headers["ETag"] == answer.headers["ETag"]
    again = api.as_("staff").get(
        answer.headers["Location"], headers={"If-None-Match": read.headers["ETag"]}
    )
    assert again.status_code == 304


def test_the_same_key_raises_once(api: ApiClient) -> None:
    staff = api.as_("staff")
    key = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0001"
    first = staff.post(PATH, json=NEW, key=key)
    second = staff.post(PATH, json=NEW, key=key)

    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json == first.json
    assert len(staff.get(PATH).json["items"]) == 1
    assert code(staff.post(PATH, json=of_amount("7.00"), key=key)) == (
        422,
        "idempotency.key_reused",
    )
    assert code(staff.post(PATH, json=NEW)) == (400, "idempotency.key_missing")


# Bad input: a stable code each, none answers 500, none changes anything


AMOUNTS = [1500, 1500.0, "-5.00", "10.001", "1e3", "NaN", "0", "0.00", "", " 5", "1,000", "+5",
           "99999999999999999.00", None, True, [], {}, "\uff11\uff10"]  # fmt: skip


def test_an_amount_is_a_plain_positive_string(api: ApiClient) -> None:
    staff = api.as_("staff")
    for amount in AMOUNTS:
        answer = staff.post(PATH, json=NEW | {"amount": amount}, key=True)

        assert code(answer) == (422, "request.invalid"), (amount, answer.json)
        assert list(answer.json["errors"]) == ["amount"], amount
    assert staff.get(PATH).json["items"] == []


BROKEN = [
    ({"gateway_status": "success"}, "request.invalid"),
    ({"otp_required": False}, "request.invalid"),
    ({"status": "approved"}, "request.invalid"),
    ({"requester_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0001"}, "request.invalid"),
    ({"approved_amount": "5.00"}, "request.invalid"),
    ({"currency": "EUR"}, "request.invalid"),
    ({"currency": None}, "request.invalid"),
    ({"kind": "gift"}, "request.invalid"),
    ({"method": "pigeon"}, "request.invalid"),
    ({"lines": []}, "request.invalid"),
    ({"lines": None}, "request.invalid"),
    ({"lines": [{"amount": "1500.00"}]}, "request.invalid"),
    ({"metadata": {"a": 1}}, "request.invalid"),
    ({"branch_id": "westlands"}, "request.invalid"),
    ({"purpose": ""}, "request.invalid"),
    ({"purpose": "x" * 1001}, "request.invalid"),
    ({"payee_name": "Spring Water\nAmount: KES 5.00"}, "request.invalid_text"),
    ({"payee_name": "Spring\u202eretaW"}, "request.invalid_text"),
    ({"payee_name": "Spring\u200bWater"}, "request.invalid_text"),
    ({"payee_name": "Spring\u009bWater"}, "request.invalid_text"),
    ({"kind": "advance"}, "requisition.advances_off"),
    (of_amount("1500.50"), "payment.rail_refuses"),
    (of_amount("9.00"), "payment.rail_refuses"),
    (of_amount("5000.01", method="cash"), "payment.above_cash_limit"),
    ({"lines": [NEW["lines"][0] | {"category": "fun"}]}, "requisition.unknown_category"),
    ({"is_urgent": True}, "requisition.invalid"),
    ({"destination": "12345"}, "requisition.invalid_destination"),
    ({"destination": "+4915112345678"}, "requisition.invalid_destination"),
    ({"method": "card"}, "requisition.method_not_available"),
    ({"currency": "UGX"}, "requisition.method_not_available"),
    ({"method": "airtel_money"}, "payment.rail_not_served"),
    ({"amount": "1499.00"}, "requisition.lines_do_not_add_up"),
    ({"branch_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0001"}, "requisition.invalid"),
    ({"on_behalf_of": "staff_2"}, "requisition.on_behalf_of_needs_key"),
]


def test_bad_input_is_named_and_changes_nothing(api: ApiClient) -> None:
    staff = api.as_("staff")
    for wrong, expected in BROKEN:
        answer = staff.post(PATH, json=NEW | wrong, key=True)

        assert code(answer) == (422, expected), (wrong, answer.json)
    assert staff.get(PATH).json["items"] == []


def test_ugandan_shillings_are_whole(api: ApiClient) -> None:
    cash = {"currency": "UGX", "method": "cash", "destination": "+256772123456"}
    staff = api.as_("staff_hq")

    refused = staff.post(PATH, json=of_amount("1500.50", **cash), key=True)
    taken = staff.post(PATH, json=of_amount("1500.00", **cash), key=True)

    assert code(refused) == (422, "money.invalid_amount")
    assert taken.json["amount"] == "1500"
    assert taken.json["lines"][0]["amount"] == "1500"


def test_the_origin_is_ones_own_or_has_a_reason(api: ApiClient) -> None:
    assert raised(api.as_("staff"))["origin"] == "branch"
    assert raised(api.as_("staff_hq"))["origin"] == "hq"

    answer = api.as_("staff").post(PATH, json=NEW | {"origin": "hq"}, key=True)
    assert code(answer) == (422, "requisition.invalid")
    assert "origin_reason" in answer.json["errors"]
    told = raised(api.as_("staff"), origin="hq", origin_reason="It is for the head office.")
    assert (told["origin"], told["origin_reason"]) == ("hq", "It is for the head office.")


def test_enums_are_read_in_any_case(api: ApiClient) -> None:
    answer = raised(api.as_("staff"), kind="EXPENSE", origin="Branch", currency="kes")

    assert (answer["kind"], answer["origin"], answer["currency"]) == ("expense", "branch", "KES")


def test_no_threshold_and_no_approver_are_told_apart(api: ApiClient) -> None:
    staff = api.as_("staff")
    dollars = {"currency": "USD", "method": "cash", "destination": "+254712345678"}
    with staff.scope(), transaction() as session:
        session.execute(
            text("UPDATE approval_thresholds SET valid_until = now() WHERE currency = 'USD'")
        )
        session.execute(
            text(
                "UPDATE memberships SET is_active = false WHERE user_id IN (SELECT user_id"
                " FROM role_assignments WHERE role IN ('branch_manager', 'regional_manager',"
                " 'group_finance_manager', 'cfo', 'ceo')) OR user_id ="
                " (SELECT id FROM users WHERE username = 'escalation')"
            )
        )
    first, second = raised(staff, **dollars), raised(staff)

    refusals = [staff.post(f"{PATH}{each['id']}/submit/") for each in (first, second)]

    assert [code(each) for each in refusals] == [
        (422, "workflow.no_threshold"),
        (422, "workflow.no_approver"),
    ]
    assert {each["status"] for each in staff.get(PATH).json["items"]} == {"draft"}


# Changing


def test_a_change_names_the_version_it_changes(api: ApiClient) -> None:
    staff = api.as_("staff")
    requisition = raised(staff)
    where = f"{PATH}{requisition['id']}/"
    etag = staff.get(where).headers["ETag"]

    assert code(staff.patch(where, json={"purpose": "Tea"})) == (
        428,
        "request.if_match_required",
    )
    changed = staff.patch(where, json={"purpose": "Tea"}, etag=etag)
    assert changed.status_code == 200, changed.json
    assert changed.json["purpose"] == "Tea"
    assert code(staff.patch(where, json={"purpose": "Milk"}, etag=etag)) == (
        412,
        "request.stale",
    )
    fresh = changed.headers["ETag"]
    for wrong in ({"currency": "USD"}, {"status": "paid"}, {}):
        assert staff.patch(where, json=wrong, etag=fresh).status_code == 422
    assert code(api.as_("branch_manager").patch(where, json={"purpose": "x"}, etag=fresh)) == (
        403,
        "requisition.not_requester",
    )


def test_an_edit_after_submit_makes_the_digest_stale(api: ApiClient) -> None:
    staff, manager = api.as_("staff"), api.as_("branch_manager")
    requisition = submitted(staff)
    where = f"{PATH}{requisition['id']}/"
    seen = manager.get(where).json["decision_digest"]
    lower = {"amount": "900.00", "lines": [NEW["lines"][0] | {"amount": "900.00"}]}
    etag = staff.get(where).headers["ETag"]
    assert staff.patch(where, json=lower, etag=etag).status_code == 200

    stale = manager.post(f"{where}approve/", json={"decision_digest": seen})

    assert code(stale) == (409, "approval.stale_digest")
    assert decide(manager, requisition, "approve").status_code == 200


def test_urgency_can_be_taken_back_with_its_reason(api: ApiClient) -> None:
    staff = api.as_("staff")
    requisition = raised(staff, is_urgent=True, urgency_reason="Flood")
    where = f"{PATH}{requisition['id']}/"

    changed = staff.patch(where, json={"is_urgent": False}, etag=staff.get(where).headers["ETag"])

    assert (changed.json["is_urgent"], changed.json["urgency_reason"]) == (False, None)


def test_a_category_is_the_company_s_and_every_requester_may_read_which_there_are(
    api: ApiClient,
) -> None:
    staff, manager = api.as_("staff"), api.as_("group_finance_manager")

    def listed() -> list[str]:
        items = staff.get("/api/categories/?limit=200").json["items"]
        return [each["category"] for each in items]

    assert {"office", "fuel", "stationery", "travel"} <= set(listed())
    assert listed() == sorted(listed())
    rent = NEW | {"lines": [NEW["lines"][0] | {"category": "rent"}]}
    refused = staff.post(PATH, json=rent, key=True)
    assert code(refused) == (422, "requisition.unknown_category")
    assert list(refused.json["errors"]) == ["lines.0.category"]

    account = {
        "kind": "expense",
        "code": "5000.rent",
        "name": "Rent",
        "category": "rent",
        "currency": "KES",
    }
    assert staff.post("/api/accounts/", json=account).status_code == 403
    assert api.as_("treasury").post("/api/accounts/", json=account).status_code == 403
    assert manager.post("/api/accounts/", json=account).status_code == 201
    assert "rent" in listed()
    assert staff.post(PATH, json=rent, key=True).status_code == 201
    pages = staff.get("/api/categories/?limit=5").json
    more = staff.get(f"/api/categories/?limit=200&cursor={pages['next_cursor']}").json
    assert [each["category"] for each in pages["items"] + more["items"]] == listed()


def test_advances_are_off_until_the_company_switches_them_on(api: ApiClient) -> None:
    staff, admin = api.as_("staff"), api.as_("admin")
    assert code(staff.post(PATH, json=NEW | {"kind": "advance"}, key=True)) == (
        422,
        "requisition.advances_off",
    )

    settings = admin.get("/api/settings/")
    assert settings.json["advances"] is False
    changed = admin.patch("/api/settings/", json={"advances": True}, etag=settings.headers["ETag"])

    assert changed.json["advances"] is True
    assert raised(staff, kind="advance")["kind"] == "advance"


def test_a_taken_reference_is_told_with_the_number_that_has_it(api: ApiClient) -> None:
    staff = api.as_("staff")
    first = raised(staff, external_reference="PO-1")

    refused = staff.post(PATH, json=NEW | {"external_reference": "PO-1"}, key=True)

    assert code(refused) == (409, "requisition.external_reference_taken")
    assert first["number"] in refused.json["detail"]
    raised(api.as_("staff_2"), external_reference="PO-1")
    cancelled = staff.post(f"{PATH}{first['id']}/cancel/", json={})
    assert cancelled.status_code == 200, cancelled.json
    again = raised(staff, external_reference="PO-1")
    assert again["number"] != first["number"]


def test_a_number_carries_the_year_of_the_company_s_time(
    api: ApiClient, tune: Callable[..., None]
) -> None:
    """At 00:21 on 1 January in Nairobi it is 21:21 of the old year in Greenwich."""
    with db.system_transaction() as session:
        now: datetime = session.info["now"]
    new_year = datetime(now.year, 12, 31, 21, 21, tzinfo=UTC)
    if new_year < now:
        new_year = new_year.replace(year=now.year + 1)

    tune(clock_shift_seconds=(new_year - now - timedelta(minutes=22)).total_seconds())
    before = raised(api.as_("staff"))
    tune(clock_shift_seconds=(new_year - now).total_seconds())
    after = raised(api.as_("staff"))

    assert before["number"].startswith(f"REQ-{new_year.year}-")
    assert after["number"] == f"REQ-{new_year.year + 1}-000001"


def test_a_name_of_several_scripts_is_flagged(api: ApiClient) -> None:
    plain = raised(api.as_("staff"))
    mixed = raised(api.as_("staff"), payee_name="Spring W\u0430ter")

    assert (plain["payee_name_mixes_scripts"], mixed["payee_name_mixes_scripts"]) == (False, True)


def test_an_amount_for_several_payments_says_so_from_the_start(api: ApiClient) -> None:
    staff = api.as_("staff")
    large = staff.post(PATH, json=of_amount("300000.00"), key=True).json
    handed_in = staff.post(f"{PATH}{large['id']}/submit/").json

    assert (large["payments_needed"], handed_in["payments_needed"]) == (2, 2)
    assert raised(staff)["payments_needed"] == 1
