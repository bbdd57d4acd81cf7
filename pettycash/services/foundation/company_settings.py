"""A company's settings: versioned rows, typed and validated; the highest version counts.

A key that no version names has the default of `CompanyPolicy`. Settings of consequence (control.md
§6) take two people: `setting_changes` proposes and applies them; the others one administrator sets.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.access import Company, CompanySettings, Membership, User
from pettycash.models.approvals import ApprovalThreshold
from pettycash.runtime import db, errors, money

TIMEZONE_DEFAULT = "Africa/Nairobi"
WORKING_DAYS_DEFAULT = (1, 2, 3, 4, 5)
HOLIDAYS_MAX = 400


class UnknownSetting(errors.RuleViolation):
    """There is no setting of this name."""

    code = "settings.unknown_key"


class InvalidSetting(errors.RuleViolation):
    """The setting does not allow this value."""

    code = "settings.invalid_value"


class SettingNeedsTwoPeople(errors.RuleViolation):
    """This setting needs two people: propose the change with `POST /api/changes/`."""

    code = "settings.needs_two_people"


class SettingsChanged(errors.StalePrecondition):
    """Somebody else changed the settings since you read them."""

    code = "settings.stale"


@dataclass(frozen=True, kw_only=True)
class CompanyPolicy:
    """The settings of a company that hold now. Amounts are in the company's own currency."""

    version: int
    """0: no version was ever written, all is default."""
    currency: str
    """ISO 4217, of the company itself; not a setting."""
    timezone: str = TIMEZONE_DEFAULT
    """IANA name; business dates are computed in it."""
    working_days: tuple[int, ...] = WORKING_DAYS_DEFAULT
    """ISO 8601: Monday is 1."""
    holidays: tuple[date, ...] = ()
    otp_floors: Mapping[str, Decimal] = field(default_factory=dict)
    """Treasury releases from this amount up take a code, by currency; all of them without one."""
    materialities: Mapping[str, Decimal] = field(default_factory=dict)
    """Currency → what a fund's variances of a month may come to without the cfo; left out: 0."""
    cfo_limits: Mapping[str, Decimal] = field(default_factory=dict)
    """Currency → above which the cfo or ceo is one of those who decide; see `cfo_limit`."""
    code_by_email: bool = True
    code_by_sms: bool = True
    small_team: bool = False
    """True: a requisition validated unchanged has its requester as payment maker."""
    escalation_approver_id: UUID | None = None
    case_due_hours: int = 24
    """How long a severe case may wait before it is overdue."""
    advances: bool = False
    """True: requisitions of kind advance are taken (books.md §5)."""
    upload_mib_per_day: int = 200
    """How much one person may store as attachments in a company day."""

    def otp_floor(self, currency: str) -> Decimal:
        """The floor of a currency; 0: every release takes a code."""
        return self.otp_floors.get(currency, Decimal(0))

    def materiality(self, currency: str) -> Decimal:
        """Up to this a fund's variances of one month are no matter for the cfo."""
        return self.materialities.get(currency, Decimal(0))


BY_CURRENCY = {
    "otp_floor": "otp_floors",
    "materiality": "materialities",
    "cfo_limit": "cfo_limits",
}
"""Setting → attribute of `CompanyPolicy`: amounts by currency."""


def wire(policy: CompanyPolicy, name: str) -> Any:
    """A setting as it is stored and answered."""
    value = getattr(policy, BY_CURRENCY.get(name, name))
    if isinstance(value, Mapping):
        return {code: money.text(amount, code) for code, amount in value.items()}
    if isinstance(value, tuple):
        return [each.isoformat() if isinstance(each, date) else each for each in value]
    return value


def defaults(policy: CompanyPolicy) -> dict[str, Any]:
    """The value of each setting where no version names it."""
    first = CompanyPolicy(version=0, currency=policy.currency)
    return {name: wire(first, name) for name in (*ALONE, *OF_CONSEQUENCE)}


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidSetting("It is true or false.")
    return value


