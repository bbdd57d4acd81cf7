"""Requisitions: raise, read, decide; the queue of whoever decides."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import g

from pettycash.console.acts import Act
from pettycash.console.columns import Table, age, badge, link, money, person, text, when, word
from pettycash.console.forms import Choices, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import Shown, id_of, read
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.approvals import inbox
from pettycash.web.operations.ledger import books
from pettycash.web.operations.reports.offers import OFFERS
from pettycash.web.operations.requisitions import attachments, decisions, requisitions

blp = Pages("requisitions", __name__, section="Requests")

PATH = "/console/requisitions/{id}/"


AUTOSAVE_SECONDS = 30


def categories(uow: Uow) -> Choices:
    """The company's categories of expense."""
    found = read(uow, books.list_categories, limit=200)["items"]
    return [(each["category"], each["name"]) for each in found]


def holding(_uow: Uow) -> Choices:
    """A hold is put on or lifted."""
    return [("true", "Put it on hold"), ("false", "Lift the hold")]


def total(typed: dict[str, Any]) -> dict[str, Any]:
    """The amount is the sum of the lines; the service compares it with them."""
    try:
        amounts = [Decimal(line["amount"]) for line in typed.get("lines", [])]
    except (KeyError, InvalidOperation):
        return typed
    return typed | {"amount": f"{sum(amounts, Decimal(0)):.2f}"}


def begins(_uow: Uow) -> Mapping[str, str]:
    """A new requisition is an expense in the company's currency."""
    return {"kind": "expense", "currency": str(g.company.currency)}


FIELDS = (
    asks("purpose", "What is it for?", autofocus=True),
    asks("kind", "Kind"),
    asks("payee_name", "Who gets the money?"),
    asks("method", "How are they paid?"),
    asks(
        "destination",
        "Where to?",
        "For M-Pesa the phone number, for cash a phone number or an e-mail address.",
    ),
    asks(
        "lines",
        "What is bought",
        fields=(
            asks("description", "Description"),
            asks("amount", "Amount"),
            asks("category", "Category", choices=categories),
        ),
    ),
    asks("is_urgent", "It is urgent"),
    asks("urgency_reason", "Why is it urgent?", "Needed where it is urgent."),
)

CREATE = Act(
    operation=requisitions.create,
    verb="new",
    label="Save the draft",
    done="The draft is saved. Look at it once more, then submit it.",
    fields=(*FIELDS[:5], asks("currency", "Currency"), *FIELDS[5:]),
    starts=begins,
    prepare=total,
    autosave=AUTOSAVE_SECONDS,
    to=PATH,
)

DIGEST = {"decision_digest": "decision_digest"}
REASON = asks("comment", "Reason", "A no needs its reason.", is_long=True)

