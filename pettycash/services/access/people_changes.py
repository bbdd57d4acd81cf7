"""Two people change how a third one is reached, and reset a second factor.

An administrator who could do it alone would read an officer's codes (control.md §6).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.operations import Change
from pettycash.runtime.sanitising import mask_phone
from pettycash.services.access import people
from pettycash.services.access.identity import totp
from pettycash.services.access.identity.usernames import InvalidPerson
from pettycash.services.foundation import security_log
from pettycash.services.foundation.permissions import ADMINISTRATORS
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes

CONTACT, SECOND_FACTOR = "contact", "second_factor"


def _subject(change: Change) -> UUID | None:
    return change.object_id


def _person(session: Session, proposal: changes.ChangeProposal) -> people.Person:
    if proposal.object_id is None:
        raise totp.UserNotFound
    return people.find(session, user_id=proposal.object_id)


def _read_contact(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    del now
    person = _person(session, proposal)
    return changes.ChangeProposal(
        object_id=person.user.id, payload=people.checked_contacts(session, proposal.payload)
    )


def _change_contact(uow: Uow, change: Change) -> None:
    assert change.object_id is not None
    person = people.find(uow.session, user_id=change.object_id, lock=True)
    values: dict[str, Any] = dict(change.payload)
    people.update(uow.session, person, values=values, actor=uow.actor, now=uow.now, is_agreed=True)


def _read_reset(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    del now
    if proposal.payload:
        raise InvalidPerson("A reset has no payload.")
    return changes.ChangeProposal(object_id=_person(session, proposal).user.id, payload={})


def _reset(uow: Uow, change: Change) -> None:
    assert change.object_id is not None
    totp.reset(uow.session, user_id=change.object_id, actor_id=uow.actor.user_id, now=uow.now)
    security_log.record(
        uow.session,
        event="mfa.reset",
        outcome="ok",
        detail={"user_id": str(change.object_id), "change_id": str(change.id)},
        actor=uow.actor,
    )


def _contact_before(session: Session, change: Change) -> dict[str, Any]:
    assert change.object_id is not None
    person = people.find(session, user_id=change.object_id)
    known = {"email": person.user.email, "phone": mask_phone(person.membership.phone or "")}
    return {name: known[name] for name in change.payload}


changes.register(
    CONTACT,
    proposers=ADMINISTRATORS,
    confirmers=ADMINISTRATORS,
    apply=_change_contact,
    read=_read_contact,
    before=_contact_before,
    about=_subject,
    alerts=True,
)
changes.register(
    SECOND_FACTOR,
    proposers=ADMINISTRATORS,
    confirmers=ADMINISTRATORS,
    apply=_reset,
    read=_read_reset,
    about=_subject,
    alerts=True,
)
