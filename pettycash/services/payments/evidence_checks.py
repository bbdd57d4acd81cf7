"""Whether evidence that a person names is about a payment at all."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pettycash.runtime import errors, money
from pettycash.services.foundation import visibility
from pettycash.services.foundation.uow import Uow


class EvidenceDiffers(errors.RuleViolation):
    """The evidence names another reference, amount or currency: record a variance instead."""

    code = "payment.evidence_differs"


def check_evidence(uow: Uow, *, payment_id: UUID, evidence: Mapping[str, Any]) -> None:
    """Compare what evidence says with what the rail proved.

    Raises:
        PaymentNotFound: none such within scope.
        EvidenceDiffers: they are not about the same money.
    """
    payment = visibility.payment(uow, payment_id=payment_id)
    paid = payment.paid_amount or payment.amount
    wrong: dict[str, list[str]] = {}
    for name, known, told in (
        ("provider_reference", payment.provider_reference, payment.provider_reference),
        ("amount", paid, money.text(paid, payment.currency)),
        ("currency", payment.currency, payment.currency),
    ):
        said = evidence.get(name)
        if said is not None and known is not None and said != known:
            wrong[name] = [f"The payment's is {told}."]
    if wrong:
        raise EvidenceDiffers(errors=wrong)