def _timezone(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", value):
        raise InvalidSetting("It is an IANA time zone such as Africa/Nairobi.")
    return value


def _working_days(value: object) -> list[int]:
    if (
        not isinstance(value, list)
        or not value
        or any(type(day) is not int or day not in range(1, 8) for day in value)
        or len(set(value)) != len(value)
    ):
        raise InvalidSetting("They are different numbers from 1 (Monday) to 7, at least one.")
    return sorted(value)


def _holidays(value: object) -> list[str]:
    if not isinstance(value, list) or len(value) > HOLIDAYS_MAX:
        raise InvalidSetting(f"They are a list of at most {HOLIDAYS_MAX} dates.")
    try:
        return sorted({date.fromisoformat(day).isoformat() for day in value})
    except (TypeError, ValueError) as error:
        raise InvalidSetting("Each is a date such as 2026-12-12.") from error


def _amounts(value: object) -> dict[str, str]:
    """A map currency → amount, each in a form that its currency has."""
    if not isinstance(value, dict):
        raise InvalidSetting('They are amounts by currency, such as {"KES": "1000.00"}.')
    read: dict[str, str] = {}
    for code, amount in value.items():
        if code not in money.Currency.__members__:
            raise InvalidSetting(f"{str(code)[:10]} is no currency of ours.")
        currency = money.Currency(code)
        try:
            read[code] = money.text(money.checked(money.parse(amount, zero=True), currency), code)
        except errors.RuleViolation as refusal:
            raise InvalidSetting(f"{code}: {refusal.detail}") from refusal
    return read


def _hours(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 24 * 30:
        raise InvalidSetting("It is a whole number of hours, from 1 to 720.")
    return value


def _mebibytes(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 10 <= value <= 10_000:
        raise InvalidSetting("It is a whole number of MiB, from 10 to 10000.")
    return value


Readers = Mapping[str, Callable[[object], Any]]

ALONE: Readers = {
    "timezone": _timezone,
    "case_due_hours": _hours,
    "advances": _boolean,
    "upload_mib_per_day": _mebibytes,
}
"""Setting → what reads its wire form into its stored form. One administrator changes these."""

OF_CONSEQUENCE: Readers = {
    "working_days": _working_days,
    "holidays": _holidays,
    "otp_floor": _amounts,
    "materiality": _amounts,
    "cfo_limit": _amounts,
    "code_by_email": _boolean,
    "code_by_sms": _boolean,
    "small_team": _boolean,
}
"""The same of settings that two people change: who is asked, and when, follows from them."""

TWO_PEOPLE = frozenset({*OF_CONSEQUENCE, "escalation_approver_id"})


CURRENT = (
    select(Company.currency, CompanySettings)
    .outerjoin(CompanySettings, CompanySettings.company_id == Company.id)
    .where(Company.id == bindparam("company_id"))
    .order_by(CompanySettings.version.desc())
    .limit(1)
    .execution_options(**db.PREPARED)
)


def current(session: Session) -> CompanyPolicy:
    """The settings of the company in scope."""
    found = session.execute(CURRENT, {"company_id": session.info["scope"].company_id}).one()
    currency: str = found[0]
    row: CompanySettings | None = found[1]
    if row is None:
        return CompanyPolicy(version=0, currency=currency)
    return _policy(row, currency)


def cfo_limit(session: Session, *, currency: str, now: datetime) -> Decimal:
    """Above this the cfo or ceo is one of those who decide.

    A currency without a limit of its own has the end of its lowest live tier, the smallest over all
    origins; without any tier, nought.
    """
    named = current(session).cfo_limits.get(currency)
    return lowest_tier(session, currency=currency, now=now) if named is None else named


def lowest_tier(session: Session, *, currency: str, now: datetime) -> Decimal:
    """The smallest limit of the live tiers; 0 where none has one."""
    found = session.execute(
        select(func.min(ApprovalThreshold.max_amount)).where(
            ApprovalThreshold.currency == currency,
            ApprovalThreshold.valid_from <= now,
            or_(ApprovalThreshold.valid_until.is_(None), ApprovalThreshold.valid_until > now),
        )
    ).scalar_one()
    return found or Decimal(0)


def _latest(session: Session, company_id: UUID) -> CompanySettings | None:
    return session.execute(
        select(CompanySettings)
        .where(CompanySettings.company_id == company_id)
        .order_by(CompanySettings.version.desc())
        .limit(1)
    ).scalar_one_or_none()


def _policy(row: CompanySettings, currency: str) -> CompanyPolicy:
    data = dict(row.data)
    if data.get("escalation_approver_id") is not None:
        data["escalation_approver_id"] = UUID(data["escalation_approver_id"])
    floors = data.get("otp_floor")
    if isinstance(floors, str):  # as it was before each currency had its own
        data["otp_floor"] = {currency: floors}
    for name, attribute in BY_CURRENCY.items():
        data[attribute] = {code: Decimal(amount) for code, amount in data.pop(name, {}).items()}
    if "working_days" in data:
        data["working_days"] = tuple(data["working_days"])
    if "holidays" in data:
        data["holidays"] = tuple(date.fromisoformat(day) for day in data["holidays"])
    return CompanyPolicy(version=row.version, currency=currency, **data)


def checked(
    session: Session, values: Mapping[str, object], *, known: Readers = ALONE
) -> dict[str, Any]:
    """Read wire values into stored ones; every wrong one is named.

    `known` are the settings that may be among them.

    Raises:
        UnknownSetting: a key is not a setting, or not one of those.
        SettingNeedsTwoPeople: a key takes a two-person change.
        InvalidSetting: a value can't be taken.
    """
    unknown = sorted(set(values) - set(known) - (TWO_PEOPLE if known is ALONE else set()))
    if unknown:
        raise UnknownSetting(errors={name: ["There is no such setting."] for name in unknown})
    guarded = sorted(set(values) - set(known))
    if guarded:
        raise SettingNeedsTwoPeople(
            errors={name: ["Propose it at /api/changes/."] for name in guarded}
        )
    stored: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for name, value in values.items():
        try:
            stored[name] = known[name](value)
        except errors.RuleViolation as refusal:
            wrong[name] = [refusal.detail]
    if "timezone" in stored and not _known_to_database(session, stored["timezone"]):
        wrong["timezone"] = ["The database knows no such time zone."]
    if wrong:
        raise InvalidSetting(errors=wrong)
    return stored


def _known_to_database(session: Session, timezone: str) -> bool:
    """The database computes accounting dates in it, so the database has to know it."""
    try:
        with session.begin_nested():
            session.execute(text("SELECT now() AT TIME ZONE :name"), {"name": timezone})
    except DBAPIError:
        return False
    return True


def update(
    session: Session,
    *,
    values: Mapping[str, object],
    expected_version: int,
    changed_by: UUID | None,
    known: Readers = ALONE,
) -> CompanyPolicy:
    """Write a new version of the settings; what `values` does not name stays.

    Raises:
        UnknownSetting, SettingNeedsTwoPeople, InvalidSetting: see `checked`.
        SettingsChanged: `expected_version` is not the newest any more.
    """
    return _write(
        session,
        stored=checked(session, values, known=known),
        expected_version=expected_version,
        changed_by=changed_by,
    )


def set_escalation_approver(
    session: Session, *, user_id: UUID | None, changed_by: UUID | None
) -> CompanyPolicy:
    """Name who takes a step that nobody else can; called once two people agreed.

    Raises:
        InvalidSetting: the person is no active member of the company.
    """
    if user_id is not None:
        check_active_member(session, user_id=user_id, field="user_id")
    return _write(
        session,
        stored={"escalation_approver_id": str(user_id) if user_id else None},
        expected_version=current(session).version,
        changed_by=changed_by,
    )


def check_active_member(session: Session, *, user_id: UUID, field: str) -> None:
    """Refuse a person who does not work here (any more).

    Raises:
        InvalidSetting: no membership, or it or the login is not active.
    """
    works_here = session.execute(
        select(Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.user_id == user_id, Membership.is_active, User.is_active)
    ).scalar_one_or_none()
    if works_here is None:
        raise InvalidSetting(errors={field: ["There is no such active person in the company."]})


def _write(
    session: Session,
    *,
    stored: Mapping[str, Any],
    expected_version: int,
    changed_by: UUID | None,
) -> CompanyPolicy:
    company_id = session.info["scope"].company_id
    latest = _latest(session, company_id)
    version = latest.version if latest else 0
    if version != expected_version:
        raise SettingsChanged(f"The settings are at version {version}.")
    row = CompanySettings(
        company_id=company_id,
        version=version + 1,
        data={**(latest.data if latest else {}), **stored},
        changed_by=changed_by,
    )
    try:
        with session.begin_nested():
            session.add(row)
            # Flushed here, as the unique version decides between two writers.
            session.flush()
    except IntegrityError as error:
        raise SettingsChanged from error
    return current(session)
