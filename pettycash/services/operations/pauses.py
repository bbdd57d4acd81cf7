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
from pettycash.services.foundation import outbox, security_log
from pettycash.services.foundation.actors import Actor
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


class AlreadyResumed(errors.Conflict):
    """The pause is over already."""

    code = "pause.already_resumed"


class OwnResumption(errors.NotAllowed):
    """You asked to resume; a second person must confirm it."""

    code = "pause.second_person_needed"


class NotAPauser(errors.NotAllowed):
    """Only an operator, treasury or the cfo may pause and resume."""

    code = "pause.not_a_pauser"


class PauseReasonMissing(errors.RuleViolation):
    """A pause needs a reason."""

    code = "pause.reason_required"


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
    Pause.resumed_at.is_(None),
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
        PauseReasonMissing: the reason is blank.
        PauseNotFound: there is no such store or provider account in the company.
        AlreadyPaused: it is.
    """
    session, actor = uow.session, uow.actor
    _check_pauser(actor)
    if not reason.strip():
        raise PauseReasonMissing
    _check_object(session, scope, object_id)
    row = Pause(
        id=new_id(),
        company_id=actor.company_id,
        scope=scope,
        object_id=object_id,
        reason=reason.strip(),
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
    """Ask to resume, or, as a second person, resume: see `resumed_at`.

    Raises:
        NotAPauser: the actor holds no role of PAUSERS.
        PauseNotFound, AlreadyResumed: there is nothing to resume.
        OwnResumption: the actor has asked before; somebody else has to agree.
    """
    session, actor = uow.session, uow.actor
    _check_pauser(actor)
    row = db.lock(session, Pause, pause_id)
    if row is None:
        raise PauseNotFound
    check_resuming(row, actor=actor)
    if row.resume_requested_by is None:
        row.resume_requested_by = actor.user_id
        _log_event(session, row, "resume_requested", actor)
        return row
    row.resumed_by = actor.user_id
    row.resumed_at = uow.now
    _log_event(session, row, "resumed", actor)
    _wake(session, row)
    return row


def check_resuming(row: Pause, *, actor: Actor) -> None:
    """Refuse who may not resume, nor ask for it, as things stand.

    Raises:
        NotAPauser, AlreadyResumed, OwnResumption: see `resume`.
    """
    _check_pauser(actor)
    if row.resumed_at is not None:
        raise AlreadyResumed
    if row.resume_requested_by == actor.user_id:
        raise OwnResumption


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
            Pause.resumed_at.is_(None),
        )
    ).scalar_one_or_none()
    if found is None:
        raise PauseNotFound("It is not paused.")
    return found


def pause_everything(session: Session, *, reason: str, by: str) -> PlatformPause:
    """Stop the whole installation (system role); `by` is a login name.

    Raises:
        PauseReasonMissing: the reason is blank.
        AlreadyPaused: it is.
    """
    if not reason.strip():
        raise PauseReasonMissing
    row = PlatformPause(id=new_id(), reason=reason.strip(), paused_by=by)
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
        OwnResumption: the same name asked before.
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
        raise OwnResumption
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


def _check_pauser(actor: Actor) -> None:
    if not actor.has(*PAUSERS):
        raise NotAPauser


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


PAUSES = Listing(
    name="pauses.list",
    query=select(Pause),
    filters={
        "scope": many(Pause.scope),
        "object_id": exact(Pause.object_id),
        "is_open": flag(Pause.resumed_at.is_(None)),
        **days(Pause.created_at),
        **days(Pause.resumed_at, "resumed"),
        "updated_since": since(Pause.updated_at),
    },
    find=Find(words=(Pause.reason,), text="Words of the reason, in any case."),
    orders={"newest": (Pause.id.desc(),), "oldest": (Pause.id,)},
    columns=("created_at", "scope", "object_id", "reason", "paused_by", "resumed_by", "resumed_at"),
    people=("paused_by", "resume_requested_by", "resumed_by"),
)
