"""Payments: made, released, sent, proven (domain.md §6).

`creation` and `changing` shape a payment, `releasing` and `execution` release it, `claiming` and
`recording` send it, `status_queries` asks, `results` applies reports, and `settlement` alone moves
payment and books. `cash` and `signatures` are the one method without
a rail.
"""

from pettycash.services.payments.cash import (
    acknowledge,
    acknowledge_by_sign_in,
    acknowledgement_delivered,
    acknowledgement_not_delivered,
    make_acknowledgement_code,
    resend_acknowledgement,
)
from pettycash.services.payments.changing import CHANGEABLE, cancel, change
from pettycash.services.payments.claiming import (
    Claim,
    ClaimLost,
    claim,
    mark_sending,
    return_claim,
    sending_deadline,
)
from pettycash.services.payments.creation import PaymentPart, create, create_for_validation
from pettycash.services.payments.evidence_checks import check_evidence
from pettycash.services.payments.execution import execute
from pettycash.services.payments.facts import locked, subject_of
from pettycash.services.payments.instructions import of as instruction_of
from pettycash.services.payments.recording import record_outcome
from pettycash.services.payments.releasing import (
    assign_executor,
    send_code,
    unlock_release,
    verify_code,
)
from pettycash.services.payments.signatures import by_custodian, sign, witness
from pettycash.services.payments.status_queries import (
    Question,
    ask_within,
    next_question,
    record_answer,
    requery,
)

__all__ = [
    "CHANGEABLE",
    "Claim",
    "ClaimLost",
    "PaymentPart",
    "Question",
    "acknowledge",
    "acknowledge_by_sign_in",
    "acknowledgement_delivered",
    "acknowledgement_not_delivered",
    "ask_within",
    "assign_executor",
    "by_custodian",
    "cancel",
    "change",
    "check_evidence",
    "claim",
    "create",
    "create_for_validation",
    "execute",
    "instruction_of",
    "locked",
    "make_acknowledgement_code",
    "mark_sending",
    "next_question",
    "record_answer",
    "record_outcome",
    "requery",
    "resend_acknowledgement",
    "return_claim",
    "send_code",
    "sending_deadline",
    "sign",
    "subject_of",
    "unlock_release",
    "verify_code",
    "witness",
]
