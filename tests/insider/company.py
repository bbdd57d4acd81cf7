"""A random organisation: units, funds, tiers and people whose roles go together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.lab.seeds import money, organisation
from pettycash.models.access import SCOPE_OF, Company, Role, ScopeKind
from pettycash.models.imprest import StoreKind
from pettycash.runtime import db
from pettycash.runtime.money import Currency
from pettycash.services.access import onboarding
from pettycash.services.foundation import duties, encryption

PASSWORD = "seven grey herons by the river"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODE = "GAME"
OURS = ".g"
"""How usernames of a game end; the demo's are other ones."""

LIMITS = (5_000, 10_000, 20_000)
"""Of the lowest tier; the next ones are five and twenty-five times as much."""

EXTRA = (Role.STAFF, Role.FPA, Role.GROUP_FINANCE_MANAGER, Role.CEO, Role.OPERATOR, Role.AUDITOR)
"""Roles of the whole company, or of oneself, that somebody may hold besides."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who works there."""

    name: str
    user_id: UUID
    email: str
    phone: str
    roles: tuple[tuple[Role, str | None], ...]
    """With the code of what they reach."""
    branch: str | None
    department: str | None

    def has(self, *roles: Role) -> bool:
        return any(role in roles for role, _ in self.roles)


@dataclass(kw_only=True)
class Organisation:
    """One company of one game."""

    company_id: UUID
    people: dict[str, Person]
    limit: int
    """Of the lowest tier, and the cfo's where the settings name no other."""
    is_small_team: bool
    units: organisation.Units = field(default_factory=organisation.Units)

    def holding(self, *roles: Role) -> list[str]:
        """Everybody who has held one of these roles from the start."""
        return [name for name, person in self.people.items() if person.has(*roles)]

    def name_of(self, user_id: UUID) -> str | None:
        """The name of somebody who is there from the start."""
        return next((n for n, each in self.people.items() if each.user_id == user_id), None)


def found(dice: Random, *, password_hash: str) -> Organisation:
    """Write a company that nobody has seen before."""
    spec = _spec(dice)
    people = _people(dice, spec)
    limit = dice.choice(LIMITS)
    with db.system_transaction() as session:
        made = onboarding.create_company(
            session, code=CODE, name="Game organisation", currency=Currency.KES
        )
        session.flush()
        company_id = made.id
    built = Organisation(
        company_id=company_id, people=people, limit=limit, is_small_team=dice.random() < 0.25
    )
    settings = {
        "timezone": "Africa/Nairobi",
        "small_team": built.is_small_team,
        "otp_floor": {"KES": f"{dice.choice((0, 1_000, limit))}.00"},
        "materiality": {"KES": "500.00"},
    }
    with db.scope(company_id=company_id, source="insider"), db.transaction() as session:
        _write(session, built, spec, settings, password_hash)
    return built


def _write(
    session: Session,
    built: Organisation,
    spec: organisation.CompanySpec,
    settings: dict[str, object],
    password_hash: str,
) -> None:
    now: datetime = session.info["now"]
    company = session.get_one(Company, built.company_id)
    units = built.units = organisation.write_units(session, company.id, spec)
    ids = {name: person.user_id for name, person in built.people.items()}
    onboarding.bootstrap(
        session,
        company_id=company.id,
        people=[_first(person, units, password_hash) for person in built.people.values()],
        settings=settings,
        escalation_approver_id=ids[spec.escalation_approver],
        now=now,
    )
    tiers = tuple(f"{built.limit * factor}.00" for factor in (1, 5, 25))
    organisation.write_thresholds(session, company.id, now, limits={"KES": (*tiers, None)})
    money.Opening(
        session=session, company=company, units=units, people=ids, certificate="", now=now
    ).write(spec)


def _first(person: Person, units: organisation.Units, password_hash: str) -> onboarding.FirstPerson:
    return onboarding.FirstPerson(
        user_id=person.user_id,
        username=person.name,
        display_name=person.name.replace("_", " "),
        email=person.email,
        phone=person.phone,
        password_hash=password_hash,
        totp_seed=encryption.encrypt(TOTP_SECRET, bound_to=person.user_id),
        roles=tuple(
            onboarding.FirstRole(role=role, scope_id=units.reached_by(role, code))
            for role, code in person.roles
        ),
        place=units.place(branch=person.branch, department=person.department, position="OFFICER"),
    )


