"""Payments at the console: found, released with a code, handed out in cash."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pyotp

from pettycash.lab.seeds.personas import fixed_credentials
from pettycash.models.payments import Payment
from pettycash.runtime import db, settings
from tests.console.visiting import Visiting, Visitor
from tests.factories import payments as making
from tests.factories.people import company_id
from tests.factories.pictures import picture


def made(maker: Callable[..., Payment], *args: str, **more: Any) -> str:
    """The page of a payment of the demo company."""
    with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
        return f"/console/payments/{maker(session, *args, **more).id}/"


def app_code(name: str) -> str:
    """What somebody's authenticator app shows, as people copy it."""
    code = pyotp.TOTP(fixed_credentials(name).totp_secret).now()
    return f"{code[:3]} {code[3:]}"


def release(visitor: Visitor, name: str, page: str) -> None:
    """Release by the code of the app."""
    for step, typed in (("send", {}), ("verify", {"code": app_code(name)}), ("execute", {})):
        answer = visitor.fill(f"{page}release/", f"{page}release/{step}/", **typed)
        assert answer.status_code == 303, answer.text


def test_one_is_found_and_released_with_the_code_of_an_app(visitor: Visiting) -> None:
    page = made(making.pending)
    treasurer = visitor("treasury_2")
    listed = treasurer.get("/console/payments/?status=pending")
    assert page in listed.text
    shown = treasurer.get(page)
    assert "KES 1,500.00" in shown.text
    assert f'href="{page}release/"' in shown.text
    wrong = treasurer.fill(f"{page}release/", f"{page}release/send/")
    assert wrong.location.endswith("?done=send")
    asked = treasurer.get(wrong.location)
    assert "Tries left: 5. Codes left: 2." in asked.text
    assert "Stays there" in asked.text
    code = app_code("treasury_2").replace(" ", "")
    other = str((int(code) + 1) % 1_000_000).zfill(6)
    wrong = treasurer.fill(f"{page}release/", f"{page}release/verify/", code=other)
    assert wrong.status_code == 422, wrong.text
    assert "Tries left: 4." in wrong.text
    assert "Error:" in wrong.text
    release(treasurer, "treasury_2", page)
    done = treasurer.get(f"{page}?done=execute")
    assert "Released: the money is held." in done.text
    assert "PC-" in done.text  # our reference, of its execution


def test_a_maker_reads_why_somebody_else_releases(visitor: Visiting) -> None:
    page = made(making.pending)
    maker = visitor("treasury")
    shown = maker.get(page)
    assert "You made or changed the payment" in shown.text
    assert f'href="{page}release/"' not in shown.text
    told = maker.get(f"{page}release/")
    assert told.status_code == 200
    assert "You made or changed the payment" in told.text
    assert "Send me a code" not in told.text


def test_cash_is_handed_out_against_a_signature_and_a_witness(visitor: Visiting) -> None:
    page = made(making.cash)
    custodian = visitor("custodian")
    release(custodian, "custodian", page)
    form = custodian.form(f"{page}pay-out/", f"{page}pay-out/sign/")
    choice = custodian.get(f"{page}pay-out/").text
    witness_id = choice.partition(">Branch manager")[0].rpartition('value="')[2].rstrip('">')
    drawn = "data:image/png;base64," + base64.b64encode(picture()).decode()
    missing = custodian.post(f"{page}pay-out/sign/", form["fields"] | {"signature": drawn})
    assert missing.status_code == 422
    assert "A signature needs a witness." in missing.text
    assert drawn in missing.text
    fields = form["fields"] | {"signature": drawn, "witness_id": witness_id}
    kept = custodian.post(f"{page}pay-out/sign/", fields)
    assert kept.status_code == 303, kept.text
    witness = visitor("branch_manager")
    assert "You are named as the witness" in witness.get(page).text
    answer = witness.fill(f"{page}pay-out/", f"{page}pay-out/witness/")
    assert answer.status_code == 303, answer.text
    assert "Paid: the recipient has the money." in witness.get(answer.location).text
    assert witness.get(f"{page}pay-out/").status_code == 200  # over, and says so


def test_a_wrong_code_of_the_recipient_is_counted(visitor: Visiting) -> None:
    page = made(making.cash)
    custodian = visitor("custodian")
    release(custodian, "custodian", page)
    answer = custodian.fill(f"{page}pay-out/", f"{page}pay-out/code/", code="123-456")
    assert answer.status_code == 422
    assert "code" in answer.text
    assert "Wrong codes: 1." in custodian.get(page).text


def test_codes_are_counted_per_person_as_over_the_api(visitor: Visiting) -> None:
    page = made(making.pending)
    treasurer = visitor("treasury_2")
    form = treasurer.form(f"{page}release/", f"{page}release/send/")["fields"]
    settings.install(replace(settings.current(), otp_per_person_per_minute=2))
    sent = [treasurer.post(f"{page}release/send/", form | {"_key": str(uuid4())}) for _ in range(3)]
    assert [each.status_code for each in sent] == [303, 303, 429]
    assert "auth.throttled" in sent[-1].text


def test_ticked_payments_are_cancelled_one_by_one(visitor: Visiting) -> None:
    pending, sent = (made(each).split("/")[-2] for each in (making.pending, making.executing))
    treasurer = visitor("treasury")
    assert f'value="{pending}"' in treasurer.get("/console/payments/").text
    place = "/console/payments/bulk/cancel/"
    form = treasurer.form(f"{place}?id={pending}&id={sent}", place)
    assert form["fields"]["id"] == pending  # the other one is refused beforehand
    answer = treasurer.post(place, form["fields"] | {"id": [pending, sent]})
    assert "1 done, 1 refused" in answer.text
    again = treasurer.post(place, form["fields"])
    assert "1 done." in again.text
    assert treasurer.get(place).status_code == 422


def test_what_is_left_of_a_requisition_is_paid_anew(visitor: Visiting) -> None:
    page = made(making.pending)
    treasurer = visitor("treasury")
    assert treasurer.fill(f"{page}cancel/").status_code == 303
    found = re.search(r"/console/requisitions/([0-9a-f-]{36})/", treasurer.get(page).text)
    assert found is not None
    requisition_id = found[1]
    place = "/console/payments/new/"
    wrong = treasurer.fill(place, requisition_id=requisition_id, amount="1,500.001")
    assert wrong.status_code == 422
    assert 'value="1,500.001"' in wrong.text
    answer = treasurer.fill(place, requisition_id=requisition_id)
    assert answer.status_code == 303, answer.text
    assert "Made. You are its maker" in treasurer.get(answer.location).text
