"""The books over HTTP: statements, journal, accounts, trial balance, periods."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import load_workbook

from pettycash.runtime import db
from tests import books
from tests.api.client import ApiClient

UNKNOWN = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"


@pytest.fixture
def paid(api: ApiClient) -> dict[str, str]:
    """Three payments: ids of the fund and of the first payment."""
    with api.as_("treasury").scope(), db.transaction() as session:
        first = books.pay(session, "1500.00", occurred_at=datetime(2026, 10, 5, 9, tzinfo=UTC))
        books.pay(session, "20.00", store_code="WESTLANDS-DRAWER")
        books.pay(session, "3.00")
        return {"fund": str(books.fund(session).id), "payment": str(first.id)}


# The fund statement


def test_the_statement_tells_money_out_as_debit(api: ApiClient, paid: dict[str, str]) -> None:
    auditor = api.as_("auditor")

    lines = auditor.get(f"/api/ledger/by_fund/?fund_id={paid['fund']}").json["items"]

    shown = [(each["type"], each["direction"], each["side"], each["amount"]) for each in lines]
    assert shown[:3] == [
        ("debit", "out", "credit", "3.00"),
        ("debit", "out", "credit", "20.00"),
        ("debit", "out", "credit", "1500.00"),
    ]
    assert {each["type"] for each in lines[3:]} == {"adjustment"}
    assert [each["balance"] for each in lines] == [
        "48477.00",
        "48480.00",
        "48500.00",
        "50000.00",
        "40000.00",
    ]
    assert lines[2]["payment_id"] == paid["payment"]
    assert lines[2]["payment_execution_id"] is not None
    assert lines[2]["accounting_date"] == "2026-10-05"
    assert auditor.get(f"/api/ledger/{lines[2]['id']}/").json == lines[2]


def test_pages_follow_each_other_with_right_balances(api: ApiClient, paid: dict[str, str]) -> None:
    auditor = api.as_("auditor")
    path = f"/api/ledger/by_fund/?fund_id={paid['fund']}"
    whole = auditor.get(path).json["items"]

    found, cursor = [], ""
    while cursor is not None:
        page = auditor.get(f"{path}&limit=2{cursor and '&cursor=' + cursor}").json
        found += page["items"]
        cursor = page["next_cursor"]

    assert found == whole


@pytest.mark.parametrize(
    ("query", "amounts"),
    [
        ("type=debit", ["3.00", "20.00", "1500.00"]),
        ("type=credit", []),
        ("direction=in", ["10000.00", "40000.00"]),
        ("from=2026-10-05&to=2026-10-05", ["1500.00"]),
        ("reconciled=true", []),
        ("reconciled=false&type=debit&q=pay-t", ["3.00", "20.00", "1500.00"]),
        ("payment_id=" + UNKNOWN, []),
        ("currency=UGX", []),
    ],
)
def test_lines_are_filtered(
    api: ApiClient, paid: dict[str, str], query: str, amounts: list[str]
) -> None:
    found = api.as_("auditor").get(f"/api/ledger/?fund_id={paid['fund']}&{query}").json["items"]

    assert sorted(each["amount"] for each in found) == sorted(amounts)


@pytest.mark.parametrize(
    ("name", "path", "status", "code"),
    [
        ("auditor", "/api/ledger/by_fund/", 422, "request.invalid"),
        ("auditor", f"/api/ledger/by_fund/?fund_id={UNKNOWN}", 404, "fund.not_found"),
        ("auditor", "/api/ledger/?from=2026-02-01&to=2026-01-01", 422, "request.invalid"),
        ("auditor", "/api/ledger/?colour=red", 422, "request.invalid"),
        ("auditor", f"/api/ledger/{UNKNOWN}/", 404, "ledger.line_not_found"),
        ("auditor", f"/api/journal/{UNKNOWN}/", 404, "journal.entry_not_found"),
        ("auditor", f"/api/accounts/{UNKNOWN}/", 404, "account.not_found"),
        ("auditor", "/api/reports/trial-balance/?as_of=yesterday", 422, "request.invalid"),
        ("staff", "/api/ledger/", 403, "auth.forbidden"),
        ("custodian", "/api/journal/", 403, "auth.forbidden"),
        ("custodian", "/api/reports/trial-balance/", 403, "auth.forbidden"),
        ("admin", "/api/ledger/", 403, "auth.forbidden"),
    ],
)
def test_what_is_not_there_or_not_for_you(
    api: ApiClient, name: str, path: str, status: int, code: str
) -> None:
    refused = api.as_(name).get(path)

    assert (refused.status_code, refused.json["code"]) == (status, code)


def test_a_custodian_reads_the_own_fund_only(api: ApiClient, paid: dict[str, str]) -> None:
    line = api.as_("custodian").get("/api/ledger/?limit=1").json["items"][0]
    stranger = api.as_("custodian_mombasa")

    assert line["fund_id"] == paid["fund"]
    assert stranger.get(f"/api/ledger/by_fund/?fund_id={paid['fund']}").status_code == 404
    assert stranger.get(f"/api/ledger/{line['id']}/").status_code == 404
    assert paid["fund"] not in {
        each["fund_id"] for each in stranger.get("/api/ledger/").json["items"]
    }


@pytest.mark.parametrize("path", ["ledger", "journal"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_books_are_not_written_over_http(api: ApiClient, path: str, method: str) -> None:
    assert api.as_("cfo").request(method, f"/api/{path}/").status_code == 405


# The journal


def test_the_journal_shows_both_sides(api: ApiClient, paid: dict[str, str]) -> None:
    [entry] = api.as_("auditor").get(f"/api/journal/?payment_id={paid['payment']}").json["items"]

    assert (entry["rule"], entry["amount"]) == ("expense", "1500.00")
    assert [(each["account_code"], each["side"]) for each in entry["postings"]] == [
        ("5000.travel", "debit"),
        ("1000.WESTLANDS-MPESA", "credit"),
    ]
    assert {each["fund_id"] for each in entry["postings"]} == {paid["fund"]}
    assert api.as_("auditor").get(f"/api/journal/{entry['id']}/").json == entry


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("rule=expense", 3),
        ("rule=advance", 0),
        ("from=2026-10-05&to=2026-10-05", 1),
        ("q=pay-t", 3),
    ],
)
def test_entries_are_filtered(api: ApiClient, paid: dict[str, str], query: str, count: int) -> None:
    assert len(api.as_("auditor").get(f"/api/journal/?{query}").json["items"]) == count


def test_entries_of_an_account(api: ApiClient, paid: dict[str, str]) -> None:
    auditor = api.as_("auditor")
    [account] = auditor.get("/api/accounts/?q=1000.westlands-drawer").json["items"]

    found = auditor.get(f"/api/journal/?account_id={account['id']}").json["items"]

    assert [each["amount"] for each in found] == ["20.00", "10000.00"]
    assert account["balance"] == "9980.00"


# Accounts


def test_a_bank_and_a_category_are_opened(api: ApiClient) -> None:
    manager = api.as_("group_finance_manager")
    body = {"kind": "bank", "code": "1100.KCB", "name": "KCB", "category": "kcb", "currency": "KES"}

    made = manager.post("/api/accounts/", json=body)

    assert made.status_code == 201, made.json
    assert (made.json["kind"], made.json["balance"]) == ("bank", "0.00")
    assert manager.get(made.headers["Location"]).json == made.json
    again = manager.post("/api/accounts/", json=body)
    assert (again.status_code, again.json["code"]) == (409, "account.exists")
    rent = manager.post(
        "/api/accounts/",
        json=body | {"kind": "expense", "code": "5000.rent", "name": "Rent", "category": "rent"},
    )
    assert rent.status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"kind": "store"}, 422, "account.kind_not_free"),
        ({"kind": "equity"}, 422, "account.kind_not_free"),
        ({"kind": "expense", "code": "X", "category": "travel"}, 409, "account.exists"),
        ({"category": "No spaces"}, 422, "request.invalid"),
        ({"balance": "5.00"}, 422, "request.invalid"),
    ],
)
def test_an_account_that_cant_be_is_refused(
    api: ApiClient, changes: dict[str, Any], status: int, code: str
) -> None:
    body = {"kind": "bank", "code": "1100.X", "name": "X", "category": "x", "currency": "KES"}

    refused = api.as_("cfo").post("/api/accounts/", json=body | changes)

    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert api.as_("treasury").post("/api/accounts/", json=body).status_code == 403


# Trial balance


def test_the_trial_balance_is_equal_in_each_currency(api: ApiClient, paid: dict[str, str]) -> None:
    found = api.as_("cfo").get("/api/reports/trial-balance/").json

    assert {each["currency"] for each in found["parts"]} == {"KES", "UGX"}
    for each in found["parts"]:
        assert each["totals"]["debit"] == each["totals"]["credit"]
        assert each["foots"] is True
    past = api.as_("cfo").get("/api/reports/trial-balance/?as_of=2026-10-31&currency=kes").json
    assert past["parameters"] == {"As of": "2026-10-31", "Currency": "KES"}
    [kes] = past["parts"]
    assert {each["code"]: each["debit"] for each in kes["rows"]}["5000.travel"] == "1500.00"


def test_each_figure_is_what_the_report_behind_its_link_adds_up_to(
    api: ApiClient, paid: dict[str, str]
) -> None:
    cfo = api.as_("cfo")
    for query in ("", "?as_of=2026-10-31&currency=KES"):
        for part in cfo.get(f"/api/reports/trial-balance/{query}").json["parts"]:
            for row in part["rows"]:
                for name, link in row["links"].items():
                    [behind] = cfo.get(link).json["parts"]
                    balance = Decimal(behind["totals"]["debit"]) - Decimal(
                        behind["totals"]["credit"]
                    )
                    assert Decimal(row[name]) == abs(balance), row


def test_the_trial_balance_comes_as_a_file(api: ApiClient, paid: dict[str, str]) -> None:
    cfo = api.as_("cfo")

    as_csv = cfo.get("/api/reports/trial-balance/?format=csv&as_of=2026-10-31&currency=KES")
    assert as_csv.status_code == 200, as_csv.text
    assert as_csv.mimetype == "text/csv"
    assert as_csv.headers["Content-Disposition"].startswith("attachment; filename=trial-balance-2")
    lines = list(csv.reader(io.StringIO(as_csv.data.decode("utf-8-sig"), newline="")))
    assert ["As of", "2026-10-31"] in lines
    assert ["5000.travel", "Expense: travel", "expense", "KES", "1500.00", "0.00"] in lines
    [kes] = cfo.get("/api/reports/trial-balance/?as_of=2026-10-31&currency=KES").json["parts"]
    assert ["Total KES", "", "", "", kes["totals"]["debit"], kes["totals"]["credit"]] in lines

    as_xlsx = cfo.get("/api/reports/trial-balance/?format=XLSX")
    assert as_xlsx.mimetype.endswith("spreadsheetml.sheet")
    values = list(load_workbook(io.BytesIO(as_xlsx.data)).worksheets[0].values)
    assert ("5000.travel", "Expense: travel", "expense", "KES", 1523, 0) in values
    assert ("As of", "all postings", None, None, None, None) in values

    refused = cfo.get("/api/reports/trial-balance/?format=odt")
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["format"])
    assert api.as_("staff").get("/api/reports/trial-balance/?format=csv").status_code == 403


# Periods


def test_a_month_closes_by_two_people(api: ApiClient, paid: dict[str, str]) -> None:
    manager, cfo = api.as_("group_finance_manager"), api.as_("cfo")
    months = manager.get("/api/periods/").json["items"]
    assert [each["month"] for each in months][-1] == "2026-10"
    assert {each["state"] for each in months} == {"open"}

    soft = manager.post("/api/periods/2026-10/soft_close/")
    assert soft.status_code == 200, soft.json
    assert (soft.json["month"], soft.json["state"]) == ("2026-10", "soft_closed")
    assert manager.post("/api/periods/2026-10/hard_close/").status_code == 403
    hard = cfo.post("/api/periods/2026-10/hard_close/")
    assert (hard.status_code, hard.json["state"]) == (200, "hard_closed")
    assert hard.json["hard_closed_by_id"] == str(cfo.user_id)
    reopened = cfo.post("/api/periods/2026-10/reopen/")
    assert (reopened.status_code, reopened.json["code"]) == (409, "period.illegal_state")
    [found] = manager.get("/api/periods/?state=hard_closed").json["items"]
    assert found == hard.json


def test_a_soft_close_reopens(api: ApiClient, paid: dict[str, str]) -> None:
    cfo = api.as_("cfo")
    cfo.post("/api/periods/2026-10/soft_close/")
    own = cfo.post("/api/periods/2026-10/hard_close/")
    assert (own.status_code, own.json["code"]) == (403, "decision.own")

    reopened = cfo.post("/api/periods/2026-10/reopen/")

    assert (reopened.status_code, reopened.json["state"]) == (200, "open")


@pytest.mark.parametrize(
    ("month", "status", "code"),
    [
        ("2199-01", 422, "period.not_over"),
        ("2026-13", 404, "period.not_found"),
        ("october", 404, "period.not_found"),
        ("2026-10-01", 404, "period.not_found"),
    ],
)
def test_a_month_that_cant_close(api: ApiClient, month: str, status: int, code: str) -> None:
    refused = api.as_("cfo").post(f"/api/periods/{month}/soft_close/")

    assert (refused.status_code, refused.json["code"]) == (status, code)


@pytest.mark.parametrize("name", ["treasury", "auditor", "ceo"])
def test_not_everybody_closes_months(api: ApiClient, name: str) -> None:
    assert api.as_(name).post("/api/periods/2026-10/soft_close/").status_code == 403
