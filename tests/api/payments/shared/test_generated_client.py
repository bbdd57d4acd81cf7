"""A client that openapi-python-client makes from the document alone runs the life cycle."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pettycash.lab.mailbox.store import Mailbox
from tests.api.client import ApiClient
from tests.api.payments.shared.steps import receipt
from tests.factories import mailboxes, rails, working
from tests.factories.requisitions_http import NEW

NAME = "generated_client"

Call = Callable[..., Any]


@pytest.fixture
def call(api: ApiClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """`call("treasury", "requisition_decisions.requisitions_validate", …)`: the parsed answer."""
    document, options = tmp_path / "openapi.json", tmp_path / "options.json"
    document.write_bytes(api.anonymous.get("/api/openapi.json").data)
    options.write_text(json.dumps({"post_hooks": []}))
    program = Path(sys.executable).with_name("openapi-python-client")
    command = [program, "generate", "--path", document, "--output-path", tmp_path / NAME]
    made = subprocess.run(
        [*command, "--meta", "none", "--config", options, "--fail-on-warning"],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout.decode()
    monkeypatch.syspath_prepend(tmp_path)
    client = importlib.import_module(f"{NAME}.client")

    def call(who: str, operation: str, **arguments: Any) -> Any:
        token = api.as_(who).token
        transport = httpx.WSGITransport(app=api.application)
        with client.AuthenticatedClient(
            base_url="http://pettycash",
            token=token,
            httpx_args={"transport": transport},
            raise_on_unexpected_status=True,
        ) as session:
            module = importlib.import_module(f"{NAME}.api.{operation}")
            answer = module.sync_detailed(client=session, **arguments)
            assert answer.parsed is not None, answer.content
            return answer.parsed

    yield call
    for each in [each for each in sys.modules if each.split(".")[0] == NAME]:
        del sys.modules[each]


def shape(name: str, values: dict[str, Any]) -> Any:
    """A body, as the client's own model of it."""
    return getattr(importlib.import_module(f"{NAME}.models"), name).from_dict(values)


def test_a_generated_client_runs_the_life_cycle(
    call: Call, mailbox: Mailbox, rail: rails.FakeGateway
) -> None:
    wrong = shape("RequisitionCreate", NEW | {"amount": "1.00"})
    refused = call("staff", "requisitions.requisitions_create", body=wrong, idempotency_key=key())
    assert refused.code.value == "requisition.lines_do_not_add_up"
    assert refused.status == 422

    body = shape("RequisitionCreate", NEW)
    made = call("staff", "requisitions.requisitions_create", body=body, idempotency_key=key())
    submitted = call("staff", "requisitions.requisitions_submit", requisition_id=made.id)
    assert submitted.status.value == "pending_branch_approval"

    read = call("branch_manager", "requisitions.requisitions_get", requisition_id=made.id)
    yes = shape("RequisitionApprove", {"decision_digest": read.decision_digest})
    approve = "requisition_decisions.requisitions_approve"
    approved = call("branch_manager", approve, requisition_id=made.id, body=yes)
    assert approved.status.value == "pending_treasury_validation"
    again = call("branch_manager", approve, requisition_id=made.id, body=yes)
    assert (again.status, again.code.value) == (409, "requisition.illegal_state")

    seen = call("treasury", "requisitions.requisitions_get", requisition_id=made.id)
    yes = shape("RequisitionValidate", {"decision_digest": seen.decision_digest})
    validate = "requisition_decisions.requisitions_validate"
    (payment,) = call("treasury", validate, requisition_id=made.id, body=yes).payments

    call("treasury_2", "releases.payments_send_otp", payment_id=payment.id)
    working.work("otp.send")
    code = shape("Code", {"code": mailboxes.newest_code(mailbox, "treasury_2@demo.example")})
    released = call("treasury_2", "releases.payments_verify_otp", payment_id=payment.id, body=code)
    assert released.otp_verified is True
    execute = "releases.payments_execute"
    begun = call("treasury_2", execute, payment_id=payment.id, idempotency_key=key())
    assert begun.status.value == "executing"
    rail.submits = [receipt]
    working.work("payments.submit")

    paid = call("treasury", "payments.payments_get", payment_id=payment.id)
    assert paid.status.value == "success"
    done = call("staff", "requisitions.requisitions_get", requisition_id=made.id)
    assert done.status.value == "paid"


def key() -> str:
    return str(uuid4())
