"""The ways money can leave, as a word that every room may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Rail(StrEnum):
    """A payment's method: the rail that its money travels on."""

    MPESA = "mpesa"
    AIRTEL_MONEY = "airtel_money"
    MTN_MOMO = "mtn_momo"
    BANK_TRANSFER = "bank_transfer"
    CASH = "cash"
    WALLET = "wallet"
    CARD = "card"

    @property
    def facts(self) -> RailFacts:
        """Facts of this rail, the same for every operator."""
        return FACTS[self]


# A payment says `method` where its provider account says `rail`: the same words, one enum.
Method = Rail


@dataclass(frozen=True, slots=True)
class RailFacts:
    """Facts of a rail that need no gateway."""

    label: str
    # ISO 4217; empty = every currency that pettycash keeps
    currencies: frozenset[str] = frozenset()
    # True: a provider moves the money over the network; False: a person or our own books do
    has_gateway: bool = True
    # True: the word is taken for later, a payment that asks for it is refused (422)
    reserved: bool = False
    # True: the provider takes its fee from the paying account, so the hold covers amount and fee
    fee_from_paying_account: bool = False


FACTS: Mapping[Rail, RailFacts] = {
    # B2C debits the Utility account, its fee the Charges Paid account (Daraja, account model)
    Rail.MPESA: RailFacts("M-Pesa", frozenset({"KES"})),
    Rail.AIRTEL_MONEY: RailFacts("Airtel Money"),
    Rail.MTN_MOMO: RailFacts("MTN MoMo"),
    Rail.BANK_TRANSFER: RailFacts("Bank transfer", fee_from_paying_account=True),
    Rail.CASH: RailFacts("Cash", has_gateway=False),
    Rail.WALLET: RailFacts("Wallet", has_gateway=False, reserved=True),
    Rail.CARD: RailFacts("Card", reserved=True),
}
