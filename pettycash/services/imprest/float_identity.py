"""The imprest identity: a fund's float is always somewhere (domain.md §5).

    stores + in transit + advances outstanding + vouchers not yet replenished = float

The stores are the ledger's; every other term is added up from payments, replenishments, variances
and cut-over entries, not from the ledger, so the sum proves one against the other. A fund that was
opened below (or above) its target, or whose target was changed, has a fifth term: the part of the
float that was never put in. It is nought for a fund that was opened with its target.
"""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.runtime import money
from pettycash.runtime.rails import FACTS

NOTHING = Decimal(0)

TERMS = """
WITH own AS (SELECT s.id, s.code, s.account_id FROM stores s WHERE s.fund_id = :fund),
paid AS (
    SELECT p.id, p.status, p.amount, p.paid_amount,
        p.provider_account_id IS NULL OR p.method = ANY(:fee_from_store) AS fee_from_store,
        r.kind IN ('advance', 'per_diem') AS is_advance
    FROM payments p JOIN own ON own.id = p.store_id JOIN requisitions r ON r.id = p.requisition_id
),
settled AS (
    SELECT paid.id, count(*) AS attempts, sum(t.settled_amount) AS moved,
        sum(t.fee) FILTER (WHERE paid.fee_from_store) AS fees,
        CASE WHEN paid.status IN ('success', 'reversed') THEN paid.paid_amount ELSE 0 END AS known
    FROM payment_attempts t JOIN paid ON paid.id = t.payment_id WHERE t.state = 'settled'
    GROUP BY paid.id, paid.status, paid.paid_amount
)
SELECT f.currency, f.target_balance,
    (SELECT sum(a.balance) FROM own JOIN ledger_accounts a ON a.id = own.account_id) AS stores,
    (SELECT sum(a.held) FROM own JOIN ledger_accounts a ON a.id = own.account_id) AS held,
    (SELECT sum(p.amount) FROM own
        JOIN journal_sources j ON j.source = 'store:' || own.code || '\\:opening'
        JOIN postings p ON p.entry_id = j.entry_id AND p.account_id = own.account_id) AS opened,
    (SELECT sum(approved_amount) FROM replenishments
        WHERE fund_id = f.id AND status IN ('funded', 'received')) AS restored,
    (SELECT sum(received_amount) FROM replenishments
        WHERE fund_id = f.id AND status = 'received') AS received,
    (SELECT sum(lost_amount) FROM replenishments WHERE fund_id = f.id) AS lost,
    (SELECT sum(paid_amount) FROM paid WHERE status = 'success' AND is_advance) AS advances,
    (SELECT sum(paid_amount) FROM paid WHERE status = 'success' AND NOT is_advance) AS spent,
    (SELECT sum(amount) FROM paid WHERE status IN ('executing', 'in_doubt')) AS under_way,
    (SELECT sum(moved - known) FROM settled WHERE attempts > 1 OR known = 0) AS moved_again,
    (SELECT sum(fees) FROM settled) AS fees,
    (SELECT sum(v.variance_amount) FROM variance_adjustments v JOIN own ON own.id = v.store_id
        LEFT JOIN paid ON paid.id = v.payment_id
        WHERE v.status = 'approved' AND (v.kind <> 'fee' OR coalesce(paid.fee_from_store, true))
    ) AS variances
FROM funds f WHERE f.id = :fund
"""
"""One statement, so that all terms are of one instant, also while payments settle."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The terms, in the fund's currency. `difference` is nought, or the books are wrong."""

    fund_id: UUID
    currency: str
    target: Decimal
    """The float."""
    stores: Decimal
    held: Decimal
    """Of what lies in the stores, reserved for payments on their way."""
    in_transit: Decimal
    """Funded, not yet received and not given up."""
    advances_outstanding: Decimal
    vouchers: Decimal
    """Spent and not yet replenished; below nought where money on its way was replenished ahead."""
    under_way: Decimal
    """Payments on their way: vouchers to come."""
    not_put_in: Decimal
    """Of the float, never put into the fund; below nought: more than the float was."""

    @property
    def difference(self) -> Decimal:
        """Float less the sum of the terms."""
        return self.target - (
            self.stores
            + self.in_transit
            + self.advances_outstanding
            + self.vouchers
            + self.not_put_in
        )

    @property
    def available(self) -> Decimal:
        """Stores less what is held."""
        return self.stores - self.held

    @property
    def requested(self) -> Decimal:
        """The amount that fills the fund to its float; held money counts as vouchers on the way."""
        return self.target - (self.available + self.in_transit + self.advances_outstanding)

    @property
    def vouched(self) -> Decimal:
        """The amount that vouchers, settled or on their way, account for."""
        return self.vouchers + self.under_way

    def as_json(self) -> dict[str, str]:
        """Every term as it is printed on a replenishment."""
        terms = {
            "float": self.target,
            "stores": self.stores,
            "held": self.held,
            "in_transit": self.in_transit,
            "advances_outstanding": self.advances_outstanding,
            "vouchers_not_replenished": self.vouchers,
            "payments_under_way": self.under_way,
            "float_not_put_in": self.not_put_in,
            "difference": self.difference,
        }
        shown = {name: money.text(value, self.currency) for name, value in terms.items()}
        return {"currency": self.currency, **shown}


def identity(session: Session, fund_id: UUID) -> Identity:
    """The identity of a fund as it stands now.

    Raises:
        sqlalchemy.exc.NoResultFound: no such fund in this company.
    """
    session.flush()  # plain SQL below: what the caller changed has to stand in the tables
    from_store = [rail.value for rail, facts in FACTS.items() if facts.fee_from_paying_account]
    row = session.execute(
        text(TERMS), {"fund": fund_id, "fee_from_store": from_store}
    ).mappings().one()  # fmt: skip
    term = {
        name: Decimal(value or 0)
        for name, value in row.items()
        if name not in ("currency", "target_balance")
    }
    # `moved_again` is what further attempts paid: recoverable, and gone from the stores for now.
    spent = sum(
        (term[each] for each in ("spent", "moved_again", "fees", "variances", "lost")), NOTHING
    )
    ahead = spent + term["under_way"] - term["restored"]
    return Identity(
        fund_id=fund_id,
        currency=row["currency"],
        target=row["target_balance"],
        stores=term["stores"],
        held=term["held"],
        in_transit=term["restored"] - term["received"] - term["lost"],
        advances_outstanding=term["advances"],
        vouchers=max(ahead, NOTHING) - term["under_way"],
        under_way=term["under_way"],
        not_put_in=row["target_balance"] - term["opened"] - max(-ahead, NOTHING),
    )
