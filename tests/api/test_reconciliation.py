"""Runs of reconciliation over HTTP: started for a day, read until they are closed."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from pettycash.models.operations import Case
from pettycash.runtime import clock, db
from pettycash.tasks.reconciliation import advance
from tests import books
from tests.api.client import ApiClient, Caller
from tests.factories.requisitions_http import code

PATH = "/api/reconciliation/runs/"
DAY = timedelta(days=1)


def today() -> date:
    with db.system_transaction() as session:
        return clock.business_date(session.info["now"], "Africa/Nairobi")


def started(caller: Caller, day: date | None = None) -> dict:
    answer = caller.post(PATH, json={"business_date": (day or today()).isoformat()})
    assert answer.status_code == 202, answer.json
    return dict(answer.json)


def close(caller: Caller, run: dict) -> None:
    """The worker's part."""
    with caller.scope():
        advance(UUID(run["id"]))


def test_a_run_is_started_read_and_closed(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    with treasury.scope(), db.transaction() as session:
        payment = books.pay(session, "1500.00")

    run = started(treasury)

    assert (run["status"], run["sequence"], run["closed_at"]) == ("running", 1, None)
    assert run["started_by_id"] == str(treasury.user_id)
    assert run["business_date"] == today().isoformat()
    close(treasury, run)
    read = api.as_("auditor").get(f"{PATH}{run['id']}/")
    assert read.status_code == 200
    assert read.json["status"] == "closed"
    assert datetime.fromisoformat(read.json["closed_at"]).tzinfo == UTC
    assert read.json["totals"] == {"KES": "1500.00"}
    assert read.json["counts"] == {"success": 1, "matched": 0, "broken": 1, "book_findings": 0}
    assert read.json["mismatches"] == [
        {
            "kind": "success_without_evidence",
            "payment_id": str(payment.id),
            "number": payment.number,
            "amount": "1500.00",
            "currency": "KES",
            "status": "success",
        }
    ]
    with treasury.scope(), db.transaction() as session:
        assert session.query(Case).filter_by(object_id=payment.id).count() == 1


def test_the_open_run_is_joined_and_a_closed_one_followed(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    run = started(treasury)

    assert started(api.as_("operator"))["id"] == run["id"]
    close(treasury, run)
    assert started(treasury)["sequence"] == 2


def test_a_key_that_is_sent_again_starts_nothing(api: ApiClient) -> None:
    treasury, key = api.as_("treasury"), uuid4()
    body = {"business_date": today().isoformat()}
    first = treasury.post(PATH, json=body, key=key)
    close(treasury, first.json)

    again = treasury.post(PATH, json=body, key=key)

    assert (again.status_code, again.json) == (202, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(treasury.get(PATH).json["items"]) == 1


def test_the_list_is_newest_first_filtered_and_paged(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    first = started(treasury, today() - DAY)
    close(treasury, first)
    second = started(treasury, today() - DAY)
    third = started(treasury)

    def ids(query: str = "") -> list[str]:
        answer = treasury.get(PATH + query)
        assert answer.status_code == 200, answer.json
        return [each["id"] for each in answer.json["items"]]

    assert ids() == [third["id"], second["id"], first["id"]]
    assert ids("?status=CLOSED") == [first["id"]]
    assert ids(f"?business_date={today() - DAY}&status=running") == [second["id"]]
    page = treasury.get(f"{PATH}?limit=2").json
    assert [each["id"] for each in page["items"]] == [third["id"], second["id"]]
    rest = treasury.get(f"{PATH}?limit=2&cursor={page['next_cursor']}").json
    assert [each["id"] for each in rest["items"]] == [first["id"]]
    assert rest["next_cursor"] is None


def test_another_company_has_runs_of_its_own(api: ApiClient) -> None:
    run = started(api.as_("treasury"))
    stranger = api.as_("other_company")

    assert code(stranger.get(f"{PATH}{run['id']}/")) == (404, "reconciliation.run_not_found")
    assert stranger.get(PATH).json["items"] == []


def test_a_day_that_has_not_begun_is_refused(common: ApiClient) -> None:
    tomorrow = {"business_date": (today() + DAY).isoformat()}

    refused = common.as_("treasury").post(PATH, json=tomorrow)

    assert code(refused) == (422, "reconciliation.day_not_begun")
    assert common.as_("treasury").get(PATH).json["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"business_date": None},
        {"business_date": "yesterday"},
        {"business_date": "2026-02-30"},
        {"business_date": 20261120},
        {"business_date": "2026-11-20T00:00:00Z"},
        {"business_date": "2026-11-20", "sequence": 7},
        {"business_date": "2026-11-20", "status": "closed"},
    ],
    ids=str,
)
def test_what_names_no_day_is_refused(common: ApiClient, body: dict) -> None:
    refused = common.as_("treasury").post(PATH, json=body)

    assert refused.status_code == 422, refused.json
    assert refused.json["errors"]
    assert common.as_("treasury").get(PATH).json["items"] == []


@pytest.mark.parametrize("who", ["staff", "branch_manager", "custodian", "auditor", "cfo", "admin"])
def test_who_may_not_start_one(common: ApiClient, who: str) -> None:
    refused = common.as_(who).post(PATH, json={"business_date": "2026-11-20"})

    assert refused.status_code == 403, refused.json
    assert common.as_("treasury").get(PATH).json["items"] == []


def test_a_run_that_is_not_there_is_not_found(common: ApiClient) -> None:
    treasury = common.as_("treasury")

    assert code(treasury.get(f"{PATH}{uuid4()}/")) == (404, "reconciliation.run_not_found")
    assert treasury.delete(f"{PATH}{uuid4()}/").status_code == 405
    assert common.as_("staff").get(PATH).status_code == 403
    assert common.anonymous.get(PATH).status_code == 401
