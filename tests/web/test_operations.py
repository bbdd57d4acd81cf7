"""Operations as an entrance calls them that is not the API: no request, the same refusals."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.imprest import Fund, VarianceStatus
from pettycash.services.foundation.decisions import AlreadyDecided
from pettycash.services.foundation.uow import Uow
from pettycash.web import operations
from pettycash.web.door import ClientMayNot, RoleMissing
from pettycash.web.etags import ChangedMeanwhile, Expected
from pettycash.web.operations.imprest import funds, variances
from pettycash.web.schemas import variances as shapes
from tests import books
from tests.factories.people import acting


def uow(session: Session, name: str) -> Uow:
    return Uow.of(session, acting(session, name))


def recorded(session: Session) -> UUID:
    payment = books.pay(session, "5000.00")
    sent = {"kind": "overpaid", "adjusted_amount": "5050.00", "reason": "Statement"}
    taken = shapes.VarianceRecordSchema().load(sent)
    return variances.record(uow(session, "treasury"), payment_id=payment.id, **taken).id


def test_a_call_refuses_by_role_and_by_what_the_service_says(session: Session) -> None:
    variance_id = recorded(session)
    approve = operations.by_name("variances.approve")
    assert approve is variances.approve

    with pytest.raises(RoleMissing):
        approve(uow(session, "auditor"), variance_id=variance_id, comment=None)
    client = replace(acting(session, "cfo"), client_id=new_id())
    with pytest.raises(ClientMayNot):
        approve(Uow.of(session, client), variance_id=variance_id, comment=None)
    approved = approve(uow(session, "cfo"), variance_id=variance_id, comment="As on the statement")
    assert approved.status is VarianceStatus.APPROVED
    with pytest.raises(AlreadyDecided):
        approve(uow(session, "cfo"), variance_id=variance_id, comment=None)


def test_a_change_is_of_the_version_that_was_shown(session: Session) -> None:
    fund = session.execute(select(Fund).order_by(Fund.code)).scalars().first()
    assert fund is not None
    treasury = uow(session, "treasury")
    stale = Expected.of(fund.version + 1)
    with pytest.raises(ChangedMeanwhile):
        funds.update(treasury, fund_id=fund.id, changes={"name": "Upstairs"}, expected=stale)
    shown = Expected.of(fund.version)
    changed = funds.update(treasury, fund_id=fund.id, changes={"name": "Upstairs"}, expected=shown)
    assert changed["name"] == "Upstairs"


def test_a_change_that_looks_at_no_version_is_a_defect(session: Session) -> None:
    careless = replace(funds.update, function=lambda _uow, **_facts: None)
    with pytest.raises(AssertionError, match="expected"):
        careless(uow(session, "treasury"), expected=Expected.of(1))


def test_an_operation_has_a_row_and_one_function() -> None:
    for name in ("variances.guess", "variances.approve"):
        with pytest.raises(ValueError, match=name):
            operations.operation(name)
