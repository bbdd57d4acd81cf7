"""Routes: a line binds a path to operations.

    serve(blp, "/variances/<uuid:variance_id>/approve/", post=variances.approve)

Everything else follows from the operation: door, key, schemas, refusals, headers, document.
"""

from collections.abc import Mapping
from functools import wraps
from typing import Any

from flask import request
from flask.views import MethodView

from pettycash.api import report_files
from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import snapshot, transaction
from pettycash.services.foundation.file_formats import FileFormat, PrintFormat
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import ReportNeedsRun
from pettycash.web import admission, refusals, transfers
from pettycash.web.etags import Expected, Tagged, set_etag
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.operations import Operation

AnyOperation = Operation[..., Any]


def serve(
    blp: Blueprint,
    path: str,
    *,
    get: AnyOperation | None = None,
    post: AnyOperation | None = None,
    patch: AnyOperation | None = None,
    delete: AnyOperation | None = None,
    location: str = "",
) -> None:
    """Bind the methods of a path to operations.

    `location` is the path of what a POST made: `/api/variances/{id}/`, of its id and of what stands
    in its own path.
    """
    methods = {"get": get, "post": post, "patch": patch, "delete": delete}
    views = {
        method: _view(blp, method, each, location if method == "post" else "")
        for method, each in methods.items()
        if each is not None
    }
    endpoint = next(each.name for each in methods.values() if each).replace(".", "_")
    blp.route(path, endpoint=endpoint)(type(endpoint, (MethodView,), views))


def _of(answer: Any, name: str) -> Any:
    return answer[name] if isinstance(answer, Mapping) else getattr(answer, name)


def _view(blp: Blueprint, method: str, operation: AnyOperation, location: str) -> Any:
    def call(_self: MethodView, *taken: dict[str, Any], **path: Any) -> Any:
        sent = taken[0] if taken else {}
        if operation.uploads:
            sent = transfers.taken(sent)
        wanted = sent.pop("format", None) if operation.comes_as_file else None
        if wanted is not None:
            return report_files.answer(operation, wanted, sent, path)
        if method == "patch":
            sent = {"changes": sent, "expected": Expected(request.if_match)}
        with snapshot() if operation.report else transaction() as session:
            # Apart: what is sent can't stand in for what the path names.
            answer = operation(Uow.of(session, admission.current_actor()), **path, **sent)
            if operation.etag:
                tagged = answer if isinstance(answer, Tagged) else None
                set_etag(tagged.tag if tagged else _of(answer, "version"))
                answer = tagged.answer if tagged else answer
        if operation.downloads:
            return transfers.sent(*answer)
        if location:
            made = location.format(**path, id=_of(answer, "id"))
            return answer, {"Location": made}
        return answer

    view: Any = wraps(operation.function)(call)
    view.__name__ = method
    if operation.comes_as_file:
        prints = operation.report is not None and operation.report.as_pdf
        view = blp.doc(**report_files.described(PrintFormat if prints else FileFormat))(view)
        refusals.at_door(view._apidoc, (ReportNeedsRun,))
    view = sends(*["Location"] * bool(location), *["ETag"] * operation.etag)(view)
    view = _answering(blp, operation)(view)
    if operation.takes is not None:
        place: dict[str, Any] = {"example": operation.given}
        if method == "get":
            place = {"location": "query"}
        elif operation.uploads:
            place["location"] = "files"
        view = blp.arguments(operation.takes, **place)(view)
    if operation.key or method == "post":
        required, secret = operation.key == "required", operation.key == "secret"
        view = idempotent(required=required, secret=secret)(view)
    return admission.operation(
        operation.name, step_up=operation.step_up, uploads=operation.uploads
    )(view)


def _answering(blp: Blueprint, operation: AnyOperation) -> Any:
    """The decorator that documents and dumps a success."""
    if operation.downloads:
        return blp.response(operation.status, transfers.BYTES, **transfers.FILE)
    if operation.answers is None:
        return blp.response(operation.status)
    return blp.response(operation.status, operation.answers, example=operation.example)
