"""The requests of the insider: every operation of the document, with bodies that are mostly right.

A body is made from its schema, each field by its name from what lives in the company now; often one
field is a lie. What one operation reached is followed up with another one on the same thing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pyotp

from pettycash.models.access import Role
from pettycash.models.base import Base
from pettycash.services.foundation import permissions
from tests.factories.pictures import picture
from tests.factories.sheets import row, sheet
from tests.insider import company
from tests.insider.bodies import Bodies
from tests.insider.company import Person
from tests.insider.game import Answer, Game

UUID_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SEES_NOTHING = frozenset(
    {
        *("health.live", "health.ready", "health.metrics", "docs.ui"),
        *("notices.list", "notices.read", "notice_wishes.get", "notice_wishes.update"),
    }
)
"""Operations by which nobody comes nearer to money: probes, pages, and how one is told."""
YES = {"requisitions.approve", "requisitions.confirm_urgency"}
LIES = 0.15
FOLLOWS = 0.5
OUT_OF_TURN = 0.1
TRIES = 8

ENDED = frozenset(
    {"paid", "reviewed", "closed_short", "cancelled", "rejected", "success", "reversed", "resolved",
     "effective", "withdrawn", "received", "done"}
)  # fmt: skip
"""States in which a thing takes no further step; such things are tried too, but less."""


ABOUT_MONEY = frozenset(
    {"requisitions", "payments", "cases", "changes", "replenishments", "api-keys", "users",
     "role-assignments"}
)  # fmt: skip
PAYABLE = frozenset({"pending", "failed"})
DECIDED = frozenset({"pending_treasury_validation"})
FITS: Mapping[str, frozenset[str]] = {
    "submit": frozenset({"draft", "changes_requested"}),
    **dict.fromkeys(("validate", "return", "hold"), DECIDED),
    **dict.fromkeys(("send_otp", "verify_otp", "execute"), PAYABLE | {"approved"}),
    **dict.fromkeys(("assign_executor", "redirect"), PAYABLE | DECIDED),
    "acknowledge": frozenset({"executing"}),
    "requery": frozenset({"executing", "in_doubt", "success"}),
    "record_variance": frozenset({"success"}),
    "reconcile": frozenset({"success"}),
    "review": frozenset({"paid", "closed_short"}),
    "resolve": frozenset({"open", "proposed"}),
    **dict.fromkeys(("confirm", "withdraw"), frozenset({"proposed"})),
    "fund": frozenset({"approved"}),
    "receive": frozenset({"funded"}),
}
"""The last word of a path, and states of its thing in which that may be taken. Where somebody
knows nothing of a word, every state is tried alike."""
WAIT_FOR = frozenset({"approve", "reject", "request_changes", "confirm_urgency"})
"""Verbs of the people for whom a requisition waits."""
REQUESTERS = frozenset({"submit", "recall", "cancel"})
OWN = ("requester_id", "maker_id", "executor_id", "decider_id", "proposed_by", "user_id")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One route, as the document describes it."""

    name: str
    method: str
    path: str
    schema: Mapping[str, Any] | None
    is_upload: bool
    query: tuple[str, ...]

    @property
    def writes(self) -> bool:
        return self.method != "get"

    @property
    def verb(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]


