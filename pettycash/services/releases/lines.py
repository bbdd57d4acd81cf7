"""The lines of a release: amount, payee, destination (security.md row 7)."""

from decimal import Decimal

from pettycash.runtime import money
from pettycash.runtime.rails import Method
from pettycash.services.foundation.quoting import plain, quoted


def of_payment(
    *, amount: Decimal, currency: str, payee_name: str, method: Method, destination: str
) -> tuple[str, str, str]:
    """Amount, payee and destination of a payment."""
    return (
        f"{currency} {money.text(amount, currency)}",
        quoted(payee_name),
        f"{method.facts.label} {plain(destination)}",
    )
