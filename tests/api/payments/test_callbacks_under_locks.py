"""A callback answers 200 within a second, whatever of its neighbourhood somebody holds locked."""

import time
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from pettycash.models.access import Company
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import OutboxMessage
from pettycash.models.payments import Callback, Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from pettycash.services.payments import facts
from tests.api.client import ApiClient
from tests.api.payments.test_callbacks import address, attempt_id, deliver, proof, sent, stored
from tests.factories.people import company_id
from tests.models.catalogue import connected
from tests.patience import budget
from tests.races import held, together
from tests.servers import Database

__all__ = ["sent"]

SECONDS = 1.0


def the_attempt(session: Session, payment: Payment) -> object:
    return facts.lock_attempt(session, attempt_id=attempt_id(payment))


def the_payment(session: Session, payment: Payment) -> object:
    return db.lock(session, Payment, payment.id)


def the_requisition(session: Session, payment: Payment) -> object:
    return db.lock(session, Requisition, payment.requisition_id)


def the_provider_account(session: Session, payment: Payment) -> object:
    assert payment.provider_account_id is not None
    return db.lock(session, ProviderAccount, payment.provider_account_id)


def the_company(session: Session, _payment: Payment) -> object:
    return db.lock(session, Company, company_id("DEMO"))


def the_callback(session: Session, _payment: Payment) -> object:
    callback_id = session.execute(select(Callback.id)).scalar_one()
    session.execute(
        select(OutboxMessage)
        .where(OutboxMessage.key == callback_id)
        .with_for_update(key_share=True)
    ).scalar_one()
    return db.lock(session, Callback, callback_id)


def quickly(call: Callable[[], TestResponse]) -> int:
    before = time.monotonic()
    answer = call()
    assert time.monotonic() - before < budget(SECONDS)
    return answer.status_code


@pytest.mark.parametrize(
    "take", [the_attempt, the_payment, the_requisition, the_provider_account, the_company]
)
def test_callback_answers_200_within_1_s_while_its_attempt_is_locked(
    api: ApiClient, sent: Payment, take: Callable[[Session, Payment], object]
) -> None:
    where, body = address(sent), proof(sent)

    with held(lambda session: take(session, sent)):
        assert quickly(partial(deliver, api, where, body)) == 200
        assert stored() == 1


def test_callback_answers_200_within_1_s_while_it_is_processed(
    api: ApiClient, sent: Payment
) -> None:
    """A repeat of what a worker has locked is stored already: it does not wait to be counted."""
    where, body = address(sent), proof(sent)
    assert deliver(api, where, body).status_code == 200

    with held(lambda session: the_callback(session, sent)):
        assert quickly(partial(deliver, api, where, body)) == 200
    assert quickly(partial(deliver, api, where, body)) == 200

    with db.transaction() as session:
        assert session.execute(select(Callback.deliveries)).scalar_one() == 2


def test_twenty_copies_of_a_callback_answer_200_within_1_s_while_its_attempt_is_locked(
    api: ApiClient, sent: Payment
) -> None:
    """Counted is what the lock adds: twenty at once take their time on a busy machine as well."""
    where = address(sent)

    def copies(body: bytes) -> float:
        before = time.monotonic()
        answers = together([partial(deliver, api, where, body) for _ in range(20)])
        elapsed = time.monotonic() - before
        assert [each.status_code for each in answers] == [200] * 20
        return elapsed

    unlocked = copies(proof(sent, provider_reference="RKT7654321"))
    with held(lambda session: the_attempt(session, sent)):
        locked = copies(proof(sent))

    assert locked < budget(SECONDS) + unlocked
    assert stored() == 2


@pytest.mark.parametrize("table", ["callbacks", "payment_attempts"])
def test_a_callback_that_can_not_be_stored_within_1_s_is_asked_for_again(
    api: ApiClient, live: Database, sent: Payment, table: str
) -> None:
    """Never a 200 for what is not stored: a rail that hears 503 delivers it again."""
    where, body = address(sent), proof(sent)
    with connected(live.owner_url) as owner:
        owner.autocommit = False
        owner.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        before = time.monotonic()
        answer = deliver(api, where, body)
        elapsed = time.monotonic() - before

    assert answer.status_code == 503
    assert answer.get_json()["code"] == "callback.not_stored"
    assert answer.headers["Retry-After"] == "1"
    assert elapsed < budget(SECONDS)
    assert stored() == 0
    assert deliver(api, where, body).status_code == 200
