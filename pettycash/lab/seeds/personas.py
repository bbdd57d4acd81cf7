"""The people of the demo organisation, and how they sign in.

Every persona has an authenticator enrolled. In development each has a random password and secret,
kept in `personas.json` of the state folder; in tests both are fixed, so that tests need no file.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import argon2
import pyotp

from pettycash.models.access import Role
from pettycash.runtime import settings
from pettycash.services.foundation import encryption
from pettycash.stack.state import read_json, write_private

TEST_PASSWORD = "blue kettle on a tin roof"  # noqa: S105 - of personas on throw-away servers

DEMO, OTHER = "DEMO", "OTHER"


@dataclass(frozen=True)
class Persona:
    """One person: company, places by code, and roles with the code of what they reach."""

    company: str
    display_name: str
    roles: tuple[tuple[Role, str | None], ...]
    branch: str | None = None
    department: str | None = None
    position: str = "OFFICER"


def _one(display_name: str, role: Role, scope: str | None = None, **place: str) -> Persona:
    return Persona(DEMO, display_name, ((role, scope),), **place)


def _at_other(display_name: str, role: Role, scope: str | None = None) -> Persona:
    return Persona(OTHER, display_name, ((role, scope),), branch="KISUMU")


R = Role
WEST = {"branch": "WESTLANDS", "department": "OPS"}
COAST = {"branch": "MOMBASA", "department": "OPS"}
HQ = {"branch": "HQ", "department": "FIN"}
HEAD = {"position": "HEAD"}

PERSONAS: Mapping[str, Persona] = {
    "staff": _one("Staff, Westlands", R.STAFF, **WEST),
    "branch_manager": _one("Branch manager, Westlands", R.BRANCH_MANAGER, "WESTLANDS", **WEST),
    "department_head": _one("Head of operations", R.DEPARTMENT_HEAD, "OPS", **WEST, **HEAD),
    "regional_manager": _one("Regional manager, Nairobi", R.REGIONAL_MANAGER, "NAIROBI", **HEAD),
    "group_finance_manager": _one("Group finance manager", R.GROUP_FINANCE_MANAGER, **HQ, **HEAD),
    "treasury": _one("Treasury officer", R.TREASURY, **HQ),
    "treasury_2": _one("Second treasury officer", R.TREASURY, **HQ),
    "custodian": _one("Custodian, Westlands", R.CUSTODIAN, "WESTLANDS", **WEST),
    "cfo": _one("Chief financial officer", R.CFO, **HQ, **HEAD),
    "ceo": _one("Chief executive officer", R.CEO, **HQ, **HEAD),
    "fpa": _one("Planning and analysis", R.FPA, **HQ),
    "auditor": _one("Auditor", R.AUDITOR, **HQ),
    "operator": _one("Operator", R.OPERATOR, **HQ),
    "admin": _one("Administrator", R.ADMIN, **HQ),
    "other_company": Persona(
        OTHER,
        "Head of Other",
        (
            (R.STAFF, None),
            (R.DEPARTMENT_HEAD, "OPS"),
            (R.BRANCH_MANAGER, "KISUMU"),
            (R.REGIONAL_MANAGER, "WEST"),
            (R.GROUP_FINANCE_MANAGER, None),
            (R.CFO, None),
            (R.FPA, None),
            (R.CEO, None),
        ),
        branch="KISUMU",
        department="OPS",
    ),
    # Second ones, where two people are needed, and the same roles in another place.
    "staff_2": _one("Second staff, Westlands", R.STAFF, **WEST),
    "staff_mombasa": _one("Staff, Mombasa", R.STAFF, **COAST),
    "staff_hq": _one("Staff, head office", R.STAFF, **HQ),
    "branch_manager_mombasa": _one(
        "Branch manager, Mombasa", R.BRANCH_MANAGER, "MOMBASA", **COAST, **HEAD
    ),
    "department_head_finance": _one("Head of finance", R.DEPARTMENT_HEAD, "FIN", **HQ, **HEAD),
    "regional_manager_coast": _one(
        "Regional manager, Coast", R.REGIONAL_MANAGER, "COAST", **COAST, **HEAD
    ),
    "group_finance_manager_2": _one("Second finance manager", R.GROUP_FINANCE_MANAGER, **HQ),
    "treasury_3": _one("Third treasury officer", R.TREASURY, **HQ),
    "custodian_2": _one("Alternate custodian, Westlands", R.CUSTODIAN, "WESTLANDS", **WEST),
    "custodian_mombasa": _one("Custodian, Mombasa", R.CUSTODIAN, "MOMBASA", **COAST),
    "custodian_hq": Persona(
        DEMO, "Custodian, head office", ((R.CUSTODIAN, "HQ"), (R.CUSTODIAN, "HQ-UGX")), **HQ
    ),
    "operator_2": _one("Second operator", R.OPERATOR, **HQ),
    "admin_2": _one("Second administrator", R.ADMIN, **HQ),
    "other_staff": Persona(
        OTHER, "Staff at Other", ((R.STAFF, None),), branch="KISUMU", department="OPS"
    ),
    "other_branch_manager": Persona(
        OTHER,
        "Branch manager at Other",
        ((R.BRANCH_MANAGER, "KISUMU"),),
        branch="KISUMU",
        department="OPS",
    ),
    "other_treasury": _at_other("Treasury at Other", R.TREASURY),
    "other_treasury_2": _at_other("Second treasury officer at Other", R.TREASURY),
    "other_treasury_3": _at_other("Third treasury officer at Other", R.TREASURY),
    "other_custodian": _at_other("Custodian at Other", R.CUSTODIAN, "KISUMU"),
    "other_operator": _at_other("Operator at Other", R.OPERATOR),
    "other_admin": _at_other("Administrator at Other", R.ADMIN),
    "other_admin_2": _at_other("Second administrator at Other", R.ADMIN),
    # Members without a role: they see and decide only what is escalated to them.
    "escalation": Persona(DEMO, "Escalation approver", ()),
    "other_escalation": Persona(OTHER, "Escalation approver at Other", ()),
}
"""Persona → who it is. The name is also the username."""


@dataclass(frozen=True)
class PersonaCredentials:
    """How a persona signs in."""

    username: str
    password: str
    totp_secret: str


def fixed_credentials(name: str) -> PersonaCredentials:
    """A persona's sign-in under PETTYCASH_ENV=test."""
    secret = base64.b32encode(hashlib.sha256(name.encode()).digest()[:20]).decode("ascii")
    return PersonaCredentials(name, TEST_PASSWORD, secret)


