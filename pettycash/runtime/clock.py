"""Business dates. The instant itself comes from PostgreSQL (`session.info["now"]`)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)


def business_date(instant: datetime, timezone: str) -> date:
    """The calendar date of an instant in a company's time zone."""
    return instant.astimezone(ZoneInfo(timezone)).date()


def day_bounds(day: date, timezone: str) -> tuple[datetime, datetime]:
    """First instant of a company-time day and of the day after, in UTC."""
    zone = ZoneInfo(timezone)
    start = datetime.combine(day, time.min, tzinfo=zone)
    end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def at_local(day: date, hour: int, timezone: str) -> datetime:
    """A full hour of a company-time day, in UTC."""
    return datetime.combine(day, time(hour), tzinfo=ZoneInfo(timezone)).astimezone(UTC)
