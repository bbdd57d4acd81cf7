"""Release by one-time code: challenges, grants, executions (domain.md §6; security.md 5, 7)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pettycash.models.base import (
    CurrencyCode,
    Money,
    Tenanted,
    Updated,
    choice,
    member,
    only_of,
    own_key,
    within_company,
)


class ChallengeState(StrEnum):
    """Life of a challenge."""

    LIVE = "live"
    VERIFIED = "verified"
    DEAD = "dead"  # expired, too many tries, superseded, or its payment changed


class EndCause(StrEnum):
    """Why a challenge ended; only the first two count towards the lock."""

    TRIES = "tries"
    EXPIRED = "expired"
    CHANGED = "changed"
    REASSIGNED = "reassigned"


class Releasable(Tenanted):
    """A row that one person releases with a code."""

    __abstract__ = True

    executor_id: Mapped[UUID | None]
    """The person to release it: claimed with a code or assigned, until the challenge ends."""
    release_locked_at: Mapped[datetime | None]
    """Too many failed challenges: a second person unlocks."""
    version: Mapped[int] = mapped_column(default=1)


class ReleaseChallenge(Updated, Tenanted):
    """A code that one executor needs to release one subject: a payment, or the funding of a
    replenishment.

    As of a round (models/approvals.py), each kind of subject has a column that the database
    computes, and a foreign key. The code itself is made by the worker that sends it and is stored
    as a keyed digest only.
    """

    __tablename__ = "release_challenges"
    __table_args__ = (
        own_key(),
        within_company("payment_id", "payments"),
        within_company("replenishment_id", "replenishments"),
        member("executor_id"),
        CheckConstraint("coalesce(payment_id, replenishment_id) IS NOT NULL", name="subject"),
        CheckConstraint("tries >= 0", name="tries"),
        Index(
            "uq_release_challenges_live",
            "subject_id",
            unique=True,
            postgresql_where="state = 'live'",
        ),
        Index("ix_release_challenges_subject", "subject_id", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    """The order of challenges: keys carry the clock of the host that made them."""
    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    payment_id: Mapped[UUID | None] = only_of("payment")
    replenishment_id: Mapped[UUID | None] = only_of("replenishment")
    executor_id: Mapped[UUID]
    subject_digest: Mapped[bytes] = mapped_column(LargeBinary)
    """Of amount, payee, destination, store, executor: any change voids the challenge."""
    code_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """HMAC-SHA-256 of the code with a server key and this id; null until the worker made it."""
    state: Mapped[ChallengeState] = mapped_column(choice(ChallengeState, "state"))
    end_cause: Mapped[EndCause | None] = mapped_column(choice(EndCause, "end_cause"))
    tries: Mapped[int] = mapped_column(default=0)
    sends: Mapped[int] = mapped_column(default=1)
    sent_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]


class ChallengeSend(Updated, Tenanted):
    """One request to send a code; three per 15 minutes and subject."""

    __tablename__ = "challenge_sends"
    __table_args__ = (
        within_company("challenge_id", "release_challenges"),
        Index("ix_challenge_sends_challenge", "challenge_id"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    challenge_id: Mapped[UUID]
    channel: Mapped[str]
    claimed_at: Mapped[datetime | None]
    """When a worker made the code that it is sending; for the lease's time nobody makes another."""
    delivered_at: Mapped[datetime | None]


class ReleaseGrant(Updated, Tenanted):
    """The grant of a verified code: one release, by the same person, within five minutes."""

    __tablename__ = "release_grants"
    __table_args__ = (
        own_key(),
        within_company("challenge_id", "release_challenges"),
        member("executor_id"),
        UniqueConstraint("challenge_id"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    challenge_id: Mapped[UUID]
    executor_id: Mapped[UUID]
    proof: Mapped[str]
    """`code` or `totp`."""
    verified_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]
    subject_kind: Mapped[str | None]
    subject_id: Mapped[UUID | None]
    subject_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """A trigger writes it: the subject as it stood then. Null where an older release did not."""


class PaymentExecution(Tenanted):
    """Append-only: who released which attempt, with which proof. Triggers keep duties apart."""

    __tablename__ = "payment_executions"
    __table_args__ = (
        own_key(),
        within_company("payment_id", "payments"),
        within_company("requisition_id", "requisitions"),
        within_company("grant_id", "release_grants"),
        member("executor_id"),
        UniqueConstraint("payment_id", "attempt_number"),
        UniqueConstraint("grant_id"),
        Index("ix_payment_executions_requisition", "requisition_id", "executor_id"),
    )

    payment_id: Mapped[UUID]
    requisition_id: Mapped[UUID]
    attempt_number: Mapped[int]
    originator_reference: Mapped[str]
    executor_id: Mapped[UUID]
    amount: Mapped[Money]
    currency: Mapped[CurrencyCode]
    grant_id: Mapped[UUID | None]
    """Null only where the company's policy asks for no code at this amount."""
    proof: Mapped[str]
    """`code`, `totp`, or `policy`."""
    verified_at: Mapped[datetime | None]
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None]
    cash_limit: Mapped[Money | None]
    """Of the fund that paid it in cash, as it was then (trigger); null: none, or no cash."""


class CashAcknowledgement(Updated, Tenanted):
    """The recipient's acknowledgement of cash: a code sent to them, or their signature."""

    __tablename__ = "cash_acknowledgements"
    __table_args__ = (
        within_company("payment_id", "payments"),
        within_company("execution_id", "payment_executions"),
        within_company("attachment_id", "attachments"),
        member("witness_id"),
        UniqueConstraint("execution_id"),
        CheckConstraint("tries >= 0", name="tries"),
        CheckConstraint(
            "proof IN ('code', 'sign_in') OR (proof = 'signature'"
            " AND witness_id IS NOT NULL AND witnessed_at IS NOT NULL)",
            name="witness",
        ),
        Index(
            "ix_cash_acknowledgements_witness",
            "company_id",
            "witness_id",
            postgresql_where="witness_id IS NOT NULL",
        ),
    )

    payment_id: Mapped[UUID]
    execution_id: Mapped[UUID]
    code_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    tries: Mapped[int] = mapped_column(default=0)
    sends: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    """As that of a ChallengeSend."""
    expires_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    proof: Mapped[str | None]
    """`code`, `sign_in` or `signature`; null while it is awaited."""
    attachment_id: Mapped[UUID | None]
    """The picture that shows the signature."""
    witness_id: Mapped[UUID | None]
    """The custodian says that this person stood by; with `witnessed_at`, they say so themselves."""
    witnessed_at: Mapped[datetime | None]
