"""Pauses: one person stops, two different ones let go on."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.imprest import ProviderAccount, Store
from pettycash.models.operations import Pause, PauseScope
from pettycash.runtime import db
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from tests.factories.people import acting, company_id
from tests.races import together
from tests.servers import Database


def _store(session: Session, code: str) -> Store:
    return session.execute(select(Store).where(Store.code == code)).scalar_one()


def _pause(session: Session, scope: PauseScope, object_id: object, who: str = "operator") -> Pause:
    return pauses.pause(
        Uow.of(session, acting(session, who)), scope=scope, object_id=object_id, reason="Look."
    )


def _resume(session: Session, pause: Pause, who: str) -> Pause:
    return pauses.resume(Uow.of(session, acting(session, who)), pause_id=pause.id)


@pytest.mark.parametrize("who", ["operator", "treasury", "cfo"])
def test_one_person_pauses_the_company(session: Session, who: str) -> None:
    pauses.check(session)

    _pause(session, PauseScope.COMPANY, None, who)

    with pytest.raises(pauses.Paused, match="company"):
        pauses.check(session)
    with pytest.raises(pauses.Paused):
        pauses.check(session, store_id=_store(session, "MOMBASA-DRAWER").id)


def test_a_paused_store_stops_only_itself(session: Session) -> None:
    drawer = _store(session, "WESTLANDS-DRAWER")

    _pause(session, PauseScope.STORE, drawer.id)

    with pytest.raises(pauses.Paused, match="store"):
        pauses.check(session, store_id=drawer.id)
    pauses.check(session)
    pauses.check(session, store_id=_store(session, "WESTLANDS-MPESA").id)


def test_a_paused_provider_account_stops_its_stores(session: Session) -> None:
    account = session.execute(select(ProviderAccount)).scalar_one()

    _pause(session, PauseScope.PROVIDER_ACCOUNT, account.id)

    with pytest.raises(pauses.Paused, match="provider account"):
        pauses.check(session, store_id=_store(session, "WESTLANDS-MPESA").id)
    with pytest.raises(pauses.Paused):
        pauses.check(session, provider_account_id=account.id)
    pauses.check(session, store_id=_store(session, "WESTLANDS-DRAWER").id)


def test_two_different_people_resume(session: Session) -> None:
    pause = _pause(session, PauseScope.COMPANY, None)

    asked = _resume(session, pause, "operator")
    assert asked.decided_at is None
    with pytest.raises(pauses.Paused):
        pauses.check(session)
    with pytest.raises(decisions.OwnProposal):
        _resume(session, pause, "operator")
    ended = _resume(session, pause, "treasury")

    assert ended.decided_at == session.info["now"]
    pauses.check(session)
    with pytest.raises(decisions.AlreadyDecided):
        _resume(session, pause, "cfo")


@pytest.mark.parametrize("who", ["staff", "admin", "auditor", "group_finance_manager"])
def test_others_neither_pause_nor_resume(session: Session, who: str) -> None:
    pause = _pause(session, PauseScope.COMPANY, None)

    with pytest.raises(pauses.NotAPauser):
        _pause(session, PauseScope.STORE, _store(session, "HQ-MPESA").id, who)
    with pytest.raises(decisions.NotAProposer):
        _resume(session, pause, who)


def test_it_is_paused_once(session: Session) -> None:
    _pause(session, PauseScope.COMPANY, None)

    with pytest.raises(pauses.AlreadyPaused):
        _pause(session, PauseScope.COMPANY, None, "cfo")


def test_what_does_not_exist_is_not_paused(session: Session) -> None:
    store = _store(session, "HQ-MPESA")
    for scope, object_id in (
        (PauseScope.STORE, None),
        (PauseScope.STORE, new_id()),
        (PauseScope.PROVIDER_ACCOUNT, store.id),
        (PauseScope.COMPANY, store.id),
    ):
        with pytest.raises(pauses.PauseNotFound):
            _pause(session, scope, object_id)
    with pytest.raises(pauses.PauseNotFound):
        pauses.open_pause(session, scope=PauseScope.STORE, object_id=store.id)


def test_a_pause_says_why(session: Session) -> None:
    with pytest.raises(decisions.ReasonMissing):
        pauses.pause(
            Uow.of(session, acting(session, "cfo")),
            scope=PauseScope.COMPANY,
            object_id=None,
            reason="  ",
        )


def test_another_company_goes_on(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        pause = _pause(session, PauseScope.COMPANY, None)

    with db.scope(company_id=company_id("OTHER")), db.transaction() as session:
        pauses.check(session)
        with pytest.raises(pauses.PauseNotFound):
            _resume(session, pause, "other_company")


def test_the_whole_installation_is_paused_and_resumed_by_two_names(live: Database) -> None:
    with db.system_transaction() as session:
        pauses.pause_everything(session, reason="Fire.", by="kim")
    with pytest.raises(pauses.AlreadyPaused), db.system_transaction() as session:
        pauses.pause_everything(session, reason="Fire.", by="lee")

    for code in ("DEMO", "OTHER"):
        with (
            db.scope(company_id=company_id(code)),
            db.transaction() as session,
            pytest.raises(pauses.Paused, match="installation"),
        ):
            pauses.check(session)
    with db.system_transaction() as session:
        asked = pauses.resume_everything(session, by="kim", now=session.info["now"])
        assert asked.resumed_at is None
    with pytest.raises(decisions.OwnProposal), db.system_transaction() as session:
        pauses.resume_everything(session, by="kim", now=session.info["now"])
    with db.system_transaction() as session:
        ended = pauses.resume_everything(session, by="lee", now=session.info["now"])
        assert ended.resumed_at is not None
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        pauses.check(session)
    with pytest.raises(pauses.PauseNotFound), db.system_transaction() as session:
        pauses.resume_everything(session, by="kim", now=session.info["now"])


def test_two_who_resume_at_once_are_one_request_and_one_end(live: Database) -> None:
    company = company_id("DEMO")
    with db.scope(company_id=company), db.transaction() as session:
        pause = _pause(session, PauseScope.COMPANY, None)

    def resume(name: str) -> bool:
        with db.scope(company_id=company), db.transaction() as session:
            return _resume(session, pause, name).decided_at is not None

    results = together([lambda: resume("operator"), lambda: resume("cfo")])

    assert sorted(results) == [False, True]