def _random_credentials(name: str) -> PersonaCredentials:
    return PersonaCredentials(name, secrets.token_urlsafe(18), pyotp.random_base32())


def load(path: Path) -> dict[str, PersonaCredentials] | None:
    """The sign-ins of a state folder; None where it has not those of every persona."""
    written = read_json(path) or {}
    try:
        return {name: PersonaCredentials(**written[name]) for name in PERSONAS}
    except (KeyError, TypeError):
        return None


def make() -> dict[str, PersonaCredentials]:
    """Sign-ins for every persona: fixed in tests, random elsewhere."""
    is_test = settings.current().environment == "test"
    credentials = fixed_credentials if is_test else _random_credentials
    return {name: credentials(name) for name in PERSONAS}


def save(path: Path, known: Mapping[str, PersonaCredentials]) -> None:
    """Write the sign-ins where only their owner can read them."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    content = {name: vars(credentials) for name, credentials in known.items()}
    write_private(path, json.dumps(content, indent=2) + "\n")


def hashes(known: Mapping[str, PersonaCredentials]) -> dict[str, str]:
    """The password hash of every persona.

    Random passwords are too long to guess, so they get the floor profile of security.md row 2,
    which keeps the first start short; signing in raises it to the full one.
    """
    passwords = {each.password for each in known.values()}
    if len(passwords) == 1:
        shared = encryption.hash_password(passwords.pop())
        return dict.fromkeys(known, shared)
    hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda each: hasher.hash(each.password), known.values())
        return dict(zip(known, found, strict=True))
