"""Money: decimals with an ISO 4217 code, never floats.

Amounts are positive; the side of a posting carries the sign (domain.md §2).
"""

import re
from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

from pettycash.runtime import errors


class Currency(StrEnum):
    """Currencies that a fund may be kept in (ISO 4217)."""

    KES = "KES"
    TZS = "TZS"
    UGX = "UGX"
    RWF = "RWF"
    USD = "USD"


MINOR_DIGITS: dict[Currency, int] = {
    Currency.KES: 2,
    Currency.TZS: 2,
    Currency.USD: 2,
    Currency.UGX: 0,
    Currency.RWF: 0,
}

AMOUNT_MAX = Decimal("9999999999999999.99")
"""The largest value of Numeric(18, 2)."""

_PATTERN = re.compile(r"(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,2})?", re.ASCII)


class InvalidAmount(errors.RuleViolation):
    """The amount is not a plain positive decimal that its currency allows."""

    code = "money.invalid_amount"


def parse(text: object, currency: Currency | None = None, *, zero: bool = False) -> Decimal:
    """Read an amount from its wire form, a string such as "1500.00".

    Raises:
        InvalidAmount: a number instead of a string, an exponent, a sign, NaN, more than two
            decimals, more than 16 integer digits, zero (unless `zero`), or decimals that are not
            nought in a currency without minor units.
    """
    if not isinstance(text, str):
        raise InvalidAmount('Amounts are strings such as "1500.00", never JSON numbers.')
    if _PATTERN.fullmatch(text) is None:
        raise InvalidAmount(
            "An amount is digits with at most two decimals: no sign, exponent or separator."
        )
    amount = Decimal(text)
    if amount == 0 and not zero:
        raise InvalidAmount("An amount must be greater than zero.")
    return checked(amount, currency) if currency is not None else amount


def checked(amount: Decimal, currency: Currency) -> Decimal:
    """Refuse an amount with more decimals than its currency has; "1500.00" UGX passes."""
    digits = MINOR_DIGITS[currency]
    if amount != amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_DOWN):
        raise InvalidAmount(f"{currency} has {digits} decimals.")
    return amount


def text(amount: Decimal, currency: Currency | str) -> str:
    """Write an amount for the wire: KES 1500 → "1500.00", UGX 1500.00 → "1500"."""
    digits = MINOR_DIGITS[Currency(currency)]
    return f"{amount:.{digits}f}"


def minor_units(amount: Decimal, currency: Currency) -> int:
    """The amount in the currency's smallest unit, exact (for digests)."""
    return int(checked(amount, currency).scaleb(MINOR_DIGITS[currency]))


def allocate(amount: Decimal, weights: Sequence[Decimal], currency: Currency) -> list[Decimal]:
    """Split an amount in proportion to weights, without losing or making a cent.

    The remainder goes, one smallest unit each, to the largest fractions (ties: first come).
    """
    unit = Decimal(1).scaleb(-MINOR_DIGITS[currency])
    total = sum(weights, Decimal(0))
    exact = [amount * weight / total for weight in weights]
    shares = [value.quantize(unit, rounding=ROUND_DOWN) for value in exact]
    missing = int((amount - sum(shares, Decimal(0))) / unit)
    order = sorted(range(len(weights)), key=lambda i: (shares[i] - exact[i], i))
    for index in order[:missing]:
        shares[index] += unit
    return shares
