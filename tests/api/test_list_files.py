"""Lists and reports as files over HTTP: what the page shows to whom, and no more."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from pettycash.runtime import db
from pettycash.web import files
from tests import books
from tests.api.client import ApiClient, Caller


def table(caller: Caller, path: str) -> list[dict[str, str]]:
    """The rows of a CSV file, under its titles and above its foot."""
    answer = caller.get(path)
    assert answer.status_code == 200, answer.text
    lines = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    titles = lines.index([]) + 1
    rows = lines[titles + 1 : lines.index([], titles)]
    counted = [row for row in rows if row[0].split()[:1] != ["Total"]]
    assert lines[-2] == ["Rows", str(len(counted))]
    return [dict(zip(lines[titles], row, strict=True)) for row in rows]


def test_a_list_comes_as_a_file_with_the_filters_of_the_page(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with api.as_("treasury").scope(), db.transaction() as session:
        paid = [books.pay(session, f"{amount}.50").number for amount in (100, 200, 300)]
        requisition_id = session.scalars(text("SELECT requisition_id FROM payments")).first()
    cfo = api.as_("cfo")
    monkeypatch.setattr("pettycash.services.foundation.listings.PAGE_SIZE_MAX", 2)

    rows = table(cfo, "/api/payments/?format=csv&min_amount=150&limit=1")

    assert {each["number"] for each in rows} == set(paid[1:])
    assert {each["amount"] for each in rows} == {"200.50", "300.50"}
    assert rows[0]["executor_name"] == ""
    masked = table(api.as_("operator"), "/api/payments/?format=csv")
    assert {row["payee_name"] for row in masked} == {"P***"}
    assert table(api.as_("staff_mombasa"), "/api/payments/?format=csv") == []
    trail = table(cfo, f"/api/requisitions/{requisition_id}/trail/?format=csv")
    assert [each["user_name"] for each in trail if each["user_id"]] != []
    assert cfo.get("/api/payments/?format=xlsx").mimetype.endswith("spreadsheetml.sheet")
    assert api.as_("staff").get("/api/variances/?format=csv").status_code == 403

    monkeypatch.setattr(files, "ROWS_AT_ONCE", 2)
    refused = cfo.get("/api/payments/?format=csv")
    assert (refused.status_code, refused.json["code"]) == (422, "report.needs_run")
    assert len(table(cfo, "/api/payments/?format=csv&min_amount=150")) == 2


def test_a_report_comes_as_its_page_says(api: ApiClient) -> None:
    with api.as_("treasury").scope(), db.transaction() as session:
        paid = books.pay(session, "1500.00")
        fund_id = books.fund(session).id
    for name in ("custodian", "branch_manager", "cfo"):
        path = f"/api/reports/cash-book/?fund_id={fund_id}"
        page = api.as_(name).get(path).json
        [part] = page["parts"]
        assert page["parameters"]["Fund"] == "WESTLANDS"
        assert part["foots"] is True
        [line] = [row for row in part["rows"] if row["voucher"] == paid.number]
        assert (line["out"], line["categories"]) == ("1500.00", {"travel": "1500.00"})
        rows = table(api.as_(name), f"{path}&format=csv")
        assert [row["travel"] for row in rows if row["Voucher"] == paid.number] == ["1500.00"]
        assert Decimal(rows[-1]["Out"]) == Decimal(part["totals"]["out"])
        if name != "branch_manager":
            [behind] = api.as_(name).get(line["links"]["out"]).json["items"]
            assert behind["amount"] == line["out"]
    masked = api.as_("operator").get("/api/reports/cash-book/").json["parts"][0]["rows"]
    assert {row["payee"] for row in masked if row["payee"]} == {"P***"}
    for name in ("custodian_mombasa", "other_treasury"):
        refused = api.as_(name).get(f"/api/reports/cash-book/?fund_id={fund_id}&format=csv")
        assert (refused.status_code, refused.json["code"]) == (404, "fund.not_found")
    assert api.as_("staff").get("/api/reports/cash-book/").status_code == 403
    assert api.as_("custodian").get("/api/reports/spending/").status_code == 403
    late = api.as_("cfo").get("/api/reports/spending/?from=2026-02-01&to=2026-01-01")
    assert (late.status_code, list(late.json["errors"])) == (422, ["to"])


def test_a_run_is_asked_for_like_a_page_and_seen_by_whoever_asked(common: ApiClient) -> None:
    def ask(name: str, **body: Any) -> TestResponse:
        return common.as_(name).post("/api/report-runs/", json={"format": "csv"} | body)

    for name, body, expected in (
        ("custodian", {"operation": "spending.get"}, (403, "report.right_lost")),
        ("cfo", {"operation": "payments.execute"}, (422, "report.not_taken_out")),
        ("cfo", {"operation": "funds.list"}, (422, "report.not_taken_out")),
        ("cfo", {"operation": "nothing"}, (422, "report.not_taken_out")),
        ("cfo", {"operation": "spending.get", "format": "pdf"}, (422, "report.parameters_invalid")),
    ):
        answer = ask(name, **body)
        assert (answer.status_code, answer.json["code"]) == expected, body
    wrong = ask("cfo", operation="payments.list", parameters={"status": ["odd"], "from": "x"})
    assert sorted(wrong.json["errors"]) == ["parameters.from", "parameters.status"]

    made = ask("cfo", operation="payments.list", parameters={"status": "success", "limit": 9})
    assert (made.status_code, made.json["status"]) == (202, "queued")
    path = made.headers["Location"]
    assert common.as_("cfo").get(path).json["parameters"] == {"status": ["success"]}
    assert path.split("/")[-2] in common.as_("cfo").get("/api/report-runs/").text
    early = common.as_("cfo").get(f"{path}file/")
    assert (early.status_code, early.json["code"]) == (409, "report.no_file")
    for name in ("treasury", "admin", "other_treasury"):
        for each in (path, f"{path}file/"):
            assert common.as_(name).get(each).status_code == 404
