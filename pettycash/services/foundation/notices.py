"""Notices: a person hears by e-mail of what waits for them, was decided, or is ready.

A domain declares its kinds, and owes a notice in the transaction of what has happened:

    WAITS = notices.declare(NoticeKind(name="requisition.waits", …))

    notices.notice(session, WAITS, to=approvers, about=requisition, event=step.id)

One row for each person and event; told again, the event is still one notice. Each person wishes to
hear of a kind at once, once a day or not at all (`Timing`); what is not mailed can be read in their
list. No notice holds a code, a full phone number or anything secret: what it links to is read after
signing in, and decided there. Numbers stand in the subject, and amounts are grouped, so that no six
digits in the text of an e-mail look like a code. How they leave is in `operations/notice_mails`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.notices import Notice, NoticeWish, Timing
from pettycash.runtime import db, errors, money
from pettycash.runtime.sanitising import sanitise_text
from pettycash.services.foundation import digests, outbox, permissions
from pettycash.services.foundation.listings import Listing, days, flag, many
from pettycash.services.foundation.outbox import NewMessage
from pettycash.services.foundation.quoting import quoted
from pettycash.services.foundation.uow import Uow

TOPIC = "notifications.notice"
"""Of a message whose key is a notice that is mailed at once."""

GATHERED = timedelta(seconds=30)
"""How long `at_once` waits for more: what comes together is told in one e-mail."""

KEPT = timedelta(days=90)
"""How long a notice can be read."""

QUOTED_MAX = 120
"""Characters of a text that people wrote."""


class UnknownNoticeKind(errors.RuleViolation):
    """There is no such kind of notice, or you never get one of it."""

    code = "notice.unknown_kind"


class NoticeNotFound(errors.NotFound):
    """You have no such notice."""

    code = "notice.not_found"


Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class NoticeKind(Generic[Row]):
    """One kind of notice: how it is told, where it leads, and who may get one."""

    name: str
    title: str
    """The subject of its e-mail, before the number of what it is about."""
    sentence: Callable[[Session, Row], str]
    """All that is told. What people wrote stands in it by `words` alone."""
    path: str
    """A page of the console, with the `{id}` of what it is about."""
    operation: str
    """Who reaches it may get such a notice, and has a wish about it."""
    default: Timing = Timing.AT_ONCE


_KINDS: dict[str, NoticeKind[Any]] = {}


def declare(kind: NoticeKind[Row]) -> NoticeKind[Row]:
    """Make a kind known: where its module is imported, once."""
    if kind.name in _KINDS:
        raise RuntimeError(f"the notice {kind.name} is declared twice")
    _KINDS[kind.name] = kind
    return kind


def kinds() -> Sequence[NoticeKind[Any]]:
    """Every declared kind, by name."""
    return [_KINDS[name] for name in sorted(_KINDS)]


def words(written: str) -> str:
    """A text that people wrote, in quotation marks, cut short and without phone numbers."""
    return quoted(sanitise_text(written, longest=QUOTED_MAX))


def shown(amount: Decimal, currency: str) -> str:
    """An amount as people read it: KES 1,500.00."""
    return f"{currency} {Decimal(money.text(amount, currency)):,}"


def notice(
    session: Session,
    kind: NoticeKind[Row],
    *,
    to: Iterable[UUID | None],
    about: Row,
    event: UUID | None = None,
) -> None:
    """Owe these people, all of this company, a notice of an event; who acts hears nothing.

    `event` is the key of the row that happened, `about` itself where none is given: one person
    hears of it once.
    """
    people = sorted(each for each in {*to} - {session.info["scope"].actor_id} if each)
    if not people:
        return
    about_id, number = getattr(about, "id"), getattr(about, "number", None)  # noqa: B009
    made = session.execute(
        OWE,
        {
            "company": session.info["scope"].company_id,
            "ids": db.array(new_id() for _ in people),
            "people": db.array(people),
            "kind": kind.name,
            "about": event or about_id,
            "subject": kind.title if number is None else f"{kind.title}: {number}",
            "sentence": " ".join(kind.sentence(session, about).split()),
            "path": kind.path.format(id=about_id),
            "default": kind.default.value,
            "now": session.info["now"],
        },
        execution_options=db.PREPARED,
    )
    due_at = session.info["now"] + GATHERED
    at_once = [
        NewMessage(topic=TOPIC, key=row.id, due_at=due_at)
        for row in made
        if row.timing == Timing.AT_ONCE.value
    ]
    if at_once:
        outbox.enqueue_all(session, at_once)


OWE = text(
    """
    INSERT INTO notices (id, company_id, user_id, kind, about_id, subject, sentence, path, timing,
        created_at)
    SELECT p.id, :company, p.user_id, :kind, :about, :subject, :sentence, :path,
        coalesce(w.timing, :default), :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:people AS uuid[])) AS p (id, user_id)
    LEFT JOIN notice_wishes w ON w.company_id = :company AND w.user_id = p.user_id
        AND w.kind = :kind
    ON CONFLICT (company_id, user_id, kind, about_id) DO NOTHING
    RETURNING id, timing
    """
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a person hears of one kind."""

    kind: str
    title: str
    timing: Timing
    default: Timing


