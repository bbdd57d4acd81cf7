"""Requisitions over HTTP: the road to payment, what is shown to whom, and what is refused."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, text
from werkzeug.test import TestResponse

from pettycash.db import transaction
from pettycash.models.organisation import Company
from pettycash.models.requisitions import Requisition
from pettycash.services.identity import api_keys
from tests.api.client import ApiClient, Caller
from tests.factories.people import acting

PATH = "/api/requisitions/"
NEW: dict[str, Any] = {
    "kind": "expense",
    "origin": "branch",
    "amount": "1500.00",
    "currency": "KES",
    "purpose": "Water for the office",
    "payee_name": "Spring Water",
    "method": "mpesa",
    "destination": "0712345678",
    "lines": [{"description": "Water", "amount": "1500.00", "category": "utilities"}],
}


def of_amount(amount: str, **more: Any) -> dict[str, Any]:
    return (
        NEW
        | {
            "amount": amount,
            "lines": [{"description": "Water", "amount": amount, "category": "utilities"}],
        }
        | more
    )


def raised(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post(PATH, json=NEW | more, key=True)
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def submitted(caller: Caller, **more: Any) -> dict[str, Any]:
    requisition = raised(caller, **more)
    answer = caller.post(f"{PATH}{requisition['id']}/submit/")
    assert answer.status_code == 200, answer.json
    return dict(answer.json)


def decide(caller: Caller, requisition: dict[str, Any], verb: str, **more: Any) -> TestResponse:
    """Read as the decider, then decide on what was read."""
    read = caller.get(f"{PATH}{requisition['id']}/").json
    body = {"decision_digest": read.get("decision_digest")} | more
    return caller.post(f"{PATH}{requisition['id']}/{verb}/", json=body)


def approved(api: ApiClient, **more: Any) -> dict[str, Any]:
    requisition = submitted(api.as_("staff"), **more)
    answer = decide(api.as_("branch_manager"), requisition, "approve")
    assert answer.json["status"] == "pending_treasury_validation", answer.json
    return dict(answer.json)


def code(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


# The road


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
    assert read.json == answer.json
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


# Bad input (issue 2 §8): a stable code each, none answers 500, none changes anything


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
    cash = {"currency": "UGX", "method": "cash", "destination": "+256772123456", "origin": "hq"}
    staff = api.as_("staff_hq")

    refused = staff.post(PATH, json=of_amount("1500.50", **cash), key=True)
    taken = staff.post(PATH, json=of_amount("1500.00", **cash), key=True)

    assert code(refused) == (422, "money.invalid_amount")
    assert taken.json["amount"] == "1500"
    assert taken.json["lines"][0]["amount"] == "1500"


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
                " 'group_finance_manager', 'cfo', 'ceo'))"
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


# Decisions


def test_refused_decisions_have_their_codes(api: ApiClient) -> None:
    staff, manager = api.as_("staff"), api.as_("branch_manager")
    own = submitted(manager)
    requisition = submitted(staff, **of_amount("20000.00"))

    assert code(decide(manager, own, "approve")) == (403, "approval.maker_is_checker")
    assert code(decide(api.as_("regional_manager"), requisition, "approve")) == (
        409,
        "approval.not_your_turn",
    )
    assert code(decide(api.as_("cfo"), requisition, "approve")) == (
        403,
        "approval.not_an_approver",
    )
    assert code(decide(staff, requisition, "approve")) == (403, "auth.forbidden")
    assert code(decide(manager, requisition, "approve", decision_digest="0" * 64)) == (
        409,
        "approval.stale_digest",
    )
    for wrong in (None, "", "xyz", 5):
        assert decide(manager, requisition, "approve", decision_digest=wrong).status_code == 422
    assert code(decide(manager, requisition, "reject")) == (422, "request.invalid")
    assert code(decide(manager, requisition, "confirm_urgency", urgency="confirmed")) == (
        409,
        "approval.no_urgency_question",
    )
    assert decide(manager, requisition, "approve").status_code == 200
    assert code(decide(manager, requisition, "approve")) == (409, "approval.already_decided")
    assert (
        decide(api.as_("regional_manager"), requisition, "reject", comment="No").json["status"]
        == "rejected"
    )
    assert code(decide(manager, requisition, "approve")) == (409, "requisition.illegal_state")


def test_urgency_over_http(api: ApiClient) -> None:
    manager = api.as_("branch_manager")
    requisition = submitted(
        api.as_("staff"), **of_amount("20000.00", is_urgent=True, urgency_reason="Flood")
    )
    assert requisition["status"] == "pending_urgency_confirmation"
    assert manager.get("/api/approvals/").json["items"][0]["asks_urgency"] is True
    assert code(decide(manager, requisition, "approve")) == (422, "approval.urgency_unanswered")

    confirmed = decide(manager, requisition, "confirm_urgency", urgency="CONFIRMED")

    assert confirmed.json["status"] == "pending_finance_review"
    statuses = [step["status"] for step in confirmed.json["approval"]["steps"]]
    assert statuses == ["approved", "skipped", "open"]


def test_treasury_holds_returns_and_validates(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    requisition = approved(api)

    assert decide(treasury, requisition, "validate", decision_digest="0" * 64).status_code == 409
    where = f"{PATH}{requisition['id']}"
    held = treasury.post(f"{where}/hold/", json={"comment": "Wait"})
    assert held.json["hold_reason"] == "Wait"
    assert code(decide(treasury, requisition, "validate")) == (409, "requisition.on_hold")
    assert treasury.get(PATH, query_string={"is_held": True}).json["items"]
    lifted = treasury.post(f"{where}/hold/", json={"held": False, "comment": "Seen"})
    assert lifted.json["held_at"] is None
    assert code(treasury.post(f"{where}/return/", json={})) == (422, "request.invalid")
    assert code(treasury.post(f"{where}/close_short/", json={"comment": "x"})) == (
        409,
        "requisition.illegal_state",
    )
    back = treasury.post(f"{where}/return/", json={"comment": "Which tap?"})
    assert back.json["status"] == "changes_requested"


def test_parts_over_http(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    requisition = approved(api)
    wrong = [
        ([{"amount": "1000.00"}], "requisition.invalid_parts"),
        ([], "request.invalid"),
        ([{"amount": 1500}], "request.invalid"),
        ([{"amount": "1500.00", "gateway_status": "success"}], "request.invalid"),
        ([{"amount": "1499.50"}, {"amount": "0.50"}], "payment.rail_refuses"),
        ([{"amount": "1500.00", "method": "card"}], "payment.method_reserved"),
    ]
    for parts, expected in wrong:
        assert code(decide(treasury, requisition, "validate", parts=parts)) == (422, expected)

    parts = [{"amount": "1000.00"}, {"amount": "500.00", "method": "cash"}]
    answer = decide(treasury, requisition, "validate", parts=parts)

    assert answer.status_code == 200, answer.json
    made = [(each["amount"], each["method"]) for each in answer.json["payments"]]
    assert made == [("1000.00", "mpesa"), ("500.00", "cash")]


def test_the_tag_moves_with_the_payments(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    requisition = decide(treasury, approved(api), "validate").json
    where = f"{PATH}{requisition['id']}/"
    etag = treasury.get(where).headers["ETag"]
    with treasury.scope(), transaction() as session:
        session.execute(text("UPDATE payments SET version = version + 1"))

    fresh = treasury.get(where, headers={"If-None-Match": etag})

    assert fresh.status_code == 200


# Who sees what


def test_scope_decides_what_exists(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"))
    where = f"{PATH}{requisition['id']}/"

    seeing = ["staff", "branch_manager", "department_head", "regional_manager", "treasury", "fpa"]
    blind = [
        "staff_2",
        "staff_mombasa",
        "branch_manager_mombasa",
        "regional_manager_coast",
        "custodian_mombasa",
        "other_company",
        "admin",
    ]
    for name in seeing:
        assert api.as_(name).get(where).status_code == 200, name
        assert len(api.as_(name).get(PATH).json["items"]) == 1, name
    for name in blind:
        for path in (where, f"{where}trail/", f"{where}attachments/"):
            assert code(api.as_(name).get(path)) == (404, "requisition.not_found"), name
        assert api.as_(name).get(PATH).json["items"] == [], name


def test_operators_see_masked_payees(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"), purpose="Call 0712345678", metadata={"a": "b"})

    read = api.as_("operator").get(f"{PATH}{requisition['id']}/").json

    assert read["destination"] == "*********678"
    assert read["payee_name"] == "S***"
    assert "0712345678" not in str(read)
    assert read["metadata"] == {}
    assert api.as_("auditor").get(f"{PATH}{requisition['id']}/").json["payee_name"] != "S***"


def test_only_auditors_see_where_decisions_came_from(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"))
    decide(api.as_("branch_manager"), requisition, "approve")

    def origins(name: str) -> set[str | None]:
        trail = api.as_(name).get(f"{PATH}{requisition['id']}/trail/").json["items"]
        return {row["ip_address"] for row in trail}

    assert origins("auditor") == {"192.0.2.7"}
    assert origins("staff") == {None}


def test_filters_and_words(api: ApiClient) -> None:
    staff = api.as_("staff")
    first = raised(staff, purpose="Tea for 100% of us", external_reference="PO-1")
    second = submitted(staff, is_urgent=True, urgency_reason="Dry", kind="advance")

    def numbers(**query: Any) -> list[str]:
        answer = staff.get(PATH, query_string=query)
        assert answer.status_code == 200, answer.json
        return [each["number"] for each in answer.json["items"]]

    assert numbers() == [second["number"], first["number"]]
    assert numbers(status="DRAFT") == [first["number"]]
    assert numbers(is_urgent=True) == [second["number"]]
    assert numbers(kind="advance") == [second["number"]]
    assert numbers(q="tea 100%") == [first["number"]]
    assert numbers(q="nothing") == []
    assert numbers(external_reference="PO-1") == [first["number"]]
    assert numbers(branch_id=first["branch_id"], currency="kes") == numbers()
    assert numbers(**{"from": "2020-01-01", "to": "2020-12-31"}) == []
    assert numbers(**{"from": "2020-01-01"}) == numbers()
    assert staff.get(PATH, query_string={"colour": "blue"}).status_code == 422


def test_put_and_delete_do_not_exist(api: ApiClient) -> None:
    requisition = raised(api.as_("staff"))

    for method in ("PUT", "DELETE"):
        answer = api.as_("staff").request(method, f"{PATH}{requisition['id']}/")
        assert answer.status_code == 405


# The inbox


def test_the_inbox_gives_what_a_decision_needs(api: ApiClient) -> None:
    manager = api.as_("branch_manager")
    oldest = submitted(api.as_("staff"))
    submitted(api.as_("staff_2"), purpose="Tea")

    items = manager.get("/api/approvals/").json["items"]

    assert len(items) == 2
    assert items[0]["requisition"]["number"] == oldest["number"]
    answer = manager.post(
        f"{PATH}{oldest['id']}/approve/", json={"decision_digest": items[0]["decision_digest"]}
    )
    assert answer.status_code == 200
    left = manager.get("/api/approvals/", query_string={"q": "tea", "currency": "KES"}).json
    assert len(left["items"]) == 1
    assert api.as_("staff").get("/api/approvals/").json["items"] == []


# Machine clients


def machine(api: ApiClient, *scopes: str) -> Caller:
    admin = api.as_("admin")
    with admin.scope(), transaction() as session:
        now = session.info["now"]
        made = api_keys.create(
            session,
            name="erp",
            scopes=list(scopes),
            expires_at=now + timedelta(days=1),
            actor=acting(session, "admin"),
            now=now,
        )
    text_of_key = made[1] if isinstance(made, tuple) else made.text
    return api.with_token(text_of_key)


def test_a_machine_raises_on_behalf_of_a_person(api: ApiClient) -> None:
    client = machine(api, "raise", "read", "upload")
    for_staff = {"On-Behalf-Of": "staff"}

    answer = client.post(
        PATH, json=NEW | {"external_reference": "ERP-1"}, key=True, headers=for_staff
    )
    assert answer.status_code == 201, answer.json
    assert answer.json["requester_id"] == str(api.as_("staff").user_id)
    assert answer.json["client_id"] is not None
    where = f"{PATH}{answer.json['id']}"
    assert client.post(f"{where}/submit/", headers=for_staff).status_code == 200
    again = client.post(
        PATH, json=NEW | {"external_reference": "ERP-1"}, key=True, headers=for_staff
    )
    assert code(again) == (409, "requisition.external_reference_taken")
    # the same reference of a person is another one
    assert raised(api.as_("staff"), external_reference="ERP-1")
    (row, *_) = api.as_("staff").get(f"{where}/trail/").json["items"]
    assert (row["user_id"], row["on_behalf_of_id"]) == (None, str(api.as_("staff").user_id))


def test_a_machine_names_the_person_in_the_body_too(api: ApiClient) -> None:
    client = machine(api, "raise")

    answer = client.post(PATH, json=NEW | {"on_behalf_of": "staff"}, key=True)

    assert answer.status_code == 201, answer.json
    assert answer.json["requester_id"] == str(api.as_("staff").user_id)


def test_a_machine_decides_nothing(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"))
    client = machine(api, "raise", "read", "upload")
    for verb in (
        *("approve", "reject", "request_changes", "confirm_urgency", "validate", "return"),
        *("hold", "close_short", "review", "cancel", "recall"),
    ):
        answer = client.post(
            f"{PATH}{requisition['id']}/{verb}/",
            json={"decision_digest": requisition["decision_digest"], "comment": "Yes"},
            headers={"On-Behalf-Of": "branch_manager"},
        )

        assert code(answer) == (403, "api_key.scope_missing"), verb


# Attachments


def upload(
    caller: Caller, requisition: dict[str, Any], content: bytes, name: str = "receipt.pdf"
) -> TestResponse:
    # Written by hand, as the test client would leave the temporary file of a large one open.
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"'
    body = b"--edge\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n--edge--\r\n"
    return caller.post(
        f"{PATH}{requisition['id']}/attachments/",
        data=body,
        content_type="multipart/form-data; boundary=edge",
    )


def test_a_file_is_attached_listed_and_read(api: ApiClient) -> None:
    staff = api.as_("staff")
    requisition = raised(staff)
    content = b"%PDF-1.7 receipt"

    kept = upload(staff, requisition, content, "../a b;.exe")

    assert kept.status_code == 201, kept.json
    assert kept.json["content_type"] == "application/pdf"
    listed = staff.get(f"{PATH}{requisition['id']}/attachments/").json["items"]
    assert listed == [kept.json]
    read = staff.get(kept.headers["Location"])
    assert read.data == content
    assert read.mimetype == "application/pdf"
    assert read.headers["Content-Disposition"].startswith("attachment")
    assert read.headers["X-Content-Type-Options"] == "nosniff"
    assert code(api.as_("staff_2").get(kept.headers["Location"])) == (
        404,
        "requisition.not_found",
    )


def test_files_that_are_not_taken(api: ApiClient) -> None:
    staff = api.as_("staff")
    requisition = raised(staff)
    assert upload(staff, requisition, b"%PDF-1.7 receipt").status_code == 201
    where = f"{PATH}{requisition['id']}/attachments/"

    assert code(upload(staff, requisition, b"%PDF-1.7 receipt")) == (409, "attachment.duplicate")
    assert code(upload(staff, requisition, b"MZ\x00", "a.pdf")) == (
        422,
        "attachment.type_not_allowed",
    )
    assert code(upload(staff, requisition, b"")) == (422, "attachment.empty")
    too_large = b"%PDF-" + bytes(10 * 1024 * 1024)
    assert code(upload(staff, requisition, too_large)) == (413, "attachment.too_large")
    assert upload(staff, requisition, too_large + bytes(200_000)).status_code == 413
    assert code(staff.post(where, data={}, content_type="multipart/form-data")) == (
        422,
        "request.invalid",
    )
    assert staff.post(where, json={"file": "x"}).status_code == 415
    assert len(staff.get(where).json["items"]) == 1
    assert code(upload(api.as_("staff_2"), requisition, b"%PDF-2")) == (
        404,
        "requisition.not_found",
    )
    assert code(upload(api.as_("auditor"), requisition, b"%PDF-2")) == (403, "auth.forbidden")


def test_nothing_crosses_companies(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"))
    other = api.as_("other_company")
    for verb in ("approve", "reject", "validate", "submit", "cancel", "review", "hold"):
        answer = other.post(
            f"{PATH}{requisition['id']}/{verb}/",
            json={}
            if verb == "submit"
            else {"comment": "x"}
            | (
                {"decision_digest": requisition["decision_digest"]}
                if verb in ("approve", "reject", "validate")
                else {}
            ),
        )
        assert code(answer) == (404, "requisition.not_found"), verb
    with other.scope(), transaction() as session:
        assert session.execute(select(Requisition.id)).all() == []
        assert len(session.execute(select(Company.id)).all()) == 1
