"""Threads serve one request after the other: nothing of the first may reach the second."""

from flask import Flask, request_finished

from pettycash.runtime import db
from pettycash.runtime.db import Scope
from tests.api.client import ApiClient


def test_a_request_leaves_no_scope_behind(common: ApiClient) -> None:
    assert common.as_("staff").get("/api/auth/me/").status_code == 200
    assert db.current_scope() == Scope()
    common.as_("staff").get("/api/nothing/")
    assert db.current_scope() == Scope()


def test_a_request_begins_without_the_scope_around_it(common: ApiClient) -> None:
    """An anonymous request on a thread that acted for a company acts for none."""
    staff = common.as_("staff")
    seen: list[Scope] = []

    def look(sender: Flask, **_rest: object) -> None:
        seen.append(db.current_scope())

    with (
        request_finished.connected_to(look, common.application),
        db.scope(company_id=staff.company_id, actor_id=staff.user_id),
    ):
        common.anonymous.get("/healthz")
        staff.get("/api/auth/me/")

    assert [(each.company_id, each.actor_id) for each in seen] == [
        (None, None),
        (staff.company_id, staff.user_id),
    ]
    assert all(each.source == "api" for each in seen)
