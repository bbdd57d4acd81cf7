"""Settings below the API: versions, races, and what a company's currency allows."""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.access import Company, CompanySettings
from pettycash.runtime import db
from pettycash.services.foundation import company_settings
from tests.factories.people import company_id, user_id
from tests.races import together
from tests.servers import Database


def test_a_company_without_any_version_has_the_defaults(live: Database) -> None:
    with db.system_transaction() as session:
        company = Company(code="BARE", name="Bare", currency="RWF")
        session.add(company)
        session.flush()
        bare = company.id

    with db.scope(company_id=bare), db.transaction() as session:
        policy = company_settings.current(session)

    assert policy == company_settings.CompanyPolicy(version=0, currency="RWF")
    assert policy.timezone == "Africa/Nairobi"
    assert policy.otp_floor("RWF") == 0


def test_what_is_stored_is_read_back_typed(session: Session) -> None:
    before = company_settings.current(session)

    policy = company_settings.update(
        session,
        values={"otp_floor": {"KES": "12.50"}, "holidays": ["2026-12-26", "2026-12-25"]},
        expected_version=before.version,
        changed_by=user_id(session, "admin"),
        known=company_settings.OF_CONSEQUENCE,
    )

    assert policy.version == before.version + 1
    assert policy.otp_floor("KES") == Decimal("12.50")
    assert policy.holidays == (date(2026, 12, 25), date(2026, 12, 26))
    assert policy.escalation_approver_id == before.escalation_approver_id


def test_a_floor_of_before_is_one_of_the_companys_currency(session: Session) -> None:
    version = company_settings.current(session).version + 1
    session.add(
        CompanySettings(
            company_id=session.info["scope"].company_id,
            version=version,
            data={"otp_floor": "12.50"},
            changed_by=None,
        )
    )
    session.flush()

    assert company_settings.current(session).otp_floors == {"KES": Decimal("12.50")}


def test_an_old_version_is_never_changed(session: Session) -> None:
    before = company_settings.current(session)
    first = select(CompanySettings.data).where(CompanySettings.version == before.version)
    kept = session.execute(first).scalar_one()

    company_settings.update(
        session, values={"case_due_hours": 8}, expected_version=before.version, changed_by=None
    )

    assert session.execute(first).scalar_one() == kept


def test_two_administrators_at_once_write_one_version(live: Database) -> None:
    company = company_id("DEMO")
    with db.scope(company_id=company), db.transaction() as session:
        version = company_settings.current(session).version

    def write(name: str, value: Any) -> int:
        with db.scope(company_id=company), db.transaction() as session:
            return company_settings.update(
                session, values={name: value}, expected_version=version, changed_by=None
            ).version

    results = together(
        [lambda: write("case_due_hours", 8), lambda: write("timezone", "Africa/Kampala")]
    )

    assert results.count(version + 1) == 1, results
    assert sum(isinstance(each, company_settings.SettingsChanged) for each in results) == 1
    with db.scope(company_id=company), db.transaction() as session:
        policy = company_settings.current(session)
        assert (policy.case_due_hours == 8) is not (policy.timezone == "Africa/Kampala")
        count = select(func.count()).select_from(CompanySettings)
        assert session.execute(count).scalar_one() == version + 1
