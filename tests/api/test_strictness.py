"""What can be read in two ways is not read at all; what is not known is refused."""

import io
import json
from typing import Any
from uuid import uuid4

import marshmallow as ma
import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from pettycash.models.access import Role
from pettycash.web.door import BODY_MAX_BYTES, UPLOAD_MAX_BYTES
from pettycash.web.schemas.payments import AcknowledgementSchema, CodeSchema
from pettycash.web.schemas.replenishments import TransferCodeSchema
from tests.api.client import ApiClient
from tests.api.probe import Probe
from tests.security.routes import PERSONA, Route, routes


def send(common: ApiClient, body: bytes, media_type: str = "application/json") -> TestResponse:
    return common.as_("staff").request(
        "POST", "/api/probe/", data=body, content_type=media_type, key=True
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"code": NaN}',
        b'{"code": Infinity}',
        b'{"code": -Infinity}',
        b'{"code": "A", "code": "B"}',
        b'{"code": "A", "metadata": {"x": "1", "x": "2"}}',
        b'{"code": 1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b'{"code": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b"{'code': 'A'}",
        b'{"code": "A",}',
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_broken_json_is_a_400(common: ApiClient, probe: Probe, body: bytes) -> None:
    answer = send(common, body)

    assert (answer.status_code, answer.json["code"]) == (400, "request.broken_json")
    assert probe.runs == []


def test_json_with_a_byte_order_mark_is_read(common: ApiClient, probe: Probe) -> None:
    """As editors on Windows write it."""
    code = uuid4().hex

    answer = send(common, b'\xef\xbb\xbf{"code": "' + code.encode() + b'"}')

    assert (answer.status_code, answer.json["code"]) == (201, code)


@pytest.mark.parametrize(
    "text", [r"a\u0000b", r"\ud800", r"\udfff x", r"\ud83d", r"\\\u0000"], ids=lambda text: text
)
def test_text_that_can_not_be_stored_is_a_400(common: ApiClient, probe: Probe, text: str) -> None:
    answer = send(common, b'{"code": "' + text.encode() + b'"}')

    assert (answer.status_code, answer.json["code"]) == (400, "request.unreadable_text")


@pytest.mark.parametrize(
    "text", [r"\ud83d\ude00", r"\\u0000", r"\\\\u0000", "Ng\\u0169g\\u0129", "\\t"]
)
def test_text_that_looks_like_it_is_taken(common: ApiClient, probe: Probe, text: str) -> None:
    answer = send(
        common, b'{"code": "' + uuid4().hex.encode() + b'", "name": "' + text.encode() + b'"}'
    )

    assert answer.status_code == 201
    assert answer.json["name"] == json.loads(f'"{text}"').strip()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"code": "A", "gateway_status": "x"}, "gateway_status"),
        ({"code": "A", "otp_required": False}, "otp_required"),
        ({"code": "A", "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01"}, "id"),
        ({"code": "A", "lines": [{"amount": "1.00", "x": 1}]}, "lines.0.x"),
        ({"code": "A", "CODE": "B"}, "CODE"),
    ],
)
def test_unknown_and_read_only_fields_are_refused_by_name(
    common: ApiClient, probe: Probe, body: dict[str, Any], field: str
) -> None:
    answer = common.as_("staff").post("/api/probe/", json=body, key=True)

    assert (answer.status_code, answer.json["code"]) == (422, "request.invalid")
    assert list(answer.json["errors"]) == [field]
    assert probe.runs == []


@pytest.mark.parametrize(
    "amount",
    [1500, 1500.0, 1.5, True, None, [], {}, "", "-1", "+1", "1.005", "1e3", "1E3", "NaN", "nan",
     "Infinity", "0", "0.00", "01", "1,000.00", " 1", "1 ", "\u0661", "1.", ".5", "0x10", "1_000",
     "99999999999999999.00", "1" * 400],
    ids=str,
)  # fmt: skip
def test_amounts_are_plain_positive_strings(
    common: ApiClient, probe: Probe, amount: object
) -> None:
    answer = common.as_("staff").post("/api/probe/", json={"code": "A", "amount": amount}, key=True)

    assert (answer.status_code, answer.json["code"]) == (422, "request.invalid")
    assert list(answer.json["errors"]) == ["amount"]


@pytest.mark.parametrize(
    ("currency", "amount", "shown"),
    [
        ("KES", "1500", "1500.00"),
        ("kes", "1500.5", "1500.50"),
        ("Ugx", "1500.00", "1500"),
        ("RWF", "1", "1"),
        ("USD", "9999999999999999.99", "9999999999999999.99"),
    ],
)
def test_amounts_come_back_as_their_currency_writes_them(
    common: ApiClient, probe: Probe, currency: str, amount: str, shown: str
) -> None:
    answer = common.as_("staff").post(
        "/api/probe/", json={"code": uuid4().hex, "amount": amount, "currency": currency}, key=True
    )

    assert answer.json["amount"] == shown
    assert answer.json["currency"] == currency.upper()


