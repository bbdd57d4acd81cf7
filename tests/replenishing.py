"""Steps of a replenishment that several tests take."""

from decimal import Decimal

import pyotp
from sqlalchemy.orm import Session

from pettycash.lab.seeds.personas import fixed_credentials
from pettycash.models.imprest import Fund, Replenishment
from pettycash.services.imprest import replenishments
from tests import books
from tests.factories.people import acting

KES = Decimal


def consider(session: Session, fund: Fund) -> Replenishment | None:
    return replenishments.consider(session, fund_id=fund.id, now=session.info["now"])


def low(session: Session, fund: Fund, spent: str = "12000.00") -> Replenishment:
    """A fund that spent enough to ask for money."""
    books.pay(session, spent)
    found = consider(session, fund)
    assert found is not None
    return found


def approved(session: Session, fund: Fund, spent: str = "12000.00") -> Replenishment:
    return replenishments.approve(
        session,
        replenishment_id=low(session, fund, spent).id,
        actor=acting(session, "group_finance_manager"),
        now=session.info["now"],
    )


def code_of(session: Session, name: str) -> str:
    """What the persona's TOTP app shows."""
    return pyotp.TOTP(fixed_credentials(name).totp_secret).at(session.info["now"])


def verified(session: Session, found: Replenishment, name: str = "treasury") -> None:
    now = session.info["now"]
    actor = acting(session, name)
    replenishments.request_code(session, replenishment_id=found.id, actor=actor, now=now)
    result = replenishments.check_code(
        session, replenishment_id=found.id, actor=actor, code=code_of(session, name), now=now
    )
    assert result.refusal is None


def funded(session: Session, fund: Fund, name: str = "treasury") -> Replenishment:
    found = approved(session, fund)
    verified(session, found, name)
    return replenishments.fund(
        session,
        replenishment_id=found.id,
        actor=acting(session, name),
        bank_reference="FT26325XYZ",
        now=session.info["now"],
    )


def receive(
    session: Session, found: Replenishment, amount: str, name: str = "custodian"
) -> Replenishment:
    return replenishments.receive(
        session,
        replenishment_id=found.id,
        actor=acting(session, name),
        amount=KES(amount),
        now=session.info["now"],
    )


def by_hand(
    session: Session, fund: Fund, *, name: str = "custodian", amount: str | None = None
) -> Replenishment:
    return replenishments.raise_by_hand(
        session,
        fund_id=fund.id,
        actor=acting(session, name),
        now=session.info["now"],
        reason="A busy week ahead",
        amount=KES(amount) if amount else None,
    )
