"""Pauses, outbox, callbacks and jobs: the machinery that runs the payments."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Response, make_response, render_template

from pettycash.console.acts import Act
from pettycash.console.choices import accounts, stores
from pettycash.console.columns import age, badge, link, members, person, text, when, word
from pettycash.console.forms import Choices, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import Shown, read, unit
from pettycash.console.words import word as in_words
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.operations import jobs, outbox, pauses
from pettycash.web.operations.payments import callbacks

blp = Pages("operations", __name__, section="Operations")


def lacks(name: str, shown: Shown) -> bool:
    """Whether that has not happened yet."""
    return shown[name] is None


# -- pauses

PAUSE_PATH = "/console/pause/{id}/"


def objects(uow: Uow) -> Choices:
    """Accounts and stores: they may be paused besides the company."""
    return [*accounts(uow), *stores(uow)]


PAUSE = Act(
    operation=pauses.pause,
    verb="new",
    label="Pause",
    done="Paused: nothing new is released or sent here.",
    fields=(
        asks("scope", "What?"),
        asks("object_id", "Which account or store?", "Blank for the company.", choices=objects),
        asks("reason", "Reason", is_long=True),
    ),
    tone="danger",
    says="One person pauses, two end it. Queries and callbacks go on.",
    to=PAUSE_PATH,
)

blp.list(
    "/pause/",
    pauses.list_all,
    title="Pauses",
    columns=(
        word("scope", "Paused", to=PAUSE_PATH),
        text("reason"),
        when("created_at", "Since"),
        person("paused_by_id", "Paused by"),
        person("resume_requested_by_id", "End asked by"),
        when("resumed_at", "Ended"),
    ),
    filters=(
        asks("q", "Words of the reason"),
        asks("scope"),
        asks("is_open", "Still paused"),
        asks("from", "From"),
        asks("to", "Until"),
    ),
    views={"Now": {"is_open": "1"}},
    empty="Nothing is paused: releases and sends go on.",
    new="/console/pause/new/",
    new_operation=pauses.pause,
)
blp.form("/pause/new/", PAUSE, title="Pause releases and sends")
blp.detail(
    "/pause/<uuid:pause_id>/",
    pauses.get,
    title=lambda shown: f"Pause of the {in_words(shown['scope']).lower()}",
    facts=(
        text("reason"),
        when("created_at", "Since"),
        person("paused_by_id", "Paused by"),
        person("resume_requested_by_id", "End asked by"),
        person("resumed_by_id", "Ended by"),
        when("resumed_at", "Ended"),
    ),
    acts=(
        Act(
            operation=pauses.resume,
            verb="resume",
            label="Resume",
            done="Noted. It resumes once two people have said so.",
            sends={"scope": "scope", "object_id": "object_id"},
            argument="",
            when=partial(lacks, "resumed_at"),
            says="The first person asks to resume; when a second one does, it resumes.",
        ),
    ),
    made_by=PAUSE,
    template="operations/pause.html",
    more=lambda uow, shown: {"called": dict(objects(uow)).get(shown["object_id"])},
)

# -- outbox

OUTBOX_PATH = "/console/outbox/{id}/"

blp.list(
    "/outbox/",
    outbox.list_all,
    title="Outbox",
    columns=(
        word("topic", "What must happen", to=OUTBOX_PATH),
        badge("state"),
        when("due_at", "Due"),
        text("attempts"),
        text("failures"),
        text("last_error", "Last error"),
    ),
    filters=(
        asks("q", "Topic or request id"),
        asks("state"),
        asks("key", "Id of what it is about"),
        asks("from", "From"),
        asks("to", "Until"),
        asks("order"),
    ),
    views={
        "Due": {"state": "due", "order": "oldest"},
        "Dead letters": {"state": "dead_lettered"},
        "Waiting": {"state": "waiting"},
    },
    empty="Nothing is here: all that must happen has happened.",
)
blp.detail(
    "/outbox/<uuid:message_id>/",
    outbox.get,
    title=lambda shown: in_words(shown["topic"]),
    facts=(
        badge("state"),
        when("created_at", "Since"),
        when("due_at", "Due"),
        text("attempts", "Published since it was put off"),
        text("failures", "Failures in a row"),
        text("last_error", "Last error"),
        when("completed_at", "Completed"),
        when("dead_lettered_at", "Given up"),
        text("key", "About"),
    ),
    acts=(
        Act(
            operation=outbox.retry,
            verb="retry",
            label="Retry now",
            done="It is due now.",
            tone="primary",
            when=partial(lacks, "completed_at"),
        ),
        Act(
            operation=outbox.dead_letter,
            verb="dead-letter",
            label="Give it up",
            done="Given up until somebody retries it.",
            tone="danger",
            when=lambda shown: lacks("completed_at", shown) and lacks("dead_lettered_at", shown),
            says="The relay leaves it alone until a person retries it.",
        ),
    ),
)

# -- callbacks

CALLBACK_PATH = "/console/callbacks/{id}/"

blp.list(
    "/callbacks/",
    callbacks.list_all,
    title="Callbacks",
    columns=(
        when("created_at", "Received", to=CALLBACK_PATH),
        word("purpose"),
        badge("verdict"),
        link("payment_id", "/console/payments/{payment_id}/", "Payment", says="Open"),
        text("deliveries"),
        when("processed_at", "Processed"),
    ),
    filters=(
        asks("q", "Reference or address"),
        asks("purpose"),
        asks("verdict", "Verdict", "settled, rejected, accepted, asked, ignored or case"),
        asks("is_processed", "Processed only"),
        asks("from", "From"),
        asks("to", "Until"),
        asks("order"),
    ),
    views={"Unmatched": {"verdict": "case"}, "Ignored": {"verdict": "ignored"}},
    empty="No rail has reported anything in these days.",
)
blp.detail(
    "/callbacks/<uuid:callback_id>/",
    callbacks.get,
    title=lambda shown: f"Callback: {in_words(shown['purpose']).lower()}",
    facts=(
        badge("verdict"),
        when("created_at", "Received"),
        when("processed_at", "Processed"),
        text("deliveries"),
        text("remote_address", "From"),
        link("payment_id", "/console/payments/{payment_id}/", "Payment", says="Open"),
        members("body", "What the rail said"),
    ),
    acts=(
        Act(
            operation=callbacks.replay,
            verb="replay",
            label="Process it again",
            done="It is processed again; what it proved before, it proves once.",
        ),
    ),
)

# -- jobs

blp.enter("/jobs/", jobs.get, title="Jobs")


@blp.page("/jobs/", jobs.get)
def show_jobs() -> Response:
    """When each background part was last heard of, and how each periodic job ended."""
    with unit() as uow:
        shown: Mapping[str, Any] = read(uow, jobs.get)
        parts = [
            {
                **each,
                "name": each["name"].replace("queue:", "workers of "),
                "heard": _heard(each["age_seconds"]),
            }
            for each in shown["parts"]
        ]
        page = render_template(
            "operations/jobs.html",
            title="Jobs",
            section=blp.section,
            parts=parts,
            jobs=shown["jobs"],
            part_columns=(
                word("name", "Part"),
                word("is_alive", "Alive"),
                text("heard", "Heard of"),
            ),
            job_columns=(
                word("name", "Job"),
                age("begun_at", "Begun ago"),
                text("failures", "Not ended in a row"),
                text("last_error", "Last error"),
            ),
        )
    return make_response(page)


def _heard(seconds: Any) -> str:
    return "never" if seconds is None else f"{max(0, round(seconds))} s ago"
