"""How a company begins: the one time when roles are given without a second person.

`create_company` runs as the system role, which alone may write a new tenant; `bootstrap` runs in
the company's own scope and can happen once. The exception is recorded: `bootstrapped_at`, role
assignments that say so, and a line in the security log.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.access import (
    SCOPE_OF,
    Company,
    Membership,
    Role,
    RoleAssignment,
    ScopeKind,
    User,
)
from pettycash.runtime import db, errors
from pettycash.runtime.money import Currency
from pettycash.services.access.identity import links, sessions, usernames
from pettycash.services.access.people import UsernameTaken, e_mail
from pettycash.services.foundation import (
    company_settings,
    duties,
    encryption,
    security_log,
    text_validation,
)
from pettycash.services.ledger import accounts

CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}", re.ASCII)


class CompanyExists(errors.Conflict):
    """A company of this code or name exists already."""

    code = "company.exists"


class AlreadyBootstrapped(errors.Conflict):
    """The company has its first people already; further roles need two people."""

    code = "company.already_bootstrapped"


class InvalidCompany(errors.RuleViolation):
    """The code, name, currency or first people of the company can't be used."""

    code = "company.invalid"


@dataclass(frozen=True, kw_only=True)
class FirstRole:
    """A role that the bootstrap gives."""

    role: Role
    scope_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class FirstPerson:
    """A first person of a company. The password comes hashed, the seed encrypted.

    Without a password its owner is sent a link with which to set one.
    """

    user_id: UUID
    username: str
    display_name: str
    email: str
    password_hash: str | None = field(default=None, repr=False)
    totp_seed: str | None = field(default=None, repr=False)
    phone: str | None = None
    roles: tuple[FirstRole, ...] = ()
    place: Mapping[str, UUID] = field(default_factory=dict)
    """Of region_id, branch_id, department_id, cost_center_id, position_id."""


def create_company(session: Session, *, code: str, name: str, currency: Currency) -> Company:
    """Write a new tenant, empty (system role); one that never got its people is taken up again.

    Raises:
        InvalidCompany: a code that is not capitals, digits, - and _.
        InvalidText: an empty name, or one that is not wholly seen.
        CompanyExists: the code or the name is taken.
    """
    if CODE.fullmatch(code) is None:
        raise InvalidCompany("A code is 1 to 32 capitals, digits, hyphens and underscores.")
    name = text_validation.name(name, field="name")
    same = select(Company).where((Company.code == code) | (Company.name == name))
    for found in session.execute(same).scalars():
        if (found.code, found.bootstrapped_at, found.currency) == (code, None, currency.value):
            return found
        raise CompanyExists(f"{code} or its name is taken.")
    company = Company(code=code, name=name, currency=currency.value)
    session.add(company)
    return company


def bootstrap(
    session: Session,
    *,
    company_id: UUID,
    people: Sequence[FirstPerson],
    settings: Mapping[str, object],
    escalation_approver_id: UUID | None = None,
    now: datetime,
) -> Company:
    """Give a new company settings version 1, its account template, and its first people.

    Runs in the company's own scope, once. What the places of people and the scopes of roles name
    has to be written before, in the same transaction.

    Raises:
        AlreadyBootstrapped: it has happened.
        InvalidSetting, UnknownSetting: see `company_settings.checked`.
        UsernameTaken: somebody has the username of one of the people.
        InvalidPerson: a username can't be used.
        InvalidCompany: a role without its scope, or two that one person never holds.
    """
    company = db.lock(session, Company, company_id)
    if company is None:
        raise errors.NotFound("There is no such company.")
    if company.bootstrapped_at is not None:
        raise AlreadyBootstrapped(f"{company.code} was set up at {company.bootstrapped_at}.")
    company.bootstrapped_at = now
    company_settings.update(
        session,
        values=settings,
        expected_version=0,
        changed_by=None,
        known={**company_settings.ALONE, **company_settings.OF_CONSEQUENCE},
    )
    accounts.create_template(session, company)
    for person in people:
        _admit(session, company_id=company_id, person=person, now=now)
    for person in people:  # after all members: outbox messages are locked after them
        if person.password_hash is None:
            links.enqueue(session, user_id=person.user_id, actor=None)
    if escalation_approver_id is not None:
        company_settings.set_escalation_approver(
            session, user_id=escalation_approver_id, changed_by=None
        )
    security_log.record(
        session,
        event="company.bootstrapped",
        outcome="ok",
        detail={
            "people": {
                person.username: [each.role.value for each in person.roles] for person in people
            }
        },
    )
    return company


def _admit(session: Session, *, company_id: UUID, person: FirstPerson, now: datetime) -> None:
    user = User(
        id=person.user_id,
        username=usernames.checked(person.username),
        display_name=text_validation.name(person.display_name, field="display_name"),
        email=e_mail(person.email),
        password_hash=person.password_hash or encryption.hash_of_nobodys(),
        password_changed_at=now if person.password_hash else sessions.GIVEN,
        totp_seed=person.totp_seed,
        totp_enrolled_at=now if person.totp_seed else None,
    )
    try:
        with session.begin_nested():
            session.add(user)
            session.flush()  # the membership refers to it, and a taken name must be told here
    except IntegrityError as error:
        raise UsernameTaken(f"Somebody has the username {person.username}.") from error
    session.add(
        Membership(
            company_id=company_id, user_id=person.user_id, phone=person.phone, **person.place
        )
    )
    session.flush()
    pair = duties.incompatible(first.role for first in person.roles)
    if pair is not None:
        raise InvalidCompany(f"Nobody holds {pair[0]} and {pair[1]}: {person.username} does.")
    for first in person.roles:
        kind = SCOPE_OF[first.role]
        if (first.scope_id is None) is not (kind in (ScopeKind.SELF, ScopeKind.COMPANY)):
            raise InvalidCompany(f"The role {first.role} takes a scope of kind {kind}.")
        session.add(
            RoleAssignment(
                company_id=company_id,
                user_id=person.user_id,
                role=first.role,
                scope_kind=kind,
                scope_id=first.scope_id,
                valid_from=now,
                is_bootstrap=True,
            )
        )