def _spec(dice: Random) -> organisation.CompanySpec:
    regions = {f"R{n}": f"Region {n}" for n in range(dice.randint(1, 2))}
    branches = {
        f"B{n}": (dice.choice(sorted(regions)), f"Branch {n}") for n in range(dice.randint(1, 2))
    }
    branches[organisation.HEAD_OFFICE] = ("R0", "Head office")
    return organisation.CompanySpec(
        name="Game organisation",
        currency="KES",
        regions=regions,
        branches=branches,
        departments={"OPS": "Operations", "FIN": "Finance"},
        provider_account=("MPESA-GAME", "600999"),
        escalation_approver=f"escalation{OURS}",
        funds=tuple(_fund(dice, code) for code in branches),
    )


def _fund(dice: Random, branch: str) -> organisation.FundSpec:
    full = dice.choice((60_000, 400_000, 1_000_000))
    return organisation.FundSpec(
        code=f"F-{branch}",
        name=f"Fund of {branch}",
        currency="KES",
        branch=branch,
        custodian=f"custodian_{branch.lower()}{OURS}",
        alternate=f"alternate_{branch.lower()}{OURS}",
        target=f"{full}.00",
        reorder=f"{full - 3_000}.00",
        cash_limit=f"{dice.choice((2_000, 5_000))}.00",
        stores=(
            organisation.StoreSpec(
                f"{branch}-MPESA",
                f"{branch} on M-Pesa",
                StoreKind.PROVIDER_SHARE,
                f"{full // 2}.00",
            ),
            organisation.StoreSpec(
                f"{branch}-DRAWER", f"{branch} drawer", StoreKind.DRAWER, f"{full // 2}.00"
            ),
        ),
    )


def _people(dice: Random, spec: organisation.CompanySpec) -> dict[str, Person]:
    head = {"branch": organisation.HEAD_OFFICE, "department": "FIN"}
    wanted: list[tuple[str, list[tuple[Role, str | None]], dict[str, str]]] = []
    for code in spec.branches:
        here, low = {"branch": code, "department": "OPS"}, code.lower()
        wanted += [
            (f"staff_{low}", [(Role.STAFF, None)], here),
            (f"manager_{low}", [(Role.BRANCH_MANAGER, code)], here),
            (f"custodian_{low}", [(Role.CUSTODIAN, f"F-{code}")], here),
            (f"alternate_{low}", [(Role.CUSTODIAN, f"F-{code}")], here),
        ]
    wanted += [(f"region_{c.lower()}", [(Role.REGIONAL_MANAGER, c)], {}) for c in spec.regions]
    wanted += [
        (f"head_{code.lower()}", [(Role.DEPARTMENT_HEAD, code)], {**head, "department": code})
        for code in spec.departments
    ]
    several = {
        "gfm": (Role.GROUP_FINANCE_MANAGER, 2), "treasury": (Role.TREASURY, 3),
        "cfo": (Role.CFO, 1), "ceo": (Role.CEO, 1), "fpa": (Role.FPA, 1),
        "operator": (Role.OPERATOR, 1), "admin": (Role.ADMIN, 2), "auditor": (Role.AUDITOR, 1),
    }  # fmt: skip
    for word, (role, count) in several.items():
        wanted += [(f"{word}_{n}", [(role, None)], head) for n in range(1, count + 1)]
    wanted.append(("escalation", [], {}))
    return {
        name + OURS: _person(dice, number, name + OURS, _with_more(dice, roles), place)
        for number, (name, roles, place) in enumerate(wanted)
    }


def _with_more(
    dice: Random, roles: list[tuple[Role, str | None]]
) -> tuple[tuple[Role, str | None], ...]:
    """Sometimes a second role that goes with the first."""
    extra = dice.choice(EXTRA)
    held = {role for role, _ in roles}
    is_kept = roles and dice.random() < 0.15 and extra not in held
    if is_kept and duties.incompatible([*held, extra]) is None:
        assert SCOPE_OF[extra] in (ScopeKind.SELF, ScopeKind.COMPANY)
        return (*roles, (extra, None))
    return tuple(roles)


def _person(
    dice: Random,
    number: int,
    name: str,
    roles: Iterable[tuple[Role, str | None]],
    place: dict[str, str],
) -> Person:
    return Person(
        name=name,
        # By the dice, as where several may approve the lowest id is asked.
        user_id=UUID(int=dice.getrandbits(128), version=4),
        email=f"{name}@game.example",
        phone=f"+2547230{number:05d}",
        roles=tuple(roles),
        branch=place.get("branch"),
        department=place.get("department"),
    )
