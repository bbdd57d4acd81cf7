"""The demo organisation: complete, balanced, safe to write again, refused in production."""

import json
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from pettycash import composition
from pettycash.cli.lab.seed import PERSONAS, fixed_credentials, seed_demo
from pettycash.lab.seeds import organisation
from pettycash.models.access import MFA_ROLES, Company, RoleAssignment, User
from pettycash.models.imprest import Fund, ProviderAccount, Store
from pettycash.models.ledger import LedgerAccount
from pettycash.runtime import db
from pettycash.services.access.identity import sessions
from pettycash.services.foundation import encryption
from pettycash.stack.state import StackError
from tests.patience import budget
from tests.servers import Database, Servers

NAMED_BY_THE_PLATFORM = {
    "staff", "branch_manager", "department_head", "regional_manager", "group_finance_manager",
    "treasury", "treasury_2", "custodian", "cfo", "ceo", "fpa", "auditor", "operator", "admin",
    "other_company", "other_admin", "other_admin_2", "other_treasury", "other_treasury_2",
    "other_treasury_3", "other_custodian", "other_operator", "escalation", "other_escalation",
}  # fmt: skip


@pytest.fixture
def fresh(live: Database, servers: Servers, tmp_path: Path) -> Database:
    """A live database whose process keeps its state in a folder of the test's own."""
    composition.compose(replace(live.settings, state_dir=tmp_path))
    return live


def test_every_persona_of_the_platform_can_sign_in(session: Session) -> None:
    users = {user.username: user for user in session.execute(select(User)).scalars()}
    demo = [name for name in PERSONAS if PERSONAS[name].company == "DEMO"]

    assert set(PERSONAS) >= NAMED_BY_THE_PLATFORM
    assert set(demo) == set(users)
    for name in demo:
        known = fixed_credentials(name)
        assert users[name].totp_seed is not None
        seed = encryption.decrypt(users[name].totp_seed, bound_to=users[name].id)
        assert seed == known.totp_secret
        assert not sessions.has_temporary_password(users[name].password_changed_at)
    assert encryption.password_matches(
        fixed_credentials("staff").password, users["staff"].password_hash
    )


def test_each_persona_has_the_roles_of_its_row_and_nobody_proposed_them(session: Session) -> None:
    held = {
        (name, role)
        for name, role in session.execute(
            select(User.username, RoleAssignment.role).join(
                RoleAssignment, RoleAssignment.user_id == User.id
            )
        )
    }
    wanted = {
        (name, role)
        for name, persona in PERSONAS.items()
        if persona.company == "DEMO"
        for role, _ in persona.roles
    }

    assert held == wanted
    assert session.scalar(select(func.count(RoleAssignment.proposed_by))) == 0
    assert session.scalars(select(RoleAssignment.is_bootstrap).distinct()).all() == [True]


def test_funds_open_with_their_float_and_the_books_balance(session: Session) -> None:
    balances = dict(
        session.execute(
            select(Fund.code, func.sum(LedgerAccount.balance))
            .join(Store, Store.fund_id == Fund.id)
            .join(LedgerAccount, LedgerAccount.id == Store.account_id)
            .group_by(Fund.code)
        ).all()
    )
    floats = dict(session.execute(select(Fund.code, Fund.target_balance)).all())
    sums = session.execute(
        select(LedgerAccount.currency, func.sum(LedgerAccount.balance)).group_by(
            LedgerAccount.currency
        )
    ).all()

    assert balances == floats
    assert floats["WESTLANDS"] == Decimal("50000.00")
    assert sums
    assert all(total == 0 for _, total in sums)


def test_tiers_leave_no_gap(session: Session) -> None:
    rows = session.execute(
        text(
            "SELECT currency, origin, min_amount, max_amount,"
            " lag(max_amount) OVER (PARTITION BY currency, origin ORDER BY tier) AS before, tier"
            " FROM approval_thresholds"
        )
    ).all()

    assert rows
    for row in rows:
        assert row.min_amount == (row.before if row.tier > 1 else 0)
        assert (row.max_amount is None) is (row.tier == 4)


def test_a_second_run_writes_nothing(fresh: Database) -> None:
    seed_demo()  # makes personas.json, which this folder lacks
    before = _counts(fresh)
    began = time.monotonic()
    seed_demo()

    assert _counts(fresh) == before
    assert time.monotonic() - began < budget(1.5)


def test_lost_sign_ins_are_renewed_and_only_their_owner_reads_them(
    live: Database, tmp_path: Path
) -> None:
    composition.compose(replace(live.settings, state_dir=tmp_path, environment="development"))

    seed_demo()

    file = tmp_path / "personas.json"
    assert file.stat().st_mode & 0o777 == 0o600
    written = json.loads(file.read_text(encoding="utf-8"))
    assert set(written) == set(PERSONAS)
    assert len({each["password"] for each in written.values()}) == len(PERSONAS)
    with db.system_transaction() as session:
        users = {user.username: user for user in session.execute(select(User)).scalars()}
    for name, known in written.items():
        seed = encryption.decrypt(users[name].totp_seed or "", bound_to=users[name].id)
        assert seed == known["totp_secret"]
    chosen = users["treasury"]
    assert encryption.password_matches(written["treasury"]["password"], chosen.password_hash)
    assert not encryption.password_matches(written["staff"]["password"], chosen.password_hash)


def test_a_simulator_that_moved_is_followed(live: Database, tmp_path: Path) -> None:
    moved = "http://127.0.0.1:45671"
    composition.compose(replace(live.settings, state_dir=tmp_path, simulator_mpesa_url=moved))

    seed_demo()

    with db.system_transaction() as session:
        accounts = session.execute(select(ProviderAccount)).scalars().all()
    certificate = (tmp_path / "simulators" / "mpesa" / "certificate.pem").read_text("ascii")
    assert len(accounts) == len(organisation.COMPANIES)
    for account in accounts:
        assert account.base_url == moved
        kept = json.loads(encryption.decrypt(account.credentials, bound_to=account.id))
        assert kept["certificate_pem"] == certificate


def test_production_refuses_demo_people(live: Database, tmp_path: Path) -> None:
    composition.compose(replace(live.settings, state_dir=tmp_path, environment="production"))

    with pytest.raises(StackError, match="production"):
        seed_demo()

    assert not (tmp_path / "personas.json").exists()


def test_whoever_needs_a_second_factor_has_one(live: Database) -> None:
    with db.system_transaction() as session:
        holders = session.execute(
            select(User.totp_enrolled_at)
            .join(RoleAssignment, RoleAssignment.user_id == User.id)
            .where(RoleAssignment.role.in_(MFA_ROLES))
        ).scalars()
        assert all(enrolled is not None for enrolled in holders)


def _counts(database: Database) -> dict[str, int]:
    found = {}
    with db.system_transaction() as session:
        companies = session.execute(select(Company.id)).scalars().all()
    for company_id in companies:
        with db.scope(company_id=company_id), db.transaction() as session:
            for table in ("users", "role_assignments", "funds", "postings", "approval_thresholds"):
                count = session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                found[f"{company_id}:{table}"] = count
    return found
