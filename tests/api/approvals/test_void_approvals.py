"""An approver registers the phone that the money goes to: refused, settled, and told."""

from uuid import UUID

from sqlalchemy import update

from pettycash.models.access import Membership
from pettycash.runtime.db import transaction
from tests.api.client import ApiClient
from tests.factories import payments as making
from tests.factories.requisitions_http import approved, decide

PATH = "/api/requisitions/"


def registers_it(api: ApiClient, name: str) -> None:
    """Let a member have the phone of the factories' payee."""
    caller = api.as_(name)
    with caller.scope(), transaction() as session:
        session.execute(
            update(Membership)
            .where(Membership.user_id == caller.user_id)
            .values(phone="+254712345678")
        )


def test_a_validation_gives_the_step_to_somebody_else(api: ApiClient) -> None:
    requisition = approved(api)
    registers_it(api, "branch_manager")

    refused = decide(api.as_("treasury"), requisition, "validate")

    assert (refused.status_code, refused.json["code"]) == (409, "approval.void")
    read = api.as_("treasury").get(f"{PATH}{requisition['id']}/").json
    assert read["status"] == "pending_regional_review"
    own = decide(api.as_("branch_manager"), requisition, "approve")
    assert (own.status_code, own.json["code"]) == (403, "approval.not_an_approver")
    again = decide(api.as_("regional_manager"), requisition, "approve")
    assert again.json["status"] == "pending_treasury_validation"
    assert decide(api.as_("treasury"), requisition, "validate").status_code == 200


def test_a_code_that_is_asked_for_ends_the_payment(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    with treasury.scope(), transaction() as session:
        payment = making.pending(session)
        ids: tuple[UUID, UUID] = payment.id, payment.requisition_id
    registers_it(api, "branch_manager")
    where = f"/api/payments/{ids[0]}/"

    refused = api.as_("treasury_2").post(f"{where}send_otp/")

    assert (refused.status_code, refused.json["code"]) == (409, "approval.void")
    assert treasury.get(where).json["status"] == "cancelled"
    read = treasury.get(f"{PATH}{ids[1]}/").json
    assert read["status"] == "pending_regional_review"
