"""Replenishments: decided, released with a code like a payment, received at the fund."""

from collections.abc import Mapping
from typing import Any

from pettycash.console import choices
from pettycash.console.acts import Act
from pettycash.console.columns import badge, flag, link, money, person, text, when
from pettycash.console.forms import asks
from pettycash.console.pages import Pages
from pettycash.console.payments import standing
from pettycash.console.reading import Shown, id_of, reaches, read
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.imprest import replenishments
from pettycash.web.operations.operations import cases
from pettycash.web.operations.reports.offers import OFFERS

blp = Pages("replenishments", __name__, section="Funds")

PATH = "/console/replenishments/{id}/"
BACK = "/console/replenishments/{replenishment_id}/"
RELEASE = "/console/replenishments/{replenishment_id}/release/"

REASON = asks("reason", "Reason", is_long=True)

ACTS = (
    Act(
        operation=replenishments.approve,
        verb="approve",
        label="Approve",
        done="Approved, for what the fund needs now.",
        tone="primary",
        says="It is approved for what the fund needs at this moment.",
    ),
    Act(
        operation=replenishments.reject,
        verb="reject",
        label="Reject",
        done="Rejected. The fund waits before it asks again.",
        fields=(REASON,),
        tone="danger",
    ),
    Act(
        operation=replenishments.send_otp,
        verb="release",
        label="Send the money",
        done="",
        tone="primary",
        leads=True,
    ),
    Act(
        operation=replenishments.receive,
        verb="receive",
        label="Receive the money",
        done="Received.",
        fields=(asks("amount", "How much arrived?", "As you counted it, also if it is less."),),
        tone="primary",
        says="What is missing stays in transit and becomes a case; what comes later is received"
        " the same way.",
    ),
    Act(
        operation=replenishments.unlock_release,
        verb="unlock",
        label="Unlock its release",
        done="Unlocked.",
        says="Too many codes failed. Find out why before you unlock it.",
    ),
    Act(
        operation=replenishments.cancel,
        verb="cancel",
        label="Cancel it",
        done="Cancelled.",
        fields=(REASON,),
        tone="danger",
    ),
)

SEND = Act(
    operation=replenishments.send_otp,
    verb="send",
    label="Send me a code",
    done="A code is on its way to you.",
    tone="primary",
    to=RELEASE,
)
VERIFY = Act(
    operation=replenishments.verify_otp,
    verb="verify",
    label="Check the code",
    done="The code is right. Look once more, then record the transfer.",
    fields=(asks("code", "Code", "Six digits.", autofocus=True),),
    tone="primary",
    to=RELEASE,
)
FUND = Act(
    operation=replenishments.fund,
    verb="fund",
    label="Record the transfer",
    done="Recorded: the money is on its way to the fund.",
    fields=(asks("bank_reference", "The bank's reference", "Of the transfer that you made."),),
    tone="primary",
    to=BACK,
)


def story(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """The cases about it."""
    about = {"object_type": "replenishment", "object_id": id_of(shown)}
    found = read(uow, cases.list_all, limit=50, **about)["items"] if reaches("cases.list") else []
    return {"cases": found}


def release_facts(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """Where the release stands."""
    decided = "approved_amount" if shown["approved_amount"] else "requested_amount"
    return standing(uow, shown, last=FUND, amount=decided)


blp.list(
    "/replenishments/",
    replenishments.list_all,
    title="Replenishments",
    columns=(
        link("number", PATH),
        badge("status"),
        money("requested_amount", "Asked for"),
        money("approved_amount", "Approved"),
        money("received_amount", "Received"),
        when("requested_at", "Asked"),
        person("requested_by_id", "By"),
        flag("auto_triggered", "By the system"),
        text("bank_reference", "Bank's reference"),
    ),
    filters=(
        asks("q", "Number or bank's reference, whole"),
        asks("status"),
        asks("fund_id", "Fund", choices=choices.funds),
        asks("store_id", "Store", choices=choices.stores),
        asks("auto_triggered", "Asked by the system only"),
        asks("min_amount", "At least"),
        asks("max_amount", "At most"),
        asks("from", "Asked from"),
        asks("to", "Asked until"),
        asks("order"),
    ),
    views={
        "To decide": {"status": "pending"},
        "To send": {"status": "approved"},
        "On its way": {"status": "funded"},
    },
    empty="No replenishment yet. One is asked for as soon as a fund falls below its reorder level.",
)
blp.detail(
    "/replenishments/<key:replenishment_id>/",
    replenishments.get,
    title=lambda shown: str(shown["number"]),
    facts=(
        link("fund_name", "/console/funds/{fund_id}/", "Fund"),
        text("store_name", "Goes to"),
        money("requested_amount", "Asked for"),
        money("approved_amount", "Approved"),
        money("received_amount", "Received"),
        money("in_transit", "On its way"),
        money("lost_amount", "Given up"),
        person("requested_by_id", "Asked by"),
        flag("auto_triggered", "Asked by the system"),
        when("requested_at", "Asked"),
        text("reason"),
        person("approved_by_id", "Approved by"),
        when("approved_at", "Approved"),
        person("rejected_by_id", "Rejected by"),
        person("cancelled_by_id", "Cancelled by"),
        text("decision_reason", "Reason of the decision"),
        person("funded_by_id", "Sent by"),
        when("funded_at", "Sent"),
        text("bank_reference", "Bank's reference"),
        person("received_by_id", "Received by"),
        when("received_at", "Received at"),
    ),
    acts=ACTS,
    after=(FUND,),
    offers=OFFERS["replenishment"],
    more=story,
    amount="requested_amount",
    template="replenishments/detail.html",
)
blp.steps(
    "/replenishments/<key:replenishment_id>/release/",
    replenishments.get,
    door=replenishments.send_otp,
    title=lambda shown: f"Send {shown['number']}",
    acts=(SEND, VERIFY, FUND),
    offers=OFFERS["replenishment"],
    more=release_facts,
    template="replenishments/release.html",
)
