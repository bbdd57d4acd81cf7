"""Payments: find them, release them, hand out cash, and see what became of each."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import g

from pettycash.console import choices
from pettycash.console.acts import Act
from pettycash.console.bulk import bulk
from pettycash.console.columns import (
    Table,
    age,
    badge,
    day,
    flag,
    link,
    money,
    person,
    text,
    when,
    word,
)
from pettycash.console.forms import asks
from pettycash.console.pages import Pages
from pettycash.console.pay_out import CODE, RECEIVED, WITNESS
from pettycash.console.reading import AnyOperation, Shown, id_of, reaches, read
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.imprest import funds, variances
from pettycash.web.operations.ledger import books
from pettycash.web.operations.operations import cases
from pettycash.web.operations.payments import facts, payments, redirects, releases
from pettycash.web.operations.reports.offers import OFFERS

blp = Pages("payments", __name__, section="Payments")

PATH = "/console/payments/{id}/"
BACK = "/console/payments/{payment_id}/"
RELEASE = "/console/payments/{payment_id}/release/"

REASON = asks("reason", "Reason", is_long=True)

REQUERY = Act(
    operation=facts.requery,
    verb="requery",
    label="Ask the rail",
    done="The rail is being asked what became of it.",
    says="Nothing is sent again: the rail only says what became of the payment.",
)
CANCEL = Act(
    operation=payments.cancel,
    verb="cancel",
    label="Cancel it",
    done="Cancelled.",
    tone="danger",
    says="Nothing was sent, so nothing is lost: the rest of the requisition can be paid anew.",
)

ACTS = (
    Act(
        operation=releases.send_otp,
        verb="release",
        label="Release",
        done="",
        tone="primary",
        leads=True,
    ),
    Act(
        operation=releases.acknowledge,
        verb="pay-out",
        label="Hand out the cash",
        done="",
        tone="primary",
        leads=True,
    ),
    REQUERY,
    Act(
        operation=payments.update,
        verb="edit",
        label="Change amount or store",
        done="Changed. You are its maker now, so somebody else releases it.",
        fields=(
            asks("amount", "Amount"),
            asks("store_id", "Paid from", choices=choices.stores),
        ),
        sends={"expected": "_version"},
        says="Another destination is a redirect, which the last approver decides.",
    ),
    Act(
        operation=releases.assign_executor,
        verb="assign",
        label="Name who releases it",
        done="Named.",
        fields=(asks("executor_id", "Who?", choices=choices.people_who(releases.execute)),),
        says="Whatever code there is for it ends.",
    ),
    Act(
        operation=releases.unlock_release,
        verb="unlock",
        label="Unlock its release",
        done="Unlocked.",
        says="Too many codes failed. Find out why before you unlock it.",
    ),
    Act(
        operation=facts.reconcile,
        verb="reconcile",
        label="Match with evidence",
        done="Matched.",
        fields=(
            asks("provider_reference", "Reference", "As the statement shows it."),
            asks("amount", "Amount", "As the statement shows it."),
            asks("note", "Where did you find it?", "A statement and its line.", is_long=True),
        ),
    ),
    Act(
        operation=variances.record,
        verb="variance",
        label="Record a variance",
        done="Recorded: it waits for a decision.",
        fields=(
            asks("kind", "Kind"),
            asks("adjusted_amount", "What really left", "All of it, not the difference."),
            asks("reason", "Reason", is_long=True),
            asks("counter_account_id", "Counter account", choices=choices.accounts),
        ),
        sends={"original_amount": "paid_amount"},
        to="/console/variances/{id}/",
    ),
    Act(
        operation=redirects.redirect_payment,
        verb="redirect",
        label="Send it elsewhere",
        done="Proposed: its last approver decides. Until then nothing of it proceeds.",
        fields=(
            asks("method", "How are they paid?", "Left out: as before."),
            asks("destination", "Where to?", "Left out: as before."),
            asks("store_id", "Paid from", choices=choices.stores),
            REASON,
        ),
    ),
    CANCEL,
)

CREATE = Act(
    operation=payments.create,
    verb="new",
    label="Make the payment",
    done="Made. You are its maker, so somebody else releases it.",
    fields=(
        asks("requisition_id", "Requisition", choices=choices.requisitions_in_payment),
        asks("amount", "Amount", "Left out: all that is left."),
        asks("store_id", "Paid from", "Left out: by place and method.", choices=choices.stores),
        asks("method", "How are they paid?", "Left out: as it was approved."),
        asks("destination", "Where to?", "Left out: as it was approved."),
        asks("external_reference", "Invoice or other reference"),
    ),
    to=PATH,
)
SEND = Act(
    operation=releases.send_otp,
    verb="send",
    label="Send me a code",
    done="A code is on its way to you.",
    tone="primary",
    to=RELEASE,
)
VERIFY = Act(
    operation=releases.verify_otp,
    verb="verify",
    label="Check the code",
    done="The code is right. Look once more, then pay.",
    fields=(asks("code", "Code", "Six digits.", autofocus=True),),
    tone="primary",
    to=RELEASE,
)
EXECUTE = Act(
    operation=releases.execute,
    verb="execute",
    label="Pay",
    done="Released: the money is held.",
    tone="primary",
    to=BACK,
)


def store_of(uow: Uow, shown: Shown) -> Mapping[str, Any] | None:
    """What lies in the store that pays, for whom may read it."""
    if not reaches(funds.balance):
        return None
    found = read(uow, funds.balance, fund_id=shown["fund_id"])["stores"]
    return next((each for each in found if each["store_id"] == shown["store_id"]), None)


def release_facts(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """The store with what stays in it, and where the release stands."""
    store = store_of(uow, shown)
    stays = Decimal(store["available"]) - Decimal(shown["amount"]) if store else None
    return {"store": store, "stays": stays, **standing(uow, shown, last=EXECUTE)}


def standing(uow: Uow, shown: Shown, *, last: Act, amount: str = "amount") -> Mapping[str, Any]:
    """Where a release stands: its amount, its last step, whose it is, how long it may be done."""
    release = shown["release"] or {}
    return {
        "amount": shown[amount],
        "last": last.verb,
        "mine": release.get("executor_id") == str(g.user.id),
        "seconds": {
            name: seconds_until(uow, release.get(name))
            for name in ("expires_at", "grant_expires_at")
        },
    }


def seconds_until(uow: Uow, instant: str | None) -> int:
    """How many seconds an instant is away by the server's clock."""
    if not instant:
        return 0
    return max(0, int((datetime.fromisoformat(instant) - uow.now).total_seconds()))


