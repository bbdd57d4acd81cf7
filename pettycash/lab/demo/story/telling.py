"""Writes the story, chapter by chapter, where it has not been written yet.

A chapter is one transaction, and counted in it: killed anywhere, the story is taken up where it
was. A payment over a rail is released in one chapter, stands then in the rail's own ledger, and is
settled in another one, in the order of every real payment; if nobody goes on in between, the system
asks the rail itself.

Each transaction has an instant of the story as its `now`. Rows that the database dates by itself
are dated with it, but for what it keeps as its own word: when an entry was recorded, a row changed.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import requests
from sqlalchemy import Insert, select, text
from sqlalchemy import event as events
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import ORMExecuteState, Session

from pettycash.gateways.base import Outcome, OutcomeKind
from pettycash.lab.demo.story import acts
from pettycash.lab.demo.story.acts import Stage
from pettycash.lab.demo.story.cast import Cast
from pettycash.lab.demo.story.plan import DAYS, ZONE, Act, Ending, Event, Plan, plan
from pettycash.models.access import Company
from pettycash.models.base import new_id
from pettycash.models.payments import PaymentAttempt
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db, errors, settings
from pettycash.services import payments, reconciliation
from pettycash.services.payments.settlement import RESOLVE, SUBMIT

logger = logging.getLogger(__name__)

COMPANY = "DEMO"
RAIL_SECONDS = 10
GRACE = timedelta(minutes=2)
"""How long the system leaves alone what one chapter has sent and the next one settles."""


def tell(say: Callable[[str], None], *, share: float = 1.0, today: datetime | None = None) -> int:
    """Write what is missing of the story; how many acts were refused, since people were quicker.

    `share` is how much of it, of requisitions. It ends before `today`, by default the day on which
    the organisation was written. One database keeps to one of each.
    """
    with db.scope(source="demo"), db.system_transaction() as session:
        company = session.execute(select(Company).where(Company.code == COMPANY)).scalar_one()
    today = today or company.created_at
    if company.bootstrapped_at is None or today - company.bootstrapped_at < timedelta(days=DAYS):
        say("The demo organisation began without a past, so it has no story.")
        return 0
    whole = plan(today.astimezone(ZONE).date(), share=share)
    teller = Teller(company.id, today, whole)
    refused = 0
    with db.scope(company_id=company.id, source="demo"), requests.Session() as http:
        http.trust_env = False
        number, end = teller.next(), len(whole.chapters)
        while number < end:
            refused += teller.write(number, teller.ask_rail(number, http))
            number += 1
            if number == end:
                teller.reconcile()
            say(f"chapter {number} of {end}")
    return refused


class Teller:
    """Knows how far the story is, and writes the next chapter."""

    def __init__(self, company_id: UUID, today: datetime, whole: Plan) -> None:
        self._company_id = company_id
        self._today = today
        self._plan = whole
        with db.scope(company_id=company_id), db.transaction() as session:
            self._cast = Cast(session)

    def next(self) -> int:
        """The first chapter that is not written."""
        with db.transaction() as session:
            return self._taken(session)

    def ask_rail(self, number: int, http: requests.Session) -> dict[str, Outcome]:
        """What the rail says of what is answered in a chapter, before anything of it is written."""
        answers = [each for each in self._plan.chapters[number] if each.act is Act.ANSWER]
        told = {}
        for each in answers:
            answer = self._ask_rail(each, http)
            if answer is not None and each.item is not None:
                told[each.item.reference] = answer
        return told

    def write(self, number: int, told: Mapping[str, Outcome]) -> int:
        """One chapter; how many of its acts were refused."""
        chapter = self._plan.chapters[number]
        return db.in_transaction(lambda session: self._write(session, number, chapter, told))

    def reconcile(self) -> None:
        """Have the system match what has settled, as each night does."""
        with db.transaction() as session:
            yesterday = self._today.astimezone(ZONE).date() - timedelta(days=1)
            reconciliation.start(session, business_date=yesterday, now=session.info["now"])

    def _taken(self, session: Session) -> int:
        """How many chapters are written; whoever asks it next waits until this one is."""
        year = self._today.astimezone(ZONE).year
        taken: int = session.execute(TURN, {"id": new_id(), "year": year}).scalar_one()
        return taken

    def _write(
        self, session: Session, number: int, chapter: tuple[Event, ...], told: Mapping[str, Outcome]
    ) -> int:
        if self._taken(session) != number:
            return 0  # somebody else tells it too
        really = session.info["now"]
        stage, refused = Stage(session, self._cast, told, really), 0
        with _dated(session):
            for each in chapter:
                try:
                    with session.begin_nested():
                        stage.play(each)
                except acts.NotYet:
                    refused += each.item is not None
                except (errors.PettycashError, NoResultFound) as error:
                    refused += 1
                    logger.warning("story: %s at %s: %s", each.act, each.at, error)
        session.info["now"] = really
        about = {"rail": [SUBMIT, RESOLVE], "today": self._today}
        session.execute(OVER, about | {"now": really})
        session.execute(LATER, about | {"later": really + GRACE})
        session.execute(WRITTEN)
        return refused

    def _ask_rail(self, sent: Event, http: requests.Session) -> Outcome | None:
        """Put a payment that was sent into the rail's ledger, and say what the rail answers."""
        item = sent.item
        assert item is not None, "a payment is of a requisition"
        with db.transaction() as session:
            attempt = session.execute(
                select(PaymentAttempt)
                .join(Requisition, Requisition.number == PaymentAttempt.remarks)
                .where(Requisition.external_reference == item.reference)
            ).scalar_one_or_none()
            if attempt is None or attempt.state not in acts.SENT:
                return None
            instruction = payments.instruction_of(session, attempt)
        if item.ending is Ending.IN_DOUBT:
            return acts.outcome(
                OutcomeKind.IN_DOUBT,
                instruction,
                "transport.read_timeout",
                "The rail did not answer in time.",
            )
        answer = http.post(
            f"{settings.current().simulator_mpesa_url}/_sim/payments",
            json={
                "originator_reference": instruction.originator_reference,
                "shortcode": instruction.account.shortcode,
                "phone": instruction.destination,
                "amount": int(instruction.amount),
                "at": sent.at.isoformat(),
                "result_code": acts.UNKNOWN_NUMBER if item.ending is Ending.FAILED else "0",
            },
            timeout=RAIL_SECONDS,
        )
        answer.raise_for_status()
        said = answer.json()
        if item.ending is Ending.FAILED:
            return acts.outcome(
                OutcomeKind.REJECTED,
                instruction,
                said["result_code"],
                "Credit Party customer type can't be supported by the service.",
                conversation_id=said["conversation_id"],
            )
        return acts.outcome(
            OutcomeKind.SETTLED,
            instruction,
            said["result_code"],
            "The service request is processed successfully.",
            conversation_id=said["conversation_id"],
            provider_reference=said["provider_reference"],
            amount=instruction.amount,
            fee=Decimal(said["fee"]),
            occurred_at=datetime.fromisoformat(said["finalised_at"]),
        )