OWN_ONES = "SELECT FROM requisitions WHERE id = :id AND requester_id = :who"
OPEN_STEPS = """
SELECT s.subject_id::text AS id FROM approval_steps s
    JOIN step_assignees a ON a.step_id = s.id WHERE s.status = 'open' AND a.user_id = :who
"""


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Everything that can be asked over HTTP."""
    return sorted(_operations(document), key=lambda each: each.name)


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method not in item or item[method]["operationId"] in SEES_NOTHING:
                continue
            contents = item[method].get("requestBody", {}).get("content", {})
            named = contents.get("application/json", {}).get("schema")
            parameters = (*item.get("parameters", ()), *item[method].get("parameters", ()))
            yield Operation(
                name=item[method]["operationId"],
                method=method,
                path=path,
                schema=None if named is None else resolved(named, schemas),
                is_upload="multipart/form-data" in contents,
                query=tuple(
                    each["name"]
                    for each in parameters
                    if each.get("in") == "query" and each.get("required")
                ),
            )


def resolved(schema: Any, schemas: Mapping[str, Any]) -> Any:
    """A schema without references."""
    if isinstance(schema, list):
        return [resolved(each, schemas) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    return {key: resolved(value, schemas) for key, value in schema.items()}


def table_of(segment: str) -> str | None:
    """The table whose rows a part of a path, or the name of a field, leads to."""
    word = segment.replace("-", "_")
    tables = [*Base.metadata.tables]
    ways = {"runs": "reconciliation_runs", "journal": "journal_entries", "evidence": "attachments",
            "ledger": "postings", "executors": "users", "owners": "users", "witnesses": "users",
            "payees": "users", "custodians": "users"}  # fmt: skip
    word = ways.get(word, word)
    if word in tables:
        return word
    return next((each for each in sorted(tables) if each.endswith(f"_{word}")), None)


class Insider:
    """One hostile person, or two."""

    def __init__(self, game: Game, known: list[Operation]) -> None:
        self.game = game
        self.known = known
        self.focus: tuple[str, str] | None = None
        """The path of the thing that something was done to last, and who did it."""
        self.totp_spent: dict[str, int] = {}

    def act(self, dice: Random) -> None:
        """Send one request, as one of them, after having read what it is about."""
        who = dice.choice(self.game.hostile)
        person = self.game.organisation.people[who]
        with self.game.reading():
            operation, path = self._choice(dice, person)
        read = self._read(who, operation, path)
        if operation.name.startswith("people_import."):
            options: dict[str, Any] = self._sheet(dice, who, operation)
        elif operation.is_upload:
            options = self._file(dice)
        elif operation.schema is not None:
            with self.game.reading():
                options = {"json": self._body(dice, person, operation, read)}
        else:
            options = {}
        if operation.query:
            options["query_string"] = {
                each: self.some_id(dice, each.removesuffix("_id") + "s") for each in operation.query
            }
        if operation.method == "patch" and read is not None and read.etag is not None:
            options["etag"] = read.etag
        self._send(who, operation, path, options)

    def _send(self, who: str, operation: Operation, path: str, options: dict[str, Any]) -> None:
        ids = UUID_TEXT.findall(path)
        sees = None
        if operation.name in YES:
            sees = self.game.sight(who, self.game.ask(who, "get", f"/api/requisitions/{ids[0]}/"))
        payload: dict[str, Any] = {}
        if operation.name == "changes.confirm" and ids:
            shown = self.game.ask(who, "get", f"/api/changes/{ids[0]}/")
            if shown.ok and shown["kind"] == "redirect":
                payload = shown["payload"]
                sees = self.game.sight(who, shown)
        if operation.method == "post":
            options["key"] = True
        answer = self.game.ask(who, operation.method, path, **options)
        tally = self.game.tally
        tally.tried[operation.name] += 1
        if answer.ok:
            tally.accepted[operation.name] += 1
        elif isinstance(answer.body, dict):
            tally.refused[answer.body.get("code", "?")] += 1
        if answer.ok and operation.writes:
            self.focus = (path, who)
            if sees is not None:
                about = payload.get("requisition_id", ids[0])
                self.game.said_yes(about, sees, redirects=bool(payload))
            made = answer.body.get("id") if isinstance(answer.body, dict) else None
            if made is not None and made not in path:
                self.focus = (f"{path}{made}/", who)
            self.game.work(Random(self.game.step))

    # What to do, and to which thing

    def _choice(self, dice: Random, person: Person) -> tuple[Operation, str]:
        """Mostly something that may be done to this thing now; sometimes anything."""
        for _ in range(TRIES):
            chosen = self._drawn(dice, person)
            if self._fits(person, *chosen) or dice.random() < OUT_OF_TURN:
                break
        return chosen

    def _drawn(self, dice: Random, person: Person) -> tuple[Operation, str]:
        if self.focus is not None and dice.random() < FOLLOWS:
            follows = [(each, path) for each in self.known if (path := self._on_focus(dice, each))]
            if follows:
                weights = [self._weight(each, person) for each, _ in follows]
                return dice.choices(follows, weights)[0]
        (chosen,) = dice.choices(self.known, [self._weight(each, person) for each in self.known])
        return chosen, self._path(dice, chosen, person=person)

    def _fits(self, person: Person, operation: Operation, path: str) -> bool:
        ids = UUID_TEXT.findall(path)
        table = table_of(operation.path.split("/")[2]) if ids else None
        if table is None or not operation.writes:
            return True
        if table == "requisitions" and operation.verb in WAIT_FOR:
            return ids[0] in self._waits_for(person)
        if table == "requisitions" and (
            operation.method == "patch" or operation.verb in REQUESTERS
        ):
            return bool(self.game.rows(OWN_ONES, id=ids[0], who=person.user_id))
        states = FITS.get(operation.verb)
        if states is None or "status" not in Base.metadata.tables[table].columns:
            return True
        found = self.game.rows(f"SELECT status FROM {table} WHERE id = :id", id=ids[0])
        return bool(found) and found[0].status in states

    def _waits_for(self, person: Person) -> set[str]:
        """Requisitions whose open step is theirs."""
        return {each.id for each in self.game.rows(OPEN_STEPS, who=person.user_id)}

    def _weight(self, operation: Operation, person: Person) -> float:
        roles = permissions.PERMISSIONS.get(operation.name)
        is_named = not person.roles and operation.name in permissions.ESCALATED
        may = roles is None or person.has(*roles) or is_named
        if not operation.writes:
            return 0.4 if may else 0.05
        if not may:
            return 0.15
        return 3.0 if operation.path.split("/")[2] in ABOUT_MONEY else 0.7

    def _on_focus(self, dice: Random, operation: Operation) -> str | None:
        """The path of an operation on the very thing that was reached last."""
        assert self.focus is not None
        path = self.focus[0]
        shape = re.escape(operation.path).replace(r"\{", "{").replace(r"\}", "}")
        place = re.search(r"{\w+}", shape)
        if place is None or not operation.writes:
            return None
        first = shape[: place.end()].replace(place[0], f"({UUID_TEXT.pattern})")
        found = re.match(first, path)
        if found is None:
            return None
        return self._path(dice, operation, first=found[1])

    def _path(
        self,
        dice: Random,
        operation: Operation,
        *,
        first: str | None = None,
        person: Person | None = None,
    ) -> str:
        def one(place: re.Match[str]) -> str:
            nonlocal first
            if first is not None:
                given, first = first, None
                return given
            if place[1] == "month":
                return str(dice.choice(("2026-01", "2026-10", "2026-11", "2027-01")))
            segment = operation.path[: place.start()].rstrip("/").split("/")[-1]
            waits = self._waits_for(person) if person and operation.verb in WAIT_FOR else set()
            if segment == "requisitions" and waits:
                return dice.choice(sorted(waits))
            return self.some_id(dice, segment, person=person, states=FITS.get(operation.verb))

        return re.sub(r"{(\w+)}", one, operation.path)

    def some_id(
        self,
        dice: Random,
        segment: str,
        *,
        person: Person | None = None,
        states: frozenset[str] | None = None,
    ) -> str:
        """One of the things there are: rather one's own, and rather one that takes a step yet."""
        table = table_of(segment)
        if table is None or dice.random() < 0.03:
            return str(UUID(int=dice.getrandbits(128), version=4))
        columns = Base.metadata.tables[table].columns
        key = "user_id" if table == "memberships" else "id"
        own = [f"{name} = :me" for name in OWN if name in columns]
        wanted = f"{key} AS id, {'status' if 'status' in columns else 'NULL'} AS status"
        rows = self.game.rows(
            f"SELECT {wanted}, coalesce({' OR '.join(own) or 'false'}, false) AS is_own"
            f" FROM {table} ORDER BY {key} DESC LIMIT 30",
            me=None if person is None else person.user_id,
        )
        if not rows:
            return str(uuid4())
        weights = [
            (4.0 if states and each.status in states else 1.0)
            * (0.3 if each.status in ENDED and not states else 1.0)
            * (2.0 if each.is_own else 1.0)
            for each in rows
        ]
        return str(dice.choices(rows, weights)[0].id)

    # What to send

    def _read(self, who: str, operation: Operation, path: str) -> Answer | None:
        ids = list(UUID_TEXT.finditer(path))
        if not operation.writes or not (ids or operation.method == "patch"):
            return None
        about = path[: ids[0].end()] + "/" if ids else path
        if operation.method == "patch":
            about = path
        return self.game.ask(who, "get", about)

    def _body(self, dice: Random, person: Person, operation: Operation, read: Answer | None) -> Any:
        shown = read.body if read is not None and read.ok and isinstance(read.body, dict) else {}
        bodies = Bodies(
            dice=dice,
            person=person,
            people=[*self.game.organisation.people.values()],
            limit=self.game.organisation.limit,
            shown=shown,
            some_id=lambda segment: self.some_id(dice, segment),
            code=lambda: self._code(dice, person),
            link=lambda: self._link(person),
            now=self._now(),
        )
        body = bodies.of(operation.name, operation.schema or {})
        if dice.random() < LIES and isinstance(body, dict) and body:
            body = bodies.with_a_lie(body)
        return body

    def _file(self, dice: Random) -> dict[str, Any]:
        content = dice.choice(
            (picture(seed=dice.getrandbits(32)), b"\x89PNG\r\n\x1a\n" + bytes(16), b"%PDF-1.7 x")
        )
        name = dice.choice(("page.png", "a\u202egnp.exe", "Ng'ang'a.pdf"))
        return {"file": (content, name)}

    def _sheet(self, dice: Random, who: str, operation: Operation) -> dict[str, Any]:
        """A role, a name or an address for somebody, of the house or new, and what was checked."""
        if not operation.is_upload:
            return {}
        name = dice.choice([*self.game.organisation.people, f"new.{dice.randint(1, 3)}"])
        cells = {"roles": dice.choice(list(Role)).value, "email": f"{name}@demo.example"}
        chosen = dict(each for each in cells.items() if dice.random() < 0.7)
        content = sheet(row("person", name, dice.choice((name, "Somebody else")), **chosen))
        file = (content, "people.csv")
        if operation.verb == "check":
            return {"file": file}
        other = (sheet(row("region", "NEW")), "people.csv") if dice.random() < 0.2 else file
        checked = self.game.ask(who, "post", operation.path.replace("propose", "check"), file=other)
        digest = (checked["digest"] if checked.ok else None) or "0" * 64
        return {"file": file, "form": {"digest": digest, "reason": "As it should be."}}

    def _now(self) -> datetime:
        (found,) = self.game.rows("SELECT kept.now() AS now")
        now: datetime = found.now
        return now

    def _code(self, dice: Random, person: Person) -> str:
        """From their own mailbox, their app, or guessed."""
        sent = self.game.code_at(person.email, person.phone)
        if sent is not None and dice.random() < 0.8:
            return sent
        if dice.random() < 0.7:
            return pyotp.TOTP(company.TOTP_SECRET).at(self._now() - timedelta(seconds=30))
        return f"{dice.randrange(10**6):06d}"

    def _link(self, person: Person) -> str:
        """A token from one of the mailboxes that are theirs."""
        for message in reversed(self.game.mail.get(person.email, [])):
            found = re.search(r"pc_link_\S+", message)
            if found:
                return found[0]
        return "pc_link_" + "x" * 43