def test_unknown_filters_are_refused(common: ApiClient, probe: Probe) -> None:
    answer = common.as_("staff").get("/api/probe/?status=paid")

    assert (answer.status_code, answer.json["code"]) == (422, "request.invalid")
    assert list(answer.json["errors"]) == ["status"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=-1", "limit=1e2", "limit=" + "9" * 400, "limit=",
     "from=2026-02-30", "from=0001-01-01", "to=9999-12-31", "from=2026-02-02&to=2026-02-01",
     "from=now", "q=" + "x" * 101, "cursor=" + "x" * 2001],
)  # fmt: skip
def test_filters_that_can_not_be_meant_are_refused(
    common: ApiClient, probe: Probe, query: str
) -> None:
    answer = common.as_("staff").get(f"/api/probe/?{query}")

    assert (answer.status_code, answer.json["code"]) == (422, "request.invalid")


@pytest.mark.parametrize("query", ["q=%00", "name=a%00b", "%00=1"])
def test_nul_in_a_query_is_a_400(common: ApiClient, probe: Probe, query: str) -> None:
    assert common.as_("staff").get(f"/api/probe/?{query}").status_code == 400


def test_an_operation_without_arguments_takes_none(common: ApiClient, probe: Probe) -> None:
    staff = common.as_("staff")
    with_body = staff.post("/api/probe/bare/", json={"otp_required": False})
    with_list = staff.post("/api/probe/bare/", json=[1])
    with_query = staff.post("/api/probe/bare/?force=1")
    empty_object = staff.post("/api/probe/bare/", json={})
    nothing = staff.post("/api/probe/bare/")

    assert [each.status_code for each in (with_body, with_list, with_query)] == [422] * 3
    assert list(with_body.json["errors"]) == ["otp_required"]
    assert [empty_object.status_code, nothing.status_code] == [204, 204]
    assert probe.runs == ["bare", "bare"]


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", ""],
)
def test_json_only_so_that_no_other_site_s_form_gets_in(
    common: ApiClient, probe: Probe, media_type: str
) -> None:
    answer = send(common, b'{"code": "A"}', media_type)
    bare = common.as_("staff").request(
        "POST", "/api/probe/bare/", data=b"a=1", content_type=media_type
    )

    for each in (answer, bare):
        assert (each.status_code, each.json["code"]) == (415, "request.unsupported_media_type")
    assert probe.runs == []


def test_a_body_beyond_1_mib_is_refused_before_it_is_read(common: ApiClient, probe: Probe) -> None:
    fitting = {"code": uuid4().hex, "name": "x" * 60}
    padding = BODY_MAX_BYTES - len(json.dumps(fitting))
    exact = send(common, json.dumps(fitting).encode() + b" " * padding)
    beyond = send(common, json.dumps(fitting).encode() + b" " * (padding + 1))

    assert exact.status_code == 201
    assert (beyond.status_code, beyond.json["code"]) == (413, "request.too_large")


def test_a_body_without_a_length_is_cut_off_too(common: ApiClient, probe: Probe) -> None:
    answer = common.as_("staff").request(
        "POST",
        "/api/probe/",
        input_stream=io.BytesIO(b" " * (BODY_MAX_BYTES + 10) + b'{"code": "A"}'),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
        key=True,
    )

    assert (answer.status_code, answer.json["code"]) == (413, "request.too_large")
    assert probe.runs == []


def test_a_get_with_a_huge_body_is_refused(common: ApiClient, probe: Probe) -> None:
    answer = common.as_("staff").request(
        "GET", "/api/probe/bare/", data=b"x" * (BODY_MAX_BYTES + 1), content_type="text/plain"
    )

    assert answer.status_code == 413


def test_uploads_take_10_mib_and_no_more(common: ApiClient, probe: Probe) -> None:
    def upload(size: int) -> TestResponse:
        return common.as_("staff").request(
            "POST",
            "/api/probe/files/",
            data=b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            + b"x" * size
            + b"\r\n--b--\r\n",
            content_type="multipart/form-data; boundary=b",
        )

    taken = upload(UPLOAD_MAX_BYTES)
    refused = upload(UPLOAD_MAX_BYTES + 128 * 1024)

    assert (taken.status_code, taken.json["size"]) == (200, UPLOAD_MAX_BYTES)
    assert (refused.status_code, refused.json["code"]) == (413, "request.too_large")


@pytest.mark.parametrize("path", ["/api/auth/me", "/api/auth/me/"])
def test_a_slash_at_the_end_is_a_matter_of_taste(common: ApiClient, path: str) -> None:
    assert common.as_("staff").get(path).status_code == 200


