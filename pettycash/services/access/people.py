"""People of a company: logins and places. Roles take two people: `role_assignments`.

Nobody knows the password of a login that is made here: its owner sets one, by a link to their own
address. A holder of one of MFA_ROLES has to enrol an authenticator as well (security.md rows 1, 4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from pettycash.models.access import Contact, ContactKind, Membership, Role, RoleAssignment, User
from pettycash.models.base import new_id
from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime import errors, phones
from pettycash.runtime.money import Currency
from pettycash.runtime.sanitising import mask_phone
from pettycash.services.access import contacts, organisation
from pettycash.services.access.identity import links, sessions, usernames
from pettycash.services.access.identity.totp import UserNotFound
from pettycash.services.access.identity.usernames import InvalidPerson
from pettycash.services.foundation import (
    company_settings,
    departures,
    destinations,
    encryption,
    security_log,
    text_validation,
)
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.permissions import RELEASERS
from pettycash.services.operations import cases, security_alerts

EMAIL_LENGTH_MAX = 254

PLACES = ("region_id", "branch_id", "department_id", "cost_center_id", "position_id")
LOGIN_FIELDS = ("display_name", "email")
CONTACTS = ("email", "phone")


class UsernameTaken(errors.Conflict):
    """Somebody has this username; they are unique in the whole installation."""

    code = "user.username_taken"


class LoginShared(errors.Conflict):
    """This person works in another company too, so neither can change the name or e-mail alone."""

    code = "user.login_shared"


class ContactNeedsTwoPeople(errors.RuleViolation):
    """Two people must change the contacts of anybody above staff; see /api/changes/."""

    code = "user.contact_needs_two_people"


class ContactTooNew(errors.Conflict):
    """The e-mail was changed less than a day ago; a link can be sent once the day is over."""

    code = "user.contact_too_new"


class ResetNeedsTwoPeople(errors.RuleViolation):
    """Two people must reset a releaser's second factor; propose it at /api/changes/."""

    code = "mfa.reset_needs_two_people"


class NotYourself(errors.KeptApart):
    """You can't deactivate yourself; ask another administrator."""

    code = "user.not_yourself"


@dataclass(frozen=True, kw_only=True)
class Person:
    """A login with its place in the company."""

    user: User
    membership: Membership

    def row_of(self, field: str) -> User | Membership:
        """The row that a field stands in: the login's, or the place's in this company."""
        return self.user if field in LOGIN_FIELDS else self.membership

    @property
    def version(self) -> str:
        """The version of both, for the ETag."""
        return f"{self.user.version}.{self.membership.version}"


def find(session: Session, *, user_id: UUID, lock: bool = False) -> Person:
    """One person of the company.

    Raises:
        UserNotFound: none such.
    """
    query = (
        select(User, Membership)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.user_id == user_id)
    )
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    row = session.execute(query).one_or_none()
    if row is None:
        raise UserNotFound
    return Person(user=row[0], membership=row[1])


def admit(
    session: Session,
    *,
    username: str,
    display_name: str,
    email: str,
    phone: str | None,
    places: Mapping[str, UUID | None],
    actor: Actor | None,
    is_invited: bool = True,
) -> Person:
    """Make a login and place it in the company, without any role; its owner is sent a link.

    `actor` is None on the host's command line, here and below. Without `is_invited` the caller
    sends the link: who admits several does so after the last of them, for the order of locks.

    Raises:
        InvalidPerson: username, e-mail or phone can't be used.
        InvalidText: the name is blank, too long, or not wholly seen.
        UsernameTaken: somebody has it, perhaps in another company.
        UnknownUnit: a place is not an active unit.
    """
    name = usernames.checked(username)
    display_name = text_validation.name(display_name, field="display_name")
    organisation.check_places(session, places)
    user = User(
        id=new_id(),
        username=name,
        display_name=display_name,
        email=e_mail(email),
        password_hash=encryption.hash_of_nobodys(),
        password_changed_at=sessions.GIVEN,
    )
    membership = Membership(
        id=new_id(),
        company_id=session.info["scope"].company_id,
        user_id=user.id,
        phone=e164(session, phone),
        **{name: places.get(name) for name in PLACES},
    )
    try:
        with session.begin_nested():
            session.add(user)
            session.flush()  # the membership refers to it, and a taken name must be told here
            session.add(membership)
            session.flush()
    except IntegrityError as error:
        raise UsernameTaken(errors={"username": ["The username is taken."]}) from error
    _log_event(session, "user.created", user.id, {"username": name}, actor)
    _log_shared_contacts(session, user.id, actor)
    if is_invited:
        links.enqueue(session, user_id=user.id, actor=actor)
    return Person(user=user, membership=membership)


