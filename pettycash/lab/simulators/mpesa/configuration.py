"""What one simulator is told when it starts."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Configuration:
    """Every setting of one simulator. Money is in whole shillings, time in seconds.

    What Safaricom does not document (the answer to a status query for an id never seen, the number
    of wrong credentials that lock an operator, how long an originator id may be) is a setting, so
    that nobody mistakes this simulator's choice for a fact.
    """

    state: Path
    consumer_key: str = "sim-consumer-key"
    consumer_secret: str = "sim-consumer-secret"  # noqa: S105 - opens nothing but a simulator
    initiator: str = "testapi"
    initiator_password: str = "Safaricom999!*!"  # noqa: S105 - the sandbox's usual one
    shortcodes: tuple[str, ...] = ("600992",)
    utility_balance: int = 100_000_000
    working_balance: int = 1_000_000
    callback_delay_seconds: float = 0.2
    callback_timeout_seconds: float = 10.0
    callback_ca: Path | None = None
    token_lifetime_seconds: int = 3599
    rate_limit_per_second: int = 0  # 0: no limit
    lock_after: int = 3
    amount_minimum: int = 10
    amount_maximum: int = 250_000
    daily_limit: int = 0  # of one receiver, per East African day; 0: no limit
    wallet_limit: int = 0  # receivers never spend here, so a long run would fill every wallet
    unknown_id_code: str = "2033"
    originator_id_max: int = 128
    requests_kept: int = 100_000

    # (up to and including this amount, fee in cents). A small table in the old tariff's style.
    fee_bands: tuple[tuple[int, int], ...] = ((100, 620), (1_000, 1_527), (250_000, 2_240))

    def fee_cents(self, amount: int) -> int:
        """The fee for paying `amount` shillings, in cents; the last band is open upwards."""
        for upper, fee in self.fee_bands:
            if amount <= upper:
                return fee
        return self.fee_bands[-1][1]
