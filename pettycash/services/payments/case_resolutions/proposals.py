"""Two people say how a case ends; these are their proposals, and the refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pettycash.runtime import errors


class Ending(StrEnum):
    """The ending that two people give a case."""

    PAID = "paid"  # the money reached the payee
    NOT_PAID = "not_paid"  # it never left
    RETURNED = "returned"  # it was booked as paid, and came back or never left after all
    NOTED = "noted"  # nothing follows for the payment: looked into, understood
    LOST = "lost"  # the rest of a short delivery will not come


class EndingDoesNotFit(errors.RuleViolation):
    """A case of this kind, or about a payment in this state, can't end in this way."""

    code = "case.ending_does_not_fit"


class EvidenceMissing(errors.RuleViolation):
    """This ending needs evidence: a note, a file, and the provider's reference and time."""

    code = "case.evidence_required"


class ReferenceTaken(errors.RuleViolation):
    """The provider reference proves another payment already."""

    code = "case.reference_taken"


class TooEarly(errors.Conflict):
    """The payment can't be declared unpaid yet; the detail says from when it can."""

    code = "case.too_early"


@dataclass(frozen=True, kw_only=True)
class CaseProposal:
    """An ending that one person proposes and another one confirms."""

    ending: Ending
    note: str
    provider_reference: str | None = None
    occurred_at: datetime | None = None
    evidence_id: UUID | None = None
    """A file of a case, or of the requisition."""
    attempt_number: int | None = None
    """The attempt that is meant; None: the newest that is not proven paid."""

    def as_json(self) -> dict[str, Any]:
        return {
            "ending": self.ending.value,
            "note": self.note,
            "provider_reference": self.provider_reference,
            "occurred_at": None if self.occurred_at is None else self.occurred_at.isoformat(),
            "evidence_id": None if self.evidence_id is None else str(self.evidence_id),
            "attempt_number": self.attempt_number,
        }

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> "CaseProposal":
        # What was proposed before evidence was a file has none, and is declined.
        occurred_at, evidence_id = stored["occurred_at"], stored.get("evidence_id")
        return cls(
            ending=Ending(stored["ending"]),
            note=stored["note"],
            provider_reference=stored["provider_reference"],
            occurred_at=None if occurred_at is None else datetime.fromisoformat(occurred_at),
            evidence_id=None if evidence_id is None else UUID(evidence_id),
            attempt_number=stored["attempt_number"],
        )
