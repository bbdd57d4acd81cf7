"""A right secret is never refused; a wrong one, or one from a foreign address, comes to nothing."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from pettycash.app import create_app
from pettycash.models.access import SecurityEvent
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import Case
from pettycash.models.payments import Payment
from pettycash.runtime import db
from pettycash.runtime.settings import Settings
from tests.api.client import ApiClient
from tests.api.payments.test_callbacks import address, deliver, proof, sent, stored
from tests.factories import payments as making
from tests.factories import rails
from tests.security.test_api4_consumption import begin_of_a_minute
from tests.servers import Database, compose_for

__all__ = ["sent"]

PROXY = {"REMOTE_ADDR": "10.0.0.2"}
DARAJA = {"X-Forwarded-For": "196.201.214.200"}
LIMITS = [each.name for each in dataclasses.fields(Settings) if each.name.endswith("_per_minute")]


@pytest.fixture
def production(live: Database, sent: Payment) -> Iterator[ApiClient]:
    """The application with production's limits behind its one proxy, the account in production."""
    with db.transaction() as session:
        session.execute(update(ProviderAccount).values(environment="production"))
    limits = {name: getattr(Settings(), name) for name in LIMITS}
    yield ApiClient(
        create_app(
            dataclasses.replace(
                live.settings, environment="production", trusted_proxies=1, **limits
            )
        )
    )
    assert sent.provider_account_id is not None
    compose_for(live)


def statuses(api: ApiClient, where: str, bodies: list[bytes], **more: Any) -> Counter[int]:
    return Counter(deliver(api, where, body, **more).status_code for body in bodies)


def test_200_callbacks_a_minute_behind_one_proxy_are_all_taken(
    production: ApiClient, sent: Payment
) -> None:
    begin_of_a_minute()
    bodies = [proof(sent, code=f"result {number}") for number in range(200)]

    said = statuses(production, address(sent), bodies, environ_base=PROXY, headers=DARAJA)

    assert said == {200: 200}
    assert stored() == 200


def test_600_wrong_secrets_have_a_limit_that_starves_nobody(
    production: ApiClient, sent: Payment
) -> None:
    begin_of_a_minute()
    right = address(sent)
    wrong = right[:-64] + "0" * 64

    said = statuses(production, wrong, [b"junk"] * 600, environ_base=PROXY, headers=DARAJA)

    assert said == {404: 60, 429: 540}
    assert stored() == 0
    for where, body, expected in ((right, proof(sent), 200), (wrong, b"junk", 429)):
        answer = deliver(production, where, body, environ_base=PROXY, headers=DARAJA)
        assert answer.status_code == expected
    signing_in = production.anonymous.post(
        "/api/auth/login/",
        json={"username": "nobody", "password": "x"},
        environ_base=PROXY,
        headers=DARAJA,
    )
    assert signing_in.status_code == 401, "junk in the inbox costs nobody their sign-in"


SENT_AS = (
    ("?source=gateway&source=gateway", "application/json"),
    ("?%00", "application/json"),
    ("", ""),
    ("", "multipart/form-data; boundary=x"),
    ("", "application/x-www-form-urlencoded"),
    ("", "no/such;;type"),
    ("/", "text/xml; charset=nonsense"),
)


def test_no_rule_of_query_string_or_content_type_stands_before_a_right_secret(
    api: ApiClient, sent: Payment
) -> None:
    for number, (query, content_type) in enumerate(SENT_AS):
        body = proof(sent, code=str(number))
        answer = deliver(api, address(sent) + query, body, content_type=content_type)
        assert answer.status_code == 200, (query, content_type)
    assert stored() == len(SENT_AS)


def foreign_events() -> list[tuple[UUID | None, str | None]]:
    with db.transaction() as session:
        rows = session.execute(
            select(SecurityEvent.company_id, SecurityEvent.ip_address).where(
                SecurityEvent.event == "callback.foreign_address"
            )
        )
        return [(row.company_id, str(row.ip_address)) for row in rows]


def the_case(payment: Payment) -> Case:
    assert payment.provider_account_id is not None
    with db.transaction() as session:
        return making.case_about(session, payment.provider_account_id)


def test_callback_from_a_foreign_address_is_refused_and_told_to_people(
    production: ApiClient, sent: Payment
) -> None:
    """Without a word about the list, the rail's own counts for an account in production."""
    begin_of_a_minute()
    elsewhere = {"X-Forwarded-For": "196.201.214.200, 203.0.113.9"}
    bodies = [b"{}", b"[]", proof(sent)]

    said = statuses(production, address(sent), bodies, environ_base=PROXY, headers=elsewhere)

    assert said == {404: 3}
    assert stored() == 0
    assert foreign_events() == [(sent.company_id, "203.0.113.9")], "once a minute and address"
    case = the_case(sent)
    assert (case.kind, case.severity) == ("unmatched_callback", "severe")
    assert "203.0.113.9" in case.summary
    with db.transaction() as session:
        assert making.outbox_message(session, "notifications.alert", case.id) is not None
        assert making.open_cases(session, sent.id) == [], "of the payment it says nothing"
    right = deliver(production, address(sent), proof(sent), environ_base=PROXY, headers=DARAJA)
    assert right.status_code == 200


def test_an_address_that_no_declared_proxy_vouches_for_is_not_compared_with_the_rails_list(
    api: ApiClient, sent: Payment
) -> None:
    rails.serve(rails.FakeGateway())
    with db.transaction() as session:
        session.execute(update(ProviderAccount).values(environment="production"))

    assert deliver(api, address(sent), proof(sent), environ_base=PROXY).status_code == 200


OWN_LISTS: tuple[tuple[list[str], str, int], ...] = (
    (["192.0.2.0/24"], "::ffff:192.0.2.40", 200),
    (["2001:db8::/32"], "2001:db8::1", 200),
    (["2001:db8::/32"], "192.0.2.41", 404),
    (["192.0.2.42"], "192.0.2.42", 200),
    (["192.0.2.42"], "unix:", 404),
    ([], "203.0.113.9", 200),
    (["rubbish of before"], "192.0.2.43", 404),
)


def test_an_accounts_own_list_counts_before_the_rails(production: ApiClient, sent: Payment) -> None:
    begin_of_a_minute()
    for networks, caller, expected in OWN_LISTS:
        with db.transaction() as session:
            session.execute(update(ProviderAccount).values(options={"callback_sources": networks}))
        answer = deliver(
            production,
            address(sent),
            proof(sent),
            environ_base=PROXY,
            headers={"X-Forwarded-For": caller},
        )
        assert answer.status_code == expected, (networks, caller)

    refused = {caller for _, caller, expected in OWN_LISTS if expected == 404}
    assert {caller for _, caller in foreign_events()} == refused, "nothing is refused in silence"