@pytest.mark.parametrize("path", ["/api//auth/me/", "//api/auth/me/"])
def test_slashes_are_never_merged_by_a_redirect(common: ApiClient, path: str) -> None:
    assert common.as_("staff").get(f"http://localhost{path}").status_code == 404


def test_metadata_is_bounded(common: ApiClient, probe: Probe) -> None:
    staff = common.as_("staff")
    for metadata in ({str(n): "x" for n in range(21)}, {"x" * 41: "x"}, {"x": "y" * 201}, {"x": 1}):
        answer = staff.post("/api/probe/", json={"code": "A", "metadata": metadata}, key=True)
        assert answer.status_code == 422
    assert staff.post(
        "/api/probe/", json={"code": uuid4().hex, "metadata": {"order": "12"}}, key=True
    ).json["metadata"] == {"order": "12"}


# What stands twice


def given_twice(answer: TestResponse, *names: str) -> bool:
    return (answer.status_code, answer.json["code"], list(answer.json.get("errors", {}))) == (
        422,
        "request.given_twice",
        list(names),
    )


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("limit=5&limit=7", ["limit"]),
        ("limit=5&limit=5", ["limit"]),
        ("q=a&q=b&name=c&name=d", ["q", "name"]),
        ("from=2026-01-01&from=2026-02-01", ["from"]),
        ("cursor=a&cursor=b", ["cursor"]),
    ],
)
def test_a_parameter_that_stands_twice_is_refused(
    common: ApiClient, probe: Probe, query: str, names: list[str]
) -> None:
    assert given_twice(common.as_("staff").get(f"/api/probe/?{query}"), *names)


@pytest.mark.parametrize("name", ["Idempotency-Key", "On-Behalf-Of", "Authorization"])
def test_a_header_that_stands_twice_is_refused(common: ApiClient, probe: Probe, name: str) -> None:
    staff = common.as_("staff")
    values = {
        "Idempotency-Key": str(uuid4()),
        "On-Behalf-Of": "staff",
        "Authorization": f"Bearer {staff.token}",
    }
    headers = Headers(
        [
            ("Authorization", values["Authorization"]),
            ("Idempotency-Key", values["Idempotency-Key"]),
            (name, values[name]),
            (name, values[name]),
        ]
        if name == "On-Behalf-Of"
        else [
            *(each for each in values.items() if each[0] not in (name, "On-Behalf-Of")),
            (name, values[name]),
            (name, values[name]),
        ]
    )

    answer = staff.client.post("/api/probe/", json={"code": uuid4().hex}, headers=headers)

    assert given_twice(answer, name), answer.json
    assert probe.runs == []


def test_two_file_parts_are_refused(common: ApiClient, probe: Probe) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nx\r\n'

    answer = common.as_("staff").request(
        "POST",
        "/api/probe/files/",
        data=part + part + b"--b--\r\n",
        content_type="multipart/form-data; boundary=b",
    )

    assert given_twice(answer, "file")


def document_parameters(document: dict[str, Any], route: Route) -> list[dict[str, Any]]:
    return list(document["paths"][route.path][route.method].get("parameters", []))


def test_every_list_refuses_two_limits(common: ApiClient) -> None:
    document = common.anonymous.get("/api/openapi.json").json
    lists = [
        route
        for route in routes(document)
        if route.method == "get"
        and not route.parameters
        and any(each["name"] == "limit" for each in document_parameters(document, route))
    ]
    assert len(lists) > 25

    for route in lists:
        reader = next(role for role in Role if role in route.roles)
        answer = common.as_(PERSONA[reader]).get(f"{route.path}?limit=5&limit=7")
        assert given_twice(answer, "limit"), (route.path, answer.json)


def test_where_several_make_sense_all_are_taken(common: ApiClient) -> None:
    staff = common.as_("staff")

    both = staff.get("/api/requisitions/?status=draft&status=PAID&kind=expense&kind=advance")
    wrong = staff.get("/api/requisitions/?status=draft&status=nonsense")

    assert both.status_code == 200, both.json
    assert (wrong.status_code, wrong.json["code"]) == (422, "request.invalid")
    assert list(wrong.json["errors"]) == ["status.1"]


# Codes


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        "123 456",
        "123-456",
        " 12 34 56 ",
        "123\u00a0456",
        "123\u2011456",
        "\u200b123456\u200e",
        "1-2-3-4-5-6\n",
    ],
    ids=ascii,
)
def test_a_code_is_read_however_it_is_grouped(typed: str) -> None:
    for schema in (CodeSchema, TransferCodeSchema, AcknowledgementSchema):
        assert schema().load({"code": typed}) == {"code": "123456"}


@pytest.mark.parametrize("typed", ["12345", "1234567", "123.456", "12345a", "\u0661" * 6, "-", ""])
def test_nothing_else_is_a_code(typed: str) -> None:
    with pytest.raises(ma.ValidationError):
        CodeSchema().load({"code": typed})
