"""Tables of notices: what a person is to hear, and how they wish to hear it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import Tenanted, Updated, choice, member


class Timing(StrEnum):
    """When an e-mail tells of a notice."""

    AT_ONCE = "at_once"
    DAILY = "daily"
    OFF = "off"


class Notice(Tenanted):
    """One person hears of one event. Nothing changes but how far it came on its way to them."""

    __tablename__ = "notices"
    __table_args__ = (
        member("user_id"),
        UniqueConstraint("company_id", "user_id", "kind", "about_id"),
        Index("ix_notices_user", "company_id", "user_id", "id"),
        Index(
            "ix_notices_unsent",
            "company_id",
            "user_id",
            postgresql_where="sent_at IS NULL AND timing <> 'off'",
        ),
        Index("ix_notices_created", "created_at"),
    )

    user_id: Mapped[UUID]
    kind: Mapped[str]
    about_id: Mapped[UUID]
    """The row of the event: a step, a round, a payment, a case."""
    subject: Mapped[str]
    sentence: Mapped[str]
    path: Mapped[str]
    """Where it is read, on the console."""
    timing: Mapped[Timing] = mapped_column(choice(Timing, "timing"))
    """The wish that held at the event; `off`, too, where its e-mail was given up."""
    claimed_at: Mapped[datetime | None]
    """Since when a worker has been sending its e-mail."""
    sent_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]


class NoticeWish(Updated, Tenanted):
    """How a person wishes to hear of one kind; without a row, as the kind says."""

    __tablename__ = "notice_wishes"
    __table_args__ = (
        member("user_id"),
        UniqueConstraint("company_id", "user_id", "kind"),
    )

    user_id: Mapped[UUID]
    kind: Mapped[str]
    timing: Mapped[Timing] = mapped_column(choice(Timing, "timing"))
