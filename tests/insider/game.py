"""One game: who plays, what everybody has seen, how they ask, and what workers and time do."""

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.runtime import db, settings
from pettycash.services import payments, releases
from pettycash.services.access.identity import links
from pettycash.tasks import payments as payment_tasks
from tests.api.client import ApiClient, Caller
from tests.factories import rails as fakes
from tests.factories import working
from tests.insider.company import CODE, Organisation
from tests.model.ground import Ground
from tests.model.rail import Answering, ModelRail, Submitting

MINUTE, HOUR = 60.0, 3_600.0
SESSION_SECONDS = 10 * MINUTE
"""People whom nothing was heard of for longer sign in anew."""

UNTIL_DECIDED = 20 * HOUR
"""So long the rail may keep an order; people may call nothing unpaid before a day is over."""

SENDINGS = (
    *[Submitting.PAYS] * 6,
    *[Submitting.ACCEPTS] * 4,
    *[Submitting.LOST_AFTER] * 2,
    Submitting.LOST_AFTER_PAYING,
    Submitting.LOST_BEFORE,
    Submitting.REFUSES,
)
ANSWERS = (*[Answering.TRUTH] * 4, Answering.LOST, Answering.ASKED)

PAUSED = "platform.paused"


class Wrong(AssertionError):
    """Something happened that never may."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as it came back."""

    status: int
    body: Any
    etag: str | None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Where money would go, and how much of it, as somebody saw it who then said yes."""

    by: UUID
    amount: str
    method: str
    destination: str
    redirects: bool = False
    """Of one payment that goes elsewhere: its amount, and not the whole."""


@dataclass
class Tally:
    """Over all games."""

    games: int = 0
    steps: int = 0
    requests: int = 0
    progress: Counter[str] = field(default_factory=Counter)
    """Things that honest people have brought to their end."""
    tried: Counter[str] = field(default_factory=Counter)
    """Operations of the insider, and below how often each was accepted."""
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """By code."""


class Game:
    """A company, its hostile people, and the others."""

    def __init__(
        self,
        ground: Ground,
        *,
        api: ApiClient,
        tally: Tally,
        organisation: Organisation,
        hostile: tuple[str, ...],
        foreign: frozenset[str],
    ) -> None:
        self.ground, self.api, self.tally = ground, api, tally
        self.organisation, self.hostile, self.foreign = organisation, hostile, foreign
        self.rail = ModelRail(
            same_id_is_safe=True,
            confirms_failure_by_query=True,
            frees_refused=False,
            says_not_known=True,
        )
        self.sights: dict[str, list[Sight]] = {}
        """Of each requisition, since its newest submission."""
        self.rounds: dict[str, int] = {}
        self.mail: dict[str, list[str]] = {}
        """The messages to each address, the newest last."""
        self.acting: set[UUID] = set()
        """Everybody who has asked for something in this step."""
        self.lines: list[str] = []
        self.step = 0
        self._seats: dict[str, Caller] = {}
        self._open: Session | None = None

    def enter(self, scope: ExitStack) -> None:
        """Serve the rail and act within the company until the scope ends."""
        fakes.serve(self.rail)
        company_id = self.organisation.company_id
        scope.enter_context(db.scope(company_id=company_id, source="insider"))

    @property
    def now(self) -> float:
        """Seconds since the game began, but for those that it takes to play."""
        return settings.current().clock_shift_seconds

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Read the company's tables as they are."""
        if self._open is not None:
            return list(self._open.execute(text(query), values).all())
        with db.transaction() as session:
            return list(session.execute(text(query), values).all())

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read several things in one transaction; nobody asks for anything meanwhile."""
        with db.transaction() as session:
            self._open = session
            try:
                yield
            finally:
                self._open = None

    # People ask over HTTP, as if each had a session of their own.

    def ask(self, who: str, method: str, path: str, **options: Any) -> Answer:
        """One request, written down; nothing may answer 5xx or show what is another company's."""
        answer = self._send(who, method, path, options)
        code = answer.body.get("code") if isinstance(answer.body, dict) else None
        if answer.status == 401 or code == "auth.step_up_required":
            self._seats.pop(who, None)  # they give their factors anew
            answer = self._send(who, method, path, options)
        return answer

    def _send(self, who: str, method: str, path: str, options: dict[str, Any]) -> Answer:
        caller = self._seat(who)
        if caller is None:
            return Answer(status=401, body={"code": "nobody"}, etag=None)
        assert caller.user_id is not None
        self.acting.add(caller.user_id)
        self.tally.requests += 1
        sent = options.get("json", "a file" if "file" in options else None)
        raw = caller.request(method, path, **_with_file(options))
        body, said = raw.get_json(silent=True), raw.get_data().decode(errors="replace")
        is_refused = isinstance(body, dict) and raw.status_code >= 400
        code = body.get("code", "") if is_refused else ""
        wrong = body.get("errors") or "" if is_refused else ""
        marker = "*" if who in self.hostile else " "
        self.lines.append(
            f"{self.step:>3} {marker}{who:<16} {method.upper():<6} {path} {sent!r}"
            f" → {raw.status_code} {code} {wrong}"
        )
        if raw.status_code >= 500 and code != PAUSED:
            raise Wrong(f"{method} {path} answered {raw.status_code}: {said[:300]}")
        if who in self.hostile:
            self._check_foreign(said, f"{path} {sent!r}")
        return Answer(status=raw.status_code, body=body, etag=raw.headers.get("ETag"))

    def _check_foreign(self, said: str, sent: str) -> None:
        for each in set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", said)):
            if each in self.foreign and each not in sent:
                raise Wrong(f"a row of another company was read: {each}")

    def _seat(self, who: str) -> Caller | None:
        if who not in self._seats:
            try:
                self._seats[who] = self.api.sign_in(who)
            except AssertionError:  # deactivated
                return None
        return self._seats[who]

    def sight(self, who: str, shown: Answer) -> Sight | None:
        """The facts of a requisition, or of a redirect, as somebody sees them who will say yes."""
        if not shown.ok:
            return None
        facts = shown.body.get("payload", shown.body)
        place = facts.get("new", facts)
        return Sight(
            by=self.organisation.people[who].user_id,
            amount=facts["amount"],
            method=place["method"],
            destination=place["destination"],
        )

    def said_yes(self, requisition_id: str, sight: Sight, *, redirects: bool) -> None:
        """Remember what they agreed to; another round begins anew."""
        (stands,) = self.rows(
            "SELECT method, destination, amount FROM requisitions WHERE id = :id", id=requisition_id
        )
        agreed = (sight.method, sight.destination, Decimal(sight.amount))
        if not redirects and agreed != tuple(stands):
            raise Wrong(f"approved {tuple(stands)}, and the approver saw {agreed}")
        newest = self.rows(
            "SELECT max(number) FROM approval_rounds WHERE subject_id = :id", id=requisition_id
        )[0][0]
        if not redirects and self.rounds.get(requisition_id) != newest:
            self.rounds[requisition_id] = newest
            self.sights[requisition_id] = []
        self.sights.setdefault(requisition_id, []).append(replace(sight, redirects=redirects))

    # Workers, messages, the rail, time.

    def work(self, dice: Random) -> None:
        """Everything that is due and goes out, once; messages reach the mailboxes they name."""
        tasks = {
            "otp.send": self._sends_code,
            "notifications.acknowledgement_code": self._sends_recipients_code,
            links.TOPIC: self._sends_link,
        }
        for due in working.claimed():
            if due.topic in tasks:
                tasks[due.topic](self._key_of(due.id))
            elif due.topic == "payments.submit":
                self.rail.submitting = dice.choice(SENDINGS)
                payment_tasks.submit(messages=[str(due.id)])
            elif due.topic == "payments.resolve":
                self.rail.answering = dice.choice(ANSWERS)
                payment_tasks.resolve(messages=[str(due.id)])
            elif due.topic in working.TASKS:
                working.TASKS[due.topic](messages=[str(due.id)])

    def wait(self, seconds: float, dice: Random, *, is_silent: bool = False) -> None:
        """Time passes; the rail decides what it has had for long, and workers go on."""
        self.ground.wait(seconds)
        self.lines.append(f"{self.step:>3}  {seconds:.0f} seconds pass")
        if seconds > SESSION_SECONDS:
            self._seats.clear()
        for order in self.rail.orders.values():
            if order.state == "pending" and self.now - order.arrived_at > UNTIL_DECIDED:
                self.rail.decide(order, pays=dice.random() < 0.7)
        for due in working.claimed():
            if due.topic == "payments.resolve":
                self.rail.answering = Answering.LOST if is_silent else dice.choice(ANSWERS)
                payment_tasks.resolve(messages=[str(due.id)])
            elif due.topic == "payments.submit":
                self.rail.submitting = Submitting.LOST_BEFORE if is_silent else Submitting.PAYS
                payment_tasks.submit(messages=[str(due.id)])

    @staticmethod
    def _key_of(message_id: UUID) -> UUID:
        with db.system_transaction() as session:
            key: UUID = session.execute(
                text("SELECT key FROM outbox_messages WHERE id = :id"), {"id": message_id}
            ).scalar_one()
        return key

    def _sends_code(self, send_id: UUID) -> None:
        def make(session: Session) -> Any:
            message = releases.make_code(session, send_id=send_id, now=session.info["now"])
            if message is not None and message.email is not None:
                releases.code_delivered(
                    session, send_id=send_id, message=message, now=session.info["now"]
                )
            return message

        self._deliver(make)

    def _sends_recipients_code(self, acknowledgement_id: UUID) -> None:
        def make(session: Session) -> Any:
            message = payments.make_acknowledgement_code(
                session, acknowledgement_id=acknowledgement_id, now=session.info["now"]
            )
            if message is not None:
                payments.acknowledgement_delivered(
                    session, acknowledgement_id=acknowledgement_id, message=message
                )
            return message

        self._deliver(make)

    def _sends_link(self, link_id: UUID) -> None:
        def make(session: Session) -> Any:
            message = links.make(session, link_id=link_id, now=session.info["now"])
            links.sent(session, link_id=link_id)
            return message

        self._deliver(make)

    def _deliver(self, make: Callable[[Session], Any]) -> None:
        message = db.in_transaction(make)
        if message is None:
            return
        for address in (message.email, getattr(message, "phone", None)):
            if address:
                self.mail.setdefault(str(address).lower(), []).append(message.text)

    def code_at(self, *addresses: str) -> str | None:
        """The six digits of the newest message to one of these."""
        for address in addresses:
            for message in reversed(self.mail.get(address.lower(), [])):
                found = re.search(r"\b[0-9]{6}\b", message)
                if found:
                    return found[0]
        return None


def _with_file(options: dict[str, Any]) -> dict[str, Any]:
    """A file is opened for each sending, as the client closes it."""
    if "file" not in options:
        return options
    content, name = options["file"]
    return {
        **{key: value for key, value in options.items() if key not in ("file", "form")},
        "data": {"file": (io.BytesIO(content), name), **options.get("form", {})},
        "content_type": "multipart/form-data",
    }


__all__ = ["CODE", "Answer", "Game", "Sight", "Tally", "Wrong"]
