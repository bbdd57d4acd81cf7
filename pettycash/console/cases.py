"""Cases: what the system can't decide alone, its evidence, and how two people end it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import request

from pettycash.console.acts import Act
from pettycash.console.choices import people
from pettycash.console.columns import age, badge, person, text, when, word
from pettycash.console.forms import Choices, Field, asks
from pettycash.console.pages import ME, Pages
from pettycash.console.places import place
from pettycash.console.reading import Shown, id_of, reaches, read
from pettycash.console.words import word as in_words
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.operations import cases
from pettycash.web.operations.payments import case_evidence, case_resolutions
from pettycash.web.operations.reports.offers import OFFERS

blp = Pages("cases", __name__, section="Operations")

PATH = "/console/cases/{id}/"


def files(uow: Uow) -> Choices:
    """The evidence of the case at hand."""
    assert request.view_args is not None
    case_id = request.view_args["case_id"]
    found = read(uow, case_evidence.list_all, case_id=case_id, limit=200)["items"]
    return [(each["id"], each["filename"]) for each in found]


def nobody(typed: dict[str, Any]) -> dict[str, Any]:
    """A blank takes the case from everybody."""
    return {"owner_id": None} | typed


def says(facts: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Adds what the button means."""

    def prepare(typed: dict[str, Any]) -> dict[str, Any]:
        return typed | facts

    return prepare


def can_end(ending: str, shown: Shown) -> bool:
    """Whether a case of its kind can end so, and nobody has proposed yet how."""
    return shown["proposal"] is None and ending in shown["endings"]


NOTE = asks(
    "note",
    "What was found, and where?",
    "The line of a statement, say.",
    is_long=True,
    is_needed=True,
)
FILE = asks(
    "evidence_id",
    "The file that shows it",
    "Upload it to the case first. Whoever uploads it does not confirm by it.",
    choices=files,
    is_needed=True,
)


def ending(name: str, label: str, says_what: str, *fields: Field) -> Act:
    """The proposal of one ending, with what it asks for."""
    return Act(
        operation=case_resolutions.resolve,
        verb=f"end-{name.replace('_', '-')}",
        label=label,
        done="Proposed. Another person confirms it.",
        fields=(*fields, NOTE),
        prepare=says({"action": "propose", "ending": name}),
        says=f"{says_what} Nothing follows until a second person has confirmed it.",
        when=partial(can_end, name),
    )


RECEIPT = asks("provider_reference", "Receipt of the rail", is_needed=True)
ACTS = (
    Act(
        operation=case_resolutions.resolve,
        verb="confirm",
        label="Confirm what is proposed",
        done="Confirmed: the case has ended, and what follows is done.",
        sends={"version": "version"},
        prepare=says({"action": "confirm"}),
        tone="primary",
        when=lambda shown: shown["proposal"] is not None,
        says="Payment and books follow at once. Look at the evidence first.",
    ),
    Act(
        operation=case_resolutions.resolve,
        verb="decline",
        label="Decline, or take back",
        done="Declined: the case is open again.",
        fields=(asks("note", "Why not?", is_long=True, is_needed=True),),
        sends={"version": "version"},
        prepare=says({"action": "decline"}),
        when=lambda shown: shown["proposal"] is not None,
        offered=False,
    ),
    ending(
        "paid",
        "It was paid",
        "The money reached the payee: the payment is settled for its own amount.",
        RECEIPT,
        asks("occurred_at", "When was it paid?", is_needed=True),
        FILE,
    ),
    ending(
        "not_paid",
        "It was not paid",
        "The money never left: the payment fails, and the rail is asked about it for 30 days more.",
        FILE,
    ),
    ending(
        "returned",
        "It came back",
        "It was booked as paid, and the money came back: the payment is reversed.",
        asks("provider_reference", "Reference of the return", is_needed=True),
        FILE,
    ),
    ending(
        "lost", "The rest is lost", "The rest of the delivery will not come: it is written off."
    ),
    ending("noted", "Nothing follows", "It was looked into and understood; no money moves."),
    Act(
        operation=case_evidence.upload,
        verb="evidence",
        label="Upload evidence",
        done="Uploaded.",
        fields=(asks("file", "File", "PDF, picture, XLSX or CSV; at most 10 MiB."),),
        when=lambda shown: shown["resolved_at"] is None,
    ),
    Act(
        operation=cases.assign,
        verb="assign",
        label="Give it to somebody",
        done="Noted who looks after it.",
        fields=(
            asks("owner_id", "Who looks after it?", "Leave it blank for nobody.", choices=people),
        ),
        prepare=nobody,
    ),
)


def evidence(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """Its files, and where the thing stands that it is about."""
    proofs = []
    if reaches(case_evidence.list_all):
        proofs = read(uow, case_evidence.list_all, case_id=id_of(shown), limit=200)["items"]
    return {"proofs": proofs, "about": place(shown["object_type"], shown["object_id"])}


blp.list(
    "/cases/",
    cases.list_all,
    title="Cases",
    columns=(
        word("kind", "Case", to=PATH),
        text("summary"),
        badge("severity"),
        badge("status"),
        age("created_at", "Open for"),
        when("due_at", "Due"),
        person("owner_id", "Looked after by"),
    ),
    filters=(
        asks("q", "Words of the summary"),
        asks("kind"),
        asks("status"),
        asks("severity"),
        asks("owner_id", "Looked after by", choices=people, is_single=True),
        asks("object_id", "Id of what it is about"),
        asks("is_unowned", "Looked after by nobody"),
        asks("is_open", "Not ended"),
        asks("is_overdue", "Overdue"),
        asks("from", "Opened from"),
        asks("to", "Opened until"),
        asks("order"),
    ),
    views={
        "Open": {"is_open": "1"},
        "Mine": {"is_open": "1", "owner_id": ME},
        "Unowned": {"is_open": "1", "is_unowned": "1"},
        "Overdue": {"is_overdue": "1"},
    },
    empty="No case is open: there is nothing that the system could not decide alone.",
)
blp.detail(
    "/cases/<uuid:case_id>/",
    cases.get,
    title=lambda shown: in_words(shown["kind"]),
    facts=(
        badge("severity"),
        when("created_at", "Opened"),
        when("due_at", "Due"),
        person("owner_id", "Looked after by"),
        person("proposed_by_id", "Ending proposed by"),
        person("resolved_by_id", "Ended by"),
        when("resolved_at", "Ended"),
    ),
    acts=ACTS,
    offers=OFFERS["case"],
    more=evidence,
    template="operations/case.html",
)
blp.file("/cases/<uuid:case_id>/evidence/<uuid:attachment_id>/", case_evidence.get)
