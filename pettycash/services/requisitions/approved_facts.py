"""Approved facts of a requisition, and what it means to change them.

The facts of a round are a JSON object of texts; their digest binds every decision to what stood
there when it was read (domain.md §4, "Resolution" point 1 and "After submit").
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalRound
from pettycash.models.requisitions import Attachment, Requisition, RequisitionLine
from pettycash.runtime import errors

_REDIRECTING = frozenset({"method", "destination"})
_REDUCING = frozenset({"amount", "lines"})


class RedirectNeeded(errors.Conflict):
    """Approved money needs a redirect for another destination or method; propose one."""

    code = "redirect.needed"


class RedirectOpen(errors.Conflict):
    """A redirect waits for the last approver; nothing can proceed until it is decided."""

    code = "redirect.open"


class Materiality(StrEnum):
    """The effect on approvals of a change after submit."""

    NONE = "none"  # the approved facts are the same
    LOWER = "lower"  # a lower amount: voids nothing
    REDIRECTED = "redirected"  # another destination of the same payee: the last approver sees it
    MATERIAL = "material"  # anything else: the round is void, resolve again


VERSION = 2
"""Of the form of the facts. 2 has the evidence and the reason for another origin; 1 had no `v`."""


def lines_of(session: Session, requisition_id: UUID) -> list[RequisitionLine]:
    """The lines in their order."""
    return list(
        session.execute(
            select(RequisitionLine)
            .where(RequisitionLine.requisition_id == requisition_id)
            .order_by(RequisitionLine.position)
        ).scalars()
    )


def facts_of(
    session: Session, requisition: Requisition, of_round: ApprovalRound | None = None
) -> dict[str, Any]:
    """The facts as they stand now: in the form and with the files of a round, or for a new one."""
    lines = lines_of(session, requisition.id)
    attached = {
        digest.hex()
        for digest in session.execute(
            select(Attachment.digest).where(Attachment.requisition_id == requisition.id)
        ).scalars()
    }
    if of_round is None:
        return facts(requisition, lines, evidence=sorted(attached))
    return facts_like(of_round.facts, requisition, lines, attached=attached)


def facts(
    requisition: Requisition, lines: Sequence[RequisitionLine], *, evidence: Sequence[str]
) -> dict[str, Any]:
    """The approved facts, in a form that JSON stores without loss.

    `evidence` are the digests of the files that were there at submit, in hex.
    """
    return {
        "v": VERSION,
        "evidence": sorted(evidence),
        "origin_reason": requisition.origin_reason,
        **_first_form(requisition, lines),
    }


def facts_like(
    earlier: Mapping[str, Any],
    requisition: Requisition,
    lines: Sequence[RequisitionLine],
    *,
    attached: Collection[str],
) -> dict[str, Any]:
    """The facts as they stand now, in the form of a round's own, whose files alone are evidence.

    What was added after submit is later and no part of them; what is gone is missed.
    """
    if earlier.get("v", 1) < VERSION:
        return _first_form(requisition, lines)
    evidence = [each for each in earlier["evidence"] if each in attached]
    return facts(requisition, lines, evidence=evidence)


def _first_form(requisition: Requisition, lines: Sequence[RequisitionLine]) -> dict[str, Any]:
    return {
        "kind": requisition.kind.value,
        "origin": requisition.origin.value,
        "region_id": _text(requisition.region_id),
        "branch_id": _text(requisition.branch_id),
        "department_id": _text(requisition.department_id),
        "cost_center_id": _text(requisition.cost_center_id),
        "amount": _amount(requisition.amount),
        "currency": requisition.currency,
        "purpose": requisition.purpose,
        "payee_name": requisition.payee_name,
        "payee_user_id": _text(requisition.payee_user_id),
        "method": requisition.method.value,
        "destination": requisition.destination,
        "is_urgent": requisition.is_urgent,
        "urgency_reason": requisition.urgency_reason,
        "lines": [
            {
                "description": line.description,
                "amount": _amount(line.amount),
                "category": line.category,
                "cost_center_id": _text(line.cost_center_id),
                "budget_line_id": _text(line.budget_line_id),
                "tax_code": line.tax_code,
                "tax_amount": None if line.tax_amount is None else _amount(line.tax_amount),
            }
            for line in sorted(lines, key=lambda line: line.position)
        ],
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _amount(value: Decimal) -> str:
    return f"{value:.2f}"


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Materiality:
    """Say what a change of facts does to approvals that were given on the old ones."""
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    if not changed:
        return Materiality.NONE
    rest = changed - _REDUCING
    if changed & _REDUCING and not _only_lower(before, after):
        return Materiality.MATERIAL
    if not rest:
        return Materiality.LOWER
    return Materiality.REDIRECTED if rest <= _REDIRECTING else Materiality.MATERIAL


def _only_lower(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the total fell, and every line that is left was there and did not rise."""
    if Decimal(after["amount"]) >= Decimal(before["amount"]):
        return False
    old = iter(before["lines"])
    return all(any(_lowered(line, candidate) for candidate in old) for line in after["lines"])


def _lowered(line: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a line is an old one with no larger amount; consumed in order by the caller."""
    return Decimal(line["amount"]) <= Decimal(before["amount"]) and all(
        line[key] == before[key] for key in before if key not in ("amount", "tax_amount")
    )
