"""Changes that no one makes alone: what stands now beside what would, and a second person."""

from collections.abc import Mapping
from typing import Any

from pettycash.console.acts import Act
from pettycash.console.choices import people
from pettycash.console.columns import badge, person, text, when, word
from pettycash.console.forms import asks
from pettycash.console.pages import ME, Pages
from pettycash.console.reading import Shown
from pettycash.console.words import word as in_words
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.operations import changes
from pettycash.web.operations.reports.offers import OFFERS

blp = Pages("changes", __name__, section="Administration")

PATH = "/console/changes/{id}/"

DIGEST = {"decision_digest": "decision_digest"}

ACTS = (
    Act(
        operation=changes.confirm,
        verb="confirm",
        label="Confirm",
        done="Confirmed: it holds now.",
        fields=(asks("comment", "Comment", is_long=True),),
        sends=DIGEST,
        tone="primary",
        says="It holds as soon as you confirm it.",
    ),
    Act(
        operation=changes.reject,
        verb="reject",
        label="Reject",
        done="Rejected: nothing changes.",
        fields=(asks("comment", "Reason", is_long=True),),
        sends=DIGEST,
        tone="danger",
    ),
    Act(
        operation=changes.withdraw,
        verb="withdraw",
        label="Take it back",
        done="Taken back: nothing changes.",
    ),
)


def compared(_uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """The values now beside the proposed ones; a redirect holds both itself."""
    payload = shown["payload"]
    both = {"old", "new"} <= set(payload)
    old = payload["old"] if both else shown["old"]
    new = payload["new"] if both else payload
    rest = {name: value for name, value in payload.items() if both and name not in ("old", "new")}
    return {"old": old, "new": new, "rest": rest, "names": shown["names"]}


blp.list(
    "/changes/",
    changes.list_all,
    title="Changes by two people",
    columns=(
        word("kind", "Change", to=PATH),
        badge("status"),
        text("reason"),
        person("proposed_by_id", "Proposed by"),
        when("created_at", "Proposed"),
        person("decided_by_id", "Decided by"),
        when("decided_at", "Decided"),
    ),
    filters=(
        asks("q", "Words of kind and reason"),
        asks("status"),
        asks("proposed_by_id", "Proposed by", choices=people, is_single=True),
        asks("decided_by_id", "Decided by", choices=people, is_single=True),
        asks("from", "Proposed from"),
        asks("to", "Proposed until"),
        asks("order"),
    ),
    views={"Waiting": {"status": "proposed"}, "Mine": {"proposed_by_id": ME}},
    empty="Nobody has proposed a change that you may read.",
)
blp.detail(
    "/changes/<uuid:change_id>/",
    changes.get,
    title=lambda shown: in_words(shown["kind"]),
    facts=(
        text("reason"),
        person("proposed_by_id", "Proposed by"),
        when("created_at", "Proposed"),
        person("decider_id", "Asked"),
        person("decided_by_id", "Decided by"),
        when("decided_at", "Decided"),
        text("comment"),
    ),
    acts=ACTS,
    offers=OFFERS["change"],
    more=compared,
    template="operations/change.html",
)