TURN = text(
    "INSERT INTO counters (id, company_id, kind, year, last)"
    " VALUES (:id, current_company(), 'STORY', :year, 0)"
    " ON CONFLICT (company_id, kind, year) DO UPDATE SET last = counters.last RETURNING last"
)
WRITTEN = text("UPDATE counters SET last = last + 1 WHERE kind = 'STORY'")
"""The chapters are counted among the company's numbers."""

OVER = text(
    "UPDATE outbox_messages SET completed_at = :now WHERE completed_at IS NULL"
    " AND due_at < :today AND topic <> ALL (:rail)"
)
"""Whoever was to be told of something then has long been told: no mail leaves for the past."""

LATER = text(
    "UPDATE outbox_messages SET due_at = :later, attempts = 0 WHERE completed_at IS NULL"
    " AND due_at < :today AND topic = ANY (:rail)"
)
"""What the rail has not said yet, the running system asks it for, a while from now."""


@contextmanager
def _dated(session: Session) -> Iterator[None]:
    """Let rows be as old as the story says, where the database would date them by its own clock."""

    def date_new(session: Session, _context: object, _instances: object) -> None:
        for each in session.new:
            if getattr(each, "created_at", UNDATED) is None:
                each.created_at = session.info["now"]

    def date_inserted(state: ORMExecuteState) -> None:
        if isinstance(state.statement, Insert) and state.statement.table.name in INSERTED:
            state.statement = state.statement.values(created_at=session.info["now"])

    events.listen(session, "before_flush", date_new)
    events.listen(session, "do_orm_execute", date_inserted)
    try:
        yield
        session.flush()
    finally:
        events.remove(session, "before_flush", date_new)
        events.remove(session, "do_orm_execute", date_inserted)


UNDATED = object()
INSERTED = ("cases", "replenishments")
"""Tables whose rows the services insert by a statement."""
