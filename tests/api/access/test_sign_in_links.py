"""One-time links: a person sets their own password, and nobody else."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from pettycash.models.access import SecurityEvent, SignInLink, User
from pettycash.runtime import settings
from pettycash.runtime.db import system_transaction, transaction
from pettycash.services.access.identity import links
from pettycash.services.foundation import encryption
from tests.api.access.people_steps import LINKS, admitted, changed, of
from tests.api.client import ApiClient, Caller
from tests.races import together


def test_a_link_sets_a_password_once(api: ApiClient, admin: Caller) -> None:
    made = admitted(admin)
    message = link_of(admin, made["id"])
    token = next(line for line in message.text.splitlines() if line.startswith("pc_link_"))
    assert message.email == made["email"]
    body = {"token": token, "new_password": "lantern orbit walnut seventeen"}

    weak = api.anonymous.post(LINKS, json=body | {"new_password": made["username"]})
    assert (weak.status_code, weak.json["code"]) == (422, "password.too_common")
    assert api.anonymous.post(LINKS, json=body).status_code == 204
    again = api.anonymous.post(LINKS, json=body)
    assert (again.status_code, again.json["code"]) == (401, "auth.link_refused")
    with system_transaction() as session:
        user = session.execute(select(User).where(User.username == made["username"])).scalar_one()
    with admin.scope(), transaction() as session:
        events = session.execute(select(SecurityEvent.event)).scalars().all()
    assert encryption.password_matches(body["new_password"], user.password_hash)
    assert admin.get(f"/api/users/{made['id']}/").json["must_change_password"] is False
    assert "auth.password_set" in events


def test_a_link_that_is_sent_again_replaces_the_one_before(api: ApiClient, admin: Caller) -> None:
    made = admitted(admin)
    first = link_of(admin, made["id"])
    assert admin.post(f"/api/users/{made['id']}/link/", key=True).status_code == 202
    second = link_of(admin, made["id"])

    for message, expected in ((first, 401), (second, 204)):
        token = next(line for line in message.text.splitlines() if line.startswith("pc_link_"))
        body = {"token": token, "new_password": "lantern orbit walnut seventeen"}
        assert api.anonymous.post(LINKS, json=body).status_code == expected


def test_of_two_who_use_a_link_at_once_one_sets_the_password(admin: Caller) -> None:
    made = admitted(admin)
    message = link_of(admin, made["id"])
    token = next(line for line in message.text.splitlines() if line.startswith("pc_link_"))

    def use(new_hash: str) -> str:
        with system_transaction() as session:
            links.use(session, token=token, new_hash=new_hash, now=session.info["now"])
        return new_hash

    results = together([lambda: use("$argon2id$one"), lambda: use("$argon2id$two")])

    assert sum(isinstance(each, str) for each in results) == 1, results
    assert sum(isinstance(each, links.LinkRefused) for each in results) == 1


def test_a_link_ends_after_three_days(api: ApiClient, admin: Caller) -> None:
    made = admitted(admin)
    message = link_of(admin, made["id"])
    token = next(line for line in message.text.splitlines() if line.startswith("pc_link_"))
    with system_transaction() as session, pytest.raises(links.LinkRefused):
        links.owner(session, token=token, now=session.info["now"] + links.LIFE)


def link_of(admin: Caller, user_id: str) -> links.LinkMessage:
    """Let the worker make the link that is enqueued."""
    with admin.scope(), transaction() as session:
        enqueued = session.execute(
            select(SignInLink.id).where(
                SignInLink.user_id == UUID(user_id), SignInLink.used_at.is_(None)
            )
        ).scalar_one()
        message = links.make(session, link_id=enqueued, now=session.info["now"])
    assert message is not None
    return message


def test_a_link_goes_to_no_address_that_was_changed_within_a_day(admin: Caller) -> None:
    """An administrator alone would move the e-mail, ask for a link, and be somebody else."""
    staff = of(admin, "staff")
    where = f"/api/users/{staff['id']}/link/"
    assert admin.post(where, key=True).status_code == 202

    assert changed(admin, staff, email="mine@evil.example").status_code == 200

    refused = admin.post(where, key=True)
    assert (refused.status_code, refused.json["code"]) == (409, "user.contact_too_new")
    with admin.scope(), transaction() as session:
        enqueued = session.execute(
            select(SignInLink.id).where(SignInLink.user_id == UUID(staff["id"]))
        ).scalar_one()
        assert links.make(session, link_id=enqueued, now=session.info["now"]) is None, (
            "worthless now"
        )


def test_two_workers_make_one_link(admin: Caller) -> None:
    """Of two tokens the first would be worthless when it arrives."""
    made = admitted(admin)
    link_of(admin, made["id"])
    with admin.scope(), transaction() as session:
        enqueued = session.execute(
            select(SignInLink.id).where(SignInLink.user_id == UUID(made["id"]))
        ).scalar_one()
        now = session.info["now"]
        assert links.make(session, link_id=enqueued, now=now) is None
        lease = timedelta(seconds=settings.current().claim_lease_seconds)
        assert links.make(session, link_id=enqueued, now=now + lease) is not None
