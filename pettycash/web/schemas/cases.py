"""Cases on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.operations import CaseKind, CaseStatus, Severity
from pettycash.models.payments import AttemptState
from pettycash.services.payments.case_resolutions import Ending
from pettycash.web.schemas.fields import Choice, Schema, UtcDateTime


class CaseSchema(Schema):
    """Something that the system can't decide alone."""

    id = ma.fields.UUID(dump_only=True)
    kind = Choice(CaseKind, dump_only=True)
    severity = Choice(Severity, dump_only=True)
    status = Choice(CaseStatus, dump_only=True)
    object_type = ma.fields.String(dump_only=True)
    object_id = ma.fields.UUID(dump_only=True)
    summary = ma.fields.String(dump_only=True)
    evidence = ma.fields.Dict(dump_only=True)
    owner_id = ma.fields.UUID(dump_only=True, allow_none=True)
    due_at = UtcDateTime(dump_only=True, allow_none=True)
    alerted_at = UtcDateTime(dump_only=True, allow_none=True)
    proposal = ma.fields.Dict(dump_only=True, allow_none=True)
    proposed_by_id = ma.fields.UUID(attribute="proposed_by", dump_only=True, allow_none=True)
    proposed_at = UtcDateTime(dump_only=True, allow_none=True)
    resolved_by_id = ma.fields.UUID(attribute="decided_by", dump_only=True, allow_none=True)
    resolved_at = UtcDateTime(attribute="decided_at", dump_only=True, allow_none=True)
    version = ma.fields.Integer(dump_only=True)
    created_at = UtcDateTime(dump_only=True)
    updated_at = UtcDateTime(dump_only=True)


class RailsReportSchema(Schema):
    """The rail's last answer about the newest attempt, or the reason why none came."""

    attempt_number = ma.fields.Integer(dump_only=True)
    state = Choice(AttemptState, dump_only=True)
    first_sent_at = UtcDateTime(dump_only=True, allow_none=True)
    decide_by = UtcDateTime(dump_only=True)
    questions = ma.fields.Integer(dump_only=True)
    asked_at = UtcDateTime(dump_only=True, allow_none=True)
    answered_at = UtcDateTime(dump_only=True, allow_none=True)
    answer = ma.fields.String(dump_only=True, allow_none=True)
    code = ma.fields.String(dump_only=True, allow_none=True)
    message = ma.fields.String(dump_only=True, allow_none=True)
    not_paid_from = UtcDateTime(
        dump_only=True, metadata={"description": "When two people may first call it unpaid."}
    )


class CaseDetailSchema(CaseSchema):
    """A case, and what the rail says of the payment that it is about."""

    rail = ma.fields.Nested(RailsReportSchema, dump_only=True, allow_none=True)
    endings = ma.fields.List(
        Choice(Ending),
        dump_only=True,
        metadata={"description": "How a case of this kind can end."},
    )


class CaseOwnerSchema(Schema):
    """The owner of a case; null for nobody."""

    owner_id = ma.fields.UUID(required=True, allow_none=True)


EXAMPLE_CASE: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f01",
    "kind": "in_doubt",
    "severity": "severe",
    "status": "open",
    "object_type": "payment",
    "object_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f02",
    "summary": "Nobody knows yet whether this payment was made.",
    "evidence": {"attempt_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f03", "queries": 12},
    "owner_id": None,
    "due_at": "2026-11-21T08:00:00+00:00",
    "alerted_at": "2026-11-20T08:00:04+00:00",
    "proposal": None,
    "proposed_by_id": None,
    "proposed_at": None,
    "resolved_by_id": None,
    "resolved_at": None,
    "version": 1,
    "created_at": "2026-11-20T08:00:00+00:00",
    "updated_at": "2026-11-20T08:00:00+00:00",
}
EXAMPLE_DETAIL: dict[str, Any] = {
    **EXAMPLE_CASE,
    "endings": ["paid", "not_paid", "returned", "noted"],
    "rail": {
        "attempt_number": 1,
        "state": "unknown",
        "first_sent_at": "2026-11-20T07:00:00+00:00",
        "decide_by": "2026-11-20T07:05:00+00:00",
        "questions": 12,
        "asked_at": "2026-11-20T07:50:00+00:00",
        "answered_at": "2026-11-20T07:50:10+00:00",
        "answer": "in_doubt",
        "code": "transport.read_timeout",
        "message": "No answer came within 10 seconds.",
        "not_paid_from": "2026-11-21T07:00:00+00:00",
    },
}
