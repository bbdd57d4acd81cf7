"""Attachments over HTTP."""

from typing import Any

from werkzeug.test import TestResponse

from tests.api.client import ApiClient, Caller
from tests.factories.requisitions_http import (
    PATH,
    code,
    raised,
)


def upload(
    caller: Caller, requisition: dict[str, Any], content: bytes, name: str = "receipt.pdf"
) -> TestResponse:
    # Written by hand, as the test client would leave the temporary file of a large one open.
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"'
    body = b"--edge\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n--edge--\r\n"
    return caller.post(
        f"{PATH}{requisition['id']}/attachments/",
        data=body,
        content_type="multipart/form-data; boundary=edge",
    )


def test_a_file_is_attached_listed_and_read(api: ApiClient) -> None:
    staff = api.as_("staff")
    requisition = raised(staff)
    content = b"%PDF-1.7 receipt"

    kept = upload(staff, requisition, content, "../a b;.exe")

    assert kept.status_code == 201, kept.json
    assert kept.json["content_type"] == "application/pdf"
    listed = staff.get(f"{PATH}{requisition['id']}/attachments/").json["items"]
    assert listed == [kept.json]
    read = staff.get(kept.headers["Location"])
    assert read.data == content
    assert read.mimetype == "application/pdf"
    assert read.headers["Content-Disposition"].startswith("attachment")
    assert read.headers["X-Content-Type-Options"] == "nosniff"
    assert code(api.as_("staff_2").get(kept.headers["Location"])) == (
        404,
        "requisition.not_found",
    )


def test_a_file_that_comes_after_submit_is_marked_and_warned_of(api: ApiClient) -> None:
    staff, manager = api.as_("staff"), api.as_("branch_manager")
    requisition = raised(staff)
    upload(staff, requisition, b"%PDF-1.7 three chairs")
    where = f"{PATH}{requisition['id']}/"
    submitted = staff.post(f"{where}submit/").json
    tag = manager.get(where).headers["ETag"]

    upload(staff, requisition, b"%PDF-1.7 four chairs")

    files = manager.get(f"{where}attachments/").json["items"]
    assert [each["is_later"] for each in files] == [False, True]
    read = manager.get(where, headers={"If-None-Match": tag})
    assert [each["code"] for each in read.json["warnings"]] == ["requisition.later_files"]
    assert read.json["decision_digest"] == submitted["decision_digest"]
    (asked,) = manager.get("/api/approvals/").json["items"]
    assert asked["warnings"] == read.json["warnings"]


def test_the_same_asked_for_twice_in_a_day_is_warned_of(api: ApiClient) -> None:
    staff, manager = api.as_("staff"), api.as_("branch_manager")
    first, second = raised(staff), raised(staff)
    for each in (first, second):
        staff.post(f"{PATH}{each['id']}/submit/")

    (warning,) = manager.get(f"{PATH}{second['id']}/").json["warnings"]

    assert (warning["code"], warning["numbers"]) == (
        "requisition.identical_of_day",
        [first["number"]],
    )


def test_files_that_are_not_taken(api: ApiClient) -> None:
    staff = api.as_("staff")
    requisition = raised(staff)
    assert upload(staff, requisition, b"%PDF-1.7 receipt").status_code == 201
    where = f"{PATH}{requisition['id']}/attachments/"

    assert code(upload(staff, requisition, b"%PDF-1.7 receipt")) == (409, "attachment.duplicate")
    assert code(upload(staff, requisition, b"MZ\x00", "a.pdf")) == (
        422,
        "attachment.type_not_allowed",
    )
    assert code(upload(staff, requisition, b"")) == (422, "attachment.empty")
    too_large = b"%PDF-" + bytes(10 * 1024 * 1024)
    assert code(upload(staff, requisition, too_large)) == (413, "attachment.too_large")
    assert upload(staff, requisition, too_large + bytes(200_000)).status_code == 413
    assert code(staff.post(where, data={}, content_type="multipart/form-data")) == (
        422,
        "request.invalid",
    )
    assert staff.post(where, json={"file": "x"}).status_code == 415
    beside = b'--edge\r\nContent-Disposition: form-data; name="status"\r\n\r\npaid\r\n'
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="b.pdf"\r\n\r\n'
    refused = staff.post(
        where,
        data=beside + head + b"%PDF-1.7 other\r\n--edge--\r\n",
        content_type="multipart/form-data; boundary=edge",
    )
    assert code(refused) == (422, "request.invalid")
    assert refused.json["errors"] == {"status": ["Unknown field."]}
    assert len(staff.get(where).json["items"]) == 1
    assert code(upload(api.as_("staff_2"), requisition, b"%PDF-2")) == (
        404,
        "requisition.not_found",
    )
    assert code(upload(api.as_("auditor"), requisition, b"%PDF-2")) == (403, "auth.forbidden")