EXECUTIONS = Table(
    name="executions",
    title="Releases",
    columns=(
        when("executed_at", "Released"),
        person("executor_id", "By"),
        word("proof"),
        money("amount"),
        badge("state"),
        text("originator_reference", "Our reference"),
        text("provider_reference", "Their reference"),
        money("fee"),
        text("outcome_message", "Outcome"),
    ),
)
LEDGER = Table(
    name="ledger",
    title="In the books",
    columns=(
        day("accounting_date", "Day"),
        text("description"),
        word("direction"),
        money("amount"),
        money("balance", "Fund's balance after"),
        link("open", "/console/journal/{entry_id}/", "Entry"),
    ),
)
CASES = Table(
    name="cases",
    title="Cases",
    columns=(
        link("summary", "/console/cases/{id}/", "Case"),
        badge("severity"),
        badge("status"),
        when("due_at", "Due"),
    ),
)
VARIANCES = Table(
    name="variances",
    title="Variances",
    columns=(
        link("number", "/console/variances/{id}/"),
        word("kind"),
        money("variance_amount", "Difference"),
        badge("status"),
    ),
)


def story(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """Its releases, what was said with the rail, its lines in the books, cases and variances."""
    about = {"payment_id": id_of(shown)}
    of_case = {"object_type": "payment", "object_id": id_of(shown)}
    asked: tuple[tuple[Table, AnyOperation, Mapping[str, Any]], ...] = (
        (CASES, cases.list_all, of_case),
        (EXECUTIONS, facts.executions, about),
        (VARIANCES, variances.list_all, about),
        (LEDGER, books.list_lines, about),
    )
    parts = [(each, read(uow, of, limit=50, **key)) for each, of, key in asked if reaches(of)]
    told = shown["acknowledgement"] or {}
    is_witness = told.get("witness_id") == str(g.user.id) and not told["witnessed_at"]
    return {
        "parts": [(table, rows["items"], rows.get("people", {})) for table, rows in parts],
        "exchanges": read(uow, facts.transactions, limit=50, **about)["items"]
        if reaches(facts.transactions)
        else [],
        "asks_witness": is_witness,
    }


blp.list(
    "/payments/",
    payments.list_all,
    title="Payments",
    columns=(
        link("number", PATH),
        link("requisition_number", "/console/requisitions/{requisition_id}/", "Requisition"),
        text("payee_name", "Payee"),
        money("amount"),
        badge("method"),
        badge("status"),
        age("status_changed_at", "Since"),
        text("provider_reference", "Rail's reference"),
        flag("reconciled", "Matched"),
    ),
    filters=(
        asks("q", "Number, payee or reference"),
        asks("status"),
        asks("method"),
        asks("payment_type", "Kind"),
        asks("fund_id", "Fund", choices=choices.funds),
        asks("store_id", "Store", choices=choices.stores),
        asks("maker_id", "Made by", choices=choices.people_who(releases.execute)),
        asks("executor_id", "Released by", choices=choices.people_who(releases.execute)),
        asks("destination"),
        asks("originator_reference", "Our reference"),
        asks("provider_reference", "Rail's reference"),
        asks("external_reference", "Invoice or other reference"),
        asks("min_amount", "At least"),
        asks("max_amount", "At most"),
        asks("from", "Made from"),
        asks("to", "Made until"),
        asks("reconciled", "Matched only"),
        asks("is_blocked", "With a contradiction only"),
        asks("is_release_locked", "Release locked only"),
        asks("order"),
    ),
    views={
        "To release": {"status": "pending"},
        "Sent": {"status": "executing"},
        "In doubt": {"status": "in_doubt"},
        "Failed": {"status": "failed"},
        "Release locked": {"is_release_locked": "1"},
    },
    empty="No payment is here. Treasury makes one when it validates an approved requisition.",
    new="/console/payments/new/",
    new_operation=payments.create,
    ticked=(REQUERY, CANCEL),
)
blp.form("/payments/new/", CREATE, title="Pay what is left of a requisition")
bulk(
    blp,
    "/payments/",
    payments.get,
    argument="payment_id",
    acts=(REQUERY, CANCEL),
    offers=OFFERS["payment"],
    columns=(
        link("number", PATH),
        text("payee_name", "Payee"),
        money("amount"),
        badge("method"),
        badge("status"),
    ),
)
blp.detail(
    "/payments/<key:payment_id>/",
    payments.get,
    title=lambda shown: str(shown["number"]),
    facts=(
        text("payee_name", "Payee"),
        word("method"),
        text("destination"),
        link("requisition_number", "/console/requisitions/{requisition_id}/", "Requisition"),
        link("store_name", "/console/funds/{fund_id}/", "Paid from"),
        person("maker_id", "Made by"),
        person("executor_id", "Released by"),
        money("paid_amount", "Paid"),
        when("paid_at", "Paid at"),
        text("originator_reference", "Our reference"),
        text("provider_reference", "Rail's reference"),
        text("external_reference", "Other reference"),
        flag("reconciled", "Matched"),
        word("reconciled_with", "Matched with"),
        person("reconciled_by_id", "Matched by"),
    ),
    acts=ACTS,
    made_by=CREATE,
    after=(EXECUTE, CODE, WITNESS, RECEIVED),
    offers=OFFERS["payment"],
    more=story,
    template="payments/detail.html",
)
blp.steps(
    "/payments/<key:payment_id>/release/",
    payments.get,
    door=releases.send_otp,
    title=lambda shown: f"Release {shown['number']}",
    acts=(SEND, VERIFY, EXECUTE),
    offers=OFFERS["payment"],
    more=release_facts,
    template="payments/release.html",
)