def update(
    session: Session,
    person: Person,
    *,
    values: Mapping[str, Any],
    actor: Actor | None,
    now: datetime,
    is_agreed: bool = False,
) -> Person:
    """Change a (locked) person: name, e-mail, phone, places, is_active. The rest stays.

    Who is deactivated is signed out at once, in this company. An address that is given up is told.
    `is_agreed`: two people changed it.

    Raises:
        ContactNeedsTwoPeople: e-mail or phone of somebody who decides, by a role or without one.
        LoginShared: name or e-mail of somebody who works in another company too.
        NotYourself: one's own deactivation.
        InvalidPerson, UnknownUnit: see `admit`.
    """
    wanted = _read(session, values)
    changed = {
        name: [getattr(person.row_of(name), name), value]
        for name, value in wanted.items()
        if getattr(person.row_of(name), name) != value
    }
    if not changed:
        return person
    is_reached_anew = not changed.keys().isdisjoint(CONTACTS)
    if is_reached_anew and not is_agreed and _decides(session, person.user.id, now=now):
        raise ContactNeedsTwoPeople(
            errors={name: ["Propose it at /api/changes/."] for name in CONTACTS if name in changed}
        )
    if not changed.keys().isdisjoint(LOGIN_FIELDS):
        if works_elsewhere(session, user_id=person.user.id):
            raise LoginShared
        person.user.version += 1
    if is_reached_anew:
        links.void(session, user_id=person.user.id)
    if changed.get("is_active") == [True, False]:
        if actor is not None and actor.user_id == person.user.id:
            raise NotYourself
        sessions.end_all(session, user_id=person.user.id, reason="deactivated", now=now)
        departures.enqueue(session, user_id=person.user.id)
    for name, (_, value) in changed.items():
        setattr(person.row_of(name), name, value)
    person.membership.version += 1
    detail = {
        name: [_masked(name, old), _masked(name, new)] for name, (old, new) in changed.items()
    }
    _log_event(session, "user.updated", person.user.id, detail, actor)
    if changed.get("is_active") == [False, True]:
        event_id = _log_event(session, "user.reactivated", person.user.id, {}, actor)
        security_alerts.enqueue(session, event_id=event_id)
    if is_reached_anew:
        contacts.enqueue_notices(session, user_id=person.user.id)
        _log_shared_contacts(session, person.user.id, actor)
    return person


def _read(session: Session, values: Mapping[str, Any]) -> dict[str, Any]:
    """Validate a draft; returns it in its stored form."""
    wanted = dict(values)
    if "display_name" in wanted:
        wanted["display_name"] = text_validation.name(wanted["display_name"], field="display_name")
    if "phone" in wanted:
        wanted["phone"] = e164(session, wanted["phone"])
    if "email" in wanted:
        wanted["email"] = e_mail(wanted["email"])
    organisation.check_places(session, wanted)
    return wanted


def _log_shared_contacts(session: Session, user_id: UUID, actor: Actor | None) -> None:
    """Open a case where a contact is another member's too: what goes there goes to both."""
    own, theirs = aliased(Contact), aliased(Contact)
    shared = session.execute(
        select(own.kind, theirs.user_id)
        .join(theirs, (theirs.value == own.value) & (theirs.user_id != own.user_id))
        .where(own.user_id == user_id, own.held_until.is_(None), theirs.held_until.is_(None))
        .order_by(own.kind, theirs.user_id)
    ).all()
    if not shared:
        return
    found = {kind.value: str(other) for kind, other in shared}
    cases.open_case(
        session,
        kind=CaseKind.MISMATCH,
        object_type="user",
        object_id=user_id,
        summary=f"Two members have the same {' and '.join(found)}.",
        evidence=found,
        severity=Severity.WARNING,
    )
    _log_event(session, "user.contact_shared", user_id, found, actor)


