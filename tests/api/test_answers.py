"""The recorder of answers finds what the document lacks, and nothing in what it has."""

import json
from typing import Any

import pytest
from flask import Flask, Response

from pettycash.web.problems import PROBLEM
from tests.answers import Document, Recorder
from tests.api.client import ApiClient


def problem(status: int, code: str) -> Response:
    told = {"type": f"urn:pettycash:{code}", "title": "T", "status": status, "detail": "D"}
    body = json.dumps(told | {"code": code, "request_id": "12345678"})
    return Response(body, status, {"X-Request-Id": "12345678"}, content_type=PROBLEM)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (problem(409, "approval.stale_digest"), []),
        (problem(409, "payment.illegal_state"), ["409 payment.illegal_state $.code"]),
        (problem(418, "request.teapot"), ["418 request.teapot"]),
        (Response("{}", 409, content_type="application/json"), ["409 as application/json"]),
        (Response("{}", 200, {"ETag": "x"}, content_type="application/json"), ["200  $ "]),
        (Response("", 200, {"Location": "/"}), ["200 with Location", "200 without ETag"]),
    ],
)
def test_what_the_document_lacks_is_found(
    common: ApiClient, answer: Response, found: list[str]
) -> None:
    application: Flask = common.application
    with application.test_request_context(method="POST"):
        missing: list[Any] = list(
            Recorder().missing(Document(application), "requisitions.approve", answer)
        )
    assert len(missing) == len(found), missing
    assert all(each.startswith(begin) for each, begin in zip(missing, found, strict=True)), missing
