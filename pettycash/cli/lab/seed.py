"""`seed`: the demo organisation, its people and its money. Safe to run again; never in production.

A second run writes nothing that is there already. It renews what a moved state folder took away:
sign-ins that nobody knows any more, and the address of the M-Pesa simulator.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.cli.composed import composed
from pettycash.lab.demo.story.plan import PAST
from pettycash.lab.seeds import money, organisation, personas
from pettycash.lab.seeds.personas import PERSONAS, Persona, PersonaCredentials, fixed_credentials
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.credentials import OperatorCredentials
from pettycash.models.access import Company, User
from pettycash.models.base import new_id
from pettycash.models.imprest import ProviderAccount
from pettycash.runtime import db, settings
from pettycash.runtime.money import Currency
from pettycash.services.access import onboarding
from pettycash.services.foundation import encryption
from pettycash.stack.state import StackError, StateFolder

__all__ = ["PERSONAS", "Persona", "PersonaCredentials", "fixed_credentials", "seed", "seed_demo"]

MAIL_DOMAIN = "demo.example"
PHONE_FIRST = 254712000100
"""Personas are numbered from here; none is a number that the simulator answers with a fault."""


def seed_demo(*, past: timedelta = timedelta()) -> None:
    """Write the demo organisation where it is missing, in a process that is composed.

    `past` is how long ago it began, by its own account.

    Raises:
        StackError: in production, where demo people would be a way in.
    """
    if settings.current().environment == "production":
        raise StackError("demo data is refused in production")
    folder = StateFolder(settings.current().state_dir)
    known = personas.load(folder.personas_file)
    certificate = _certificate(folder)
    fresh = personas.make() if known is None else {}
    credentials = known or fresh
    hashes = personas.hashes(fresh)
    for code, spec in organisation.COMPANIES.items():
        company_id = _company_id(code, spec)
        with db.scope(company_id=company_id, source="seed"), db.transaction() as session:
            company = session.get_one(Company, company_id)
            if company.bootstrapped_at is None:
                hashes = hashes or personas.hashes(credentials)
                _write_company(
                    session,
                    company,
                    credentials=credentials,
                    hashes=hashes,
                    certificate=certificate,
                    now=session.info["now"] - past,
                )
            else:
                _renew(session, fresh, hashes, certificate, now=session.info["now"])
    if fresh:
        personas.save(folder.personas_file, fresh)


def _company_id(code: str, spec: organisation.CompanySpec) -> UUID:
    with db.system_transaction() as session:
        found = session.execute(select(Company.id).where(Company.code == code)).scalar_one_or_none()
        if found is not None:
            return found
        made = onboarding.create_company(
            session, code=code, name=spec.name, currency=Currency(spec.currency)
        )
        session.flush()
        return made.id


def _certificate(folder: StateFolder) -> str:
    """The simulator's certificate; its key pair is made here if it never ran."""
    room = folder.simulators / "mpesa"
    room.mkdir(mode=0o700, parents=True, exist_ok=True)
    return OperatorCredentials(Configuration(state=Path(room))).certificate.decode("ascii")


def _write_company(
    session: Session,
    company: Company,
    *,
    credentials: Mapping[str, PersonaCredentials],
    hashes: Mapping[str, str],
    certificate: str,
    now: datetime,
) -> None:
    spec = organisation.COMPANIES[company.code]
    units = organisation.write_units(session, company.id, spec)
    names = [name for name, each in PERSONAS.items() if each.company == company.code]
    ids = {name: new_id() for name in names}
    onboarding.bootstrap(
        session,
        company_id=company.id,
        people=[_person(name, ids[name], units, credentials[name], hashes[name]) for name in names],
        settings={"timezone": "Africa/Nairobi"},
        escalation_approver_id=ids[spec.escalation_approver],
        now=now,
    )
    organisation.write_thresholds(session, company.id, now)
    money.Opening(
        session=session,
        company=company,
        units=units,
        people=ids,
        certificate=certificate,
        now=now,
    ).write(spec)


def _person(
    name: str,
    user_id: UUID,
    units: organisation.Units,
    credentials: PersonaCredentials,
    password_hash: str,
) -> onboarding.FirstPerson:
    persona = PERSONAS[name]
    return onboarding.FirstPerson(
        user_id=user_id,
        username=credentials.username,
        display_name=persona.display_name,
        email=f"{name}@{MAIL_DOMAIN}",
        password_hash=password_hash,
        totp_seed=encryption.encrypt(credentials.totp_secret, bound_to=user_id),
        phone=f"+{PHONE_FIRST + list(PERSONAS).index(name)}",
        roles=tuple(
            onboarding.FirstRole(role=role, scope_id=units.reached_by(role, code))
            for role, code in persona.roles
        ),
        place=units.place(
            branch=persona.branch, department=persona.department, position=persona.position
        ),
    )


def _renew(
    session: Session,
    fresh: Mapping[str, PersonaCredentials],
    hashes: Mapping[str, str],
    certificate: str,
    *,
    now: datetime,
) -> None:
    """Give personas sign-ins that are known again; lead provider accounts to where the rail is."""
    for user in session.execute(select(User).where(User.username.in_(fresh))).scalars():
        user.password_hash = hashes[user.username]
        user.password_changed_at = now
        user.totp_seed = encryption.encrypt(fresh[user.username].totp_secret, bound_to=user.id)
        user.totp_last_step = None
    here = settings.current().simulator_mpesa_url or money.SIMULATOR_URL
    codes = [spec.provider_account[0] for spec in organisation.COMPANIES.values()]
    query = select(ProviderAccount).where(ProviderAccount.code.in_(codes))
    for account in session.execute(query).scalars():
        is_simulated = account.base_url.startswith("http://127.0.0.1:")
        is_current = (account.base_url, _certificate_of(account)) == (here, certificate)
        if is_simulated and not is_current:
            money.point_at_simulator(account, certificate)


def _certificate_of(account: ProviderAccount) -> str | None:
    """The certificate that an account encrypts for; None where only a lost key could tell."""
    try:
        stored = json.loads(encryption.decrypt(account.credentials, bound_to=account.id))
    except encryption.Undecipherable:
        return None
    found = stored.get("certificate_pem")
    return str(found) if found else None


@click.command()
@composed
def seed() -> None:
    """Write the demo organisation where it is missing."""
    seed_demo(past=PAST)
    click.echo("the demo organisation is there")