def check_reset_alone(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Refuse one administrator the reset of a releaser's second factor.

    Raises:
        ResetNeedsTwoPeople: the person holds a releasing role.
    """
    if _holds(session, user_id, RELEASERS, now=now):
        raise ResetNeedsTwoPeople


def _decides(session: Session, user_id: UUID, *, now: datetime) -> bool:
    """Whether a person is more than staff; the escalation approver is without holding a role."""
    if company_settings.current(session).escalation_approver_id == user_id:
        return True
    return _holds(session, user_id, frozenset(Role) - {Role.STAFF}, now=now)


def _holds(session: Session, user_id: UUID, roles: frozenset[Role], *, now: datetime) -> bool:
    """Whether a person has one of these roles, or will have it."""
    found = session.execute(
        select(RoleAssignment.id)
        .where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.role.in_(roles),
            or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > now),
        )
        .limit(1)
    )
    return found.first() is not None


def checked_contacts(session: Session, payload: Mapping[str, Any]) -> dict[str, str | None]:
    """An e-mail, a phone, or both, in their one spelling.

    Raises:
        InvalidPerson: neither, something else, or not such an address.
    """
    strangers = sorted(set(payload) - set(CONTACTS))
    if strangers or not payload:
        raise InvalidPerson(
            "Only an e-mail or a phone can be changed.",
            errors={name: ["Unknown field."] for name in strangers},
        )
    read: dict[str, str | None] = {}
    if "email" in payload:
        read["email"] = e_mail(str(payload["email"]))
    if "phone" in payload:
        phone = payload["phone"]
        read["phone"] = e164(session, None if phone is None else str(phone))
    return read


def send_link(session: Session, *, user_id: UUID, actor: Actor | None) -> None:
    """Send a person a link with which they set a new password.

    Raises:
        UserNotFound: none such in this company.
        ContactTooNew: an administrator who moved the e-mail would read the link.
        LoginShared: they work in another company too; whoever runs the host sends one.
    """
    # Locked, or an e-mail that is changed at this moment would be looked at as it was before.
    find(session, user_id=user_id, lock=True)
    if actor is not None and works_elsewhere(session, user_id=user_id):
        raise LoginShared
    if ContactKind.EMAIL in contacts.too_new(session, user_id=user_id, now=session.info["now"]):
        raise ContactTooNew
    links.enqueue(session, user_id=user_id, actor=actor)
    _log_event(session, "user.link_sent", user_id, {}, actor)


def e_mail(text: str) -> str:
    """An address as it was typed, of the same shape as one that money goes to.

    Raises:
        InvalidPerson: it is none, or several.
    """
    address = text.strip()
    is_one = destinations.EMAIL.fullmatch(address.lower()) and address.isascii()
    if not is_one or len(address) > EMAIL_LENGTH_MAX:
        raise InvalidPerson(errors={"email": ["This is no e-mail address in plain letters."]})
    return address


def works_elsewhere(session: Session, *, user_id: UUID) -> bool:
    """Whether a person is a member of another company too."""
    return bool(session.execute(select(func.works_elsewhere(user_id))).scalar_one())


def e164(session: Session, phone: str | None) -> str | None:
    """A phone number in its one spelling, +254712345678; None and blank stay None.

    Without a country code it lives where the company's currency does, as a destination would.

    Raises:
        InvalidPerson: it is no possible number.
    """
    if phone is None or not phone.strip():
        return None
    currency = Currency(company_settings.current(session).currency)
    try:
        return phones.e164(phone, home=phones.HOME_OF[currency])
    except phones.NotAPhone as error:
        raise InvalidPerson(errors={"phone": [str(error)]}) from error


def _masked(name: str, value: Any) -> Any:
    """The form that the security log may hold: no full phone number (security.md row 19)."""
    if name == "phone" and value:
        return mask_phone(value)
    return str(value) if isinstance(value, UUID) else value


def _log_event(
    session: Session, event: str, user_id: UUID, detail: Mapping[str, Any], actor: Actor | None
) -> UUID:
    return security_log.record(
        session,
        event=event,
        outcome="ok",
        detail={"subject_id": str(user_id), **detail},
        actor=actor,
    )