def wishes(uow: Uow) -> list[Wish]:
    """Each kind of which the actor may get a notice, and how they hear of it."""
    own = select(NoticeWish).where(NoticeWish.user_id == uow.actor.user_id)
    said = {each.kind: each.timing for each in uow.session.execute(own).scalars()}
    return [
        Wish(
            kind=each.name,
            title=each.title,
            timing=said.get(each.name, each.default),
            default=each.default,
        )
        for each in kinds()
        if permissions.reaches(uow.actor, each.operation)
    ]


def version_of(wished: Sequence[Wish]) -> str:
    """The version of somebody's wishes: it changes with any of them."""
    return digests.digest({each.kind: each.timing.value for each in wished}).hex()[:16]


def wish(uow: Uow, values: Mapping[str, Timing]) -> list[Wish]:
    """Say how one wishes to hear of some kinds, from the next event on.

    Raises:
        UnknownNoticeKind: one of them is not among one's `wishes`.
    """
    known = {each.kind for each in wishes(uow)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise UnknownNoticeKind(errors={name: ["You get no such notice."] for name in unknown})
    for name, timing in sorted(values.items()):
        said = insert(NoticeWish).values(
            id=new_id(),
            company_id=uow.actor.company_id,
            user_id=uow.actor.user_id,
            kind=name,
            timing=timing,
        )
        uow.session.execute(
            said.on_conflict_do_update(
                index_elements=["company_id", "user_id", "kind"], set_={"timing": timing}
            )
        )
    return wishes(uow)


def mark_read(uow: Uow, *, newest_id: UUID) -> None:
    """Mark the actor's notices as read, up to the newest that they have seen.

    Raises:
        NoticeNotFound: that is none of theirs.
    """
    mine = Notice.user_id == uow.actor.user_id
    if uow.session.execute(select(Notice.id).where(Notice.id == newest_id, mine)).first() is None:
        raise NoticeNotFound
    uow.session.execute(
        update(Notice)
        .where(mine, Notice.read_at.is_(None), Notice.id <= newest_id)
        .values(read_at=uow.now)
        .execution_options(synchronize_session=False)
    )


def remove_old(session: Session, *, limit: int) -> int:
    """Delete notices that nobody reads any more, at most `limit` (system role)."""
    old = select(Notice.id).where(Notice.created_at < session.info["now"] - KEPT).limit(limit)
    gone = session.execute(
        delete(Notice).where(Notice.id.in_(old)).execution_options(synchronize_session=False)
    )
    return int(getattr(gone, "rowcount", 0))


NOTICES = Listing(
    name="notices.list",
    query=select(Notice),
    scope=lambda actor: Notice.user_id == actor.user_id,
    filters={
        "kind": many(Notice.kind),
        "is_read": flag(Notice.read_at.is_not(None)),
        **days(Notice.created_at),
    },
    orders={"newest": (Notice.id.desc(),)},
    columns=("created_at", "subject", "sentence"),
)
"""One's own notices."""
