"""Settings, API keys, provider accounts, and the log of what concerns security."""

from collections.abc import Mapping
from typing import Any

from pettycash.console import choices
from pettycash.console.acts import Act
from pettycash.console.columns import (
    badge,
    flag,
    folded,
    link,
    members,
    money,
    person,
    text,
    when,
    word,
    words,
)
from pettycash.console.forms import Field, asks
from pettycash.console.pages import ME, Pages
from pettycash.console.reading import Shown, id_of, reaches, read
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.access import api_keys
from pettycash.web.operations.operations import changes, company_settings, pauses, security_events
from pettycash.web.operations.payments import provider_accounts

blp = Pages("administration", __name__, section="Administration")

CHANGE = "/console/changes/{id}/"

# -- settings

WORDS = {
    "timezone": "Time zone",
    "case_due_hours": "Hours until a severe case is overdue",
    "advances": "Requisitions of kind advance are taken",
    "upload_mib_per_day": "MiB that one person may upload a day",
    "working_days": "Working days (Monday is 1)",
    "holidays": "Holidays",
    "otp_floor": "Releases from this amount up take a code",
    "materiality": "Variances of a month that do without the CFO",
    "cfo_limit": "Above it the CFO or CEO is one of those who decide",
    "code_by_email": "Codes go by e-mail",
    "code_by_sms": "Codes go by SMS",
    "small_team": "Small team: an unchanged validation leaves the requester the maker",
}


def valued(typed: dict[str, Any]) -> dict[str, Any]:
    """Numbers and truths as the settings have them; a text that is none is refused there."""
    return {name: _value(name, value) for name, value in typed.items()}


def _value(name: str, value: Any) -> Any:
    if name in ("advances", "small_team", "code_by_email", "code_by_sms"):
        return {"1": True, "0": False}.get(value, value)
    if name in ("case_due_hours", "upload_mib_per_day"):
        return int(value) if str(value).isdecimal() else value
    return value


def proposed(typed: dict[str, Any]) -> dict[str, Any]:
    """The proposal of two people, each setting as the API takes it."""
    payload = {name: _parsed(name, value) for name, value in typed.get("payload", {}).items()}
    return typed | {"kind": "settings", "payload": payload}


def _parsed(name: str, value: str) -> Any:
    lines = [each.strip() for each in value.splitlines() if each.strip()]
    if name in ("otp_floor", "materiality", "cfo_limit"):
        parts = [each.split() for each in lines]
        return {each[0].upper(): each[-1].replace(",", "") for each in parts}
    if name == "working_days":
        days = value.replace(",", " ").split()
        return [int(each) if each.isdecimal() else each for each in days]
    return lines if name == "holidays" else _value(name, value)


def _two_people() -> tuple[Field, ...]:
    by_currency = "All of them, one a line: KES 1000.00. A currency left out has none."
    hints = {
        "working_days": "Such as 1, 2, 3, 4, 5.",
        "holidays": "All of them, one a line: 2026-12-12.",
        **dict.fromkeys(("otp_floor", "materiality", "cfo_limit"), by_currency),
    }
    return tuple(
        asks(
            name,
            WORDS[name],
            hints.get(name, ""),
            choices=None if name in hints else choices.yes_or_no,
            is_long=name in hints and name != "working_days",
        )
        for name in (
            *("small_team", "code_by_email", "code_by_sms", "otp_floor", "materiality"),
            *("cfo_limit", "working_days", "holidays"),
        )
    )


