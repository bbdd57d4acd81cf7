"""Handing out cash: against the recipient's code, their sign-in, or a signature and a witness."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from flask import g, request

from pettycash.console.acts import Act
from pettycash.console.forms import Choices, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import Shown, id_of, read
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.payments import payments, releases
from pettycash.web.operations.reports.offers import OFFERS

blp = Pages("pay_out", __name__, section="Payments")

BACK = "/console/payments/{payment_id}/"
PAY_OUT = "/console/payments/{payment_id}/pay-out/"


def signed(typed: dict[str, Any]) -> dict[str, Any]:
    """The drawn signature, or the photo of the signed voucher, as the operation takes it."""
    drawn = str(typed.get("signature", "")).rpartition("base64,")[2]
    photo = request.files.get("photo")
    if not drawn and photo is not None:
        drawn = base64.b64encode(photo.stream.read()).decode()
    return {name: each for name, each in typed.items() if name != "signature"} | (
        {"signature": drawn} if drawn else {}
    )


def saying(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A form that says one thing by being sent."""
    return lambda typed: typed | {name: True}


def witnesses(uow: Uow) -> Choices:
    """The members who may stand by at this payment."""
    payment = read(uow, payments.get, payment_id=(request.view_args or {})["payment_id"])
    found = read(uow, releases.witnesses, payment_id=id_of(payment))
    return [(str(each["id"]), each["display_name"]) for each in found["items"]]


HANDED = "Paid: the recipient has the money."

CODE = Act(
    operation=releases.acknowledge,
    verb="code",
    label="They have the money",
    done=HANDED,
    fields=(
        asks("code", "The recipient's code", "They tell it once they hold the money.", needed=True),
    ),
    tone="primary",
    to=BACK,
)
RESEND = Act(
    operation=releases.acknowledge,
    verb="resend",
    label="Send them a new code",
    done="A new code is on its way to the recipient.",
    prepare=saying("resend"),
    to=PAY_OUT,
)
SIGN = Act(
    operation=releases.acknowledge,
    verb="sign",
    label="Keep the signature",
    done="Kept. The witness confirms it with their own sign-in; then it is paid.",
    fields=(
        asks("signature"),
        asks("witness_id", "Who stands by?", choices=witnesses, needed=True),
    ),
    prepare=signed,
    to=PAY_OUT,
)
WITNESS = Act(
    operation=releases.acknowledge,
    verb="witness",
    label="I saw them sign and take the money",
    done=HANDED,
    sends={"witnessed": "acknowledgement.attachment_id"},
    tone="primary",
    to=BACK,
)
RECEIVED = Act(
    operation=releases.acknowledge,
    verb="received",
    label="I have the money",
    done=HANDED,
    prepare=saying("received"),
    tone="primary",
    to=BACK,
)


def pay_out_facts(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """The reader's part in handing out the cash."""
    del uow
    told = shown["acknowledgement"] or {}
    me = str(g.user.id)
    return {
        "is_recipient": shown["payee_user_id"] == me,
        "is_witness": told.get("witness_id") == me,
        "signed": told.get("attachment_id"),
    }


blp.steps(
    "/payments/<key:payment_id>/pay-out/",
    payments.get,
    door=releases.acknowledge,
    title=lambda shown: f"Hand out {shown['number']}",
    acts=(CODE, RESEND, SIGN, WITNESS, RECEIVED),
    offers=OFFERS["payment"],
    more=pay_out_facts,
    template="payments/pay_out.html",
)
