"""Decisions over HTTP: each refusal by its code; the inbox; treasury."""

from sqlalchemy import text

from pettycash.runtime.db import transaction
from tests.api.client import ApiClient
from tests.factories.requisitions_http import (
    PATH,
    approved,
    code,
    decide,
    of_amount,
    submitted,
)


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

    parts = [{"amount": "1000.00"}, {"amount": "500.00", "method": "mpesa"}]
    answer = decide(treasury, requisition, "validate", parts=parts)

    assert answer.status_code == 200, answer.json
    made = [(each["amount"], each["method"]) for each in answer.json["payments"]]
    assert made == [("1000.00", "mpesa"), ("500.00", "mpesa")]


def test_the_tag_moves_with_the_payments(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    requisition = decide(treasury, approved(api), "validate").json
    where = f"{PATH}{requisition['id']}/"
    etag = treasury.get(where).headers["ETag"]
    with treasury.scope(), transaction() as session:
        session.execute(text("UPDATE payments SET version = version + 1"))

    fresh = treasury.get(where, headers={"If-None-Match": etag})

    assert fresh.status_code == 200


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
