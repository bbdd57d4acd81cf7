"""Pause and resume: nothing new is released or sent within a pause; queries and callbacks go on.

A company, a provider account or a store is paused by one person of PAUSERS, an account also by the
system, and resumed by two different ones. The whole installation is paused on the host, by name, in
a table of its own.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, literal_column, or_, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.base import new_id
from pettycash.models.imprest import ProviderAccount, Store
from pettycash.models.operations import Pause, PauseScope, PlatformPause
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt
from pettycash.runtime import db, errors
from pettycash.services.foundation import decisions, outbox, security_log
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.decisions import DecisionKind
from pettycash.services.foundation.listings import Find, Listing, days, exact, flag, many, since
from pettycash.services.foundation.uow import Uow

SENDING, ASKING = "payments.submit", "payments.resolve"
"""Work that pauses stop, and work that stops where a rail has refused the credentials."""

PAUSERS = (Role.OPERATOR, Role.TREASURY, Role.CFO)


class Paused(errors.Unavailable):
    """Payments are paused here; the request was not carried out."""

    code = "platform.paused"


class PauseNotFound(errors.NotFound):
    """There is no such pause, or nothing of this name to pause."""

    code = "pause.not_found"


class AlreadyPaused(errors.Conflict):
    """It is paused already."""

    code = "pause.already_paused"


class NotAPauser(errors.NotAllowed):
    """Only an operator, treasury or the cfo may pause; ask one of them."""

    code = "pause.not_a_pauser"


def check(
    session: Session, *, store_id: UUID | None = None, provider_account_id: UUID | None = None
) -> None:
    """Refuse where the installation, the company, the store or its provider account is paused.

    Raises:
        Paused: one of them is.
    """
    found = session.execute(
        PAUSED,
        {
            "company_id": session.info["scope"].company_id,
            "store_id": store_id,
            "provider_account_id": provider_account_id,
        },
        execution_options=db.PREPARED,
    ).scalars()
    words = sorted(found, key=lambda each: each != "whole installation")
    if words:
        raise Paused(f"The {words[0].replace('_', ' ')} is paused.")


_ACCOUNT_OF_STORE = select(Store.provider_account_id).where(Store.id == bindparam("store_id"))

_EVERYTHING = select(literal_column("'whole installation'", Text)).where(
    select(PlatformPause.id).where(PlatformPause.resumed_at.is_(None)).exists()
)

_SOMETHING = select(cast(Pause.scope, Text)).where(
    Pause.company_id == bindparam("company_id"),
    Pause.decided_at.is_(None),
    or_(
        Pause.object_id.is_(None),
        Pause.object_id == bindparam("store_id"),  # nothing, where there is no store
        Pause.object_id.in_(_ACCOUNT_OF_STORE),
        Pause.object_id == bindparam("provider_account_id"),
    ),
)

PAUSED = union_all(_EVERYTHING, _SOMETHING).execution_options(**db.PREPARED)
"""The pauses that hold here, by name."""


def pause(uow: Uow, *, scope: PauseScope, object_id: UUID | None, reason: str) -> Pause:
    """Stop new releases and sends at once.

    Raises:
        NotAPauser: the actor holds no role of PAUSERS.
        ReasonMissing: the reason is blank.
        PauseNotFound: there is no such store or provider account in the company.
        AlreadyPaused: it is.
    """
    session, actor = uow.session, uow.actor
    if not actor.has(*PAUSERS):
        raise NotAPauser
    reason = decisions.required(reason)
    _check_object(session, scope, object_id)
    row = Pause(
        id=new_id(),
        company_id=actor.company_id,
        scope=scope,
        object_id=object_id,
        reason=reason,
        paused_by=actor.user_id,
    )
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()  # here, as the unique index decides between two
    except IntegrityError as error:
        raise AlreadyPaused from error
    _log_event(session, row, "paused", actor)
    return row


def pause_account(session: Session, *, account_id: UUID, reason: str) -> bool:
    """Pause a provider account as the system; False where it is paused already."""
    row = session.execute(
        insert(Pause)
        .values(
            id=new_id(),
            company_id=session.info["scope"].company_id,
            scope=PauseScope.PROVIDER_ACCOUNT,
            object_id=account_id,
            reason=reason,
        )
        .on_conflict_do_nothing()
        .returning(Pause)
    ).scalar_one_or_none()
    if row is None:
        return False
    _log_event(session, row, "paused", actor=None)
    return True


def resume(uow: Uow, *, pause_id: UUID) -> Pause:
    """Ask to resume, or, as a second person, resume: see `decided_at`.

    Raises:
        PauseNotFound, AlreadyDecided: there is nothing to resume.
        NotAProposer, NotADecider: the actor holds no role of PAUSERS.
        OwnProposal: the actor has asked before; somebody else has to agree.
    """
    session = uow.session
    uow = Uow(session, uow.actor, uow.now)
    row = db.lock(session, Pause, pause_id)
    if row is None:
        raise PauseNotFound
    if row.proposed_at is None:
        decisions.propose(uow, RESUMPTION, row)
        _log_event(session, row, "resume_requested", uow.actor)
        return row
    decisions.accept(uow, RESUMPTION, row)
    _log_event(session, row, "resumed", uow.actor)
    _wake(session, row)
    return row


def open_pause(session: Session, *, scope: PauseScope, object_id: UUID | None) -> Pause:
    """The pause that stands now for this object.

    Raises:
        PauseNotFound: it is not paused.
    """
    same = Pause.object_id.is_(None) if object_id is None else Pause.object_id == object_id
    found = session.execute(
        select(Pause).where(
            Pause.company_id == session.info["scope"].company_id,
            Pause.scope == scope,
            same,
            Pause.decided_at.is_(None),
        )
    ).scalar_one_or_none()
    if found is None:
        raise PauseNotFound("It is not paused.")
    return found


def pause_everything(session: Session, *, reason: str, by: str) -> PlatformPause:
    """Stop the whole installation (system role); `by` is a login name.

    Raises:
        ReasonMissing: the reason is blank.
        AlreadyPaused: it is.
    """
    row = PlatformPause(id=new_id(), reason=decisions.required(reason), paused_by=by)
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()  # here, as the unique index decides between two
    except IntegrityError as error:
        raise AlreadyPaused from error
    security_log.record(
        session, event="pause.paused", outcome="ok", detail={"scope": "all", "by": by}
    )
    return row


def resume_everything(session: Session, *, by: str, now: datetime) -> PlatformPause:
    """Ask to resume the installation, or, under a second name, resume it (system role).

    Raises:
        PauseNotFound: it is not paused.
        OwnProposal: the same name asked before.
    """
    row = session.execute(
        select(PlatformPause)
        .where(PlatformPause.resumed_at.is_(None))
        .with_for_update(key_share=True)
    ).scalar_one_or_none()
    if row is None:
        raise PauseNotFound("The installation is not paused.")
    if row.resume_requested_by is None:
        row.resume_requested_by = by
        outcome = "resume_requested"
    elif row.resume_requested_by == by:
        raise decisions.OwnProposal
    else:
        row.resumed_by = by
        row.resumed_at = now
        outcome = "resumed"
        outbox.wake(session, topic=SENDING)
    security_log.record(
        session, event=f"pause.{outcome}", outcome="ok", detail={"scope": "all", "by": by}
    )
    return row


def _wake(session: Session, pause: Pause) -> None:
    """Make the messages due that waited for the end of a pause."""
    if pause.scope is PauseScope.STORE:
        queued = (
            select(PaymentAttempt.id)
            .join(Payment, Payment.id == PaymentAttempt.payment_id)
            .where(Payment.store_id == pause.object_id, PaymentAttempt.state == AttemptState.QUEUED)
        )
        outbox.wake(session, topic=SENDING, keys=queued)
    else:
        outbox.wake(session, topic=SENDING, lane=pause.object_id)
    if pause.scope is PauseScope.PROVIDER_ACCOUNT:
        outbox.wake(session, topic=ASKING, lane=pause.object_id)


def _check_object(session: Session, scope: PauseScope, object_id: UUID | None) -> None:
    if scope is PauseScope.COMPANY:
        if object_id is not None:
            raise PauseNotFound("A pause of the company names no object.")
        return
    model = Store if scope is PauseScope.STORE else ProviderAccount
    if object_id is None or session.get(model, object_id) is None:
        raise PauseNotFound(f"There is no such {scope.value.replace('_', ' ')}.")


def _log_event(session: Session, row: Pause, outcome: str, actor: Actor | None) -> None:
    security_log.record(
        session,
        event=f"pause.{outcome}",
        outcome="ok",
        detail={
            "pause_id": str(row.id),
            "scope": row.scope.value,
            "object_id": str(row.object_id) if row.object_id else None,
        },
        actor=actor,
    )


RESUMPTION = decisions.declare(
    DecisionKind(
        name="resumes",
        model=Pause,
        waits={"decided_at": None},
        proposing="pauses.resume",
        accepting="pauses.resume",
        link="/api/pause/",
        what=lambda row: row.scope,
    )
)

PAUSES = Listing(
    name="pauses.list",
    query=select(Pause),
    filters={
        "scope": many(Pause.scope),
        "object_id": exact(Pause.object_id),
        "is_open": flag(Pause.decided_at.is_(None)),
        **days(Pause.created_at),
        **days(Pause.decided_at, "resumed"),
        "updated_since": since(Pause.updated_at),
    },
    find=Find(words=(Pause.reason,), text="Words of the reason, in any case."),
    orders={"newest": (Pause.id.desc(),), "oldest": (Pause.id,)},
    columns=("created_at", "scope", "object_id", "reason", "paused_by", "decided_by", "decided_at"),
    people=("paused_by", "proposed_by", "decided_by"),
)
