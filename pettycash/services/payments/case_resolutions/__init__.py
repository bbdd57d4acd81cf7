"""How cases end: two people say what happened, with evidence, and the books follow."""

from pettycash.services.payments.case_resolutions.endings import A_DAY, fitting, not_paid_from
from pettycash.services.payments.case_resolutions.judging import HeadRequired, JudgeMissing
from pettycash.services.payments.case_resolutions.proposals import (
    CaseProposal,
    Ending,
    EndingDoesNotFit,
    EvidenceMissing,
    ReferenceTaken,
    TooEarly,
)
from pettycash.services.payments.case_resolutions.reading import rails_report
from pettycash.services.payments.case_resolutions.resolving import confirm, decline, propose

__all__ = [
    "A_DAY",
    "CaseProposal",
    "Ending",
    "EndingDoesNotFit",
    "EvidenceMissing",
    "HeadRequired",
    "JudgeMissing",
    "ReferenceTaken",
    "TooEarly",
    "confirm",
    "decline",
    "fitting",
    "not_paid_from",
    "propose",
    "rails_report",
]
