"""Steps of a replenishment that several tests take."""

from decimal import Decimal

import pyotp
from sqlalchemy.orm import Session

from pettycash.lab.seeds.personas import fixed_credentials
from pettycash.models.imprest import Fund, Replenishment
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments
from tests import books
from tests.factories.people import acting
from tests.factories.scenes import remembered

KES = Decimal


def consider(session: Session, fund: Fund) -> Replenishment | None:
    return replenishments.consider(session, fund_id=fund.id, now=session.info["now"])


@remembered
def low(session: Session, fund: Fund, spent: str = "12000.00") -> Replenishment:
    """A fund that spent enough to ask for money."""
    books.pay(session, spent)
    found = consider(session, fund)
    assert found is not None
    return found


@remembered
def approved(session: Session, fund: Fund, spent: str = "12000.00") -> Replenishment:
    return replenishments.approve(
        Uow.of(session, acting(session, "group_finance_manager")),
        replenishment_id=low(session, fund, spent).id,
    )


def code_of(session: Session, name: str) -> str:
    """What the persona's TOTP app shows."""
    return pyotp.TOTP(fixed_credentials(name).totp_secret).at(session.info["now"])


def verified(session: Session, found: Replenishment, name: str = "treasury") -> None:
    now = session.info["now"]
    actor = acting(session, name)
    uow = Uow(session, actor, now)
    replenishments.request_code(uow, replenishment_id=found.id)
    result = replenishments.check_code(uow, replenishment_id=found.id, code=code_of(session, name))
    assert result.refusal is None


@remembered
def funded(session: Session, fund: Fund, name: str = "treasury") -> Replenishment:
    found = approved(session, fund)
    verified(session, found, name)
    return replenishments.fund(
        Uow.of(session, acting(session, name)),
        replenishment_id=found.id,
        bank_reference="FT26325XYZ",
    )


def receive(
    session: Session, found: Replenishment, amount: str, name: str = "custodian"
) -> Replenishment:
    return replenishments.receive(
        Uow.of(session, acting(session, name)), replenishment_id=found.id, amount=KES(amount)
    )


def by_hand(
    session: Session, fund: Fund, *, name: str = "custodian", amount: str | None = None
) -> Replenishment:
    return replenishments.raise_by_hand(
        Uow.of(session, acting(session, name)),
        fund_id=fund.id,
        reason="A busy week ahead",
        amount=KES(amount) if amount else None,
    )
