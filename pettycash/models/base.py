"""The base of every table: keys, tenancy, types of money and time, named constraints."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import (
    CHAR,
    CheckConstraint,
    Computed,
    Date,
    DateTime,
    Enum,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, declared_attr, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Money = Annotated[Decimal, mapped_column(Numeric(18, 2))]
"""An amount; the currency stands in a column beside it."""

CurrencyCode = Annotated[str, mapped_column(CHAR(3))]
"""ISO 4217."""

REQUEST_ID = text("nullif(current_setting('app.request_id', true), '')")
"""Default of a column that names the request in which its row was written (`db.begin_scope`)."""

Json = Annotated[dict[str, Any], mapped_column(JSONB, default=dict)]


def new_id() -> UUID:
    """A UUID version 7: keys sort by the time they were made (RFC 9562)."""
    return uuid_utils.compat.uuid7()


def first_id(at: datetime) -> UUID:
    """The least key that `new_id` can have made at an instant: a range of keys is one of time."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62))


class Base(DeclarativeBase):
    """All tables. Time is timestamptz, text is text, enums are text with a CHECK."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        date: Date(),
        Decimal: Numeric(18, 2),
        UUID: Uuid(),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: JSONB(),
    }


class Keyed(Base):
    """A row with a UUIDv7 key and the time it was written."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Tenanted(Keyed):
    """A business row: it belongs to one company, and every foreign key to it says so."""

    __abstract__ = True

    @declared_attr
    @classmethod
    def company_id(cls) -> Mapped[UUID]:
        """The tenant."""
        return mapped_column(ForeignKey("companies.id", ondelete="RESTRICT"), index=False)


class Updated:
    """A row that changes: a trigger keeps when it last did (migrations/sql/triggers)."""

    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), server_onupdate=FetchedValue()
    )


class Numbered(Tenanted):
    """A row that people call by a number (`services/foundation/numbers`)."""

    __abstract__ = True
    prefix: ClassVar[str]
    """Three letters that its numbers begin with, and that no other table has."""

    number: Mapped[str]


class Decidable(Updated, Tenanted):
    """A row about which one person proposes something that another one decides.

    Its facts and its status stay with it; who may propose and decide: `services/foundation/
    decisions`.
    """

    __abstract__ = True
    own_end: ClassVar[str | None] = None
    """The status in which the proposer alone may end it."""

    proposed_by: Mapped[UUID | None]
    """Null: nothing is proposed, or the system proposed it."""
    proposed_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]

    @declared_attr
    @classmethod
    def decided_by(cls) -> Mapped[UUID | None]:
        """The second person, by a CHECK."""
        apart = "decided_by <> proposed_by"
        if cls.own_end is not None:
            apart = f"status = '{cls.own_end}' OR {apart}"
        return mapped_column(CheckConstraint(apart, name="two_people"))


def own_key() -> UniqueConstraint:
    """The target of composite foreign keys: (company_id, id)."""
    return UniqueConstraint("company_id", "id")


def within_company(column: str, table: str, *, name: str | None = None) -> ForeignKeyConstraint:
    """A foreign key that can't leave the company: (company_id, column) → (company_id, id)."""
    return ForeignKeyConstraint(
        ("company_id", column),
        (f"{table}.company_id", f"{table}.id"),
        ondelete="RESTRICT",
        name=name,
    )


def only_of(kind: str) -> MappedColumn[UUID | None]:
    """The subject's key where it is of this kind, so that a foreign key can lead to its table."""
    return mapped_column(
        Computed(f"CASE WHEN subject_kind = '{kind}' THEN subject_id END", persisted=True)
    )


def member(column: str) -> ForeignKeyConstraint:
    """A person acting in this company: (company_id, column) → a membership of that user."""
    return ForeignKeyConstraint(
        ("company_id", column),
        ("memberships.company_id", "memberships.user_id"),
        ondelete="RESTRICT",
    )


def choice(enum: type[StrEnum], name: str, *, values: Sequence[StrEnum] | None = None) -> Enum:
    """An enum stored as its lower-case text, with a CHECK of that name."""
    return Enum(
        enum,
        values_callable=lambda members: [each.value for each in (values or members)],
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=40,
        name=name,
    )