def current(_uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """Each setting with its value and its default."""
    rows = [
        {"label": label, "value": shown[name], "default": shown["defaults"].get(name)}
        for name, label in WORDS.items()
    ]
    return {"rows": rows}


blp.enter("/admin/settings/", company_settings.get, title="Settings")
blp.detail(
    "/admin/settings/",
    company_settings.get,
    title=lambda _shown: "Settings",
    facts=(text("version"), text("currency")),
    acts=(
        Act(
            operation=company_settings.update,
            verb="edit",
            label="Change what one person may",
            done="Changed: a new version holds.",
            fields=(
                asks("timezone", WORDS["timezone"], "Such as Africa/Nairobi."),
                asks("case_due_hours", WORDS["case_due_hours"]),
                asks("advances", WORDS["advances"], choices=choices.yes_or_no),
                asks("upload_mib_per_day", WORDS["upload_mib_per_day"]),
            ),
            sends={"expected": "_version"},
            prepare=valued,
        ),
        Act(
            operation=changes.propose,
            verb="propose",
            label="Propose what two people change",
            done="Proposed.",
            fields=(
                asks("payload", "Settings", "What is left blank stays.", fields=_two_people()),
                asks("reason", "Reason", is_long=True),
            ),
            argument="",
            prepare=proposed,
            says="A second administrator, or the CFO, makes it hold.",
            to=CHANGE,
        ),
    ),
    more=current,
    template="admin/settings.html",
)

# -- API keys

KEY = "/console/admin/keys/{id}/"

MAKE = Act(
    operation=api_keys.create,
    verb="new",
    label="Make the key",
    done="",
    fields=(
        asks("name", "Name", "The program that will use it.", autofocus=True),
        asks("scopes", "What it may do"),
        asks("expires_at", "Until", "Within 365 days."),
        asks("branch_id", "Of one branch only", choices=choices.branches),
        asks("department_id", "Of one department only", choices=choices.departments),
        asks("reason", "Reason", is_long=True),
    ),
    says="It is shown once, and opens nothing until a second person has confirmed it.",
    shows="admin/key.html",
)

blp.list(
    "/admin/keys/",
    api_keys.list_all,
    title="API keys",
    columns=(
        link("name", KEY),
        text("prefix", "Begins with"),
        words("scopes", "May"),
        when("expires_at", "Until"),
        when("confirmed_at", "Confirmed"),
        when("last_used_at", "Last used"),
        when("revoked_at", "Revoked"),
    ),
    filters=(
        asks("q", "Words of the name"),
        asks("is_revoked", "Revoked only"),
        asks("created_by", "Made by", choices=choices.people, is_single=True),
    ),
    views={"Revoked": {"is_revoked": "1"}, "Mine": {"created_by": ME}},
    empty="No program has a key yet.",
    new="/console/admin/keys/new/",
    new_operation=api_keys.create,
)
blp.form("/admin/keys/new/", MAKE, title="New API key")
blp.detail(
    "/admin/keys/<uuid:api_key_id>/",
    api_keys.get,
    title=lambda shown: str(shown["name"]),
    facts=(
        text("prefix", "Begins with"),
        words("scopes", "May"),
        when("expires_at", "Until"),
        person("created_by", "Made by"),
        when("created_at", "Made"),
        person("confirmed_by", "Confirmed by"),
        when("confirmed_at", "Confirmed"),
        when("last_used_at", "Last used"),
        person("revoked_by", "Revoked by"),
        when("revoked_at", "Revoked"),
    ),
    acts=(
        Act(
            operation=api_keys.revoke,
            verb="revoke",
            label="Revoke",
            done="Revoked: it opens nothing any more.",
            tone="danger",
            when=lambda shown: shown["revoked_at"] is None,
            says="It ends at once; its row stays.",
        ),
    ),
)

# -- provider accounts

PROVIDER = "/console/admin/providers/{id}/"


def secrets(hint: str, *, is_needed: bool) -> Field:
    """Credentials: they only go in."""
    return asks(
        "credentials",
        "Credentials",
        hint,
        fields=(
            asks("consumer_key", "Consumer key", is_secret=True, is_needed=is_needed),
            asks("consumer_secret", "Consumer secret", is_secret=True, is_needed=is_needed),
            asks("initiator_name", "Initiator name", is_needed=is_needed),
            asks("initiator_password", "Initiator password", is_secret=True, is_needed=is_needed),
            asks("certificate_pem", "Certificate (PEM)", is_long=True, is_needed=is_needed),
        ),
    )


OPTIONS = asks(
    "options",
    "Where callbacks come from",
    fields=(
        asks(
            "callback_sources",
            "Networks",
            "One a line. Blank: the list that the rail publishes.",
            is_long=True,
        ),
    ),
)
LIMITS = (asks("amount_min", "Smallest amount"), asks("amount_max", "Largest amount"))


def sourced(typed: dict[str, Any]) -> dict[str, Any]:
    """Networks come one a line."""
    options = typed.get("options")
    if options is None:
        return typed
    lines = str(options.get("callback_sources", "")).splitlines()
    return typed | {
        "options": {"callback_sources": [each.strip() for each in lines if each.strip()]}
    }


CREATE = Act(
    operation=provider_accounts.create,
    verb="new",
    label="Open the account",
    done="Opened.",
    fields=(
        asks("code", "Code", autofocus=True),
        asks("name", "Name"),
        asks("method", "Rail"),
        asks("currency", "Currency"),
        asks("environment", "Environment"),
        asks("base_url", "Address of the rail"),
        asks("shortcode", "Merchant id, short code or account"),
        *LIMITS,
        secrets("They only go in: nobody can read them again.", is_needed=True),
        OPTIONS,
    ),
    prepare=sourced,
    to=PROVIDER,
)


def condition(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """Whether it is paused, and the cases about it."""
    stands: list[Shown] = []
    if reaches(pauses.list_all):
        stands = read(uow, pauses.list_all, object_id=id_of(shown), is_open=True)["items"]
    return {"pauses": stands}


blp.list(
    "/admin/providers/",
    provider_accounts.list_all,
    title="Provider accounts",
    columns=(
        link("code", PROVIDER),
        text("name"),
        badge("method", "Rail"),
        badge("condition", "Condition"),
        word("environment"),
        text("shortcode", "Short code"),
        text("currency"),
    ),
    filters=(asks("q", "Words of code and name"), asks("is_active", "Active only")),
    empty="No rail is connected yet: open the first account.",
    new="/console/admin/providers/new/",
    new_operation=provider_accounts.create,
)
blp.form("/admin/providers/new/", CREATE, title="New provider account")
blp.detail(
    "/admin/providers/<uuid:account_id>/",
    provider_accounts.get,
    title=lambda shown: str(shown["name"]),
    facts=(
        badge("condition", "Condition"),
        badge("method", "Rail"),
        word("environment"),
        text("shortcode", "Short code"),
        text("base_url", "Address"),
        money("amount_min", "Smallest amount"),
        money("amount_max", "Largest amount"),
        members("options"),
        when("credentials_set_at", "Credentials set"),
        person("credentials_set_by_id", "Credentials set by"),
        person("created_by_id", "Opened by"),
        flag("is_active", "Switched on"),
    ),
    acts=(
        Act(
            operation=provider_accounts.update,
            verb="edit",
            label="Edit",
            done="Changed.",
            fields=(
                asks("name", "Name"),
                asks("environment", "Environment"),
                asks("base_url", "Address of the rail"),
                *LIMITS,
                asks("is_active", "Switched on", "Off: nothing new is sent by it."),
                secrets("Blank leaves all as they are; else give all of them.", is_needed=False),
            ),
            sends={"expected": "_version"},
        ),
    ),
    made_by=CREATE,
    more=condition,
    template="admin/provider.html",
)

# -- the log

blp.list(
    "/audit/",
    security_events.list_all,
    title="Security log",
    columns=(
        when("created_at", "When"),
        word("event", "What"),
        badge("outcome", "How it ended"),
        text("username", "Who"),
        text("ip_address", "From"),
        folded("detail", "About"),
    ),
    filters=(
        asks("q", "Event, request id, address or username"),
        asks("outcome"),
        asks("user_id", "Who", choices=choices.people, is_single=True),
        asks("ip_address", "Address"),
        asks("request_id", "Request id"),
        asks("from", "From"),
        asks("to", "Until"),
        asks("order"),
    ),
    views={"Refused": {"outcome": "refused"}},
    empty="Nothing was logged in these days.",
)
