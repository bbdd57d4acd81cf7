"""Attachments over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from werkzeug.http import parse_options_header
from werkzeug.test import TestResponse

from tests.api.client import ApiClient, Caller
from tests.factories.pictures import picture
from tests.factories.requisitions_http import (
    PATH,
    code,
    raised,
)


def upload(
    caller: Caller, requisition: dict[str, Any], content: bytes, name: str = "receipt.pdf"
) -> TestResponse:
    # Written by hand, as the test client would leave the temporary file of a large one open.
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    head = f'Content-Disposition: form-data; name="file"; filename="{quoted}"'
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
    assert kept.json["filename"] == "a b;.exe"
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


@pytest.mark.parametrize(
    "name",
    [
        "Ng'ang'a \U0001f9fe.pdf",
        "\U0001f9fe.pdf",
        "Quittung Nr. 5; \u201eWasser\u201c.pdf",
        "100% & <b>.pdf",
    ],
    ids=ascii,
)
def test_a_file_comes_back_under_the_name_that_it_was_given(common: ApiClient, name: str) -> None:
    staff = common.as_("staff")
    requisition = raised(staff)

    kept = upload(staff, requisition, b"%PDF-1.7 " + uuid4().bytes, name)
    read = staff.get(kept.headers["Location"])

    assert (kept.status_code, kept.json["filename"]) == (201, name)
    kind, options = parse_options_header(read.headers["Content-Disposition"])
    assert (kind, options["filename"]) == ("attachment", name)


@pytest.mark.parametrize(
    "name", ["fdp.\u202egnp.exe", "re\u200bceipt.pdf", "a\x85b.pdf"], ids=ascii
)
def test_a_name_that_is_not_wholly_seen_is_refused(common: ApiClient, name: str) -> None:
    staff = common.as_("staff")

    refused = upload(staff, raised(staff), b"%PDF-1.7 " + uuid4().bytes, name)

    assert code(refused) == (422, "request.invalid_text")
    assert list(refused.json["errors"]) == ["file"]


def test_pictures_decode_and_two_files_are_too_many(common: ApiClient) -> None:
    staff = common.as_("staff")
    requisition = raised(staff)
    where = f"{PATH}{requisition['id']}/attachments/"
    part = (
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1\r\n'
    )

    webp = upload(staff, requisition, picture("WEBP"), "photo")
    broken = upload(staff, requisition, picture("PNG")[:60], "photo.png")
    heic = upload(staff, requisition, b"\x00\x00\x00\x18ftypheic\x00", "photo.jpg")
    twice = staff.post(
        where,
        data=part + part + b"--edge--\r\n",
        content_type="multipart/form-data; boundary=edge",
    )

    assert (webp.status_code, webp.json["content_type"]) == (201, "image/webp")
    assert code(broken) == (422, "attachment.not_an_image")
    assert code(heic) == (422, "attachment.type_not_allowed")
    assert "HEIC" in heic.json["detail"]
    assert code(twice) == (422, "request.given_twice")
    assert [each["filename"] for each in staff.get(where).json["items"]] == ["photo"]


def test_a_receipt_of_a_cancelled_requisition_may_be_used_again(api: ApiClient) -> None:
    staff = api.as_("staff")
    first, second = raised(staff), raised(staff)
    assert upload(staff, first, b"%PDF-1.7 receipt").status_code == 201
    refused = upload(staff, second, b"%PDF-1.7 receipt")
    assert code(refused) == (409, "attachment.duplicate")
    assert first["number"] in refused.json["detail"]
    strangers = upload(api.as_("staff_2"), raised(api.as_("staff_2")), b"%PDF-1.7 receipt")
    assert code(strangers) == (409, "attachment.duplicate")
    assert "REQ-" not in str(strangers.json)

    assert staff.post(f"{PATH}{first['id']}/cancel/", json={}).status_code == 200

    assert upload(staff, second, b"%PDF-1.7 receipt").status_code == 201


def test_the_day_s_share_of_a_person_is_bounded(api: ApiClient) -> None:
    admin, staff = api.as_("admin"), api.as_("staff")
    version = admin.get("/api/settings/").headers["ETag"]
    admin.patch("/api/settings/", json={"upload_mib_per_day": 10}, etag=version)
    requisition = raised(staff)
    assert upload(staff, requisition, b"%PDF-" + bytes(9 * 1024 * 1024)).status_code == 201

    refused = upload(staff, requisition, b"%PDF-1" + bytes(2 * 1024 * 1024))

    assert code(refused) == (429, "attachment.quota_used")
    assert 0 < int(refused.headers["Retry-After"]) <= 24 * 3600
    assert upload(staff, requisition, b"%PDF-2").status_code == 201