ACTS = (
    Act(
        operation=requisitions.submit,
        verb="submit",
        label="Submit",
        done="Submitted. Its approvers have been asked.",
        tone="primary",
        inline=True,
    ),
    Act(
        operation=decisions.approve,
        verb="approve",
        label="Approve",
        done="Approved.",
        fields=(REASON,),
        sends=DIGEST,
        tone="primary",
        inline=True,
    ),
    Act(
        operation=decisions.request_changes,
        verb="request-changes",
        label="Send back",
        done="Sent back to its requester.",
        fields=(REASON,),
        sends=DIGEST,
        inline=True,
    ),
    Act(
        operation=decisions.reject,
        verb="reject",
        label="Reject",
        done="Rejected.",
        fields=(REASON,),
        sends=DIGEST,
        tone="danger",
        inline=True,
    ),
    Act(
        operation=decisions.confirm_urgency,
        verb="confirm-urgency",
        label="Answer its urgency",
        done="Answered.",
        fields=(asks("urgency", "Is it urgent?"), asks("comment", "Comment", is_long=True)),
        sends=DIGEST,
        tone="primary",
    ),
    Act(
        operation=decisions.validate,
        verb="validate",
        label="Validate",
        done="Validated: its payment is made and waits for release.",
        fields=(asks("comment", "Comment", is_long=True),),
        sends=DIGEST,
        tone="primary",
        says="One payment is made for the whole amount, from the fund of its place.",
    ),
    Act(
        operation=decisions.return_to_requester,
        verb="return",
        label="Return to its requester",
        done="Returned.",
        fields=(asks("comment", "Reason", is_long=True),),
    ),
    Act(
        operation=decisions.hold,
        verb="hold",
        label="Hold or go on",
        done="Noted.",
        fields=(
            asks("held", "What?", choices=holding),
            asks("comment", "Reason", is_long=True),
        ),
    ),
    Act(
        operation=requisitions.update,
        verb="edit",
        label="Edit",
        done="Changed.",
        fields=FIELDS,
        sends={"expected": "_version"},
        prepare=total,
        autosave=AUTOSAVE_SECONDS,
    ),
    Act(
        operation=attachments.upload,
        verb="attach",
        label="Attach a receipt",
        done="Attached.",
        fields=(asks("file", "Receipt or photo", "PDF, picture, XLSX or CSV; at most 10 MiB."),),
    ),
    Act(
        operation=requisitions.recall,
        verb="recall",
        label="Take it back",
        done="It is a draft again.",
        fields=(asks("comment", "Comment", is_long=True),),
    ),
    Act(
        operation=requisitions.adopt,
        verb="adopt",
        label="Adopt",
        done="You answer for it now.",
        fields=(asks("comment", "Reason", is_long=True),),
        says="Its requester left. You become its requester too, so an approval of yours is void.",
    ),
    Act(
        operation=decisions.close_short,
        verb="close-short",
        label="Close with what is paid",
        done="Closed.",
        fields=(asks("comment", "Reason", is_long=True),),
    ),
    Act(
        operation=decisions.review,
        verb="review",
        label="Mark as reviewed",
        done="Reviewed.",
        fields=(asks("comment", "Comment", is_long=True),),
        tone="primary",
    ),
    Act(
        operation=requisitions.cancel,
        verb="cancel",
        label="Cancel it",
        done="Cancelled.",
        fields=(asks("comment", "Comment", is_long=True),),
        tone="danger",
    ),
)

SUMMARY = (
    text("purpose"),
    text("payee_name", "Payee"),
    word("method"),
    text("destination"),
    person("requester_id", "Raised by"),
    when("submitted_at", "Submitted"),
)


def story(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """What proves it, what happened to it, and the names in it."""
    told = read(uow, requisitions.trail, requisition_id=id_of(shown), limit=200)
    proofs = read(uow, attachments.list_all, requisition_id=id_of(shown), limit=200)
    return {"trail": told["items"], "trail_people": told["people"], "proofs": proofs["items"]}


blp.list(
    "/requisitions/",
    requisitions.list_all,
    title="Requisitions",
    columns=(
        link("number", PATH),
        text("purpose"),
        text("payee_name", "Payee"),
        money("amount"),
        badge("status"),
        age("status_changed_at", "Since"),
        person("requester_id", "Raised by"),
    ),
    filters=(
        asks("q", "Words"),
        asks("status"),
        asks("method"),
        asks("min_amount", "At least"),
        asks("max_amount", "At most"),
        asks("from", "Raised from"),
        asks("to", "Raised until"),
        asks("is_urgent", "Urgent only"),
        asks("is_held", "On hold only"),
        asks("order"),
    ),
    views={
        "Sent back": {"status": "changes_requested"},
        "To validate": {"status": "pending_treasury_validation"},
        "In payment": {"status": "in_payment"},
        "On hold": {"is_held": "1"},
        "Urgent": {"is_urgent": "1"},
    },
    empty="Nobody has raised a requisition here yet.",
    new="/console/requisitions/new/",
    new_operation=requisitions.create,
)
blp.form("/requisitions/new/", CREATE, title="New requisition")
blp.detail(
    "/requisitions/<key:requisition_id>/",
    requisitions.get,
    title=lambda shown: str(shown["number"]),
    facts=SUMMARY,
    tables=(
        Table(
            name="lines",
            title="Lines",
            columns=(text("description"), word("category"), money("amount")),
        ),
        Table(
            name="payments",
            title="Payments",
            columns=(
                link("number", "/console/payments/{id}/"),
                money("amount"),
                badge("method"),
                badge("status"),
            ),
        ),
    ),
    acts=ACTS,
    made_by=CREATE,
    offers=OFFERS["requisition"],
    more=story,
    template="requisitions/detail.html",
)

blp.file("/requisitions/<uuid:requisition_id>/attachments/<uuid:attachment_id>/", attachments.get)

approvals = Pages("approvals", __name__, section="Approvals")
approvals.list(
    "/approvals/",
    inbox.list_all,
    title="To decide",
    columns=(),
    empty="Nothing waits for your decision.",
    template="requisitions/inbox.html",
)
